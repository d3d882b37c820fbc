"""The only module that speaks SQL. Whole batches in, whole batches out.

Locks are taken in one order: memberships, totals, summaries; of each the rows that are there, then new ones, sorted by
id. Until it commits, a worker holds the membership of every record whose totals it changes and the summary of every
contact that it computes; so whoever computes a contact last has seen all that concerns it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

import asyncpg
import msgspec

from services.activity.domain import NOTHING, Event, Membership, Summary, Total
from services.kit import database
from services.kit.database import Connection

_QUERIES = database.load_queries(__package__)
_summary = msgspec.json.Decoder(Summary)
_sort_key = attrgetter("int")


# -- memberships


async def memberships(connection: Connection, records: Collection[UUID]) -> dict[UUID, Membership]:
    """What is held of these records."""
    return _memberships(await connection.fetch(_QUERIES["memberships"], list(records)))


async def lock_memberships(connection: Connection, given: Mapping[UUID, Membership]) -> dict[UUID, Membership]:
    """What is held of these records, locked; records that were never heard of get what is given."""
    held = _memberships(await connection.fetch(_QUERIES["lock_memberships"], list(given)))
    if new := sorted(given.keys() - held.keys(), key=_sort_key):
        rows = [given[record_id] for record_id in new]
        await connection.execute(_QUERIES["insert_memberships"], *_membership_columns(rows))
        # Another worker may have been quicker: what counts is what is there now.
        held |= _memberships(await connection.fetch(_QUERIES["lock_memberships"], new))
    return held


async def move(connection: Connection, moves: Sequence[Membership]) -> None:
    """Save memberships whose rows are locked."""
    if moves:
        await connection.execute(_QUERIES["move_memberships"], *_membership_columns(moves))


def _memberships(rows: Iterable[asyncpg.Record]) -> dict[UUID, Membership]:
    return {row[0]: Membership(*row) for row in rows}


def _membership_columns(rows: Sequence[Membership]) -> tuple[list[UUID], list[UUID], list[int]]:
    return [row.record_id for row in rows], [row.contact_id for row in rows], [row.number for row in rows]


# -- events and totals


async def insert_events(connection: Connection, events: Sequence[Event]) -> set[UUID]:
    """Keep events; returns the ids of those that were not there."""
    rows = await connection.fetch(
        _QUERIES["insert_events"],
        [event.event_id for event in events],
        [event.record_id for event in events],
        [event.time for event in events],
        [event.name for event in events],
        [event.source for event in events],
        [event.amount_minor for event in events],
        [event.currency for event in events],
        [event.body for event in events],
    )
    return {row[0] for row in rows}


async def add_totals(connection: Connection, by_record: Mapping[UUID, Sequence[Total]]) -> None:
    """Add to the totals of records, whose memberships are locked."""
    rows = [
        (record_id, total)
        for record_id in sorted(by_record, key=_sort_key)
        for total in sorted(by_record[record_id], key=lambda total: (total.name, total.currency))
    ]
    await connection.execute(
        _QUERIES["add_totals"],
        [record_id for record_id, _ in rows],
        [total.name for _, total in rows],
        [total.currency for _, total in rows],
        [total.count for _, total in rows],
        [total.sum_minor for _, total in rows],
        [total.first_time for _, total in rows],
        [total.last_time for _, total in rows],
    )


# -- contacts


@dataclass(frozen=True, slots=True)
class Contact:
    """What dedupe says of a contact, as far as it matters here."""

    contact_id: UUID
    version: int
    merged_into: UUID | None


async def save_contacts(connection: Connection, contacts: Iterable[Contact]) -> set[UUID]:
    """Keep contacts, one row of each; returns those that are newer than what was held."""
    rows = sorted(contacts, key=lambda contact: contact.contact_id.int)
    newer = await connection.fetch(
        _QUERIES["save_contacts"],
        [row.contact_id for row in rows],
        [row.version for row in rows],
        [row.merged_into for row in rows],
    )
    return {row[0] for row in newer}


async def known(connection: Connection, contacts: Collection[UUID]) -> set[UUID]:
    """Those of these ids that name a contact or a record."""
    return {row[0] for row in await connection.fetch(_QUERIES["known_contacts"], list(contacts))}


# -- summaries


async def lock_summaries(connection: Connection, contacts: Set[UUID]) -> dict[UUID, Summary | None]:
    """The published summary of each of these contacts, locked; None where nothing was published."""
    held = _states(await connection.fetch(_QUERIES["lock_summaries"], list(contacts)))
    if new := sorted(contacts - held.keys(), key=_sort_key):
        await connection.execute(_QUERIES["insert_summaries"], new)
        held |= _states(await connection.fetch(_QUERIES["lock_summaries"], new))
    return held


def _states(rows: Iterable[asyncpg.Record]) -> dict[UUID, Summary | None]:
    return {contact_id: None if state is None else _summary.decode(state) for contact_id, state in rows}


async def contact_totals(connection: Connection, contacts: Collection[UUID]) -> dict[UUID, list[Total]]:
    """The totals of those contacts that dedupe has published; an absorbed contact has none."""
    found: dict[UUID, list[Total]] = {}
    for contact_id, name, *figures in await connection.fetch(_QUERIES["contact_totals"], list(contacts)):
        of_contact = found.setdefault(contact_id, [])
        if name is not None:
            of_contact.append(Total(name, *figures))
    return found


async def save_summaries(connection: Connection, summaries: Mapping[UUID, Summary]) -> None:
    """Save summaries whose rows are locked, each as the contact's next version."""
    if summaries:
        states = [msgspec.json.encode(summary).decode() for summary in summaries.values()]
        await connection.execute(_QUERIES["save_summaries"], list(summaries), states)


@dataclass(frozen=True, slots=True)
class Published:
    """What was published of a contact, when, and as which version."""

    contact_id: UUID
    version: int
    summary: Summary
    changed_at: datetime


async def published(connection: Connection, contacts: Collection[UUID]) -> list[Published]:
    """What was published of these contacts; those of which nothing was are left out."""
    return [
        Published(contact_id, version, NOTHING if state is None else _summary.decode(state), changed_at)
        for contact_id, version, state, changed_at in await connection.fetch(_QUERIES["published"], list(contacts))
    ]


# -- reading


async def survivor(connection: Connection, contact_id: UUID) -> UUID | None:
    """The contact that holds the history of this contact or record now; None when nothing is known of it."""
    found: UUID | None = await connection.fetchval(_QUERIES["survivor"], contact_id)
    return found


async def totals_of(connection: Connection, contact_id: UUID) -> list[Total]:
    """The totals of all records of one contact, published or not."""
    return [Total(*row) for row in await connection.fetch(_QUERIES["totals_of_contact"], contact_id)]


async def timeline(
    connection: Connection,
    contact_id: UUID,
    *,
    name: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
    limit_bytes: int,
) -> tuple[list[Event], bool]:
    """A contact's events from the latest, those of one name or all, strictly before (time, event id); and whether more
    follow.

    At most `limit`; fewer when their bodies would exceed `limit_bytes`, but one at least where there is one.
    """
    time, event_id = before or (None, None)
    rows = await connection.fetch(_QUERIES["timeline"], contact_id, name, time, event_id, limit + 1, limit_bytes)
    page = [Event(*figures) for *figures, _ in rows[:limit]]
    return page, bool(rows) and rows[0]["found"] > len(page)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event whole, and the contact that its record belongs to now."""

    event_id: UUID
    record_id: UUID
    contact_id: UUID
    body: bytes


async def event(connection: Connection, event_id: UUID) -> StoredEvent | None:
    row = await connection.fetchrow(_QUERIES["event"], event_id)
    return StoredEvent(*row) if row is not None else None
