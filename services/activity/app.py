"""Composition root: settings, handlers, HTTP."""

from __future__ import annotations

from functools import partial

from services.activity import api, handlers, messages
from services.activity.settings import Settings
from services.kit import commands, settings
from services.kit.application import Context, Service
from services.kit.runtime import Input, State


def build(context: Context) -> Service:
    own = settings.load(Settings, "ACTIVITY", context.environment)
    log_activities = partial(handlers.log_activities, future_tolerance=own.future_tolerance)
    return Service(
        name="activity",
        path=api.PATH,
        routers=[api.router(context, own)],
        inputs=[
            Input("contacts", messages.decode_contact, handlers.follow_contacts, state=True),
            Input("resolved-events", messages.decode_resolved_event, handlers.add_events),
            Input("activity-commands", messages.decode_command, log_activities, emit=commands.emit("activity")),
        ],
        settle=handlers.settle,
        states=[State("contact-activity", "contact_activity", "contact_id", handlers.load)],
    )
