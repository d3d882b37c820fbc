"""The HTTP side, without Kafka: rules and their versions, what is read, what is refused before it is published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.kit import commands, keys, runtime, web
from services.kit.application import Context
from services.kit.database import Pool
from services.kit.settings import Platform
from services.tagging_rules import app
from tests.integration.tagging_rules.conftest import Worker, new_client
from tests.unit.tagging_rules.factories import START, change_tags, contact, event, record_id, resolved

PURCHASE = "0b7d9a40-0000-8000-8000-000000000001"
LOYAL_TAG = "0b7d9a40-0000-8000-8000-000000000003"
RULE: dict[str, Any] = {"kind": "on", "name": "Tarjouspyyntö", "event": "quote_request", "add": ["pyysi tarjouksen"]}
TURKU: dict[str, Any] = {
    "kind": "while",
    "name": "Turkulainen",
    "when": {"field": "fields.city", "op": "is", "value": "Turku"},
    "tag": "turkulainen",
}


@pytest.fixture
async def http(database: str, pool: Pool) -> AsyncIterator[FastAPI]:
    """The service's HTTP; Kafka is never reached."""
    producer = runtime.Producer("127.0.0.1:1", timeout=timedelta(seconds=1))
    context = Context(
        Platform(),
        pool,
        producer,
        commands.Commands("tagging-rules", pool, producer, dsn=database),
        {"TAGGING_RULES_DATABASE": database},
        asyncio.Event(),
        clock=lambda: START,
    )
    yield web.create_app("tagging-rules", app.build(context).routers, keys.KeyStore(pool))
    await context.commands.close()


@pytest.fixture
async def client(http: FastAPI, pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    async with await new_client(pool, http, "tagging-rules:admin") as made:
        yield made


async def test_a_new_store_has_the_starting_rules(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/rules")).json()
    assert answer["recomputing"] is False
    assert [rule["name"] for rule in answer["rules"]][:3] == [
        "Osto tekee asiakkaan",
        "Kiinnostunut, ei vielä ostanut",
        "Viisi ostoa",
    ]
    purchase = answer["rules"][0]
    assert (purchase["id"], purchase["version"], purchase["author"]) == (PURCHASE, 1, "tuttu")


async def test_a_rule_is_created_read_changed_and_switched_off_with_its_versions_kept(
    client: httpx.AsyncClient,
) -> None:
    created = await client.post("/rules", json=RULE)
    assert created.status_code == 201
    assert created.headers["ETag"] == '"1"'
    address = f"/rules/{created.json()['id']}"
    assert created.headers["Location"] == f"/tagging-rules{address}"
    assert (await client.get(address)).json() == created.json()
    assert created.json()["author"] == "key:liisa"

    changed = await client.put(address, json=RULE | {"remove": ["liidi"]}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"], changed.json()["remove"]) == (200, 2, ["liidi"])
    same = await client.put(address, json=RULE | {"remove": ["liidi"], "version": 2})
    assert same.json()["version"] == 2
    off = await client.delete(address, headers={"If-Match": '"2"'})
    assert (off.json()["version"], off.json()["enabled"]) == (3, False)

    first = (await client.get(f"{address}/versions", params={"limit": 2})).json()
    rest = (await client.get(f"{address}/versions", params={"limit": 2, "cursor": first["next"]})).json()
    assert [rule["version"] for rule in first["versions"] + rest["versions"]] == [3, 2, 1]
    assert rest["next"] is None


async def test_who_changes_a_rule_that_somebody_else_has_changed_gets_409(client: httpx.AsyncClient) -> None:
    assert (await client.put(f"/rules/{PURCHASE}", json=RULE | {"version": 1})).status_code == 200
    for answer in (
        await client.put(f"/rules/{PURCHASE}", json=RULE | {"version": 1}),
        await client.put(f"/rules/{PURCHASE}", json=RULE, headers={"If-Match": '"1"'}),
        await client.delete(f"/rules/{PURCHASE}", headers={"If-Match": '"1"'}),
    ):
        assert answer.status_code == 409
        assert "version 1, now 2" in answer.json()["detail"]


async def test_two_who_change_a_rule_at_once_are_not_both_heard(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.put(f"/rules/{PURCHASE}", json=RULE | {"name": f"Nimi {n}", "version": 1}) for n in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_who_does_not_say_which_version_is_changed_is_asked(client: httpx.AsyncClient) -> None:
    answer = await client.put(f"/rules/{PURCHASE}", json=RULE)
    assert (answer.status_code, answer.json()["field"]) == (422, "version")
    answer = await client.put(f"/rules/{PURCHASE}", json=RULE, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["field"]) == (422, "If-Match")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"when": {"all": [{"field": "name", "op": "exists"}, {"field": "name", "op": "is", "value": []}]}},
         "when.all[1].value"),
        ({"when": {"eval": "__import__('os')"}}, "when"),
        ({"add": []}, "add"),
        ({"kind": "sql"}, "kind"),
        ({"id": PURCHASE}, "id"),
    ],
)  # fmt: skip
async def test_a_rule_that_does_not_validate_gets_422_with_the_faulty_place(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    answer = await client.post("/rules", json=RULE | change)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


async def test_rules_that_wait_for_each_other_are_refused_when_saved(client: httpx.AsyncClient) -> None:
    rule = {"kind": "while", "name": "Kehä", "when": {"tag": "kanta-asiakas"}, "tag": "piiri"}
    assert (await client.post("/rules", json=rule)).status_code == 201
    loyal = (await client.get(f"/rules/{LOYAL_TAG}")).json()
    body = {name: loyal[name] for name in ("kind", "name", "tag", "version")} | {"when": {"tag": "piiri"}}
    answer = await client.put(f"/rules/{LOYAL_TAG}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "when")
    assert "Kehä" in answer.json()["detail"]
    assert "Viisi ostoa" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[" * 10_000, 400), (b"\xff", 400), (b"[]", 422), (b" " * 70_000, 413)]
)
async def test_a_body_that_is_no_rule_is_refused(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    assert (await client.post("/rules", content=body)).status_code == status


async def test_a_repeated_creation_with_one_key_makes_one_rule(client: httpx.AsyncClient) -> None:
    answers = [await client.post("/rules", json=RULE, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()


async def test_an_unknown_rule_or_contact_is_404(client: httpx.AsyncClient) -> None:
    unknown = record_id(404)
    for answer in (
        await client.get(f"/rules/{unknown}"),
        await client.get(f"/rules/{unknown}/versions"),
        await client.delete(f"/rules/{unknown}"),
        await client.put(f"/rules/{unknown}", json=RULE | {"version": 1}),
        await client.get(f"/contacts/{unknown}/tags"),
        await client.post(f"/contacts/{unknown}/tags", json={"add": ["vip"]}, headers={"Idempotency-Key": "a"}),
    ):
        assert answer.status_code == 404


async def test_a_changed_rule_is_used_by_a_running_worker_from_its_next_batch_on(
    client: httpx.AsyncClient, worker: Worker
) -> None:
    await worker.run(contact(), resolved(event("quote_request", id="before")))
    assert await worker.tags_of(record_id(1)) == ["potentiaalinen asiakas"]
    await client.post("/rules", json=RULE)
    await worker.run(resolved(event("quote_request", id="after")))
    assert await worker.tags_of(record_id(1)) == ["potentiaalinen asiakas", "pyysi tarjouksen"]


async def test_a_change_of_rules_waits_for_the_batch_under_way(
    client: httpx.AsyncClient, worker: Worker, pool: Pool
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await worker.apply(connection, [contact()])
        changing = asyncio.create_task(client.post("/rules", json=RULE))
        await asyncio.sleep(0.2)
        assert not changing.done()
    assert (await changing).status_code == 201


async def test_only_a_change_of_a_while_rule_asks_for_all_contacts_to_be_worked_out(
    client: httpx.AsyncClient,
) -> None:
    await client.post("/rules", json=RULE)
    await client.post("/rules", json=TURKU | {"enabled": False})
    assert (await client.get("/rules")).json()["recomputing"] is False
    await client.post("/rules", json=TURKU)
    assert (await client.get("/rules")).json()["recomputing"] is True


async def test_the_tags_of_a_contact_are_told_with_why_also_by_an_absorbed_id(
    client: httpx.AsyncClient, worker: Worker
) -> None:
    await worker.run(contact(1), contact(2), resolved(event("purchase")))
    await worker.run(contact(1, version=2, members={1: 1, 2: 2}), contact(2, version=2, merged_into=1))
    told = (await client.get(f"/contacts/{record_id(1)}/tags")).json()
    assert (told["contact_id"], told["version"]) == (str(record_id(1)), 1)
    assert told["tags"][0]["by"]["rule_name"] == "Osto tekee asiakkaan"
    assert (await client.get(f"/contacts/{record_id(2)}/tags")).json() == told


async def test_a_contact_without_tags_says_so(client: httpx.AsyncClient, worker: Worker) -> None:
    await worker.run(contact())
    told = (await client.get(f"/contacts/{record_id(1)}/tags")).json()
    assert told == {"contact_id": str(record_id(1)), "version": 0, "tags": [], "phase": None}


async def test_tags_are_listed_with_counts_by_pages(client: httpx.AsyncClient, worker: Worker) -> None:
    await worker.run(
        contact(1),
        contact(2),
        change_tags(1, add=["a", "ä", "b"]),
        change_tags(2, add=["b"]),
        change_tags(2, add=["c"]),
    )
    first = (await client.get("/tags", params={"limit": 3})).json()
    rest = (await client.get("/tags", params={"limit": 3, "cursor": first["next"]})).json()
    counts = [(one["tag"], one["contacts"]) for one in first["tags"] + rest["tags"]]
    assert counts == [("a", 1), ("b", 2), ("c", 1), ("ä", 1)]
    assert rest["next"] is None
    assert (await client.get("/tags", params={"cursor": "?"})).status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "add"),
        ({"add": ["vip", " "]}, "add[1]"),
        ({"add": ["vip"], "clear": ["vip"]}, "clear"),
        ({"add": "vip"}, "add"),
        ({"tags": ["vip"]}, "tags"),
        ({"add": ["vip"], "reason": 5}, "reason"),
    ],
)
async def test_words_about_tags_that_cannot_be_kept_are_refused_with_their_field(
    client: httpx.AsyncClient, worker: Worker, body: dict[str, Any], field: str
) -> None:
    await worker.run(contact())
    answer = await client.post(f"/contacts/{record_id(1)}/tags", json=body, headers={"Idempotency-Key": "a"})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_change_of_tags_needs_an_idempotency_key(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"/contacts/{record_id(1)}/tags", json={"add": ["vip"]})).status_code == 400


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("directory:read", "GET", "/rules", 403),
        ("tagging-rules:read", "POST", "/rules", 403),
        ("tagging-rules:write", "PUT", f"/rules/{PURCHASE}", 403),
        ("tagging-rules:write", "DELETE", f"/rules/{PURCHASE}", 403),
        ("tagging-rules:read", "POST", f"/contacts/{PURCHASE}/tags", 403),
        ("tagging-rules:read", "GET", "/rules", 200),
        ("tagging-rules:read", "GET", f"/rules/{PURCHASE}/versions", 200),
        ("tagging-rules:read", "GET", "/tags", 200),
    ],
)
async def test_each_door_asks_for_its_scope(
    http: FastAPI, pool: Pool, scope: str, method: str, path: str, status: int
) -> None:
    async with await new_client(pool, http, scope) as someone:
        assert (await someone.request(method, path, json={})).status_code == status
        assert (await someone.request(method, path, json={}, headers={"Authorization": ""})).status_code == 401


async def test_the_api_describes_itself(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    assert set(described["paths"]) == {
        "/rules", "/rules/{rule_id}", "/rules/{rule_id}/versions", "/tags", "/contacts/{contact_id}/tags",
    }  # fmt: skip
