"""The stream of customer updates."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx

from services.ops.demo import watcher
from services.ops.demo.register import Register
from services.ops.demo.scenes import claims, shop
from services.ops.demo.watcher import Sent, Watcher
from tests.e2e import steps
from tests.e2e.system import Tuttu


async def _stream(client: httpx.AsyncClient, last_id: str | None = None, **query: str) -> AsyncGenerator[Sent, None]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
    async with client.stream("GET", watcher.PATH, headers=headers, params=query) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        async for sent in watcher.events(response.aiter_lines()):
            if sent.data:
                yield sent


async def test_a_subscriber_who_comes_back_gets_what_it_missed_and_nothing_twice(
    tuttu: Tuttu, register: Register, updates: Watcher
) -> None:
    cast = tuttu.cast
    one, missed = cast.newcomer(), cast.newcomer()
    await steps.send(register, shop.order(cast, one))
    await steps.update_of(updates, one, steps.bought(1))
    await asyncio.sleep(0.3)
    last_id, before = updates.last_id, dict(updates.latest)
    assert last_id is not None

    await steps.send(register, shop.order(cast, missed))
    await steps.update_of(updates, missed, steps.bought(1))
    expected = [customer["customer_id"] for customer in updates.latest.values() if steps.is_of(customer, missed)]
    async with asyncio.timeout(10), tuttu.client() as client:
        seen: dict[str, int] = {}
        async for sent in _stream(client, last_id):
            customer = json.loads(sent.data)
            assert customer["version"] > before.get(customer["customer_id"], {"version": 0})["version"]
            seen[customer["customer_id"]] = customer["version"]
            if seen.get(expected[0]) == updates.latest[expected[0]]["version"]:
                break
    assert set(seen) == set(expected)


async def test_a_subscriber_to_a_tag_hears_of_nobody_else(tuttu: Tuttu, register: Register, updates: Watcher) -> None:
    cast = tuttu.cast
    reader, buyer = cast.newcomer(), cast.newcomer()
    async with asyncio.timeout(20), tuttu.client() as client:
        stream = _stream(client, tag="asiakas")
        following = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.3)
        await steps.send(register, claims.signup(cast, reader, reader.name, reader.email))
        await steps.update_of(updates, reader, lambda customer: customer["tags"])
        await steps.send(register, shop.order(cast, buyer))
        await steps.update_of(updates, buyer, steps.bought(1))
        sent = await following
        assert steps.is_of(json.loads(sent.data), buyer)
        await stream.aclose()


async def test_a_stream_without_a_key_is_refused(tuttu: Tuttu) -> None:
    async with httpx.AsyncClient(base_url=tuttu.url) as client:
        response = await client.get(watcher.PATH)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
