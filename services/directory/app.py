"""Composition root: settings, handlers, HTTP."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

from services.directory import api, handlers, messages, store
from services.directory.settings import Settings
from services.kit import settings
from services.kit.application import Context, Service
from services.kit.runtime import Input, State

log = structlog.get_logger(__name__)


def build(context: Context) -> Service:
    own = settings.load(Settings, "DIRECTORY", context.environment)

    async def forget_words_for_good() -> None:
        while True:
            await asyncio.sleep(own.words_kept.total_seconds())
            try:
                async with context.pool.acquire() as connection:
                    await store.forget_words(connection)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("words not forgotten this time", error=repr(error))

    return Service(
        name="directory",
        path=api.PATH,
        routers=[api.router(context.pool, context.platform.region)],
        inputs=[
            Input(messages.CONTACTS, messages.decode_contact, handlers.contacts, state=True),
            Input(messages.CONTACT_TAGS, messages.decode_tags, handlers.contact_tags, state=True),
            Input(messages.CONTACT_ACTIVITY, messages.decode_activity, handlers.contact_activity, state=True),
        ],
        settle=handlers.settle,
        states=[State(messages.CUSTOMERS, "customer", "contact_id", handlers.load)],
        background=[forget_words_for_good],
    )
