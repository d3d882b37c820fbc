"""What intake decides, without I/O: what a source may say, what an event is, when it happened and whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec

from services.intake import messages, normalise
from services.intake.messages import Amount, Consent, RecordKind
from services.kit import ids
from services.kit.envelope import CloudEvent

SourceKind = Literal["segment", "shopify", "forms", "postmark"]

LARGEST_EVENT_BYTES = 256 * 1024
"""Of an encoded event; the next hops allow more, so that what carries an event fits too."""
LONGEST_KEY = 512
LONGEST_NAME = 200

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


# -- who may say what ----------------------------------------------------------------------------------------------


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where events come from. What an untrusted one says of a customer is a claim: anybody can read its key."""

    name: str
    kind: SourceKind
    trusted: bool = False
    requires: tuple[str, ...] = ()
    """Fields without which what describes a customer is refused: canonical names, or `name` for any part of it."""
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    events_per_s: float | None = None
    trust_mail_authentication: bool = False
    """postmark: whether a From whose domain passed SPF or DMARC, as the receiving server found, is not a claim."""
    created_at: datetime | None = None


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """An input of a form. `to` is the canonical field that it fills; without it, the one that its name means."""

    name: str
    label: str | None = None
    kind: Literal["text", "email", "phone", "choice"] = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    to: str | None = None


class ConsentAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a form asks consent for. `field` is its checkbox; without one, the text says that sending is consenting."""

    purpose: str
    channel: str
    text: str
    text_version: str
    field: str | None = None


class Form(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    source: str
    event: str = "signup"
    fields: tuple[FormField, ...] = ()
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    consent: ConsentAsked | None = None
    redirect: str | None = None
    """Where a browser goes after an accepted post."""
    honeypot: str | None = None
    """The name of an input that people do not see: who fills it is a robot."""
    allowed_origins: tuple[str, ...] = ()
    """Pages' origins (https://example.fi) that may post from a browser; none named, all may."""


# -- what cannot be taken ------------------------------------------------------------------------------------------

Reason = Literal[
    "unsigned", "unreadable", "invalid", "missing", "too_large", "honeypot", "origin", "unsupported", "privacy"
]  # fmt: skip

STATUS: Mapping[Reason, int] = {
    "unsigned": 401,
    "unreadable": 400,
    "invalid": 422,
    "missing": 422,
    "too_large": 413,
    "origin": 403,
    # What only a person can deal with, and what a robot must not notice, is taken: its sender shall not send again.
    "honeypot": 202,
    "unsupported": 200,
    "privacy": 200,
}


class Refusal(Exception):
    """Why something is kept as a rejection instead of becoming an event; names the field and a remedy."""

    def __init__(self, reason: Reason, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.field = field

    @property
    def status(self) -> int:
        return STATUS[self.reason]


# -- events --------------------------------------------------------------------------------------------------------


class RecordKey(NamedTuple):
    """What names a source record inside its source."""

    kind: RecordKind
    key: str
    claimed: bool


@dataclass(slots=True, kw_only=True)
class Draft:
    """An event as a door read it: all of it but what only the moment of arrival gives."""

    name: str
    record: RecordKey
    source_event_id: str
    original: datetime | None
    """When it happened by the source's clock; None where the source does not say."""
    made_id: bool = False
    """Whether the id was made for this delivery, because its source has none: nothing can repeat it."""
    sent: datetime | None = None
    links: tuple[RecordKey, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)
    verified: tuple[str, ...] = ()
    consents: tuple[Consent, ...] = ()
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    amount: Amount | None = None
    properties: dict[str, Any] = field(default_factory=dict)


def claim(fields: Mapping[str, str], *, otherwise: str) -> RecordKey:
    """The record of what nobody vouches for. The folded name is in its key: two people behind info@ are two records.

    `otherwise` keys those who left neither an e-mail address nor a phone number.
    """
    name = fields.get("full_name") or " ".join(fields[part] for part in ("given_name", "family_name") if part in fields)
    reached_at = fields.get("email") or fields.get("phone") or otherwise
    return RecordKey("claim", f"{reached_at}|{normalise.folded(name)}", True)


def corrected_time(original: datetime, sent: datetime | None, received: datetime) -> datetime:
    """When it happened by our clock: the sender's error is the clocks' difference at sending. Never later than now."""
    if sent is not None:
        try:
            time = received - (sent - original)
        except OverflowError:
            time = original
        if time < _EARLIEST:  # only where the sender's clock jumped between the two
            time = original
    else:
        time = original
    return min(time, received)


def event(
    draft: Draft, source: Source, *, secret: bytes, received: datetime, first_seen: datetime | None = None
) -> CloudEvent[messages.Event]:
    """The event that goes to Kafka. `first_seen` is when its id was first received, where it has no time of its own."""
    original = draft.original or first_seen or received

    def record(key: RecordKey) -> messages.SourceRecord:
        return messages.SourceRecord(
            id=ids.record_id(secret, source.name, key.kind, key.key),
            source=source.name,
            kind=key.kind,
            key=key.key,
            claimed=key.claimed,
        )

    owner = record(draft.record)
    return CloudEvent(
        id=str(ids.event_id(original, source.name, draft.source_event_id)),
        source=f"/intake/{source.name}",
        type=messages.EVENT,
        subject=str(owner.id),
        time=corrected_time(draft.original, draft.sent, received) if draft.original else original,
        data=messages.Event(
            name=draft.name,
            record=owner,
            links=tuple(record(key) for key in draft.links),
            fields=draft.fields,
            verified=draft.verified,
            consents=draft.consents,
            tags=messages.TagChanges(
                add=_distinct(source.tags_add, draft.tags_add), remove=_distinct(source.tags_remove, draft.tags_remove)
            ),
            amount=draft.amount,
            properties=draft.properties,
            source_event_id=draft.source_event_id,
            original_time=original,
            sent_time=draft.sent,
            received_time=received,
        ),
    )


def _distinct(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second))) if second else tuple(first)
