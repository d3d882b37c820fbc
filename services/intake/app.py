"""Composition root: settings, parts, HTTP, handlers."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import timedelta

import asyncpg
import structlog

from services.intake import api, handlers, messages, store
from services.intake.api.common import Intake
from services.intake.gate import Gate
from services.intake.limits import Limits
from services.intake.register import Register
from services.intake.replay import Operator
from services.intake.settings import Settings
from services.kit import settings
from services.kit.application import Context, Service
from services.kit.runtime import Input

_TIDY_EVERY_S = 60.0
_REPEATS_EXPECTED_FOR = timedelta(days=30)
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


def parts(context: Context) -> Intake:
    """The service's parts, wired."""
    own = settings.load(Settings, "INTAKE", context.environment)
    if not context.platform.secret:
        # Without it anybody could work out the id of a customer's record from an e-mail address.
        raise settings.MissingSetting(name="TUTTU_SECRET")
    register = Register(context.pool, context.clock, own.register_age)
    gate = Gate(
        pool=context.pool,
        producer=context.producer,
        secret=context.platform.secret.encode(),
        new_id=lambda: str(uuid.uuid4()),
        rejection_bytes=own.rejection_bytes,
    )
    operator = Operator(
        gate=gate,
        register=register,
        pool=context.pool,
        clock=context.clock,
        region=context.platform.region,
        currency=own.default_currency,
    )
    return Intake(
        settings=own,
        pool=context.pool,
        clock=context.clock,
        new_id=gate.new_id,
        region=context.platform.region,
        register=register,
        limits=Limits(time.monotonic),
        gate=gate,
        operator=operator,
    )


async def tidy(intake: Intake) -> None:
    """Note which keys were used, and delete what was kept long enough. What fails is done the next time."""
    used, intake.register.used = intake.register.used, set()
    now = intake.clock()
    try:
        async with intake.pool.acquire(timeout=3) as connection:
            if used:
                await store.touch_keys(connection, used, now)
            await store.forget(
                connection,
                settled_before=now - intake.settings.settled_rejections_kept,
                unsigned_before=now - intake.settings.unsigned_rejections_kept,
                seen_before=now - _REPEATS_EXPECTED_FOR,
            )
    except _AWAY as error:
        intake.register.used |= used
        log.warning("not tidied this time", error=repr(error))


def build(context: Context) -> Service:
    intake = parts(context)

    async def tidy_for_good() -> None:
        while True:
            await asyncio.sleep(_TIDY_EVERY_S)
            await tidy(intake)

    return Service(
        name="intake",
        path=api.PATH,
        routers=api.routers(intake),
        inputs=[Input(messages.DEAD_LETTERS, messages.decode_dead_letter, handlers.keep_dead_letters)],
        background=[tidy_for_good],
    )
