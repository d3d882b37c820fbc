"""Composition root: settings, handlers, HTTP."""

from __future__ import annotations

from functools import partial

from services.dedupe import api, commanding, handlers, messages
from services.dedupe.settings import Settings
from services.kit import commands, settings
from services.kit.application import Context, Service
from services.kit.runtime import Input, State


def build(context: Context) -> Service:
    own = settings.load(Settings, "DEDUPE", context.environment)
    add_events = partial(handlers.add_events, ranks=own.ranks)
    decide = partial(commanding.decide, ranks=own.ranks)
    return Service(
        name="dedupe",
        path=api.PATH,
        routers=[api.router(context, own.ranks)],
        inputs=[
            Input("events", messages.decode_event, add_events, emit=handlers.resolved_events),
            Input("contact-commands", messages.decode_command, decide, emit=commands.emit("dedupe")),
        ],
        states=[State("contacts", "contact", "contact_id", handlers.contacts)],
    )
