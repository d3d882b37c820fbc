"""Pages of a timeline: complete, in order, without repeats, whatever happens meanwhile."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.activity import domain, store
from services.activity.domain import Event, Membership
from services.kit import ids
from services.kit.database import Connection
from tests.integration.activity.factories import NOON

CONTACT = uuid4()


def happened(number: int, record: UUID, time: datetime, name: str = "page_view", size: int = 2) -> Event:
    body = b"{" + b" " * (size - 2) + b"}"
    return Event(ids.event_id(time, "shop", str(number)), record, time, name, "shop", None, None, body)


async def keep(connection: Connection, events: list[Event], contact: UUID = CONTACT) -> None:
    await store.lock_memberships(
        connection, {event.record_id: Membership(event.record_id, contact, 1) for event in events}
    )
    await store.insert_events(connection, events)
    await store.add_totals(connection, domain.totals(events))


async def page(
    connection: Connection,
    before: Event | None = None,
    *,
    limit: int = 10,
    limit_bytes: int = 10**6,
    name: str | None = None,
) -> tuple[list[Event], bool]:
    return await store.timeline(
        connection,
        CONTACT,
        name=name,
        before=None if before is None else (before.time, before.event_id),
        limit=limit,
        limit_bytes=limit_bytes,
    )


async def walk(connection: Connection, *, limit: int, name: str | None = None) -> list[Event]:
    seen: list[Event] = []
    more = True
    while more:
        found, more = await page(connection, seen[-1] if seen else None, limit=limit, name=name)
        seen += found
    return seen


def latest_first(events: list[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.time, event.event_id), reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
async def test_the_pages_of_many_records_are_the_whole_history_in_order(connection: Connection, limit: int) -> None:
    chance = random.Random(limit)
    records = [uuid4() for _ in range(12)]
    # Few distinct moments, so that many events share one, across records, names and months.
    events = [
        happened(
            number,
            chance.choice(records),
            NOON - timedelta(days=chance.choice([0, 0, 1, 45, 400]), hours=chance.randint(0, 3)),
            chance.choice(["purchase", "page_view", "signup"]),
        )
        for number in range(150)
    ]
    await keep(connection, events)
    await keep(connection, [happened(1000, uuid4(), NOON)], contact=uuid4())
    assert await walk(connection, limit=limit) == latest_first(events)
    purchases = [event for event in events if event.name == "purchase"]
    assert await walk(connection, limit=limit, name="purchase") == latest_first(purchases)


async def test_events_that_arrive_while_someone_pages_make_no_gap_and_no_repeat(connection: Connection) -> None:
    chance = random.Random(7)
    records = [uuid4() for _ in range(3)]
    there = [happened(number, records[number % 3], NOON - timedelta(minutes=number)) for number in range(60)]
    await keep(connection, there)
    seen: list[Event] = []
    arrived = 1000
    more = True
    while more:
        found, more = await page(connection, seen[-1] if seen else None, limit=7)
        seen += found
        late = [
            happened(arrived + number, chance.choice(records), NOON - timedelta(seconds=chance.randint(0, 3600)))
            for number in range(5)
        ]
        arrived += 5
        await keep(connection, late)
    assert [event for event in seen if event in there] == there
    assert len({event.event_id for event in seen}) == len(seen)
    assert seen == latest_first(seen)


async def test_a_page_of_large_events_is_short_and_says_that_more_follow(connection: Connection) -> None:
    record = uuid4()
    events = [happened(number, record, NOON - timedelta(minutes=number), size=1000) for number in range(5)]
    await keep(connection, events)
    assert await page(connection, limit_bytes=2500) == (events[:2], True)
    assert await page(connection, events[1], limit_bytes=2500) == (events[2:4], True)
    assert await page(connection, events[3], limit_bytes=2500) == (events[4:], False)
    assert await page(connection, limit_bytes=10) == (events[:1], True)


async def test_a_page_that_ends_with_the_history_says_so(connection: Connection) -> None:
    record = uuid4()
    events = [happened(number, record, NOON - timedelta(minutes=number)) for number in range(4)]
    await keep(connection, events)
    assert await page(connection, limit=4) == (events, False)
    assert await page(connection, limit=3) == (events[:3], True)
    assert await page(connection, events[3], limit=3) == ([], False)
    assert await page(connection, name="purchase") == ([], False)
