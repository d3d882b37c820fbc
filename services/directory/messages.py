"""What directory reads on `contacts`, `contact-tags` and `contact-activity`, and writes on `customers`.

What is read is declared down to the last field that we pass on, so that the public topic carries what is named here and
nothing that a producer adds later.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias, get_args
from uuid import UUID

import msgspec

from services.kit import envelope

CONTACTS = "contacts"
CONTACT_TAGS = "contact-tags"
CONTACT_ACTIVITY = "contact-activity"
CUSTOMERS = "customers"

Kind: TypeAlias = Literal["created", "changed", "merged", "split", "erased"]
"""What happened to a customer."""


class Field(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A field of the golden record: the surviving value, whose it is, and the day it was last confirmed."""

    value: str
    record_id: UUID
    source: str
    confirmed: date | None = None
    verified: bool = False


class Identifier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """external_id (of a source), email or phone; `claimed` was said by an unauthenticated party."""

    kind: str
    source: str | None = None
    value: str
    claimed: bool = False


class Consent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    purpose: str
    channel: str | None = None
    granted: bool
    text_version: str | None = None
    confirmed: date | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """`contacts`: the golden record of a person or an organisation."""

    contact_id: UUID
    version: int
    merged_into: UUID | None = None
    erased_at: datetime | None = None
    fields: dict[str, Field] = {}
    identifiers: tuple[Identifier, ...] = ()
    consents: tuple[Consent, ...] = ()


class Tag(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    tag: str


class Phase(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    phase: str


class ContactTags(msgspec.Struct, frozen=True, kw_only=True):
    """`contact-tags`: the tags and the lifecycle phase of a contact."""

    contact_id: UUID
    version: int
    tags: tuple[Tag, ...] = ()
    phase: Phase | None = None


class Sales(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was sold in one currency, refunds taken off, in minor units."""

    currency: str
    amount_minor: int
    purchases: int
    first_time: datetime
    last_time: datetime


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """The history of a contact in figures."""

    first_time: datetime | None = None
    last_time: datetime | None = None
    last_name: str | None = None
    counts: dict[str, int] = {}
    sales: tuple[Sales, ...] = ()


class ContactActivity(Activity, frozen=True, kw_only=True):
    """`contact-activity`: the history of a contact in figures."""

    contact_id: UUID
    version: int


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """`customers`: all that subscribers learn of a customer, whole in every version.

    `changed` names the fields below that differ from the version before. One that is merged or erased has nothing else.
    """

    customer_id: UUID
    version: int
    changed: tuple[str, ...]
    merged_into: UUID | None
    erased_at: datetime | None
    name: str | None
    fields: dict[str, Field]
    identifiers: tuple[Identifier, ...]
    consents: tuple[Consent, ...]
    tags: tuple[str, ...]
    phase: str | None
    activity: Activity | None


Part: TypeAlias = Contact | ContactTags | ContactActivity

decode_contact = envelope.decoder(type="tuttu.contact", data=Contact)
decode_tags = envelope.decoder(type="tuttu.contact-tags", data=ContactTags)
decode_activity = envelope.decoder(type="tuttu.contact-activity", data=ContactActivity)


def type_of(kind: Kind) -> str:
    """The type of a record of `customers`."""
    return f"tuttu.customer.{kind}"


# What directory reads and writes: topic, type, struct of `data`.
READS = {
    CONTACTS: {"tuttu.contact": Contact},
    CONTACT_TAGS: {"tuttu.contact-tags": ContactTags},
    CONTACT_ACTIVITY: {"tuttu.contact-activity": ContactActivity},
}
WRITES = {CUSTOMERS: {type_of(kind): Customer for kind in get_args(Kind)}}
