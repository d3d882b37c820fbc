"""How the demo sends and watches, against an HTTP server that answers from a list."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import httpx
import pytest

from services.ops.demo import player, watcher
from services.ops.demo.doors import Delivery, Told
from services.ops.demo.tracker import Tracker

DELIVERY = Delivery("a door", "/intake/somewhere", {"X-Kind": "order"}, b"body", (Told("s", "k", "purchase", 1),))


def _client(answers: list[httpx.Response | Exception]) -> httpx.AsyncClient:
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://tuttu")


async def test_a_shut_door_is_tried_again_after_the_time_that_it_names() -> None:
    shut = httpx.Response(503, headers={"Retry-After": "0.01"})
    async with _client([shut, httpx.ConnectError("nobody"), httpx.Response(200)]) as client:
        assert (await player.send(client, DELIVERY)).status_code == 200


async def test_a_refusal_is_not_tried_again() -> None:
    async with _client([httpx.Response(422)]) as client:
        assert (await player.send(client, DELIVERY)).status_code == 422


async def test_what_never_answers_is_noted_as_a_surprise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "_TRIES", 1)
    tracker, stop = Tracker(), asyncio.Event()
    async with _client([httpx.ConnectError("nobody")]) as client:
        playing = asyncio.create_task(player.play(client, itertools.repeat(DELIVERY), tracker, stop, per_s=0.1))
        await asyncio.sleep(0.05)
        stop.set()
        await playing
    assert tracker.accepted == 0
    assert len(tracker.surprises) == 1


async def test_playing_keeps_its_pace_and_ends_when_it_is_told_to() -> None:
    tracker, stop = Tracker(), asyncio.Event()
    async with _client([httpx.Response(200)] * 1000) as client:
        playing = asyncio.create_task(player.play(client, itertools.repeat(DELIVERY), tracker, stop, per_s=50))
        await asyncio.sleep(0.4)
        stop.set()
        await playing
    assert 5 <= tracker.deliveries <= 25


async def _lines(text: str) -> AsyncIterator[str]:
    for line in text.split("\n"):
        yield line


async def test_the_events_of_a_stream_are_read_with_their_ids_and_without_its_comments() -> None:
    stream = ': hello\nid: 5\n\nid: 7\nevent: changed\ndata: {"a":\ndata: 1}\n\n: still here\n\ndata: x\n\n'
    found = [sent async for sent in watcher.events(_lines(stream))]
    assert found == [("5", "message", ""), ("7", "changed", '{"a":\n1}'), ("7", "message", "x")]
