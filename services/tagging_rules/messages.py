"""What tagging-rules reads and writes on topics. A consumer declares only what it uses; a producer declares all."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from services.kit import commands, envelope
from services.tagging_rules.domain import tags
from services.tagging_rules.domain.events import Event
from services.tagging_rules.domain.standing import PhaseHeld, TagHeld

# -- resolved-events: an event, and the contact that it belongs to


class EventResolved(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event whose contact is found, with dedupe's number of the decision that its record belongs there."""

    contact_id: UUID
    membership: int
    event: Event


_decode_resolved = envelope.decoder(type="tuttu.event-resolved", data=EventResolved)


def decode_resolved_event(value: bytes) -> envelope.CloudEvent[EventResolved]:
    """A resolved event with tags that can be kept. Raises `envelope.Unreadable`, which names the field."""
    event: envelope.CloudEvent[EventResolved] = _decode_resolved(value)
    original = event.data.event
    if not 1900 <= original.time.year < 3000:
        raise envelope.Unreadable(reason=f"time is {original.time.isoformat()}", field="data.event.time")
    named = original.data.tags
    if named.add or named.remove:
        tags.clean_all(named.add, "data.event.data.tags.add")
        tags.clean_all(named.remove, "data.event.data.tags.remove")
    return event


# -- contacts: who is whom


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record of the contact, with dedupe's number of that decision."""

    record_id: UUID
    membership: int


class Field(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The surviving value of a field."""

    value: str


class ContactState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A contact's members and golden record; an absorbed or erased one has neither."""

    contact_id: UUID
    version: int
    merged_into: UUID | None = None
    erased_at: datetime | None = None
    members: list[Member] = []
    fields: dict[str, Field] = {}


decode_contact = envelope.decoder(type="tuttu.contact", data=ContactState)


# -- tag-commands: what people decide, and what follows from a changed rule


class ChangeTags(msgspec.Struct, frozen=True, kw_only=True):
    """Add and remove tags by hand; `clear` withdraws what was said by hand, so that rules decide again."""

    contact_id: UUID
    add: list[str] = []
    remove: list[str] = []
    clear: list[str] = []
    author: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    reason: Annotated[str, msgspec.Meta(max_length=2000)] | None = None


class RecomputeTags(msgspec.Struct, frozen=True, kw_only=True):
    """Work out the tags of these contacts by the rules of now; this service tells it to itself when a rule changed."""

    contact_ids: Annotated[list[UUID], msgspec.Meta(max_length=5000)]


CHANGE_TAGS = "tuttu.change-tags"
RECOMPUTE_TAGS = "tuttu.recompute-tags"

decode_command = commands.decoder({CHANGE_TAGS: ChangeTags, RECOMPUTE_TAGS: RecomputeTags})


# -- contact-tags: what a contact is, and why


class ContactTags(msgspec.Struct, frozen=True, kw_only=True):
    """What a contact is, as of `version`; without tags and phase when it was absorbed or erased."""

    contact_id: UUID
    version: int
    tags: tuple[TagHeld, ...]
    phase: PhaseHeld | None


WRITES = {
    "contact-tags": {"tuttu.contact-tags": ContactTags},
    "tag-commands": {CHANGE_TAGS: ChangeTags, RECOMPUTE_TAGS: RecomputeTags},
}
READS = {
    "contacts": {"tuttu.contact": ContactState},
    "resolved-events": {"tuttu.event-resolved": EventResolved},
    "tag-commands": WRITES["tag-commands"],
}
