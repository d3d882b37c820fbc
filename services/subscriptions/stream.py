"""Subscribers read the feed: the newest of it from memory, read once for all, what is older from the store, in pages.

One connection listens for the process. A subscriber that is slow falls out of what is kept in memory and reads pages,
as fast as it takes them; nobody waits for it, and nothing piles up for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

import asyncpg
import structlog

from services.kit import errors
from services.kit.database import Connection, Pool
from services.subscriptions import store
from services.subscriptions.domain import Place
from services.subscriptions.reading import Reader, Tail
from services.subscriptions.settings import Settings

# A page is what a slow subscriber holds: some 200 kB.
PAGE = 200
_CHUNK_BYTES = 64 * 1024
# News that were missed, as when the listening connection was cut, are found after this long.
_LOOK_EVERY_S = 5.0
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class TooManyStreams(errors.TooMany):
    """This process serves {streams} subscribers already; come again in {retry_after_s} s."""


class Feed:
    """The feed of this process. `follow` runs in the background; `events` is one subscriber."""

    def __init__(self, pool: Pool, stopping: asyncio.Event, settings: Settings) -> None:
        self._pool = pool
        self._stopping = stopping
        self._settings = settings
        self._tail = Tail()
        self._readers = asyncio.Semaphore(settings.readers)
        self._streams = 0
        self._look = asyncio.Event()
        self._news = asyncio.Event()

    # -- the background

    async def follow(self) -> None:
        """Keep the tail up with the feed; comes back from whatever goes by itself."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._listen(connection)
            except _AWAY as error:
                log.warning("the feed is not followed for a moment", error=repr(error))
                await asyncio.sleep(1)

    async def wake_at_stop(self) -> None:
        """End the streams when the process begins to stop: the HTTP server waits for them."""
        await self._stopping.wait()
        self._wake()
        await asyncio.Event().wait()

    async def _listen(self, connection: Connection) -> None:
        def look(*_: object) -> None:
            self._look.set()

        # Listening first: what is committed after the first reading is announced.
        await connection.add_listener(store.CHANNEL, look)
        connection.add_termination_listener(look)
        try:
            self._tail.begin(await store.head(connection))
            self._wake()
            while True:
                try:
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._look.wait()
                except TimeoutError:
                    pass
                self._look.clear()
                await self._read_on(connection)
        finally:
            connection.remove_termination_listener(look)
            await connection.remove_listener(store.CHANNEL, look)

    async def _read_on(self, connection: Connection) -> None:
        if not self._streams:
            self._tail.begin(await store.head(connection))
            return
        while True:
            before = self._tail.end
            self._tail.add(await store.after(connection, before, PAGE))
            if self._tail.end != before:
                self._wake()
            if self._tail.to_end:
                return

    def _wake(self) -> None:
        # Who waits holds the old event; who comes next finds a new one.
        self._news.set()
        self._news = asyncio.Event()

    # -- one subscriber

    async def place(self, resumed: Place | None, *, from_start: bool) -> Place:
        """Where a subscriber begins: where it was, at the start of the register, or now. Raises `TooManyStreams`."""
        if self._streams >= self._settings.streams:
            raise TooManyStreams(streams=self._settings.streams, retry_after_s=5)
        if resumed is not None:
            return resumed
        async with self._readers, self._pool.acquire() as connection:
            end = await store.head(connection)
        return Place(0, end) if from_start else Place(end, end)

    async def events(self, place: Place, tag: str | None) -> AsyncGenerator[bytes]:
        """The subscriber's stream, from `place` on, until it goes or the process stops."""
        self._streams += 1
        try:
            async for chunk in self._chunks(place, tag):
                yield chunk
        except _AWAY as error:
            # The subscriber comes again, with the last id that it has.
            log.warning("a stream ended early", error=repr(error))
        finally:
            self._streams -= 1

    async def _chunks(self, place: Place, tag: str | None) -> AsyncIterator[bytes]:
        reader = Reader(place, tag)
        yield _said("connected", reader.place)
        told, told_at, ping_s = reader.place, time.monotonic(), self._settings.ping.total_seconds()
        while not self._stopping.is_set():
            # Before reading: what comes after it is announced by this.
            news, before = self._news, reader.place
            if frames := await self._next(reader):
                for chunk in _chunked(frames):
                    yield chunk
                told, told_at = reader.place, time.monotonic()
            if reader.place == before:
                await _wait(news, told_at + ping_s - time.monotonic())
            if time.monotonic() >= told_at + ping_s:
                yield _said("ping", reader.place if reader.place != told else None)
                told, told_at = reader.place, time.monotonic()

    async def _next(self, reader: Reader) -> list[bytes]:
        read = reader.remembered(self._tail)
        if read is not None:
            return reader.take(read, stored=False)
        place = reader.place
        async with self._readers, self._pool.acquire() as connection:
            read = await store.after(connection, place.seq, PAGE, tag=reader.tag, whole=place.whole)
        return reader.take(read, stored=True)


async def _wait(news: asyncio.Event, seconds: float) -> None:
    """Until there is news, but not for longer."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await news.wait()
    except TimeoutError:
        pass


def _chunked(frames: list[bytes]) -> list[bytes]:
    """The frames joined to pieces of some size."""
    chunks: list[bytes] = []
    held: list[bytes] = []
    size = 0
    for frame in frames:
        held.append(frame)
        size += len(frame)
        if size >= _CHUNK_BYTES:
            chunks.append(b"".join(held))
            held, size = [], 0
    if held:
        chunks.append(b"".join(held))
    return chunks


def _said(comment: str, place: Place | None) -> bytes:
    """A comment, and where the subscriber stands: it may go on from there though it was sent nothing."""
    lines = [f": {comment}", *([f"id: {place}"] if place else []), "", ""]
    return "\n".join(lines).encode()
