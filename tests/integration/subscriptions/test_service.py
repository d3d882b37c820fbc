"""The whole service on real servers, and the sample consumers against it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

import services.subscriptions
from services.kit import http_server, keys, runtime
from services.kit.application import Running
from services.kit.envelope import Message, Received
from services.kit.settings import Platform
from services.ops import topics
from services.subscriptions import app
from services.subscriptions.messages import Customer
from tests.unit.subscriptions.factories import MAIJA, TEPPO, record

SAMPLES = Path(services.subscriptions.__file__).parent / "samples"


@pytest.fixture
async def platform(kafka_bootstrap: str, topic_prefix: str) -> Platform:
    made = Platform(kafka=kafka_bootstrap, topic_prefix=topic_prefix, session_timeout=timedelta(seconds=6))
    await topics.create(made, partitions=2)
    return made


@pytest.fixture
async def service(platform: Platform, store_dsn: str) -> AsyncIterator[Running]:
    running = Running("subscriptions", app.build, platform, {"SUBSCRIPTIONS_DATABASE": store_dsn})
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def address(service: Running, unused_tcp_port_factory: Callable[[], int]) -> AsyncIterator[str]:
    """The running service's address; it is stopped as a process stops it."""
    port = unused_tcp_port_factory()
    server, task = await http_server.serve(http_server.mount([service]), host="127.0.0.1", port=port)
    yield f"http://127.0.0.1:{port}/subscriptions"
    service.begin_stop()
    server.should_exit = True
    await task


async def produce(platform: Platform, *records: Received[Customer]) -> None:
    producer = runtime.Producer(platform.kafka, prefix=platform.topic_prefix, timeout=timedelta(seconds=8))
    await producer.start()
    for one in records:
        key = str(one.data.customer_id)
        await producer.publish([Message("customers", key, one.record.value or b"", one.data.version)])
    await producer.stop()


async def sample(name: str, *arguments: str, folder: Path, key: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "TUTTU_KEY": key, "PYTHONWARNINGS": "error"}
    return await asyncio.create_subprocess_exec(
        sys.executable, str(SAMPLES / name), *arguments, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE
    )


async def lines(process: asyncio.subprocess.Process, count: int) -> set[str]:
    """What the sample prints next."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return {(await process.stdout.readline()).decode().strip() for _ in range(count)}


async def ended(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.communicate()


async def test_the_samples_follow_from_the_topic_and_from_the_stream(
    platform: Platform, address: str, key: str, tmp_path: Path
) -> None:
    await produce(platform, record(MAIJA, 1, ["vip"], kind="created"), record(TEPPO, 1, kind="created", name="Teppo"))
    by_kafka = await sample(
        "follow_kafka.py", platform.kafka, f"{platform.topic_prefix}customers", folder=tmp_path, key=key
    )
    created = {f"created {MAIJA} 1 Maija", f"created {TEPPO} 1 Teppo"}
    assert await lines(by_kafka, 2) == created
    by_stream = await sample("follow_sse.py", f"{address}/customers", folder=tmp_path, key=key)
    assert await lines(by_stream, 2) == created

    await produce(platform, record(MAIJA, 2), record(MAIJA, 2))
    assert await lines(by_stream, 1) == await lines(by_kafka, 1) == {f"changed {MAIJA} 2 Maija"}
    await ended(by_stream)

    await produce(platform, record(MAIJA, 3), record(TEPPO, 2, kind="merged", name=None))
    again = await sample("follow_sse.py", f"{address}/customers", folder=tmp_path, key=key)
    news = {f"changed {MAIJA} 3 Maija", f"merged {TEPPO} 2 None"}
    assert await lines(again, 2) == await lines(by_kafka, 2) == news
    with sqlite3.connect(tmp_path / "customers.sqlite") as copy:
        kept = copy.execute("SELECT id FROM customer").fetchall()
    copy.close()
    assert kept == [(str(MAIJA),)]
    await ended(again)
    await ended(by_kafka)


async def test_open_streams_end_as_soon_as_the_process_begins_to_stop(service: Running, address: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(headers=headers) as client,
        client.stream("GET", f"{address}/customers") as response,
        asyncio.timeout(3),
    ):
        chunks = response.aiter_text()
        assert (await anext(chunks)).startswith(": connected")
        service.begin_stop()
        assert [chunk async for chunk in chunks] == []


async def test_a_key_that_is_not_known_stops_the_sample(address: str, tmp_path: Path) -> None:
    refused = await sample("follow_sse.py", f"{address}/customers", folder=tmp_path, key=keys.generate().text)
    async with asyncio.timeout(30):
        await refused.communicate()
    assert refused.returncode == 1
