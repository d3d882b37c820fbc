"""What intake writes to `events`, whole, and what it reads from `dead-letters`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from services.kit import envelope

EVENTS = "events"
DEAD_LETTERS = "dead-letters"

EVENT = "tuttu.event"
DEAD_LETTER = "tuttu.dead-letter"

RecordKind = Literal["external_id", "email", "phone", "anonymous_id", "claim"]


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says of one customer; `claimed` when nobody vouches for who said it."""

    id: UUID
    source: str
    kind: RecordKind
    key: str
    claimed: bool


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    purpose: str
    channel: str
    granted: bool
    text_version: str | None = None


class TagChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Tags that the event itself names."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """Money in the minor unit of its currency (cents); a refund's is negative."""

    minor: int
    currency: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, as its source told it. The CloudEvent's time is the corrected one."""

    name: str
    record: SourceRecord
    links: tuple[SourceRecord, ...]
    """Further records that the event says are the same customer."""
    fields: dict[str, str]
    verified: tuple[str, ...]
    """Names of those fields that the source verified."""
    consents: tuple[Consent, ...]
    tags: TagChanges
    amount: Amount | None
    properties: dict[str, Any]
    source_event_id: str
    original_time: datetime
    """When it happened by the source's clock."""
    sent_time: datetime | None
    """When it was sent by the source's clock."""
    received_time: datetime


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record on a topic that a service could not take, whole. The value is text, or base64 where it is not UTF-8."""

    service: str
    topic: str
    partition: int
    offset: int
    key: str | None
    headers: dict[str, str]
    value: str | None
    value_base64: str | None
    reason: str
    field: str | None


decode_dead_letter = envelope.decoder(type=DEAD_LETTER, data=DeadLetter)

# What intake reads and writes: topic, type, struct of `data`. `tuttu schemas` makes the public contract of it.
READS = {DEAD_LETTERS: {DEAD_LETTER: DeadLetter}}
WRITES = {EVENTS: {EVENT: Event}}
