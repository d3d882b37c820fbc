"""What activity reads and writes on topics. A consumer declares only what it uses; a producer declares all."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from services.activity import domain
from services.kit import commands, envelope, errors

# Bounds that keep one record from breaking sums and indexes for all others; intake's own are narrower.
_MAX_MINOR = 10**13

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


# -- resolved-events: an event, and the contact that it belongs to


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """`minor` counts the currency's smallest unit; a refund's is negative."""

    minor: Annotated[int, msgspec.Meta(ge=-_MAX_MINOR, le=_MAX_MINOR)]
    currency: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The source record which the event belongs to."""

    id: UUID
    source: Annotated[str, msgspec.Meta(max_length=200)]


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says, as far as its place in the history goes; the rest is kept unread."""

    name: Name
    record: SourceRecord
    amount: Amount | None = None


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvent of an event, as intake made it."""

    id: UUID
    time: Moment
    data: EventData


class EventResolved(msgspec.Struct, frozen=True, kw_only=True):
    """An event whose contact is found, as it stands on the topic."""

    contact_id: UUID
    membership: int
    event: msgspec.Raw


class ResolvedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The same, with the event read as far as needed; `body` holds its bytes as they came."""

    contact_id: UUID
    membership: int
    event: Original
    body: bytes


_decode_wire = envelope.decoder(type="tuttu.event-resolved", data=EventResolved)
_original = msgspec.json.Decoder(Original)


def decode_resolved_event(value: bytes) -> envelope.CloudEvent[ResolvedEvent]:
    """A resolved event with the exact bytes of the event in it. Raises `envelope.Unreadable`, which names the field."""
    wire: envelope.CloudEvent[EventResolved] = _decode_wire(value)
    body = bytes(wire.data.event)
    try:
        event = _original.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason, place = errors.place_of(error)
        field = f"data.event.{place}" if place else "data.event"
        raise envelope.Unreadable(reason=f"{reason} (in {field})", field=field) from error
    if not 1900 <= event.time.year < 3000:
        raise envelope.Unreadable(
            reason=f"time is {event.time.isoformat()} (in data.event.time)", field="data.event.time"
        )
    return envelope.CloudEvent(
        id=wire.id,
        source=wire.source,
        type=wire.type,
        subject=wire.subject,
        time=wire.time,
        data=ResolvedEvent(contact_id=wire.data.contact_id, membership=wire.data.membership, event=event, body=body),
    )


# -- contacts: who is whom


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the contact, with dedupe's number of that decision."""

    record_id: UUID
    membership: int


class ContactState(msgspec.Struct, frozen=True, kw_only=True):
    """A contact's members; `merged_into` is set for an absorbed contact."""

    contact_id: UUID
    version: int
    merged_into: UUID | None = None
    members: list[Member] = []


decode_contact = envelope.decoder(type="tuttu.contact", data=ContactState)


# -- activity-commands: what people write down


class LogActivity(msgspec.Struct, frozen=True, kw_only=True):
    """Write down what happened with a contact."""

    contact_id: UUID
    name: str
    occurred_at: Moment
    author: str
    text: str | None = None
    properties: dict[str, Any] = {}


decode_command = commands.decoder({"tuttu.log-activity": LogActivity})


# -- contact-activity: what activity says of a contact


class ContactActivity(domain.Summary, frozen=True, kw_only=True):
    """A contact's history in figures, as of `version`."""

    contact_id: UUID
    version: int


# What activity reads and writes: topic, type, struct of `data`. `tuttu schemas` makes the public contract of it.
READS = {
    "contacts": {"tuttu.contact": ContactState},
    "resolved-events": {"tuttu.event-resolved": EventResolved},
    "activity-commands": {"tuttu.log-activity": LogActivity},
}
WRITES = {
    "activity-commands": {"tuttu.log-activity": LogActivity},
    "contact-activity": {"tuttu.contact-activity": ContactActivity},
}
