"""Composition root: settings, handlers, HTTP."""

from __future__ import annotations

from services.kit import commands, settings
from services.kit.application import Context, Service
from services.kit.runtime import Input, State
from services.tagging_rules import api, handlers, messages, recompute
from services.tagging_rules.settings import Settings


def build(context: Context) -> Service:
    own = settings.load(Settings, "TAGGING_RULES", context.environment)
    handle = handlers.Handlers(handlers.Rules())
    return Service(
        name="tagging-rules",
        path=api.PATH,
        routers=[api.router(context)],
        inputs=[
            Input("contacts", messages.decode_contact, handle.contacts, state=True),
            Input("resolved-events", messages.decode_resolved_event, handle.resolved_events),
            Input("tag-commands", messages.decode_command, handle.tag_commands, emit=commands.emit("tagging-rules")),
        ],
        settle=handle.settle,
        states=[State("contact-tags", "contact_tags", "contact_id", handlers.contact_tags)],
        background=[recompute.worker(context, own)],
    )
