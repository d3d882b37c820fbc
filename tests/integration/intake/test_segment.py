"""Segment's addresses: what SDKs send becomes events, what cannot is kept and said."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.integration.intake.running import Intake

IDENTIFY = {
    "type": "identify",
    "userId": "user-88",
    "anonymousId": "a1b2c3",
    "traits": {"name": "Matti Virtanen", "email": "Matti@Example.fi "},
    "timestamp": "2026-11-22T08:17:03.500Z",
    "messageId": "ajs-next-1763799423504",
}


async def test_an_identify_becomes_the_event_of_the_contract(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)

    answer = await intake.door.post("/v1/identify", json=IDENTIFY, auth=(await intake.key("sivusto"), ""))

    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1})
    ((key, value),) = await intake.records("events")
    event = json.loads(value)
    assert key == event["subject"] == event["data"]["record"]["id"]
    assert event["source"] == "/intake/sivusto"
    assert event["data"]["record"]["key"] == "user-88"
    assert [link["key"] for link in event["data"]["links"]] == ["a1b2c3"]
    assert event["data"]["fields"] == {"full_name": "Matti Virtanen", "email": "matti@example.fi"}
    assert event["data"]["source_event_id"] == "ajs-next-1763799423504"


async def test_the_same_delivery_twice_has_one_id(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    key = await intake.key("sivusto")

    for sent in ("2026-11-22T08:17:04Z", "2026-11-22T08:19:00Z"):
        await intake.door.post("/v1/identify", json={**IDENTIFY, "sentAt": sent}, auth=(key, ""))

    first, second = await intake.events()
    assert first["id"] == second["id"]


async def test_a_repeat_without_a_time_of_its_own_has_one_id_too(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    key = await intake.key("sivusto")
    page = {"userId": "u1", "name": "Etusivu", "messageId": "m-1"}

    for _ in range(2):
        await intake.door.post("/v1/page", json=page, auth=(key, ""))

    first, second = await intake.events()
    assert first["id"] == second["id"]
    assert first["time"] == second["time"]


async def test_without_any_id_or_time_each_delivery_is_its_own_event(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    key = await intake.key("sivusto")

    for _ in range(2):
        await intake.door.post("/v1/page", json={"userId": "u1", "name": "Etusivu"}, auth=(key, ""))

    first, second = await intake.events()
    assert first["id"] != second["id"]


async def test_the_write_key_may_stand_in_the_body_and_bodies_may_be_gzip(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    body = {"batch": [IDENTIFY], "writeKey": await intake.key("sivusto")}

    answer = await intake.door.post(
        "/v1/batch", content=gzip.compress(json.dumps(body).encode()), headers={"content-encoding": "gzip"}
    )

    assert answer.status_code == 200, answer.text
    assert len(await intake.events()) == 1


async def test_one_bad_item_of_a_batch_is_kept_and_the_others_go_on(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    batch = [IDENTIFY, {"type": "track", "userId": "user-88"}, {**IDENTIFY, "messageId": "another"}]

    answer = await intake.door.post("/v1/batch", json={"batch": batch}, auth=(await intake.key("sivusto"), ""))

    said = answer.json()
    assert answer.status_code == 200
    assert (said["success"], said["accepted"]) == (False, 2)
    (rejected,) = said["rejected"]
    assert (rejected["index"], rejected["field"]) == (1, "batch[1].event")
    kept = await intake.rejection(rejected["rejection_id"])
    assert json.loads(kept["body"]) == {"type": "track", "userId": "user-88"}
    assert (kept["reason"], kept["field"], kept["source"], kept["status"]) == ("missing", "event", "sivusto", "open")


async def test_a_call_that_cannot_be_taken_is_a_400_that_names_the_field(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    key = await intake.key("sivusto")
    cases: list[tuple[str, Any, int, str | None]] = [
        ("track", {"userId": "u1"}, 400, "event"),
        ("track", {"event": "Klikkaus"}, 400, "userId"),
        ("track", {"event": "Klikkaus", "userId": {"a": 1}}, 400, "userId"),
        ("identify", {"userId": "u1", "traits": [1]}, 400, "traits"),
        ("identify", {"userId": "null"}, 400, "userId"),
        ("alias", {"userId": "u1"}, 400, "previousId"),
        ("group", {"userId": "u1"}, 400, "groupId"),
        ("page", {"userId": "u1", "timestamp": "eilen"}, 400, "timestamp"),
        ("batch", {"batch": {}}, 400, "batch"),
        ("batch", {"batch": [{"type": "track", "userId": "u1"}]}, 400, "batch[0].event"),
        ("batch", {"batch": [{}] * 2501}, 413, "batch"),
        ("track", {"event": "x", "userId": "u1", "properties": {"text": "x" * 40_000}}, 413, None),
    ]
    for call, body, status, field in cases:
        answer = await intake.door.post(f"/v1/{call}", json=body, auth=(key, ""))
        assert (answer.status_code, answer.json().get("field")) == (status, field), (call, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert await intake.events() == []
    assert len(await intake.rejections()) == len(cases)


async def test_what_is_not_json_is_kept_as_it_came(intake: Intake) -> None:
    await intake.source("sivusto")
    key = await intake.key("sivusto")

    answer = await intake.door.post("/v1/track", content=b'{"event": \xff}', auth=(key, ""))

    assert answer.status_code == 400
    (line,) = await intake.rejections(source="sivusto", reason="unreadable", status="open")
    kept = await intake.rejection(line["id"])
    assert kept["body"] is None
    assert kept["body_base64"] == "eyJldmVudCI6IP99"


async def test_a_rejection_never_holds_the_key(intake: Intake) -> None:
    await intake.source("sivusto")
    key = await intake.key("sivusto")

    answer = await intake.door.post("/v1/track", json={"writeKey": key, "userId": "u1"})

    assert answer.status_code == 400
    (line,) = await intake.rejections()
    assert key not in json.dumps(await intake.rejection(line["id"]))


async def test_an_unknown_key_is_a_401_and_keeps_nothing(intake: Intake) -> None:
    await intake.source("sivusto")
    key = await intake.key("sivusto")
    for wrong in ("tuttu_abc_def", key[:-1], "x", ""):
        answer = await intake.door.post("/v1/track", json={"event": "x", "userId": "u1"}, auth=(wrong, ""))
        assert answer.status_code == 401
    answer = await intake.door.post("/v1/track", json={"event": "x", "userId": "u1"})
    assert answer.status_code == 401
    assert await intake.rejections() == []


async def test_a_body_above_the_limit_is_refused_before_it_is_read(intake: Intake) -> None:
    await intake.source("sivusto")
    key = await intake.key("sivusto")

    answer = await intake.door.post("/v1/batch", content=b"x" * 600_000, auth=(key, ""))
    assert answer.status_code == 413

    bomb = gzip.compress(b" " * 50_000_000)
    answer = await intake.door.post("/v1/batch", content=bomb, headers={"content-encoding": "gzip"}, auth=(key, ""))
    assert answer.status_code == 413


async def test_an_untrusted_source_only_claims(intake: Intake) -> None:
    await intake.source("selain")

    await intake.door.post("/v1/identify", json=IDENTIFY, auth=(await intake.key("selain"), ""))

    (event,) = await intake.events()
    record = event["data"]["record"]
    assert (record["kind"], record["key"], record["claimed"]) == ("claim", "matti@example.fi|matti virtanen", True)
    assert event["data"]["properties"]["user_id"] == "user-88"


async def test_a_source_that_sends_too_fast_is_told_when_to_come_again(intake: Intake) -> None:
    await intake.source("sivusto", events_per_s=1)
    key = await intake.key("sivusto")
    answers = [await intake.door.post("/v1/page", json={"userId": "u1"}, auth=(key, "")) for _ in range(4)]

    assert [answer.status_code for answer in answers][:2] == [200, 200]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].headers["x-ratelimit-reset"] == answers[-1].headers["retry-after"]


async def test_browsers_may_send_from_pages_of_other_origins(intake: Intake) -> None:
    await intake.source("selain")
    key = await intake.key("selain")
    origin = {"origin": "https://example.fi"}

    asked = await intake.door.options("/v1/t", headers={**origin, "access-control-request-method": "POST"})
    answer = await intake.door.post(
        "/v1/t",
        content=json.dumps({"event": "Klikkaus", "anonymousId": "a1", "writeKey": key}),
        headers={**origin, "content-type": "text/plain"},
    )

    assert asked.status_code == 204
    assert answer.status_code == 200
    assert asked.headers["access-control-allow-origin"] == answer.headers["access-control-allow-origin"] == "*"


async def test_what_no_store_can_hold_never_leaves_intake(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    key = await intake.key("sivusto")
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]

    fine = await intake.door.post(
        "/v1/track",
        content=b'{"event": "a\\u0000b", "userId": "u\\u00001", "properties": {"t\\u0000": "x\\u0000y"}}',
        auth=(key, ""),
    )
    nested = await intake.door.post(
        "/v1/track", json={"event": "x", "userId": "u1", "properties": {"deep": deep}}, auth=(key, "")
    )

    assert fine.status_code == 200
    assert nested.status_code == 400
    (event,) = await intake.events()
    assert (event["data"]["name"], event["data"]["record"]["key"]) == ("a b", "u1")
    assert event["data"]["properties"] == {"t": "xy"}


async def test_personal_identity_codes_stay_outside(intake: Intake) -> None:
    await intake.source("sivusto", trusted=True)
    key = await intake.key("sivusto")

    await intake.door.post(
        "/v1/track",
        json={"event": "Viesti", "userId": "u1", "properties": {"text": "tunnus 131052-308T kiitos"}},
        auth=(key, ""),
    )

    (event,) = await intake.events()
    assert event["data"]["properties"] == {"text": "tunnus 131052-**** kiitos"}
