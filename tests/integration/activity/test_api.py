"""The HTTP side, without Kafka: what is read, and what is refused before it is published."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.activity import app
from services.kit import commands, keys, runtime, web
from services.kit.application import Context
from services.kit.database import Connection, Pool
from services.kit.settings import Platform
from tests.integration.activity.factories import (
    NOON,
    apply,
    command,
    contact_state,
    original,
    published,
    resolved,
)

MAIJA, TEPPO, VISITOR = uuid4(), uuid4(), uuid4()


@pytest.fixture
async def client(store_dsn: str, pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    """The service's HTTP for a key that may write; Kafka is never reached."""
    producer = runtime.Producer("127.0.0.1:1", timeout=timedelta(seconds=1))
    context = Context(
        Platform(),
        pool,
        producer,
        commands.Commands("activity", pool, producer, dsn=store_dsn),
        {"ACTIVITY_DATABASE": store_dsn},
        asyncio.Event(),
        clock=lambda: NOON,
    )
    http = web.create_app("activity", app.build(context).routers, keys.KeyStore(pool))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(http),
        base_url="http://activity",
        headers={"Authorization": f"Bearer {await new_key(pool, 'activity:write')}"},
    ) as made:
        yield made
    await context.commands.close()


async def new_key(pool: Pool, *scopes: str) -> str:
    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="liisa", scopes=scopes)
    return key.text


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(client: httpx.AsyncClient, body: Any, contact: object = MAIJA, key: str = "1") -> httpx.Response:
    return await client.post(
        f"/contacts/{contact}/activities",
        content=body if isinstance(body, bytes) else json.dumps(body),
        headers={"Idempotency-Key": key},
    )


# -- the timeline


async def test_an_entry_says_what_happened_where_and_by_whom(client: httpx.AsyncClient, connection: Connection) -> None:
    purchase = original("purchase", record=MAIJA, minor=12990, properties={"order_id": "820982911"})
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1}), resolved(purchase, contact=MAIJA))
    await apply(connection, command(MAIJA, occurred_at=NOON + timedelta(hours=1)))
    page = await get(client, f"/contacts/{MAIJA}/timeline")
    assert (page["contact_id"], page["next"]) == (str(MAIJA), None)
    call, bought = page["events"]
    assert bought == {
        "id": purchase["id"],
        "time": "2026-11-22T12:00:00Z",
        "name": "purchase",
        "source": "shop",
        "record_id": str(MAIJA),
        "amount": {"minor": 12990, "currency": "EUR"},
        "properties": {"order_id": "820982911"},
        "text": None,
        "author": None,
    }
    assert (call["name"], call["source"], call["author"], call["text"], call["properties"]) == (
        "call",
        "activity",
        "key:liisa",
        "Kysyi toimituksesta",
        {"topic": "toimitus"},
    )


async def test_pages_follow_each_other_by_cursor(client: httpx.AsyncClient, connection: Connection) -> None:
    names = ["purchase", "page_view", "page_view", "signup", "page_view"]
    events = [
        original(name, record=MAIJA, time=NOON - timedelta(minutes=number), said=str(number))
        for number, name in enumerate(names)
    ]
    await apply(connection, *(resolved(event, contact=MAIJA) for event in events))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(client, f"/contacts/{MAIJA}/timeline", limit=2, **cursor)
        seen += [entry["id"] for entry in page["events"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [event["id"] for event in events]
    of_one_name = await get(client, f"/contacts/{MAIJA}/timeline", name="page_view")
    assert [entry["id"] for entry in of_one_name["events"]] == [
        event["id"] for event in events if event["data"]["name"] == "page_view"
    ]


async def test_an_absorbed_contact_and_a_record_answer_with_their_survivor(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1, TEPPO: 2, VISITOR: 2}),
        contact_state(TEPPO, 2, {}, merged_into=MAIJA),
        resolved(original("signup", record=TEPPO), contact=MAIJA, number=2),
    )
    for asked in (MAIJA, TEPPO, VISITOR):
        page = await get(client, f"/contacts/{asked}/timeline")
        assert (page["contact_id"], len(page["events"])) == (str(MAIJA), 1)
        assert (await get(client, f"/contacts/{asked}/summary"))["contact_id"] == str(MAIJA)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "WyJhIiwiYiJd"}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"name": "a\0"}, "name"),
    ],
)
async def test_a_question_that_does_not_fit_is_told_by_its_field(
    client: httpx.AsyncClient, query: dict[str, Any], field: str
) -> None:
    answer = await client.get(f"/contacts/{MAIJA}/timeline", params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize("path", ["contacts/{id}/timeline", "contacts/{id}/summary", "events/{id}"])
async def test_what_is_not_there_is_404_and_what_is_no_id_422(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path.format(id=uuid4()))).status_code == 404
    assert (await client.get(path.format(id="maija"))).status_code == 422


# -- the summary and one event


async def test_the_summary_is_what_is_published(client: httpx.AsyncClient, connection: Connection) -> None:
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1}),
        resolved(original("purchase", record=MAIJA, minor=12990), contact=MAIJA),
    )
    summary = await get(client, f"/contacts/{MAIJA}/summary")
    assert summary == (await published(connection, MAIJA))[MAIJA]
    assert summary["sales"][0]["amount_minor"] == 12990


async def test_a_visitor_has_a_summary_of_version_0(client: httpx.AsyncClient, connection: Connection) -> None:
    await apply(connection, resolved(original("page_view", record=VISITOR), contact=VISITOR))
    summary = await get(client, f"/contacts/{VISITOR}/summary")
    assert (summary["version"], summary["counts"]) == (0, {"page_view": 1})


async def test_one_event_is_given_whole_with_the_contact_that_it_belongs_to_now(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    event = original("purchase", record=TEPPO, minor=5, properties={"luku": 1.50, "teksti": "ä"})
    await apply(connection, resolved(event, contact=TEPPO), contact_state(MAIJA, 1, {TEPPO: 2}))
    assert await get(client, f"/events/{event['id']}") == {
        "event_id": event["id"],
        "record_id": str(TEPPO),
        "contact_id": str(MAIJA),
        "event": event,
    }


# -- what people write down


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "purchase"}, 422, "name"),
        ({"name": "call", "occurred_at": "2027-11-22T12:00:00Z"}, 422, "occurred_at"),
        ({"name": "call", "occurred_at": "2026-11-22T12:00:00"}, 422, "occurred_at"),
        ({"name": "call", "text": "x" * 65_537}, 422, "text"),
        ({"name": "call", "properties": {"a": "x" * 65_537}}, 422, "properties"),
        ({"name": "call", "properties": [1]}, 422, "properties"),
        ({"name": 5}, 422, "name"),
        ({"name": "call", "subject": "?"}, 422, "subject"),
        ({}, 422, "name"),
        (b"{", 400, None),
        (b'{"name": "call", "text": "\xff"}', 400, None),
        (b'{"name": "call", "properties": {"a": ' + b"[" * 100_000, 400, None),
        (b" " * (web.MAX_BODY_BYTES + 1), 413, None),
    ],
)
async def test_what_does_not_fit_is_refused_before_it_is_published(
    client: httpx.AsyncClient, connection: Connection, body: Any, status: int, field: str | None
) -> None:
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1}))
    answer = await post(client, body)
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_activity_of_an_unknown_contact_is_404(client: httpx.AsyncClient) -> None:
    assert (await post(client, {"name": "call"}, contact=uuid4())).status_code == 404


async def test_an_activity_needs_an_idempotency_key(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"/contacts/{MAIJA}/activities", json={"name": "call"})
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


async def test_an_activity_is_not_accepted_while_kafka_is_away(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1}))
    answer = await post(client, {"name": "call"})
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


async def test_every_route_asks_for_a_key_with_its_scope(client: httpx.AsyncClient, pool: Pool) -> None:
    reading = [f"/contacts/{MAIJA}/timeline", f"/contacts/{MAIJA}/summary", f"/events/{MAIJA}"]
    for path in reading:
        assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
    client.headers["Authorization"] = f"Bearer {await new_key(pool, 'directory:read')}"
    assert [(await client.get(path)).status_code for path in reading] == [403, 403, 403]
    client.headers["Authorization"] = f"Bearer {await new_key(pool, 'activity:read')}"
    assert (await post(client, {"name": "call"})).status_code == 403


async def test_the_api_describes_itself(client: httpx.AsyncClient) -> None:
    paths = (await get(client, "/openapi.json"))["paths"]
    body = paths["/contacts/{contact_id}/activities"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]) == {"name", "occurred_at", "text", "properties"}
