"""What operators do with rejections and dead letters."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from services.intake import messages
from services.kit import envelope, runtime
from services.ops import access
from tests.integration.intake.running import Intake

TRACK = {"event": "Order Completed", "userId": "user-88", "timestamp": "2026-11-22T08:15:00Z", "messageId": "m-1"}


async def rejected(intake: Intake) -> str:
    """The id of a purchase that was rejected for its amount."""
    await intake.source("sivusto", trusted=True)
    wrong = {**TRACK, "properties": {"total": "paljon", "currency": "EUR"}}
    answer = await intake.door.post("/v1/track", json=wrong, auth=(await intake.key("sivusto"), ""))
    assert answer.json()["field"] == "properties.total"
    return str((await intake.rejections())[0]["id"])


def corrected(total: Any) -> dict[str, Any]:
    return {"body": json.dumps({**TRACK, "properties": {"total": total, "currency": "EUR"}})}


async def test_a_corrected_rejection_becomes_the_event_that_it_should_have_been(intake: Intake) -> None:
    id = await rejected(intake)
    received = (await intake.rejection(id))["received_at"]

    answer = await intake.admin.post(f"/rejections/{id}/replay", json=corrected("129.90"))

    assert answer.status_code == 200, answer.text
    (event,) = await intake.events()
    assert answer.json()["event_ids"] == [event["id"]]
    assert event["data"]["amount"] == {"minor": 12990, "currency": "EUR"}
    assert event["data"]["received_time"] == received
    assert event["data"]["properties"]["rejection_id"] == id
    kept = await intake.rejection(id)
    assert kept["status"] == "replayed"
    (step,) = kept["trail"]
    assert (step["by"], step["action"], step["event_ids"]) == ("key:liisa", "replayed", [event["id"]])


async def test_a_correction_that_is_still_wrong_names_the_field_and_stays_open(intake: Intake) -> None:
    id = await rejected(intake)

    for body in ({}, corrected("vielä enemmän")):
        answer = await intake.admin.post(f"/rejections/{id}/replay", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "properties.total")

    assert await intake.events() == []
    kept = await intake.rejection(id)
    assert kept["status"] == "open"
    assert [step["action"] for step in kept["trail"]] == ["failed", "failed"]


async def test_a_rejection_is_replayed_once(intake: Intake) -> None:
    id = await rejected(intake)

    await intake.admin.post(f"/rejections/{id}/replay", json=corrected(1))
    again = await intake.admin.post(f"/rejections/{id}/replay", json=corrected(1))

    assert again.status_code == 409
    assert len(await intake.events()) == 1


async def test_a_discarded_rejection_says_why_and_by_whom(intake: Intake) -> None:
    id = await rejected(intake)

    nothing = await intake.admin.post(f"/rejections/{id}/discard", json={})
    assert (nothing.status_code, nothing.json()["field"]) == (422, "reason")
    answer = await intake.admin.post(f"/rejections/{id}/discard", json={"reason": "koetilaus"})

    assert answer.status_code == 200
    kept = await intake.rejection(id)
    assert (kept["status"], kept["trail"][0]["detail"]) == ("discarded", "koetilaus")
    assert (await intake.admin.post(f"/rejections/{id}/replay", json={})).status_code == 409


async def test_one_item_of_a_batch_is_replayed_with_what_the_batch_said_for_all(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    batch = {
        "batch": [{"type": "track", "userId": "u1", "timestamp": "2026-11-22T08:15:00Z"}],
        "context": {"campaign": {"source": "uutiskirje"}},
        "sentAt": "2026-11-22T08:15:05Z",
    }
    await intake.door.post("/v1/batch", json=batch, auth=(await intake.key("sivusto"), ""))
    (line,) = await intake.rejections()

    item = {"type": "track", "event": "Klikkaus", "userId": "u1", "timestamp": "2026-11-22T08:15:00Z"}
    answer = await intake.admin.post(f"/rejections/{line['id']}/replay", json={"body": json.dumps(item)})

    assert answer.status_code == 200, answer.text
    (event,) = await intake.events()
    assert event["data"]["sent_time"] == "2026-11-22T08:15:05Z"
    assert event["data"]["properties"]["context"] == {"campaign": {"source": "uutiskirje"}}


async def test_every_door_takes_its_rejections_back(intake: Intake) -> None:
    await intake.source("lomakkeet", "forms")
    await intake.form(name="yhteys", source="lomakkeet", fields=[{"name": "email", "required": True}], honeypot="url")
    await intake.source("kauppa", "shopify", secret="shpss_0123456789")
    await intake.source("posti", "postmark")
    order = {"id": 1, "total_price": "1.00", "created_at": "2026-11-22T10:15:00+02:00", "email": "a@example.fi"}
    mail = {"MessageID": "1", "FromFull": {"Email": "a@example.fi"}}

    await intake.door.post("/forms/yhteys", data={"email": "a@example.fi", "url": "x"})
    await intake.door.post("/shopify/kauppa", json=order, headers={"x-shopify-topic": "orders/create"})
    await intake.door.post("/postmark/posti", json={}, auth=("x", await intake.key("posti")))
    by_door = {line["door"]: line["id"] for line in await intake.rejections()}
    bodies = {"forms": {}, "shopify": {}, "postmark": {"body": json.dumps(mail)}}
    for door, body in bodies.items():
        answer = await intake.admin.post(f"/rejections/{by_door[door]}/replay", json=body)
        assert answer.status_code == 200, (door, answer.text)

    assert {event["data"]["name"] for event in await intake.events()} == {"signup", "purchase", "email_received"}


async def test_pages_follow_one_another_and_filters_narrow_them(intake: Intake) -> None:
    await intake.source("sivusto")
    await intake.source("toinen")
    for source, count in (("sivusto", 5), ("toinen", 2)):
        key = await intake.key(source)
        for number in range(count):
            await intake.door.post("/v1/track", json={"userId": f"u{number}"}, auth=(key, ""))

    seen: list[str] = []
    cursor: str | None = None
    while True:
        filters: dict[str, str | int] = {"source": "sivusto", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await intake.admin.get("/rejections", params=filters)).json()
        seen += [line["id"] for line in page["rejections"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
    assert len(await intake.rejections(reason="missing")) == 7
    assert await intake.rejections(status="replayed") == []
    assert (await intake.admin.get("/rejections", params={"cursor": "x"})).status_code == 422


async def test_operators_need_a_key_with_the_scope(intake: Intake) -> None:
    environment = {"INTAKE_DATABASE": intake.database}
    reader = await access.create_key(environment, name="lukija", scopes=["intake:read"])
    headers = {"authorization": f"Bearer {reader}"}
    async with httpx.AsyncClient(base_url=intake.url, headers=headers) as client:
        assert (await client.get("/rejections")).status_code == 200
        assert (await client.post(f"/rejections/{uuid4()}/replay", json={})).status_code == 403
        assert (await client.post("/sources", json={})).status_code == 403
        assert (await client.get("/form-definitions")).status_code == 403
    assert (await intake.door.get("/rejections")).status_code == 401
    assert (await intake.admin.get(f"/rejections/{uuid4()}")).status_code == 404


def letter(topic: str, offset: int, value: str) -> envelope.Message:
    """A dead letter as dedupe writes one."""
    data = messages.DeadLetter(
        service="dedupe",
        topic=topic,
        partition=1,
        offset=offset,
        key="5b0e6c1e-7d5f-8a53-9c0a-2f1d8c4b6a01",
        headers={"content-type": "application/cloudevents+json"},
        value=value,
        value_base64=None,
        reason="Expected a CloudEvent as JSON: \x00 JSON is malformed",
        field=None,
    )
    event = envelope.CloudEvent(
        id=f"{topic}-1-{offset}-dedupe",
        source="/dedupe",
        type=messages.DEAD_LETTER,
        subject=f"{topic}/1/{offset}",
        time=datetime(2026, 11, 22, 10, 8, tzinfo=UTC),
        data=data,
    )
    return envelope.message(messages.DEAD_LETTERS, data.key or "", event)


async def test_dead_letters_are_listed_and_replayed_to_their_own_topic(whole_intake: Intake) -> None:
    intake = whole_intake
    producer = runtime.Producer(
        intake.platform.kafka, prefix=intake.platform.topic_prefix, timeout=intake.platform.produce_timeout
    )
    await producer.start()
    try:
        # The first one twice, as after a crash of its writer.
        await producer.publish([letter("events", 1042, "not json\x00"), letter("events", 1042, "not json\x00")])
        await producer.publish([letter("events", 1043, "{}")])
    finally:
        await producer.stop()
    for _ in range(100):
        lines = await intake.rejections(reason="dead_letter")
        if len(lines) == 2:
            break
        await asyncio.sleep(0.1)
    line = next(line for line in lines if line["context"]["offset"] == 1042)
    assert (line["door"], line["context"]["service"], line["times"]) == ("topic:events", "dedupe", 1)
    assert (await intake.rejection(line["id"]))["body"] == "not json\x00"

    wrong = await intake.admin.post(f"/rejections/{line['id']}/replay", json={"body": "{}"})
    assert wrong.status_code == 422
    example = json.loads((await whole_example()).decode())
    del example["data"]["name"]
    wrong = await intake.admin.post(f"/rejections/{line['id']}/replay", json={"body": json.dumps(example)})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "data.name")
    right = await intake.admin.post(f"/rejections/{line['id']}/replay", json={"body": (await whole_example()).decode()})

    assert right.status_code == 200, right.text
    ((key, value),) = await intake.records("events")
    assert (key, value) == ("5b0e6c1e-7d5f-8a53-9c0a-2f1d8c4b6a01", await whole_example())


async def whole_example() -> bytes:
    from services.ops import schemas

    return next(path for path in schemas.examples("events") if path.stem == "purchase").read_bytes()
