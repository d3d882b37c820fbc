"""What intake does by itself, once a minute."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg

from services.intake import app
from tests.integration.intake.running import Intake


async def test_the_use_of_a_key_is_noted(intake: Intake) -> None:
    assert intake.context is not None
    await intake.source("sivusto")
    key = await intake.key("sivusto")
    parts = app.parts(intake.context)
    await parts.register.key(key, "segment")

    await app.tidy(parts)

    (listed,) = (await intake.admin.get("/sources/sivusto/keys")).json()["keys"]
    assert listed["last_used_at"] is not None
    assert parts.register.used == set()


async def test_what_was_kept_long_enough_is_deleted_and_what_is_open_stays(
    intake_with: Callable[..., AbstractAsyncContextManager[Intake]],
) -> None:
    kept = {"INTAKE_SETTLED_REJECTIONS_KEPT": "0", "INTAKE_UNSIGNED_REJECTIONS_KEPT": "0"}
    async with intake_with(**kept) as intake:
        assert intake.context is not None
        await intake.source("sivusto")
        key = await intake.key("sivusto")
        await intake.source("kauppa", "shopify", secret="shpss_0123456789")
        await intake.door.post("/v1/track", json={"userId": "open"}, auth=(key, ""))
        await intake.door.post("/shopify/kauppa", content=b"unsigned")
        await intake.door.post("/v1/track", json={"userId": "settled"}, auth=(key, ""))
        settled = (await intake.rejections())[0]["id"]
        await intake.admin.post(f"/rejections/{settled}/discard", json={"reason": "koe"})
        await intake.door.post("/v1/page", json={"userId": "u1", "messageId": "m"}, auth=(key, ""))

        await app.tidy(app.parts(intake.context))

        (line,) = await intake.rejections()
        assert (line["reason"], line["status"]) == ("missing", "open")
        connection = await asyncpg.connect(intake.database)
        assert await connection.fetchval("SELECT count(*) FROM first_seen") == 1
        await connection.close()
