"""The whole service on real servers: topics in, HTTP, state topic out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.kit import envelope, runtime
from services.kit.application import Running
from services.kit.database import Pool
from services.kit.envelope import Received
from services.kit.settings import Platform
from services.ops import topics
from services.tagging_rules import app
from tests.integration.tagging_rules.conftest import new_client
from tests.unit.tagging_rules.factories import contact, event, record_id, resolved

MAIJA = f"/contacts/{record_id(1)}/tags"


@pytest.fixture
async def platform(kafka_bootstrap: str, topic_prefix: str) -> Platform:
    made = Platform(kafka=kafka_bootstrap, topic_prefix=topic_prefix, session_timeout=timedelta(seconds=6))
    await topics.create(made, partitions=2)
    return made


@pytest.fixture
async def service(platform: Platform, database: str, pool: Pool) -> AsyncIterator[Running]:
    environment = {
        "TAGGING_RULES_DATABASE": database,
        "TAGGING_RULES_RECOMPUTE_CHUNK": "4",
        "TAGGING_RULES_RECOMPUTE_POLL": "0.05",
    }
    running = Running("tagging-rules", app.build, platform, environment)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(service: Running, pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    async with await new_client(pool, service.http, "tagging-rules:admin") as made:
        yield made


async def produce(platform: Platform, *received: Received[Any]) -> None:
    producer = runtime.Producer(platform.kafka, prefix=platform.topic_prefix, timeout=timedelta(seconds=8))
    await producer.start()
    await producer.publish(
        [envelope.message(one.record.topic, str(one.data.contact_id), one.event) for one in received]
    )
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


async def until(answer: Callable[[], Awaitable[Any]], expected: Any) -> None:
    async with asyncio.timeout(20):
        while True:
            if await answer() == expected:
                return
            await asyncio.sleep(0.05)


async def test_what_comes_by_topic_and_by_hand_is_told_by_http_and_by_topic(
    platform: Platform, client: httpx.AsyncClient
) -> None:
    async def tags() -> list[str]:
        answer = await client.get(MAIJA)
        return [held["tag"] for held in answer.json()["tags"]] if answer.status_code == 200 else []

    purchase = resolved(event("purchase"))
    await produce(platform, contact(), purchase, purchase)
    await until(tags, ["asiakas"])

    body, key = {"add": ["vip"], "remove": ["asiakas"], "reason": "pyynnöstä"}, {"Idempotency-Key": "one"}
    answers = [await client.post(MAIJA, json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["result"] == {"contact_id": str(record_id(1))}
    assert await tags() == ["vip"]

    states = await read(platform, "contact-tags", 2)
    assert [dict(state.headers)["version"] for state in states] == [b"1", b"2"]
    data = json.loads(states[-1].value)["data"]
    assert (data["tags"][0]["by"]["author"], data["phase"]) == ("key:liisa", None)
    [outcome] = await read(platform, "command-outcomes", 1)
    assert json.loads(outcome.value)["data"]["status"] == "done"


async def test_a_changed_while_rule_is_applied_to_all_contacts_in_steps_and_published(
    platform: Platform, client: httpx.AsyncClient
) -> None:
    numbers = range(1, 11)
    await produce(platform, *(contact(number, fields={"city": "Turku"}) for number in numbers))

    async def tagged() -> list[Any]:
        return [(tag["tag"], tag["contacts"]) for tag in (await client.get("/tags")).json()["tags"]]

    async def seen() -> set[int]:
        return {(await client.get(f"/contacts/{record_id(number)}/tags")).status_code for number in numbers}

    async def recomputing() -> bool:
        return bool((await client.get("/rules")).json()["recomputing"])

    await until(seen, {200})
    when = {"field": "fields.city", "op": "is", "value": "Turku"}
    rule = {"kind": "while", "name": "Turkulainen", "when": when, "tag": "turkulainen"}
    created = (await client.post("/rules", json=rule)).json()
    await until(recomputing, False)
    assert await tagged() == [("turkulainen", 10)]

    await client.delete(f"/rules/{created['id']}")
    await until(recomputing, False)
    assert await tagged() == []
    states = await read(platform, "contact-tags", 20)
    assert {state.key.decode() for state in states} == {str(record_id(number)) for number in numbers}
