"""The whole service on real servers: three topics in, `customers` out, HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.directory import app
from services.kit import keys, runtime
from services.kit.application import Running
from services.kit.database import Pool
from services.kit.envelope import Message, Received
from services.kit.settings import Platform
from services.ops import topics
from tests.unit.directory.factories import MAIJA, TEPPO, activity, contact, tags


@pytest.fixture
async def platform(kafka_bootstrap: str, topic_prefix: str) -> Platform:
    made = Platform(kafka=kafka_bootstrap, topic_prefix=topic_prefix, session_timeout=timedelta(seconds=6))
    await topics.create(made, partitions=2)
    return made


@pytest.fixture
async def service(platform: Platform, store_dsn: str) -> AsyncIterator[Running]:
    running = Running("directory", app.build, platform, {"DIRECTORY_DATABASE": store_dsn})
    await running.start()
    yield running
    await running.stop()


async def produce(platform: Platform, *records: Received[Any]) -> None:
    producer = runtime.Producer(platform.kafka, prefix=platform.topic_prefix, timeout=timedelta(seconds=8))
    await producer.start()
    await producer.publish(
        [
            Message(one.record.topic, str(one.data.contact_id), one.record.value or b"", one.data.version)
            for one in records
        ]
    )
    await producer.stop()


async def customers(platform: Platform, until: tuple[str, int]) -> list[tuple[str, str | None, int]]:
    """(type, name, version) of the records of `customers` up to this key and version."""
    consumer = AIOKafkaConsumer(
        f"{platform.topic_prefix}customers", bootstrap_servers=platform.kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    seen = []
    try:
        async with asyncio.timeout(20):
            async for record in consumer:
                event = json.loads(record.value)
                assert dict(record.headers)["version"] == b"%d" % event["data"]["version"]
                seen.append((event["type"], event["data"]["name"], event["data"]["version"]))
                if (record.key.decode(), event["data"]["version"]) == until:
                    return seen
    finally:
        await consumer.stop()
    raise AssertionError("the topic ended")


async def test_three_topics_become_customers_that_are_found(platform: Platform, service: Running, pool: Pool) -> None:
    await produce(platform, tags(), activity(), contact(), contact(TEPPO, fields={"given_name": "Teppo"}))
    await customers(platform, until=(str(TEPPO), 1))
    await produce(platform, contact(TEPPO, 2, merged_into=MAIJA))
    seen = await customers(platform, until=(str(TEPPO), 2))
    assert ("tuttu.customer.created", "Teppo", 1) in seen
    assert ("tuttu.customer.merged", None, 2) in seen

    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="liisa", scopes=["directory:read"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service.http),
        base_url="http://directory",
        headers={"Authorization": f"Bearer {key.text}"},
    ) as client:
        page = (await client.get("/contacts", params={"q": "meikalinen"})).json()
        assert [found["name"] for found in page["contacts"]] == ["Maija Meikäläinen"]
        shown = (await client.get(f"/contacts/{TEPPO}")).json()
        assert (shown["name"], shown["redirected_from"]) == ("Maija Meikäläinen", str(TEPPO))
