"""From drafts to acknowledged events, and from refusals to rejections: the one way in behind all doors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.intake import domain, messages, store
from services.intake.domain import Draft, Refusal, Source
from services.intake.doors.reading import Reading
from services.intake.plain import without_nul
from services.kit import envelope, ids
from services.kit.database import Pool
from services.kit.runtime import Producer


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A body that came through a door, with what is kept of it should it be rejected."""

    door: str
    source: str | None
    received: datetime
    body: bytes
    headers: Mapping[str, str]
    context: Mapping[str, Any] = field(default_factory=dict)
    digest: bytes | None = None
    """Set where another body with the same id is an error of the sender."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An item that was rejected, and under which id it is kept."""

    index: int
    refusal: Refusal
    rejection_id: UUID


@dataclass(frozen=True, slots=True)
class Accepted:
    event_ids: list[str]
    kept: list[Kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Nothing is accepted before it is safe: `accept` returns when Kafka has every event on all in-sync replicas."""

    pool: Pool
    producer: Producer
    secret: bytes
    new_id: Callable[[], str]
    rejection_bytes: int

    async def accept(self, arrival: Arrival, source: Source, reading: Reading) -> Accepted:
        """Publish what was read and keep what was refused. Raises `Unavailable`: then nothing counts as accepted."""
        found, refused = await self.events(arrival, source, reading)
        await self.producer.publish([message for _, message in found])
        rejections = [
            *(
                self._rejected(
                    replace(arrival, body=each.raw, context={**arrival.context, **reading.item_context, "item": True}),
                    each.refusal,
                )
                for each in reading.refused
            ),
            *(self._rejected(arrival, refusal) for refusal in refused),
        ]
        kept = await self._keep(rejections)
        where = [(each.index, each.refusal) for each in reading.refused] + [(0, refusal) for refusal in refused]
        return Accepted(
            [event_id for event_id, _ in found],
            [Kept(index, refusal, id) for (index, refusal), id in zip(where, kept, strict=True)],
        )

    async def events(
        self, arrival: Arrival, source: Source, reading: Reading
    ) -> tuple[list[tuple[str, envelope.Message]], list[Refusal]]:
        """The messages of a reading with their event ids, and refusals of those that grew too large for a topic."""
        first_seen = await self._first_seen(arrival, source, reading.drafts)
        found: list[tuple[str, envelope.Message]] = []
        refused: list[Refusal] = []
        for draft in reading.drafts:
            event = domain.event(
                draft,
                source,
                secret=self.secret,
                received=arrival.received,
                first_seen=first_seen.get(draft.source_event_id),
            )
            message = envelope.message(messages.EVENTS, event.subject or "", event)
            if len(message.value) > domain.LARGEST_EVENT_BYTES:
                refused.append(
                    Refusal(
                        "too_large", f"the event has more than {domain.LARGEST_EVENT_BYTES} bytes; send less with it"
                    )
                )
            else:
                found.append((event.id, message))
        return found, refused

    async def _first_seen(self, arrival: Arrival, source: Source, drafts: Sequence[Draft]) -> dict[str, datetime]:
        """When ids without a time of their own were first received. One query, and only where there are any."""
        timeless = {
            draft.source_event_id: ids.derived("first-seen", source.name, draft.source_event_id)
            for draft in drafts
            if draft.original is None and not draft.made_id
        }
        if not timeless:
            return {}
        async with self.pool.acquire(timeout=3) as connection:
            seen = await store.first_seen(
                connection, list(timeless.values()), [arrival.digest] * len(timeless), arrival.received
            )
        for id in timeless.values():
            digest = seen[id][1]
            if arrival.digest and digest and digest != arrival.digest:
                raise Refusal(
                    "invalid",
                    "this id was used for another post before: make a new one for each, as a UUID",
                    field="Idempotency-Key",
                )
        return {source_event_id: seen[id][0] for source_event_id, id in timeless.items()}

    async def refuse(self, arrival: Arrival, refusal: Refusal) -> UUID:
        """Keep a body that was refused whole."""
        return (await self._keep([self._rejected(arrival, refusal)]))[0]

    async def _keep(self, rejections: Sequence[store.Rejected]) -> list[UUID]:
        if not rejections:
            return []
        async with self.pool.acquire(timeout=3) as connection:
            return await store.insert_rejections(connection, rejections)

    def _rejected(self, arrival: Arrival, refusal: Refusal) -> store.Rejected:
        return store.Rejected(
            id=ids.event_id(arrival.received, arrival.door, self.new_id()),
            door=arrival.door,
            source=arrival.source,
            reason=refusal.reason,
            detail=without_nul(refusal.detail),
            field=without_nul(refusal.field),
            received_at=arrival.received,
            content_type=arrival.headers.get("content-type"),
            headers=dict(arrival.headers),
            context=dict(arrival.context),
            body=arrival.body[: self.rejection_bytes],
            body_bytes=len(arrival.body),
        )
