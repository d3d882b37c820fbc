"""The HTTP side, without Kafka: what is read, and what is refused before it is published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.dedupe import app, messages
from services.kit import commands, database, keys, runtime, web
from services.kit.application import Context
from services.kit.database import Pool
from services.kit.settings import Platform
from tests.integration.dedupe.register import Register
from tests.unit.dedupe.world import event, ref

MAIJA = {"given_name": "Maija", "family_name": "Meikäläinen", "email": "maija@example.fi"}
MATTI = {"given_name": "Matti", "family_name": "Virtanen", "email": "matti@example.fi"}
LEFT, RIGHT, VISITOR = ref("external_id", "1"), ref("external_id", "2"), ref("anonymous_id", "a", "site")


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    made = await database.open_pool(dsn, application="test")
    yield made
    await made.close()


@pytest.fixture
async def http(dsn: str, pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    """The service's HTTP without a key; Kafka is never reached."""
    producer = runtime.Producer("127.0.0.1:1", timeout=timedelta(seconds=1))
    context = Context(
        Platform(),
        pool,
        producer,
        commands.Commands("dedupe", pool, producer, dsn=dsn),
        {"DEDUPE_DATABASE": dsn},
        asyncio.Event(),
    )
    made = web.create_app("dedupe", app.build(context).routers, keys.KeyStore(pool))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://dedupe") as client:
        yield client
    await context.commands.close()


@pytest.fixture
async def client(http: httpx.AsyncClient, pool: Pool) -> httpx.AsyncClient:
    """The same, for a key that may write."""
    http.headers["Authorization"] = f"Bearer {await new_key(pool, 'dedupe:write')}"
    return http


async def new_key(pool: Pool, *scopes: str) -> str:
    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="liisa", scopes=scopes)
    return key.text


async def get(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def merge(left: messages.SourceRecord, right: messages.SourceRecord) -> messages.MergeContacts:
    return messages.MergeContacts(left=[left.id], right=[right.id], author="key:liisa", reason="sama")


async def test_a_contact_shows_where_each_value_is_from(client: httpx.AsyncClient, register: Register) -> None:
    await register.hear(event(LEFT, MAIJA, verified=["email"]), event(RIGHT, MAIJA, at=1, city="Oulu"))
    shown = await get(client, f"/contacts/{LEFT.id}")
    assert (shown["contact_id"], shown["redirected_from"], shown["version"]) == (str(LEFT.id), None, 1)
    assert shown["fields"]["city"]["record_id"] == str(RIGHT.id)
    assert shown["fields"]["email"]["verified"] is True
    first, second = shown["members"]
    assert (first["record_id"], first["key"], first["source"]) == (str(LEFT.id), "1", "shop")
    assert first["fields"]["email"] == {
        "value": "maija@example.fi",
        "time": "2026-11-22T08:00:00Z",
        "claimed": False,
        "verified": True,
    }
    assert second["fields"]["city"]["value"] == "Oulu"


async def test_an_absorbed_id_leads_to_the_contact_and_says_so(client: httpx.AsyncClient, register: Register) -> None:
    await register.hear(event(LEFT, MAIJA), event(RIGHT, MATTI, at=1))
    await register.decide(merge(LEFT, RIGHT))
    shown = await get(client, f"/contacts/{RIGHT.id}")
    assert (shown["contact_id"], shown["redirected_from"]) == (str(LEFT.id), str(RIGHT.id))


async def test_a_visitor_is_shown_though_nothing_of_it_is_published(
    client: httpx.AsyncClient, register: Register
) -> None:
    await register.hear(event(VISITOR))
    shown = await get(client, f"/contacts/{VISITOR.id}")
    assert (shown["version"], shown["fields"], len(shown["members"])) == (0, {}, 1)


async def test_the_history_tells_decisions_the_latest_first_in_pages(
    client: httpx.AsyncClient, register: Register
) -> None:
    await register.hear(event(LEFT, MAIJA), event(RIGHT, MATTI, at=1))
    await register.decide(merge(LEFT, RIGHT))
    await register.decide(messages.UnmergeContact(left=[LEFT.id], right=[RIGHT.id], author="key:pekka"))
    await register.decide(merge(LEFT, RIGHT))
    first = await get(client, f"/contacts/{RIGHT.id}/history?limit=2")
    second = await get(client, f"/contacts/{RIGHT.id}/history?limit=2&cursor={first['next']}")
    found = [*first["decisions"], *second["decisions"]]
    assert [(one["kind"], one["author"]) for one in found] == [
        ("merge", "key:liisa"),
        ("unmerge", "key:pekka"),
        ("merge", "key:liisa"),
    ]
    assert (found[0]["left"], found[0]["right"], found[0]["reason"]) == ([str(LEFT.id)], [str(RIGHT.id)], "sama")
    assert second["next"] is None


async def test_a_key_is_asked_for_and_must_have_the_scope(http: httpx.AsyncClient, pool: Pool) -> None:
    path = f"/contacts/{LEFT.id}"
    assert (await http.get(path)).status_code == 401
    http.headers["Authorization"] = f"Bearer {await new_key(pool, 'dedupe:read')}"
    assert (await http.get(path)).status_code == 404
    answer = await http.post(f"{path}/merge", json={"with": str(RIGHT.id)}, headers={"Idempotency-Key": "1"})
    assert answer.status_code == 403


# Not a random one: pytest-xdist wants the same tests in every process.
NOBODY = UUID(int=0xDEAD)


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        (f"/contacts/{NOBODY}/merge", {"with": str(RIGHT.id)}, 404, None),
        (f"/contacts/{LEFT.id}/merge", {"with": str(NOBODY)}, 404, None),
        (f"/contacts/{LEFT.id}/merge", {"with": str(LEFT.id)}, 422, "with"),
        (f"/contacts/{LEFT.id}/merge", {"with": "nobody"}, 422, "with"),
        (f"/contacts/{LEFT.id}/merge", {}, 422, "with"),
        (f"/contacts/{LEFT.id}/merge", {"with": str(RIGHT.id), "reson": "?"}, 422, "reson"),
        (f"/contacts/{LEFT.id}/unmerge", {"records": [str(LEFT.id)]}, 422, "records"),
        (f"/contacts/{LEFT.id}/unmerge", {"records": [str(RIGHT.id)]}, 422, "records[0]"),
        (f"/contacts/{LEFT.id}/unmerge", {"records": []}, 422, "records"),
        ("/contacts/nobody/merge", {"with": str(RIGHT.id)}, 422, "contact_id"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_once(
    client: httpx.AsyncClient, register: Register, path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    await register.hear(event(LEFT, MAIJA), event(RIGHT, MATTI, at=1))
    answer = await client.post(path, json=body, headers={"Idempotency-Key": "1"})
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text


async def test_a_command_needs_an_idempotency_key(client: httpx.AsyncClient, register: Register) -> None:
    await register.hear(event(LEFT, MAIJA), event(RIGHT, MATTI, at=1))
    answer = await client.post(f"/contacts/{LEFT.id}/merge", json={"with": str(RIGHT.id)})
    assert answer.status_code == 400


async def test_a_repeated_command_tells_what_became_of_the_first(client: httpx.AsyncClient, register: Register) -> None:
    await register.hear(event(LEFT, MAIJA), event(RIGHT, MATTI, at=1))
    command_id = commands.id_of(keys.Principal("liisa", frozenset()), "one merge")
    await register.decide(merge(LEFT, RIGHT), ids=[command_id])
    answer = await client.post(
        f"/contacts/{LEFT.id}/merge", json={"with": str(RIGHT.id)}, headers={"Idempotency-Key": "one merge"}
    )
    assert (answer.status_code, answer.json()["result"]["contact_id"]) == (200, str(LEFT.id))


async def test_a_command_that_kafka_does_not_take_is_not_accepted(
    client: httpx.AsyncClient, register: Register
) -> None:
    await register.hear(event(LEFT, MAIJA), event(RIGHT, MATTI, at=1))
    answer = await client.post(
        f"/contacts/{LEFT.id}/merge", json={"with": str(RIGHT.id)}, headers={"Idempotency-Key": "1"}
    )
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
