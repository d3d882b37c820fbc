"""Records that no service can read, and what may stand in a log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from services.ops.demo import doors, people
from services.ops.demo.people import Person
from services.ops.demo.register import Register
from services.ops.demo.scenes import claims, shop
from services.ops.demo.watcher import Watcher
from tests.e2e import steps
from tests.e2e.system import Tuttu


@pytest.fixture
async def producer(tuttu: Tuttu) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=tuttu.kafka, acks="all", enable_idempotence=True)
    await producer.start()
    yield producer
    await producer.stop()


async def test_an_unreadable_record_becomes_a_dead_letter_and_the_rest_goes_on(
    tuttu: Tuttu, register: Register, updates: Watcher, producer: AIOKafkaProducer
) -> None:
    person = tuttu.cast.newcomer()
    where = await producer.send_and_wait(f"{tuttu.topic_prefix}events", b"not json", key=b"k")
    await steps.send(register, shop.order(tuttu.cast, person))
    await steps.update_of(updates, person, steps.bought(1))
    letter = await _dead_letter(register, b"not json")
    assert letter["context"]["offset"] == where.offset
    assert "dedupe" in json.dumps(letter)


async def _dead_letter(register: Register, value: bytes) -> dict[str, Any]:
    """The dead letter that holds this value, as intake shows it."""

    async def look() -> dict[str, Any] | None:
        found = await register.get("/intake/rejections", reason="dead_letter", limit=200)
        wholes = [await register.get(f"/intake/rejections/{each['id']}") for each in found["rejections"]]
        return next((whole for whole in wholes if whole["body"] == value.decode()), None)

    return await steps.eventually(look)


async def test_no_personal_data_stands_in_the_logs(
    tuttu: Tuttu, register: Register, updates: Watcher, producer: AIOKafkaProducer
) -> None:
    cast = tuttu.cast
    buyer, reader, writer, robot, stranger = crowd = [cast.newcomer() for _ in range(5)]
    await steps.send(
        register,
        shop.order(cast, buyer),
        claims.signup(cast, reader, reader.name, reader.email),
        claims.mail(cast, writer),
        doors.form(doors.NEWSLETTER, {"nimi": robot.name, "sahkoposti": robot.email, "kotisivu": "x"}),
        doors.form(doors.QUOTE, {"nimi": stranger.name, "puhelin": "ei", "sahkoposti": stranger.email}, status=422),
    )
    # What no service can read, with a person in it: as a record, and inside a record that is well-formed otherwise.
    events = f"{tuttu.topic_prefix}events"
    broken = f'{{"name": "{stranger.name}", "email": "{stranger.email}'.encode()
    await producer.send_and_wait(events, broken)
    cloud_event = {"specversion": "1.0", "id": "x", "source": "/x", "type": "tuttu.event", "data": {}}
    cloud_event["data"] = {"fields": {"email": [stranger.email]}, "name": stranger.name}
    await producer.send_and_wait(events, json.dumps(cloud_event).encode())
    await _dead_letter(register, broken)
    for person in (buyer, reader, writer):
        await steps.update_of(updates, person, steps.counts)
    for path, status in (
        (f"/directory/contacts?q={stranger.email}", 200),
        (f"/directory/contacts/lookup?email={stranger.email}&phone={stranger.phone}", 422),
        (f"/directory/contacts/{stranger.email}", 422),
    ):
        assert (await register.client.get(path)).status_code == status

    log = tuttu.log.read_text()
    assert '"level": "info"' in log, "the log was not captured"
    said = {text for person in crowd for text in _traces(person) if text in log}
    assert not said


def _traces(person: Person) -> set[str]:
    digits = person.phone[1:]
    return {
        person.name,
        people.without_dots(person.name),
        people.written_out(person.name),
        person.email,
        person.email.replace("@", "%40"),
        person.email.upper(),
        person.phone,
        f"+358{digits}",
        person.phone_abroad,
        person.phone_at_home,
        person.street,
    }


async def test_health_is_told_without_a_key_and_everything_else_asks_for_one(tuttu: Tuttu) -> None:
    async with httpx.AsyncClient(base_url=tuttu.url) as client:
        for service in ("intake", "dedupe", "tagging-rules", "activity", "directory", "subscriptions"):
            for path in ("healthz", "readyz"):
                answer = await client.get(f"/{service}/{path}")
                assert answer.status_code == 200, (service, answer.text)
        for path in ("/directory/contacts", "/tagging-rules/rules", "/intake/rejections", "/intake/sources"):
            assert (await client.get(path)).status_code == 401
