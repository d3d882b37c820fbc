"""The whole service on real servers: topics in, HTTP, topics out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.dedupe import app
from services.kit import envelope, keys, runtime
from services.kit.application import Running
from services.kit.settings import Platform
from services.ops import topics
from tests.integration.dedupe.register import Register
from tests.unit.dedupe.world import Event, claim, event, ref

MAIJA = {"given_name": "Maija", "family_name": "Meikäläinen", "email": "maija@example.fi"}
MATTI = {"given_name": "Matti", "family_name": "Virtanen", "email": "matti@example.fi"}
LEFT, RIGHT, SIGNUP = ref("external_id", "1"), ref("external_id", "2"), claim("maija@example.fi", "maija meikäläinen")


@pytest.fixture
async def platform(kafka_bootstrap: str, topic_prefix: str) -> Platform:
    made = Platform(kafka=kafka_bootstrap, topic_prefix=topic_prefix, session_timeout=timedelta(seconds=6))
    await topics.create(made, partitions=2)
    return made


@pytest.fixture
async def client(platform: Platform, dsn: str, register: Register) -> AsyncIterator[httpx.AsyncClient]:
    """The running service, for a key that may write."""
    key = keys.generate()
    await keys.create(register.connection, key, name="liisa", scopes=["dedupe:write"])
    running = Running("dedupe", app.build, platform, {"DEDUPE_DATABASE": dsn})
    await running.start()
    headers = {"Authorization": f"Bearer {key.text}"}
    transport = httpx.ASGITransport(running.http)
    async with httpx.AsyncClient(transport=transport, base_url="http://dedupe", headers=headers) as made:
        yield made
    await running.stop()


async def produce(platform: Platform, *events: Event) -> None:
    producer = runtime.Producer(platform.kafka, prefix=platform.topic_prefix, timeout=timedelta(seconds=8))
    await producer.start()
    await producer.publish([envelope.message("events", str(one.data.record.id), one) for one in events])
    await producer.stop()


async def read_until(platform: Platform, topic: str, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """The data of a topic's records from its beginning, as soon as there are enough."""
    consumer = AIOKafkaConsumer(
        platform.topic_prefix + topic, bootstrap_servers=platform.kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: list[Any] = []
    try:
        async with asyncio.timeout(20):
            while not enough(found):
                found.append(json.loads((await anext(consumer)).value)["data"])
    finally:
        await consumer.stop()
    return found


async def test_events_become_contacts_and_people_merge_and_part_them(
    platform: Platform, client: httpx.AsyncClient
) -> None:
    await produce(
        platform, event(LEFT, MAIJA), event(SIGNUP, MAIJA, at=1), event(RIGHT, MATTI, at=2), event(RIGHT, MATTI, at=2)
    )
    resolved = await read_until(platform, "resolved-events", lambda found: len(found) == 4)
    assert {one["event"]["data"]["record"]["id"]: one["contact_id"] for one in resolved}.keys() == {
        str(LEFT.id),
        str(SIGNUP.id),
        str(RIGHT.id),
    }
    await read_until(platform, "contacts", lambda found: any(len(state["members"]) == 2 for state in found))

    merged = await client.post(
        f"/contacts/{RIGHT.id}/merge",
        json={"with": str(LEFT.id), "reason": "sama henkilö"},
        headers={"Idempotency-Key": "merge"},
    )
    assert (merged.status_code, merged.json()["result"]["contact_id"]) == (200, str(LEFT.id)), merged.text
    parted = await client.post(
        f"/contacts/{LEFT.id}/unmerge",
        json={"records": [str(RIGHT.id)], "versions": {str(LEFT.id): merged.json()["result"]["version"]}},
        headers={"Idempotency-Key": "unmerge"},
    )
    assert (parted.status_code, parted.json()["result"]["parted"]) == (200, str(RIGHT.id)), parted.text
    refused = await client.post(
        f"/contacts/{LEFT.id}/merge",
        json={"with": str(RIGHT.id), "versions": {str(LEFT.id): 1}},
        headers={"Idempotency-Key": "merge of what was"},
    )
    assert (refused.status_code, "Look again" in refused.json()["detail"]) == (409, True)

    states = await read_until(platform, "contacts", lambda found: _of(found, RIGHT.id)[2:] != [])
    assert [state["merged_into"] for state in _of(states, RIGHT.id)] == [None, str(LEFT.id), None]
    assert [state["version"] for state in _of(states, RIGHT.id)] == [1, 2, 3]
    outcomes = await read_until(platform, "command-outcomes", lambda found: len(found) == 3)
    assert sorted(outcome["status"] for outcome in outcomes) == ["done", "done", "refused"]
    history = (await client.get(f"/contacts/{LEFT.id}/history")).json()["decisions"]
    assert [(one["kind"], one["author"]) for one in history] == [("unmerge", "key:liisa"), ("merge", "key:liisa")]


def _of(states: list[Any], contact_id: object) -> list[Any]:
    return [state for state in states if state["contact_id"] == str(contact_id)]
