"""Server-Sent Events over a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.kit import keys
from services.kit.database import Connection, Pool
from services.subscriptions import reading, store, stream
from services.subscriptions.domain import Place, parse_place
from services.subscriptions.settings import Settings
from services.subscriptions.stream import Feed
from tests.integration.subscriptions.worker import Event, Stream, apply, told
from tests.unit.subscriptions.factories import MAIJA, TEPPO, record


@contextlib.asynccontextmanager
async def subscribed(client: httpx.AsyncClient, last_id: str | None = None, **query: str) -> AsyncIterator[Stream]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with client.stream("GET", "/customers", params=query, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        opened = Stream(response)
        assert (await opened.next()).comment == "connected"
        yield opened


async def test_an_update_is_an_event_with_id_kind_and_the_customer(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    async with subscribed(client) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        await apply(connection, record(MAIJA, 1, ["vip"], kind="created"))
        [event] = await stream.events(1)
        assert event == Event(
            str(await store.head(connection)),
            "created",
            {"customer_id": str(MAIJA), "version": 1, "name": "Maija", "tags": ["vip"]},
            "",
        )


async def test_a_stream_starts_now_or_with_the_whole_register(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    await apply(connection, record(MAIJA, 1), record(TEPPO, 1, name="Teppo"))
    async with subscribed(client) as now, subscribed(client, **{"from": "start"}) as replay:
        await apply(connection, record(MAIJA, 2))
        assert told(await now.events(1)) == [("Maija", 2)]
        seen = told(await replay.events(2))
        seen += told(await replay.events(1)) if seen[-1] != ("Maija", 2) else []
        assert seen in ([("Maija", 1), ("Teppo", 1), ("Maija", 2)], [("Teppo", 1), ("Maija", 2)])


async def test_a_stream_goes_on_after_the_last_id_even_after_none(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    async with client.stream("GET", "/customers") as response:
        began = (await Stream(response).next()).id
    await apply(connection, record(MAIJA, 1), record(TEPPO, 1, name="Teppo"))
    async with subscribed(client, began) as stream:
        first, second = await stream.events(2)
        assert told([first, second]) == [("Maija", 1), ("Teppo", 1)]
    async with subscribed(client, first.id, **{"from": "start", "last_event_id": "1"}) as stream:
        assert told(await stream.events(1)) == [("Teppo", 1)]
    async with subscribed(client, last_event_id=second.id) as stream:
        await apply(connection, record(MAIJA, 2))
        assert told(await stream.events(1)) == [("Maija", 2)]


async def test_a_subscriber_to_a_tag_learns_who_has_it_and_who_lost_it(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    await apply(connection, record(MAIJA, 1, ["vip"]), record(TEPPO, 1, name="Teppo"))
    async with subscribed(client, tag="vip", **{"from": "start"}) as stream:
        assert told(await stream.events(1)) == [("Maija", 1)]
        await apply(connection, record(TEPPO, 2, ["asiakas"]), record(MAIJA, 2))
        assert told(await stream.events(1)) == [("Maija", 2)]
        await apply(connection, record(MAIJA, 3), record(TEPPO, 3, ["vip"], name="Teppo"))
        [event] = await stream.events(1)
        assert told([event]) == [("Teppo", 3)]
    await apply(connection, record(TEPPO, 4, kind="erased", name=None))
    await apply(connection, record(TEPPO, 5, kind="erased", name="once more"), record(MAIJA, 4))
    async with subscribed(client, event.id, tag="vip") as stream:
        [event] = await stream.events(1)
        assert (event.kind, told([event])) == ("erased", [("once more", 5)])


async def test_a_silent_stream_pings_and_says_where_it_is(client: httpx.AsyncClient, connection: Connection) -> None:
    async with subscribed(client, tag="vip") as stream:
        assert (await stream.next()).comment == "ping"
        await apply(connection, record(MAIJA, 1))
        head = str(await store.head(connection))
        while (event := await stream.next()).id != head:
            assert (event.comment, event.data) == ("ping", {})
        again = await stream.next()
        assert (again.comment, again.id) == ("ping", "")


async def test_two_hundred_subscribers_share_a_small_pool(
    client: httpx.AsyncClient, connection: Connection, pool: Pool
) -> None:
    async def follow(ready: asyncio.Semaphore) -> list[tuple[str, int]]:
        async with subscribed(client) as stream:
            ready.release()
            return told(await stream.events(4))

    ready = asyncio.Semaphore(0)
    followers = [asyncio.create_task(follow(ready)) for _ in range(200)]
    for _ in followers:
        await ready.acquire()
    for version in (1, 2):
        await apply(connection, record(MAIJA, version), record(TEPPO, version, name="Teppo"))
        await asyncio.sleep(0.2)
    expected = [("Maija", 1), ("Teppo", 1), ("Maija", 2), ("Teppo", 2)]
    async with asyncio.timeout(20):
        assert await asyncio.gather(*followers) == [expected] * 200
    assert pool.get_size() <= 6


async def test_a_slow_subscriber_is_waited_for_by_nobody_and_misses_nothing(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    ids = [UUID(int=number) for number in range(1, 1501)]
    async with subscribed(client) as slow, subscribed(client) as fast:
        for begin in range(0, 1500, 100):
            await apply(connection, *(record(one, 1, name="x" * 10_000) for one in ids[begin : begin + 100]))
        await fast.events(1500)
        await apply(connection, record(ids[0], 2, name="last"))
        assert told(await fast.events(1)) == [("last", 2)]
        seen = await slow.events(1501)
        assert [UUID(event.data["customer_id"]) for event in seen] == [*ids, ids[0]]


async def test_streams_end_at_once_when_the_process_stops(
    client: httpx.AsyncClient, connection: Connection, stopping: asyncio.Event
) -> None:
    async with subscribed(client) as one, subscribed(client, **{"from": "start"}, tag="vip") as other:
        began = time.monotonic()
        stopping.set()
        await asyncio.gather(one.rest(), other.rest())
        assert time.monotonic() - began < 1


async def test_the_feed_is_followed_again_after_its_connection_was_cut(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    async with subscribed(client) as stream:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
        )
        await apply(connection, record(MAIJA, 1))
        assert told(await stream.events(1)) == [("Maija", 1)]
        await apply(connection, record(MAIJA, 2))
        assert told(await stream.events(1)) == [("Maija", 2)]


async def test_more_streams_than_are_allowed_are_asked_to_come_again(
    client: httpx.AsyncClient, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_settings", Settings(database="", streams=1))
    async with subscribed(client):
        refused = await client.get("/customers")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")


@pytest.mark.parametrize(
    ("headers", "query", "field"),
    [
        ({"Last-Event-ID": "x"}, {}, "Last-Event-ID"),
        ({}, {"last_event_id": "1-"}, "last_event_id"),
        ({}, {"from": "then"}, "from"),
        ({}, {"tag": ""}, "tag"),
        ({}, {"tag": "\x00"}, "tag"),
    ],
)
async def test_what_is_wrong_in_a_request_is_named(
    client: httpx.AsyncClient, headers: dict[str, str], query: dict[str, str], field: str
) -> None:
    answer = await client.get("/customers", headers=headers, params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_key_without_the_scope_gets_nothing(client: httpx.AsyncClient, pool: Pool) -> None:
    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="other", scopes=["directory:read"])
    assert (await client.get("/customers", headers={"Authorization": ""})).status_code == 401
    assert (await client.get("/customers", headers={"Authorization": f"Bearer {key.text}"})).status_code == 403


# -- writers and readers at once

CUSTOMERS = [UUID(int=number) for number in range(1, 6)]


@pytest.mark.parametrize("tag", [None, "vip"])
@pytest.mark.parametrize("seed", range(3))
async def test_subscribers_that_come_and_go_miss_nothing_of_what_two_writers_write(
    feed: Feed, pool: Pool, monkeypatch: pytest.MonkeyPatch, tag: str | None, seed: int
) -> None:
    monkeypatch.setattr(stream, "PAGE", 2)
    monkeypatch.setattr(reading, "TAIL_ENTRIES", 4)
    chance = random.Random(seed)
    done = asyncio.Event()
    versions = dict.fromkeys(CUSTOMERS, 0)

    async def write() -> None:
        async with pool.acquire() as connection:
            for _ in range(40):
                batch = []
                for customer in chance.sample(CUSTOMERS, chance.randint(1, 3)):
                    versions[customer] += 1
                    batch.append(record(customer, versions[customer], ["vip"] if chance.random() < 0.5 else []))
                await apply(connection, *batch)
                await asyncio.sleep(chance.choice([0, 0, 0.005]))

    async def follow() -> dict[UUID, tuple[int, list[str]]]:
        copy: dict[UUID, tuple[int, list[str]]] = {}
        place = await feed.place(None, from_start=True)
        while True:
            last = done.is_set()
            customers, place = await broken_off(feed, place, tag, 10_000 if last else chance.randint(0, 9))
            for customer in customers:
                customer_id = UUID(customer["customer_id"])
                assert customer["version"] > copy.get(customer_id, (0, []))[0]
                copy[customer_id] = customer["version"], customer["tags"]
            if last:
                return copy

    followers = [asyncio.create_task(follow()) for _ in range(3)]
    await asyncio.gather(write(), write())
    done.set()
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT customer_id, version, tags ? 'vip' AS has FROM feed")
    for copy in await asyncio.gather(*followers):
        for row in rows:
            held = copy.get(row["customer_id"])
            if tag is None or row["has"]:
                assert held is not None and held[0] == row["version"]
            elif held is not None:
                assert held[1] == []


async def broken_off(feed: Feed, place: Place, tag: str | None, count: int) -> tuple[list[dict[str, Any]], Place]:
    """The customers that a subscriber is sent until it goes, after some or when no more come, and where it then is."""
    customers: list[dict[str, Any]] = []
    events = feed.events(place, tag)
    async with contextlib.aclosing(events):
        async for chunk in events:
            for text in chunk.decode().split("\n\n")[:-1]:
                fields = dict(line.split(": ", 1) for line in text.split("\n"))
                place = parse_place(fields.get("id", "")) or place
                if "data" in fields:
                    customers.append(json.loads(fields["data"]))
                if len(customers) >= count or fields.get("") == "ping":
                    return customers, place
    raise AssertionError("a stream does not end by itself")
