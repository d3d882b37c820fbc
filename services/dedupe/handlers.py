"""One coroutine per topic: load, decide, save, and say which contacts have changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from services.dedupe import messages, store
from services.dedupe.domain.changes import Changes, Said, changes, links_of
from services.dedupe.domain.evidence import BOUND
from services.dedupe.domain.records import ConsentSaid, Record, Ref, Statement
from services.dedupe.matching import Matching, identity, publish
from services.kit import envelope
from services.kit.database import Connection
from services.kit.envelope import CloudEvent, Message, Received


async def add_events(
    connection: Connection,
    received: Sequence[Received[messages.Event]],
    *,
    ranks: Mapping[str, int],
    bound: int = BOUND,
) -> Iterable[UUID]:
    """Take over what events say of customers; decide anew who is who where that may have changed."""
    events = {UUID(one.event.id): one.event for one in reversed(received)}
    named = {ref.id for event in events.values() for ref in (event.data.record, *event.data.links)}
    if await store.all_known(connection, named):
        try:
            # Leaving the savepoint gives the shared lock back: two who hold it cannot both take it alone.
            async with connection.transaction():
                return await _add_to_known(connection, events, named, ranks, bound)
        except _PlacesMayChange:
            pass
    return await _add_and_match(connection, events, named, ranks, bound)


class _PlacesMayChange(Exception):
    """What these events say bears on who is who."""


Events = Mapping[UUID, CloudEvent[messages.Event]]


async def _add_to_known(
    connection: Connection, events: Events, named: Collection[UUID], ranks: Mapping[str, int], bound: int
) -> set[UUID]:
    """Events of known records that repeat, or change, only what no match depends on."""
    await store.lock_memberships(connection)
    fresh = await _fresh(connection, events)
    if not fresh:
        return set()
    records = await store.lock_records_beside(connection, named)
    change = await _changes(connection, fresh, records, bound)
    if change.links or any(identity(records[id]) != identity(record) for id, record in change.records.items()):
        raise _PlacesMayChange()
    await store.save_records(connection, change.records.values())
    affected = {
        record.contact_id for id, record in change.records.items() if _known_of(record) != _known_of(records[id])
    }
    members: dict[UUID, list[Record]] = {}
    for record in (records | change.records).values():
        if record.contact_id is not None and record.contact_id in affected:
            members.setdefault(record.contact_id, []).append(record)
    return await publish(connection, members, (), {}, ranks)


def _known_of(record: Record) -> object:
    """What a golden record can be made of; visits, and what says nothing new of a customer, leave it as it is."""
    return record.attributes, record.consents


async def _add_and_match(
    connection: Connection, events: Events, named: Collection[UUID], ranks: Mapping[str, int], bound: int
) -> set[UUID]:
    """Events that bring new records, or say something by which records match or part."""
    await store.lock_matching(connection)
    fresh = await _fresh(connection, events)
    matching = Matching(connection, bound=bound, ranks=ranks)
    await matching.read(named)
    change = await _changes(connection, fresh, matching.records, bound)
    await matching.change_records(change.records)
    await matching.change_links(change.links, crossed=change.crossed)
    return await matching.settle(besides=change.records)


async def _fresh(connection: Connection, events: Events) -> list[Said]:
    """What those events say that were not applied before: the inbox is where a repeated delivery ends."""
    fresh = await store.remember_events(connection, {id: event.data.record.id for id, event in events.items()})
    return [said(events[id]) for id in fresh]


async def _changes(
    connection: Connection, fresh: Sequence[Said], records: Mapping[UUID, Record], bound: int
) -> Changes:
    links = await store.links_between(connection, links_of(fresh).keys())
    return changes(fresh, records, links, bound=bound)


def said(event: CloudEvent[messages.Event]) -> Said:
    """What an event says of customers, in terms of the domain."""
    data = event.data
    time = _utc(event.time)
    consents = [
        ConsentSaid(one.purpose, one.channel, one.granted, time, one.text_version, data.record.claimed)
        for one in data.consents
    ]
    statement = Statement(_ref(data.record), time, data.fields, data.verified, consents)
    return Said(statement, [_ref(one) for one in data.links])


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _ref(record: messages.SourceRecord) -> Ref:
    return Ref(record.id, record.source, record.kind, record.key, record.claimed)


async def resolved_events(connection: Connection, received: Sequence[Received[messages.Event]]) -> Sequence[Message]:
    """Each event with the contact that its record belongs to by now."""
    memberships = await store.memberships(connection, {one.data.record.id for one in received})
    found = []
    for one in received:
        contact_id, number = memberships[one.data.record.id]
        assert one.record.value is not None  # it was decoded
        event = CloudEvent(
            id=one.event.id,
            source="/dedupe",
            type=messages.EVENT_RESOLVED,
            subject=str(contact_id),
            time=one.event.time,
            data=messages.EventResolved(contact_id=contact_id, membership=number, event=msgspec.Raw(one.record.value)),
        )
        found.append(envelope.message("resolved-events", str(contact_id), event))
    return found


async def contacts(connection: Connection, ids: Sequence[UUID]) -> Sequence[Message]:
    """The present state message of each contact that was published."""
    return [_message(contact) for contact in await store.contacts(connection, ids)]


def _message(contact: store.Contact) -> Message:
    event = CloudEvent(
        id=f"c-{contact.contact_id}-{contact.version}",
        source="/dedupe",
        type=messages.CONTACT,
        subject=str(contact.contact_id),
        time=contact.changed_at,
        data=messages.contact(contact.contact_id, contact.version, contact.state),
    )
    return envelope.message("contacts", str(contact.contact_id), event, version=contact.version)
