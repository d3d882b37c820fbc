"""One coroutine per topic: load, decide, save, and say which contacts it concerns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from services.activity import domain, store
from services.activity.messages import ContactActivity, ContactState, LogActivity, ResolvedEvent
from services.kit import commands, envelope, ids
from services.kit.database import Connection
from services.kit.envelope import CloudEvent, Message, Received


async def add_events(connection: Connection, received: Sequence[Received[ResolvedEvent]]) -> Iterable[UUID]:
    """Keep what happened, under the record that it happened to."""
    contact_of, affected = await _place(
        connection,
        domain.largest(
            domain.Membership(one.data.event.data.record.id, one.data.contact_id, one.data.membership)
            for one in received
        ),
    )
    await _add(connection, [_event(one.data) for one in received])
    return affected.union(contact_of.values())


def _event(resolved: ResolvedEvent) -> domain.Event:
    event = resolved.event
    amount = event.data.amount
    return domain.Event(
        event.id,
        event.data.record.id,
        event.time,
        event.data.name,
        event.data.record.source,
        amount.minor if amount else None,
        amount.currency if amount else None,
        resolved.body,
    )


async def follow_contacts(connection: Connection, received: Sequence[Received[ContactState]]) -> Iterable[UUID]:
    """Take over who is whom: members with their numbers, and redirects of absorbed contacts."""
    given = domain.largest(
        domain.Membership(member.record_id, one.data.contact_id, member.membership)
        for one in received
        for member in one.data.members
    )
    # A state repeats members that have not moved; numbers only grow, so that these need no lock.
    moves = domain.moves(await store.memberships(connection, given), given)
    affected: set[UUID] = set()
    if moves:
        _, affected = await _place(connection, {move.record_id: move for move in moves})
    newest: dict[UUID, ContactState] = {}
    for one in received:
        if (held := newest.get(one.data.contact_id)) is None or one.data.version > held.version:
            newest[one.data.contact_id] = one.data
    newer = await store.save_contacts(
        connection,
        [store.Contact(state.contact_id, state.version, state.merged_into) for state in newest.values()],
    )
    return affected | newer


async def log_activities(
    connection: Connection, received: Sequence[Received[LogActivity]], *, future_tolerance: timedelta
) -> Iterable[UUID]:
    """Keep what people write down, under the contact's first record, or refuse it with the reason."""
    new = await commands.new_only(connection, received)
    known = await store.known(connection, {one.data.contact_id for one in new})
    refusals = {one.event.id: _refusal(one, known, future_tolerance) for one in new}
    accepted = [one for one in new if refusals[one.event.id] is None]
    # Number 0 yields to whatever dedupe says of the record, sooner or later.
    contact_of, affected = await _place(
        connection,
        {one.data.contact_id: domain.Membership(one.data.contact_id, one.data.contact_id, 0) for one in accepted},
    )
    await _add(connection, [_written(one) for one in accepted])
    await commands.save(connection, [_outcome(one, refusals[one.event.id], contact_of) for one in new])
    return affected.union(contact_of.values())


def _refusal(one: Received[LogActivity], known: Collection[UUID], future_tolerance: timedelta) -> str | None:
    if one.data.contact_id not in known:
        return f"There is no contact {one.data.contact_id}."
    fault = domain.fault(
        name=one.data.name,
        occurred_at=one.data.occurred_at,
        text=one.data.text,
        properties_bytes=len(msgspec.json.encode(one.data.properties)),
        # The command's own time, so that the answer is the same whenever it is read.
        said_at=one.event.time,
        future_tolerance=future_tolerance,
    )
    return fault.reason if fault else None


def event_id_of(command: CloudEvent[LogActivity]) -> UUID:
    """The id of the event that a command becomes."""
    return ids.event_id(command.data.occurred_at, command.source, command.id)


def _written(one: Received[LogActivity]) -> domain.Event:
    assert one.record.value is not None  # it was decoded
    return domain.Event(
        event_id_of(one.event),
        one.data.contact_id,
        one.data.occurred_at,
        one.data.name,
        domain.WRITTEN_SOURCE,
        None,
        None,
        one.record.value,
    )


def _outcome(one: Received[LogActivity], refusal: str | None, contact_of: Mapping[UUID, UUID]) -> commands.Outcome:
    command_id = UUID(one.event.id)
    if refusal is not None:
        return commands.Outcome(command_id=command_id, status="refused", detail=refusal)
    result = {"event_id": str(event_id_of(one.event)), "contact_id": str(contact_of[one.data.contact_id])}
    return commands.Outcome(command_id=command_id, status="done", result=result)


async def _place(connection: Connection, given: Mapping[UUID, domain.Membership]) -> tuple[dict[UUID, UUID], set[UUID]]:
    """Put records where the largest number says, and hold them there until the batch is done.

    Returns the contact of each record, and the contacts that lost or won one.
    """
    if not given:
        return {}, set()
    held = await store.lock_memberships(connection, given)
    moves = domain.moves(held, given)
    await store.move(connection, moves)
    contact_of = {record_id: membership.contact_id for record_id, membership in held.items()}
    affected = {contact_of[move.record_id] for move in moves}
    contact_of |= {move.record_id: move.contact_id for move in moves}
    affected |= {move.contact_id for move in moves}
    return contact_of, affected


async def _add(connection: Connection, events: Sequence[domain.Event]) -> None:
    """Keep events whose records are held; only those that were not there count."""
    if not events:
        return
    new = await store.insert_events(connection, events)
    # One event may come twice in a batch, too: the first counts.
    fresh = {event.event_id: event for event in reversed(events) if event.event_id in new}
    await store.add_totals(connection, domain.totals(fresh.values()))


async def settle(connection: Connection, affected: Collection[UUID]) -> Collection[UUID]:
    """Summarise the contacts anew; returns those whose summary changed."""
    held = await store.lock_summaries(connection, set(affected))
    totals = await store.contact_totals(connection, affected)
    summaries = {contact_id: domain.summarise(of_contact) for contact_id, of_contact in totals.items()}
    changed = {
        contact_id: summary for contact_id, summary in summaries.items() if domain.changed(held[contact_id], summary)
    }
    await store.save_summaries(connection, changed)
    return changed.keys()


async def load(connection: Connection, contacts: Sequence[UUID]) -> Sequence[Message]:
    """The present state message of each contact of which something was published."""
    return [_message(row) for row in await store.published(connection, contacts)]


def _message(row: store.Published) -> Message:
    key = str(row.contact_id)
    event = CloudEvent(
        id=f"a-{key}-{row.version}",
        source="/activity",
        type="tuttu.contact-activity",
        subject=key,
        time=row.changed_at,
        data=ContactActivity(contact_id=row.contact_id, version=row.version, **msgspec.structs.asdict(row.summary)),
    )
    return envelope.message("contact-activity", key, event, version=row.version)
