"""The whole service on real servers: topics in, HTTP, state topic out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.activity import app
from services.kit import keys, runtime
from services.kit.application import Running
from services.kit.database import Pool
from services.kit.envelope import Message, Received
from services.kit.settings import Platform
from services.ops import topics
from tests.integration.activity.factories import contact_state, original, resolved

MAIJA = uuid4()


@pytest.fixture
async def platform(kafka_bootstrap: str, topic_prefix: str) -> Platform:
    made = Platform(kafka=kafka_bootstrap, topic_prefix=topic_prefix, session_timeout=timedelta(seconds=6))
    await topics.create(made, partitions=2)
    return made


@pytest.fixture
async def service(platform: Platform, store_dsn: str) -> AsyncIterator[Running]:
    running = Running("activity", app.build, platform, {"ACTIVITY_DATABASE": store_dsn})
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(service: Running, pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="liisa", scopes=["activity:write"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service.http),
        base_url="http://activity",
        headers={"Authorization": f"Bearer {key.text}"},
    ) as made:
        yield made


async def produce(platform: Platform, *records: Received[Any]) -> None:
    producer = runtime.Producer(platform.kafka, prefix=platform.topic_prefix, timeout=timedelta(seconds=8))
    await producer.start()
    await producer.publish([Message(one.record.topic, str(MAIJA), one.record.value or b"") for one in records])
    await producer.stop()


async def read(platform: Platform, topic: str, count: int) -> list[Any]:
    """The first records of a topic."""
    consumer = AIOKafkaConsumer(
        platform.topic_prefix + topic, bootstrap_servers=platform.kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [await anext(consumer) for _ in range(count)]
    finally:
        await consumer.stop()


async def timeline(client: httpx.AsyncClient, count: int) -> list[dict[str, Any]]:
    """The contact's timeline, as soon as it has this many entries."""
    async with asyncio.timeout(20):
        while True:
            answer = await client.get(f"/contacts/{MAIJA}/timeline")
            if answer.status_code == 200 and len(answer.json()["events"]) == count:
                entries: list[dict[str, Any]] = answer.json()["events"]
                return entries
            await asyncio.sleep(0.05)


async def test_what_comes_by_topic_and_by_hand_is_told_by_http_and_by_topic(
    platform: Platform, client: httpx.AsyncClient
) -> None:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    event = original("purchase", record=MAIJA, minor=12990, time=an_hour_ago)
    purchase = resolved(event, contact=MAIJA)
    await produce(platform, contact_state(MAIJA, 1, {MAIJA: 1}), purchase, purchase)
    await timeline(client, 1)

    logged = [
        await client.post(
            f"/contacts/{MAIJA}/activities",
            json={"name": "call", "text": "Kysyi toimituksesta"},
            headers={"Idempotency-Key": "one call"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in logged] == [200, 200]
    assert logged[0].json() == logged[1].json()
    call, bought = await timeline(client, 2)
    assert logged[0].json()["result"] == {"event_id": call["id"], "contact_id": str(MAIJA)}
    assert (call["name"], call["author"], bought["name"]) == ("call", "key:liisa", "purchase")

    states = await read(platform, "contact-activity", 2)
    assert [dict(state.headers)["version"] for state in states] == [b"1", b"2"]
    assert json.loads(states[-1].value)["data"]["counts"] == {"call": 1, "purchase": 1}
    [outcome] = await read(platform, "command-outcomes", 1)
    assert json.loads(outcome.value)["data"]["status"] == "done"
