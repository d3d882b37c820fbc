"""What dedupe reads and writes on topics. A consumer declares only what it uses; a producer declares all."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from services.dedupe.domain import golden
from services.dedupe.domain.records import Kind
from services.kit import commands, envelope

EVENT = "tuttu.event"
EVENT_RESOLVED = "tuttu.event-resolved"
CONTACT = "tuttu.contact"
MERGE_CONTACTS = "tuttu.merge-contacts"
UNMERGE_CONTACT = "tuttu.unmerge-contact"


# -- events: what happened


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one source says of one customer, named by the source's own key."""

    id: UUID
    source: str
    kind: Kind
    key: str
    claimed: bool = False


class Consent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    purpose: str
    channel: str
    granted: bool
    text_version: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened to the customer of `record`; `links` are further records of the same customer."""

    record: SourceRecord
    links: list[SourceRecord] = []
    fields: dict[str, str] = {}
    verified: list[str] = []
    consents: list[Consent] = []


_decode_event = envelope.decoder(type=EVENT, data=Event)


def decode_event(value: bytes) -> envelope.CloudEvent[Event]:
    """An event whose id and time can be kept. Raises `envelope.Unreadable`, which names the field."""
    event: envelope.CloudEvent[Event] = _decode_event(value)
    try:
        UUID(event.id)
    except ValueError:
        raise envelope.Unreadable(reason="the id of an event must be a UUID", field="id") from None
    if not 1900 <= event.time.year < 3000:
        raise envelope.Unreadable(reason=f"time is {event.time.isoformat()}", field="time")
    return event


# -- resolved-events: the same, with the contact


class EventResolved(msgspec.Struct, frozen=True, kw_only=True):
    """An event, whole and as it came, with the contact that its record belongs to and the number of that membership."""

    contact_id: UUID
    membership: int
    event: msgspec.Raw


class ResolvedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """As `EventResolved`, for those who describe the topic: `event` is a CloudEvent of `events`."""

    contact_id: UUID
    membership: int
    event: dict[str, Any]


# -- contacts: who is whom


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a contact as of `version`, which only grows. An absorbed one has `merged_into` and nothing else."""

    contact_id: UUID
    version: int
    merged_into: UUID | None
    erased_at: datetime | None
    members: list[golden.Member]
    fields: dict[str, golden.Field]
    identifiers: list[golden.Identifier]
    consents: list[golden.Consent]


_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def contact(contact_id: UUID, version: int, state: str) -> dict[str, Any]:
    """A `Contact` to be written, from the JSON of its golden record, which need not be read for that."""
    return {"contact_id": contact_id, "version": version, **_parts.decode(state)}


# -- contact-commands: what people decide

Records = Annotated[list[UUID], msgspec.Meta(min_length=1)]
Author = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Reason = Annotated[str, msgspec.Meta(max_length=2000)]


class _Decision(msgspec.Struct, frozen=True, kw_only=True):
    left: Records
    right: Records
    versions: dict[UUID, int] = {}
    """The contacts that the person saw, with their versions; those that are not here are not checked."""
    author: Author
    reason: Reason | None = None


class MergeContacts(_Decision, frozen=True, kw_only=True):
    """The records of `left` and those of `right` are one customer's."""


class UnmergeContact(_Decision, frozen=True, kw_only=True):
    """The records of `left` and those of `right` are two customers'."""


Decision = MergeContacts | UnmergeContact

decode_command = commands.decoder({MERGE_CONTACTS: MergeContacts, UNMERGE_CONTACT: UnmergeContact})


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a command: the contact of the first record of `left`, and after an unmerge that of `right`."""

    contact_id: UUID
    version: int
    parted: UUID | None = None


WRITES = {
    "resolved-events": {EVENT_RESOLVED: ResolvedEvent},
    "contacts": {CONTACT: Contact},
    "contact-commands": {MERGE_CONTACTS: MergeContacts, UNMERGE_CONTACT: UnmergeContact},
}
READS = {
    "events": {EVENT: Event},
    "contact-commands": {MERGE_CONTACTS: MergeContacts, UNMERGE_CONTACT: UnmergeContact},
}
