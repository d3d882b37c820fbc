"""Nothing is accepted before it is safe."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

import httpx

from services.kit.settings import Platform
from services.ops.embedded import ports
from tests.integration.intake import running
from tests.integration.intake.running import Intake

PAGE = {"userId": "u1", "name": "Etusivu", "messageId": "m-1", "timestamp": "2026-11-22T08:15:00Z"}


async def test_without_kafka_nothing_is_accepted(
    intake_with: Callable[..., AbstractAsyncContextManager[Intake]],
) -> None:
    async with intake_with(kafka=f"127.0.0.1:{ports.free()}") as intake:
        await intake.source("sivusto")
        await intake.source("lomakkeet", "forms")
        await intake.form(name="yhteys", source="lomakkeet")
        key = await intake.key("sivusto")

        answers = [
            await intake.door.post("/v1/page", json=PAGE, auth=(key, "")),
            await intake.door.post("/v1/batch", json={"batch": [{**PAGE, "type": "page"}]}, auth=(key, "")),
            await intake.door.post("/forms/yhteys", data={"email": "maija@example.fi"}),
        ]

        for answer in answers:
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
        assert await intake.rejections() == []


async def test_without_its_database_intake_says_so_and_recovers(platform: Platform, database: str) -> None:
    proxy = Proxy(database)
    async with contextlib.AsyncExitStack() as stack:
        await proxy.open()
        stack.push_async_callback(proxy.close)
        doors = running.doors(platform, database, {"INTAKE_REGISTER_AGE": "0"}, through=proxy.dsn)
        intake = await stack.enter_async_context(doors)
        await intake.source("sivusto")
        key = await intake.key("sivusto")

        async def send() -> httpx.Response:
            return await intake.door.post("/v1/page", json=PAGE, auth=(key, ""))

        before = await send()
        await proxy.close()
        await asyncio.sleep(0.3)  # what intake knows is held for a quarter of a second even so
        away = [await send() for _ in range(2)]
        await proxy.open()
        back = [await send() for _ in range(2)]

        assert before.status_code == 200
        assert [answer.status_code for answer in away] == [503, 503]
        assert int(away[0].headers["retry-after"]) > 0
        assert back[-1].status_code == 200


class Proxy:
    """The way to a database, which can be cut."""

    def __init__(self, dsn: str) -> None:
        self._there = urlsplit(dsn)
        self._port = ports.free()
        self._server: asyncio.Server
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def dsn(self) -> str:
        place = self._there.netloc.rpartition("@")[0]
        return self._there._replace(netloc=f"{place}@127.0.0.1:{self._port}").geturl()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0.05)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await asyncio.open_connection(self._there.hostname, self._there.port)
        self._writers += [writer, onward[1]]
        await asyncio.gather(self._pump(reader, onward[1]), self._pump(onward[0], writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        writer.close()
