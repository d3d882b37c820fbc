"""The register in a real store, filled by the handlers themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from services.dedupe import commanding, handlers, messages, store
from services.dedupe.domain.evidence import BOUND
from services.dedupe.domain.golden import Golden
from services.kit import commands, envelope
from tests.unit.dedupe.world import START, Contacts, Event, received, without_numbers


@dataclass
class Register:
    """One batch is one transaction, as in the runtime."""

    connection: asyncpg.Connection[Any]
    bound: int = BOUND
    ranks: Mapping[str, int] = field(default_factory=dict)

    async def clear(self) -> None:
        tables = "event_inbox record blocking_key link assertion_pair assertion contact command_outcome"
        # Faster than TRUNCATE for a few rows.
        await self.connection.execute("; ".join(f"DELETE FROM {table}" for table in tables.split()))

    async def hear(self, *events: Event) -> set[UUID]:
        """Apply a batch of events; returns the contacts that changed."""
        async with self.connection.transaction():
            return set(await handlers.add_events(self.connection, received(events), ranks=self.ranks, bound=self.bound))

    async def decide(self, *decisions: messages.Decision, ids: Sequence[UUID] = ()) -> list[commands.Outcome]:
        """Apply a batch of commands; returns their outcomes."""
        batch = [
            envelope.CloudEvent(
                id=str(command_id),
                source="/dedupe/api",
                type=messages.MERGE_CONTACTS
                if isinstance(decision, messages.MergeContacts)
                else messages.UNMERGE_CONTACT,
                time=START,
                data=decision,
            )
            for decision, command_id in zip(decisions, ids or [uuid4() for _ in decisions], strict=True)
        ]
        async with self.connection.transaction():
            await commanding.decide(
                self.connection, received(batch, "contact-commands"), ranks=self.ranks, bound=self.bound
            )
        return await outcomes(self.connection, [UUID(event.id) for event in batch])

    async def contact_of(self) -> dict[UUID, UUID]:
        rows = await self.connection.fetch("SELECT id, contact_id FROM record")
        return {row[0]: row[1] for row in rows}

    async def states(self) -> dict[UUID, Golden]:
        """All published states."""
        rows = await self.connection.fetch("SELECT contact_id FROM contact")
        found = await store.contacts(self.connection, [row[0] for row in rows])
        return {contact.contact_id: msgspec.json.decode(contact.state, type=Golden) for contact in found}

    async def contacts(self) -> Contacts:
        """The published states of contacts that are not absorbed, without what depends on the way to them."""
        return {id: without_numbers(state) for id, state in (await self.states()).items() if state.merged_into is None}

    async def versions(self) -> dict[UUID, int]:
        rows = await self.connection.fetch("SELECT contact_id, version FROM contact")
        return {row[0]: row[1] for row in rows}


async def outcomes(connection: asyncpg.Connection[Any], ids: Iterable[UUID]) -> list[commands.Outcome]:
    emitted = []
    for command_id in ids:
        row = await connection.fetchrow("SELECT * FROM command_outcome WHERE command_id = $1", command_id)
        assert row is not None
        emitted.append(
            commands.Outcome(
                command_id=row["command_id"],
                status=row["status"],
                detail=row["detail"],
                result=msgspec.json.decode(row["result"]) if row["result"] else None,
            )
        )
    return emitted
