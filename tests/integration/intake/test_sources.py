"""Sources and keys: made, shown once, rotated, revoked."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from services.intake import admin, app
from services.kit import database
from tests.integration.intake.running import Intake

PAGE = {"userId": "u1", "name": "Etusivu"}


async def status(intake: Intake, key: str) -> int:
    return (await intake.door.post("/v1/page", json=PAGE, auth=(key, ""))).status_code


async def test_a_key_is_shown_once_and_kept_as_a_hash(intake: Intake) -> None:
    await intake.source("sivusto")

    made = (await intake.admin.post("/sources/sivusto/keys", json={"name": "verkkosivut"})).json()

    prefix, short, long = made["key"].split("_")
    assert (prefix, short, made["source"], made["name"]) == ("tuttu", made["short"], "sivusto", "verkkosivut")
    listed = (await intake.admin.get("/sources/sivusto/keys")).json()["keys"]
    assert [key["short"] for key in listed] == [short]
    connection = await asyncpg.connect(intake.database)
    stored = str(await connection.fetch("SELECT * FROM source_key"))
    await connection.close()
    assert long not in stored
    assert long not in str(listed)


async def test_a_revoked_key_stops_at_once(intake: Intake) -> None:
    await intake.source("sivusto")
    key = await intake.key("sivusto")
    assert await status(intake, key) == 200

    answer = await intake.admin.delete(f"/sources/sivusto/keys/{key.split('_')[1]}")

    assert answer.status_code == 204
    assert await status(intake, key) == 401


async def test_a_rotated_key_works_beside_its_successor_for_as_long_as_asked(intake: Intake) -> None:
    await intake.source("sivusto")
    first = await intake.key("sivusto")

    async def rotate(key: str, body: dict[str, Any]) -> str:
        answer = await intake.admin.post(f"/sources/sivusto/keys/{key.split('_')[1]}/rotate", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    second = await rotate(first, {})
    assert [await status(intake, key) for key in (first, second)] == [200, 200]
    third = await rotate(second, {"overlap_s": 0})
    assert [await status(intake, key) for key in (second, third)] == [401, 200]


async def test_keys_made_by_the_command_line_work_at_once_and_their_use_is_noted(intake: Intake) -> None:
    await intake.source("sivusto")
    assert await status(intake, "tuttu_0000000000_x") == 401  # what intake knows is fresh, without the new key
    pool = await database.open_pool(intake.database, application="test")
    made = await admin.create_key(pool, "sivusto", name="cli")
    rotated = await admin.rotate_key(pool, made.key)

    await asyncio.sleep(0.3)
    assert await status(intake, rotated.key) == 200
    assert await admin.revoke_key(pool, made.short) == "sivusto"
    assert [key.revoked_at is not None for key in await admin.list_keys(pool, "sivusto")] == [True, False]
    await pool.close()


async def test_a_source_changes_but_keeps_its_name_and_kind(intake: Intake) -> None:
    await intake.source("sivusto", tags_add=["kävijä"])

    changed = await intake.admin.patch("/sources/sivusto", json={"trusted": True, "requires": ["email"]})

    assert changed.status_code == 200
    source = (await intake.admin.get("/sources/sivusto")).json()
    assert (source["trusted"], source["requires"], source["tags_add"]) == (True, ["email"], ["kävijä"])
    renamed = await intake.admin.patch("/sources/sivusto", json={"name": "toinen"})
    assert renamed.status_code == 422
    key = await intake.key("sivusto")
    answer = await intake.door.post("/v1/identify", json={"userId": "u1", "traits": {"name": "Maija"}}, auth=(key, ""))
    assert (answer.status_code, answer.json()["field"]) == (400, "traits.email")


async def test_definitions_that_make_no_sense_name_their_field(intake: Intake) -> None:
    await intake.source("lomakkeet", "forms")
    await intake.source("sivusto")
    sources: list[tuple[dict[str, Any], int, str | None]] = [
        ({"kind": "segment"}, 422, "name"),
        ({"name": "Verkko kauppa", "kind": "segment"}, 422, "name"),
        ({"name": "x", "kind": "fax"}, 422, "kind"),
        ({"name": "x", "kind": "segment", "requires": ["shoe_size"]}, 422, "requires[0]"),
        ({"name": "x", "kind": "segment", "tags_add": [" a"]}, 422, "tags_add[0]"),
        ({"name": "x", "kind": "segment", "tags_add": ["a"], "tags_remove": ["a"]}, 422, "tags_remove"),
        ({"name": "x", "kind": "segment", "secret": "12345678"}, 422, "secret"),
        ({"name": "x", "kind": "forms", "trusted": True}, 422, "trusted"),
        ({"name": "sivusto", "kind": "segment"}, 409, None),
    ]
    for body, expected, field in sources:
        answer = await intake.admin.post("/sources", json=body)
        assert (answer.status_code, answer.json().get("field")) == (expected, field), answer.text
    forms: list[tuple[dict[str, Any], int, str | None]] = [
        ({"source": "nothing"}, 404, None),
        ({"source": "sivusto"}, 422, "source"),
        ({"redirect": "javascript:alert(1)"}, 422, "redirect"),
        ({"allowed_origins": ["https://example.fi/sivu"]}, 422, "allowed_origins[0]"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, 422, "fields[0].name"),
        ({"fields": [{"name": "a", "kind": "choice"}]}, 422, "fields[0].choices"),
        ({"fields": [{"name": "a", "to": "shoe_size"}]}, 422, "fields[0].to"),
        ({"fields": [{"name": "a"}], "honeypot": "a"}, 422, "honeypot"),
        ({"fields": [{"name": "a", "kind": "fax"}]}, 422, "fields[0].kind"),
    ]
    for body, expected, field in forms:
        answer = await intake.admin.post("/form-definitions", json={"name": "f", "source": "lomakkeet", **body})
        assert (answer.status_code, answer.json().get("field")) == (expected, field), answer.text


async def test_the_api_describes_itself(intake: Intake) -> None:
    paths = (await intake.door.get("/openapi.json")).json()["paths"]

    assert {"/v1/{call}", "/shopify/{source}", "/forms/{form}", "/postmark/{source}", "/rejections"} <= paths.keys()
    assert app.build is not None
