"""One coroutine per topic keeps what it says; `settle` then says what customers are. The map of both is in app.py."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from services.directory import messages, store
from services.directory.domain import customers, finding
from services.kit import envelope
from services.kit.database import Connection
from services.kit.envelope import Message, Received


async def contacts(connection: Connection, received: Sequence[Received[messages.Contact]]) -> Iterable[UUID]:
    return await store.save_parts(connection, messages.CONTACTS, _newest(received))


async def contact_tags(connection: Connection, received: Sequence[Received[messages.ContactTags]]) -> Iterable[UUID]:
    return await store.save_parts(connection, messages.CONTACT_TAGS, _newest(received))


async def contact_activity(
    connection: Connection, received: Sequence[Received[messages.ContactActivity]]
) -> Iterable[UUID]:
    return await store.save_parts(connection, messages.CONTACT_ACTIVITY, _newest(received))


async def settle(connection: Connection, affected: Collection[UUID]) -> Collection[UUID]:
    """Compute the affected customers, keep and make findable those that changed; their ids."""
    published = await store.lock_customers(connection, affected)
    # Read after the lock: what another worker kept meanwhile is seen here, or our part is seen there.
    parts = await store.parts(connection, affected)
    changes = [
        change for contact_id, held in parts.items() if (change := customers.change(published[contact_id], held))
    ]
    if changes:
        await store.save_customers(connection, changes)
        await _make_findable(connection, changes)
    return [change.customer.customer_id for change in changes]


async def _make_findable(connection: Connection, changes: Sequence[customers.Change]) -> None:
    """Write to the search tables only what became different: their indexes cost more than all the rest."""
    entries: dict[UUID, finding.Entry | None] = {}
    handles: dict[UUID, Collection[finding.Handle]] = {}
    for change in changes:
        before, now = change.before, change.customer
        if finding.of_entry(before) != finding.of_entry(now):
            entries[now.customer_id] = finding.entry(now)
        if finding.of_handles(before) != finding.of_handles(now):
            handles[now.customer_id] = finding.handles(now)
    await store.save_entries(connection, entries)
    await store.save_handles(connection, handles)


async def load(connection: Connection, ids: Sequence[UUID]) -> Sequence[Message]:
    """The states of these customers, as `customers` carries them."""
    return [
        envelope.message(
            messages.CUSTOMERS,
            str(state.contact_id),
            envelope.CloudEvent(
                id=f"u-{state.contact_id}-{state.version}",
                source="/directory",
                type=messages.type_of(state.kind),
                subject=str(state.contact_id),
                time=state.at,
                data=state.body,
            ),
            version=state.version,
        )
        for state in await store.published(connection, ids)
    ]


def _newest(received: Sequence[Received[Any]]) -> list[Received[Any]]:
    """Of the states of each contact the one with the highest version."""
    newest: dict[UUID, Received[Any]] = {}
    for one in received:
        held = newest.get(one.data.contact_id)
        if held is None or one.data.version > held.data.version:
            newest[one.data.contact_id] = one
    return list(newest.values())
