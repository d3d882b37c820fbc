"""The load: Segment batches of a shop's customers, and a reader of `customers` that times what comes out."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.kit import errors

BATCH = 50
_SENDERS = 8
_GIVEN = ("Aino", "Eino", "Helmi", "Väinö", "Aada", "Onni", "Elli", "Toivo", "Lyyli", "Urho", "Sofia", "Eetu")
_FAMILY = ("Korhonen", "Virtanen", "Mäkinen", "Nieminen", "Hämäläinen", "Laine", "Heikkinen", "Järvinen", "Ahonen")


class Refused(errors.TuttuError):
    """Intake answered {status} under load: {body}"""


class Shop:
    """Makes events of `contacts` customers; the same seed makes the same ones."""

    def __init__(self, contacts: int, *, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._contacts = contacts
        self._numbers = iter(range(1 << 40))
        self._run = f"{seed}-{time.time_ns()}"

    def event(self) -> dict[str, Any]:
        """Six of ten are purchases, two are page views, two tell who the customer is."""
        customer = self._random.randrange(self._contacts)
        number = next(self._numbers)
        what = self._random.random()
        event: dict[str, Any] = {
            "messageId": f"{self._run}-{number}",
            "userId": f"c{customer}",
            "timestamp": datetime.now(UTC).isoformat(),
        }
        if what < 0.6:
            cents = self._random.randrange(100, 20000)
            properties = {"order_id": f"o{number}", "total": cents / 100, "currency": "EUR", "products": []}
            return {**event, "type": "track", "event": "Order Completed", "properties": properties}
        if what < 0.8:
            return {**event, "type": "page", "name": "Kahvit", "properties": {"path": "/kahvit"}}
        return {**event, "type": "identify", "traits": _traits(customer)}

    def batches(self, events: int, size: int) -> Iterator[list[dict[str, Any]]]:
        for start in range(0, events, size):
            yield [self.event() for _ in range(min(size, events - start))]


def _traits(customer: int) -> dict[str, Any]:
    given, family = _GIVEN[customer % len(_GIVEN)], _FAMILY[customer // len(_GIVEN) % len(_FAMILY)]
    return {
        "firstName": given,
        "lastName": family,
        "email": f"asiakas{customer}@example.fi",
        "phone": f"+35840{1000000 + customer:07d}",
    }


@dataclass
class Sender:
    """Sends batches through the public door and counts what was acknowledged."""

    url: str
    write_key: str
    accepted: int = 0
    sent_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Per customer, when each event was sent that the reader shall see arrive."""

    async def run(self, shop: Shop, events: int, *, rate: float | None, timed: bool, batch: int = BATCH) -> float:
        """Send `events`, as fast as they are taken or at `rate` a second; returns the seconds it took."""
        began = time.perf_counter()
        queue = shop.batches(events, batch)
        position = 0
        async with httpx.AsyncClient(auth=(self.write_key, ""), timeout=30) as client:

            async def sender() -> None:
                nonlocal position
                for group in queue:
                    due = began + position / rate if rate else 0.0
                    position += len(group)
                    if (wait := due - time.perf_counter()) > 0:
                        await asyncio.sleep(wait)
                    await self._send(client, group, timed)

            await asyncio.gather(*(sender() for _ in range(_SENDERS)))
        return time.perf_counter() - began

    async def _send(self, client: httpx.AsyncClient, group: list[dict[str, Any]], timed: bool) -> None:
        if timed:
            now = time.perf_counter()
            for event in group:
                self.sent_at[event["userId"]].append(now)
        body = msgspec.json.encode({"batch": group, "sentAt": datetime.now(UTC)})
        answer = await client.post(f"{self.url}/v1/batch", content=body, headers={"content-type": "application/json"})
        if answer.status_code != 200:
            raise Refused(status=answer.status_code, body=answer.text[:300])
        self.accepted += len(group)


class _Identifier(msgspec.Struct):
    kind: str
    value: str


class _Activity(msgspec.Struct):
    counts: dict[str, int]


class _Customer(msgspec.Struct):
    identifiers: list[_Identifier]
    activity: _Activity | None = None


class _Event(msgspec.Struct):
    data: _Customer


class Reader:
    """Reads `customers` as a subscriber does; knows how many events of each customer have shown in it, and when."""

    def __init__(self, kafka: str, partitions: int) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=kafka, fetch_max_wait_ms=20, auto_offset_reset="latest")
        self._partitions = [TopicPartition("customers", partition) for partition in range(partitions)]
        self._decode = msgspec.json.Decoder(_Event).decode
        self._task: asyncio.Task[None] | None = None
        self.seen: dict[str, int] = {}
        self.arrivals: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.last_at = 0.0
        self.records = 0

    async def __aenter__(self) -> Reader:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_end()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _run(self) -> None:
        while True:
            polled = await self._consumer.getmany(timeout_ms=200)
            now = time.perf_counter()
            for records in polled.values():
                for record in records:
                    self._note(self._decode(record.value).data, now)

    def _note(self, customer: _Customer, now: float) -> None:
        self.records += 1
        if customer.activity is None:
            return
        count = sum(customer.activity.counts.values())
        for identifier in customer.identifiers:
            if identifier.kind == "external_id" and count > self.seen.get(identifier.value, 0):
                self.seen[identifier.value] = count
                self.arrivals[identifier.value].append((now, count))
                self.last_at = now

    async def wait_for(self, events: int, idle_s: float = 30) -> None:
        """Wait until all events show; gives up when nothing new has shown for `idle_s`."""
        progress = time.perf_counter()
        shown = -1
        while (now := sum(self.seen.values())) < events and time.perf_counter() - progress < idle_s:
            if now != shown:
                shown, progress = now, time.perf_counter()
            await asyncio.sleep(0.1)

    def latencies_s(self, sent_at: dict[str, list[float]], before: dict[str, int]) -> list[float]:
        """From the request to the first customer record that shows the event; `before` are the counts at the start."""
        found = []
        for customer, times in sent_at.items():
            arrivals = iter(self.arrivals.get(customer, ()))
            at, count = next(arrivals, (0.0, -1))
            for number, sent in enumerate(times, before.get(customer, 0) + 1):
                while count != -1 and (count < number):
                    at, count = next(arrivals, (0.0, -1))
                if count >= number:
                    found.append(at - sent)
        return found
