"""After a change of while-rules: all contacts are worked out anew, in bounded steps, through the one way in.

One worker at a time asks for a chunk of contacts by a command, waits until it was handled, and asks for the next. What
a chunk's command is called follows from the change and the place, so a repeat after a crash changes nothing twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from services.kit import errors, ids
from services.kit.application import Context
from services.kit.database import Connection
from services.kit.runtime import failures
from services.tagging_rules import messages, store
from services.tagging_rules.settings import Settings

_PATIENCE_S = 60.0

log = structlog.get_logger(__name__)


def worker(context: Context, settings: Settings) -> Callable[[], Awaitable[None]]:
    """The coroutine that runs as long as the service."""
    job = Job(context, settings)

    async def run() -> None:
        while not context.stopping.is_set():
            try:
                await job.work()
            except Exception as error:
                # What goes by itself: the next look tries again.
                if not isinstance(error, errors.Unavailable) and failures.transient_cause(error) is None:
                    raise
                log.warning("contacts are not worked out anew this time", error=repr(error))
            await _pause(context.stopping, settings.recompute_poll.total_seconds())

    return run


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


class Job:
    """Asks for the working out, as far as it comes before an outcome is late."""

    def __init__(self, context: Context, settings: Settings) -> None:
        self._context = context
        self._chunk = settings.recompute_chunk
        self._asked: UUID | None = None
        """The command that was published last: while its outcome is late, it is not published again for a while."""
        self._asked_at = 0.0

    async def work(self) -> None:
        """Go on until all contacts were worked out, or until an outcome is late."""
        if await store.find_recompute(self._context.pool) is None:
            return
        async with self._context.pool.acquire() as connection:
            if not await store.try_recompute_lock(connection):
                return
            try:
                while not self._context.stopping.is_set() and await self._step(connection):
                    pass
            finally:
                await store.release_recompute_lock(connection)

    async def _step(self, connection: Connection) -> bool:
        """Ask for one chunk; False when there is nothing more to do now."""
        todo = await store.find_recompute(connection)
        if todo is None:
            return False
        contacts = await store.next_contacts(connection, todo.after, self._chunk)
        if not contacts:
            await store.end_recompute(connection, todo.stamp)
            log.info("all contacts were worked out by the changed rules", stamp=todo.stamp)
            return False
        command_id = ids.derived("recompute", str(todo.stamp), str(contacts[0]), str(contacts[-1]))
        if not await self._done(command_id, contacts):
            return False
        await store.advance_recompute(connection, todo.stamp, contacts[-1])
        return True

    async def _done(self, command_id: UUID, contacts: list[UUID]) -> bool:
        if await self._context.commands.find(command_id) is not None:
            return True
        if self._asked == command_id and time.monotonic() - self._asked_at < _PATIENCE_S:
            return False
        self._asked, self._asked_at = command_id, time.monotonic()
        outcome = await self._context.commands.send(
            "tag-commands",
            str(contacts[0]),
            type=messages.RECOMPUTE_TAGS,
            subject=str(contacts[0]),
            data=messages.RecomputeTags(contact_ids=contacts),
            command_id=command_id,
        )
        return outcome is not None
