"""Batches as the runtime would apply them, and a subscriber that reads events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx

from services.kit.database import Connection
from services.kit.envelope import Received
from services.subscriptions import handlers


async def apply(connection: Connection, *records: Received[Any]) -> None:
    """One batch in one transaction."""
    async with connection.transaction():
        await handlers.follow_customers(connection, records)


class Event(NamedTuple):
    """An event of a stream; without data it tells only a place."""

    id: str
    kind: str
    data: dict[str, Any]
    comment: str


class Stream:
    """The events of one connection, as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._events = self._read()

    async def _read(self) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            else:
                data = json.loads(fields["data"]) if "data" in fields else {}
                yield Event(fields.get("id", ""), fields.get("event", ""), data, fields.get("", ""))
                fields = {}

    async def next(self) -> Event:
        """The next event of any kind."""
        async with asyncio.timeout(15):
            return await anext(self._events)

    async def events(self, count: int) -> list[Event]:
        """The next events that carry a customer."""
        found: list[Event] = []
        while len(found) < count:
            one = await self.next()
            if one.data:
                found.append(one)
        return found

    async def rest(self) -> list[Event]:
        """All to the end of the connection."""
        async with asyncio.timeout(15):
            return [one async for one in self._events]


def told(events: list[Event]) -> list[tuple[str, int]]:
    """(name, version) of customers."""
    return [(one.data["name"], one.data["version"]) for one in events]
