"""Sends deliveries at a steady pace, as vendors do: none waits for another, and a shut door is tried again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from uuid import UUID

import httpx

from services.ops.demo.doors import Delivery
from services.ops.demo.tracker import Tracker

_TRIES = 6
_AT_ONCE = 16
_SHUT = (429, 502, 503, 504)


async def play(
    client: httpx.AsyncClient, deliveries: Iterator[Delivery], tracker: Tracker, stop: asyncio.Event, *, per_s: float
) -> None:
    """Send until `stop`; returns when every delivery that was begun has its answer."""
    loop = asyncio.get_running_loop()
    free = asyncio.Semaphore(_AT_ONCE)
    due = loop.time()
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            await free.acquire()
            task = group.create_task(deliver(client, next(deliveries), tracker))
            task.add_done_callback(lambda _: free.release())
            # Behind a slow door the pace falls; what was missed is not made up for in a burst.
            due = max(due + 1 / per_s, loop.time())
            await pause(stop, due - loop.time())


async def deliver(client: httpx.AsyncClient, delivery: Delivery, tracker: Tracker) -> None:
    """Send one, and note what came of it."""
    try:
        response = await send(client, delivery)
        tracker.answered(delivery, response.status_code, _event_ids(response))
    except httpx.HTTPError as error:
        tracker.failed(delivery, error)


async def send(client: httpx.AsyncClient, delivery: Delivery) -> httpx.Response:
    """What the door answered at last. Raises `httpx.HTTPError` where it never did."""
    wait_s = 0.2
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        try:
            response = await client.post(delivery.path, content=delivery.content, headers=dict(delivery.headers))
            if response.status_code not in _SHUT or last:
                return response
            wait_s = float(response.headers.get("Retry-After", wait_s))
        except httpx.TransportError:
            if last:
                raise
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, 5.0)
    raise AssertionError("unreachable")


def _event_ids(response: httpx.Response) -> list[UUID]:
    """The ids that the door gave to the events, where it says so."""
    try:
        answer = response.json()
    except ValueError:
        return []
    found = answer.get("event_ids") or [answer.get("event_id")]
    return [UUID(each) for each in found if each]


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(seconds, 0)):
            await stop.wait()
