"""A small TCP proxy, to put faults between a client and a server that others use at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CommitFault = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
_HOST = "127.0.0.1"
_COMMIT = b"COMMIT;"


async def _as_it_comes(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(65536):
        yield data


class Proxy:
    """Listens on a free port and passes bytes to `host:port`; `cut` and `mend` are the network's faults."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.partition(":")
        self._target_port = int(port)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def address(self) -> str:
        return f"{_HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._accept, _HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            to_reader, to_writer = await asyncio.open_connection(self._host, self._target_port)
            try:
                await self._serve(reader, writer, to_reader, to_writer)
            finally:
                to_writer.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._connections.discard(task)

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_reader: asyncio.StreamReader,
        to_writer: asyncio.StreamWriter,
    ) -> None:
        """Pass bytes both ways until one side ends."""
        ways = [
            asyncio.create_task(self._pass(self.requests(reader), to_writer)),
            asyncio.create_task(self._pass(self.answers(to_reader), writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, source: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
        async with contextlib.aclosing(source) as pieces:  # type: ignore[type-var]  # all of ours are generators
            async for data in pieces:
                writer.write(data)
                await writer.drain()

    def requests(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        return _as_it_comes(reader)

    def answers(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        return _as_it_comes(reader)


class KafkaProxy(Proxy):
    """Names itself instead of the broker in the broker's answers, so that clients come back through it."""

    def answers(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        return self._frames(reader)

    async def _frames(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        theirs = self._host.encode() + self._target_port.to_bytes(4, "big")
        ours = _HOST.encode() + self.port.to_bytes(4, "big")
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(head, "big"))
                yield head + body.replace(theirs, ours)


class PostgresProxy(Proxy):
    """Loses what becomes of commits: each fault of `commits` strikes one COMMIT, in turn."""

    def __init__(self, dsn: str) -> None:
        self._parts = urlsplit(dsn)
        super().__init__(f"{self._parts.hostname}:{self._parts.port}")
        self.commits: list[CommitFault] = []
        self.refuse = 0
        """How many new connections are ended at once."""
        self.refuse_after_commit = 0
        """What `refuse` becomes when a fault has struck."""
        self.struck = 0

    @property
    def dsn(self) -> str:
        """The address of the database by way of this proxy."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{user}{at}{self.address}").geturl()

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_reader: asyncio.StreamReader,
        to_writer: asyncio.StreamWriter,
    ) -> None:
        if self.refuse > 0:
            self.refuse -= 1
            return
        back = asyncio.create_task(self._pass(self.answers(to_reader), writer))
        # The server's end is the client's end too.
        back.add_done_callback(lambda _: writer.close())
        try:
            while data := await reader.read(65536):
                if _COMMIT in data and self.commits:
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                    self.struck += 1
                    self.refuse = self.refuse_after_commit
                    await self.commits.pop(0)(to_reader, to_writer, data)
                    return
                to_writer.write(data)
                await to_writer.drain()
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)


async def committed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """The transaction is committed, and the client does not hear of it."""
    writer.write(request)
    await reader.read(1)


async def committed_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """The client loses its connection while the commit is under way: it happens after the client has looked."""
    await asyncio.sleep(0.6)
    writer.write(request)
    await reader.read(1)


async def not_committed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """The connection breaks before the server hears of the commit."""
