"""Composition root: settings, feed, handlers, HTTP."""

from __future__ import annotations

from services.kit import settings
from services.kit.application import Context, Service
from services.kit.runtime import Input
from services.subscriptions import api, handlers, messages
from services.subscriptions.settings import Settings
from services.subscriptions.stream import Feed


def build(context: Context) -> Service:
    own = settings.load(Settings, "SUBSCRIPTIONS", context.environment)
    feed = Feed(context.pool, context.stopping, own)
    return Service(
        name="subscriptions",
        path=api.PATH,
        routers=[api.router(feed)],
        inputs=[Input(messages.CUSTOMERS, messages.decode_customer, handlers.follow_customers, state=True)],
        background=[feed.follow, feed.wake_at_stop],
    )
