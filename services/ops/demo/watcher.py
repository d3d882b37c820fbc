"""A subscriber: reads customer updates as Server-Sent Events, and takes up where a broken connection left off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx

PATH = "/subscriptions/customers"


class Sent(NamedTuple):
    """One Server-Sent Event; without data it only says where the stream stands."""

    id: str | None
    type: str
    data: str


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Sent]:
    """The events of a stream (WHATWG HTML, 9.2.6); comments, which keep the connection alive, are passed over."""
    last_id: str | None = None
    given_id: str | None = None
    kind = "message"
    data: list[str] = []
    async for line in lines:
        if not line:
            if data or given_id != last_id:
                last_id = given_id
                yield Sent(last_id, kind, "\n".join(data))
            kind, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                given_id = value
            case "event":
                kind = value
            case "data":
                data.append(value)
            case _:
                pass


class Watcher:
    """The last update of every customer that changed since it began to watch."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.last_id: str | None = None
        self.connected = asyncio.Event()
        self.latest: dict[str, dict[str, Any]] = {}
        self.updates: Counter[str] = Counter()
        self.errors: list[str] = []

    async def watch(self) -> None:
        """Read until cancelled."""
        while True:
            headers = {"Accept": "text/event-stream"}
            if self.last_id is not None:
                headers["Last-Event-ID"] = self.last_id
            with contextlib.suppress(httpx.TransportError):
                await self._read(headers)
            await asyncio.sleep(0.5)

    async def _read(self, headers: dict[str, str]) -> None:
        timeout = httpx.Timeout(10, read=60)
        async with self._client.stream("GET", PATH, headers=headers, timeout=timeout) as response:
            if response.status_code != 200:
                self.errors.append(f"{PATH} answered {response.status_code}")
                return
            self.connected.set()
            async for sent in events(response.aiter_lines()):
                self.last_id = sent.id
                if sent.data:
                    self._take(sent)

    def _take(self, sent: Sent) -> None:
        customer = json.loads(sent.data)
        held = self.latest.get(customer["customer_id"])
        if held is not None and customer["version"] < held["version"]:
            self.errors.append(f"{customer['customer_id']}: version {customer['version']} came after {held['version']}")
            return
        self.latest[customer["customer_id"]] = customer
        self.updates[sent.type] += 1

    @property
    def total(self) -> int:
        return self.updates.total()
