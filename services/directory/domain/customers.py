"""What is said of a customer: a pure function of the newest state of each topic, so that no order of arrival shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.directory.messages import (
    Activity,
    Contact,
    ContactActivity,
    ContactTags,
    Customer,
    Field,
    Kind,
)

# Besides its id, version and the list itself; in the order in which `changed` names them.
PARTS = (
    "merged_into",
    "erased_at",
    "name",
    "fields",
    "identifiers",
    "consents",
    "tags",
    "phase",
    "activity",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What each topic last said of one contact, and the latest time of it."""

    contact: Contact
    tags: ContactTags | None
    activity: ContactActivity | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """The row of a customer: the version that its topic has or will have, and what was last said, if anything was."""

    version: int
    customer: Customer | None


@dataclass(frozen=True, slots=True)
class Change:
    """A new version of a customer, to be kept and published."""

    before: Customer | None
    customer: Customer
    kind: Kind
    at: datetime


def customer(parts: Parts) -> Customer:
    """The public customer, without version and changes. One that was merged or erased has nothing else to say."""
    contact, tags, activity = parts.contact, parts.tags, parts.activity
    if contact.merged_into is not None or contact.erased_at is not None:
        contact = Contact(
            contact_id=contact.contact_id,
            version=contact.version,
            merged_into=contact.merged_into,
            erased_at=contact.erased_at,
        )
        tags = activity = None
    return Customer(
        customer_id=contact.contact_id,
        version=0,
        changed=(),
        merged_into=contact.merged_into,
        erased_at=contact.erased_at,
        name=name(contact.fields),
        fields=contact.fields,
        identifiers=contact.identifiers,
        consents=contact.consents,
        tags=tuple(sorted({tag.tag for tag in tags.tags})) if tags else (),
        phase=tags.phase.phase if tags and tags.phase else None,
        activity=_summary(activity) if activity else None,
    )


def name(fields: dict[str, Field]) -> str | None:
    """What a person calls the customer: given and family name, else the full name, else the organisation's."""

    def value(field: str) -> str | None:
        found = fields.get(field)
        return (found.value.strip() or None) if found else None

    given, family = value("given_name"), value("family_name")
    if given and family:
        return f"{given} {family}"
    return value("full_name") or given or family or value("organisation")


def change(published: Published, parts: Parts) -> Change | None:
    """The next version of a customer, or None where it says what it said before."""
    before, now = published.customer, customer(parts)
    changed = [part for part in PARTS if getattr(now, part) != (getattr(before, part) if before else _NOTHING[part])]
    if before is not None and not changed:
        return None
    kind = _kind(before, now)
    if kind in ("merged", "erased"):
        # That the rest went is what these kinds mean.
        changed = ["erased_at" if kind == "erased" else "merged_into"]
    return Change(
        before,
        msgspec.structs.replace(now, version=published.version + 1, changed=tuple(changed)),
        kind,
        parts.at,
    )


def _kind(before: Customer | None, now: Customer) -> Kind:
    if now.erased_at is not None:
        return "erased"
    if now.merged_into is not None:
        return "merged"
    if before is None or before.erased_at is not None:
        return "created"
    return "split" if before.merged_into is not None else "changed"


def _summary(activity: ContactActivity) -> Activity:
    return Activity(
        first_time=activity.first_time,
        last_time=activity.last_time,
        last_name=activity.last_name,
        counts=activity.counts,
        sales=activity.sales,
    )


# What a customer of whom nothing was said yet would say.
_NOTHING: dict[str, object] = {
    "merged_into": None,
    "erased_at": None,
    "name": None,
    "fields": {},
    "identifiers": (),
    "consents": (),
    "tags": (),
    "phase": None,
    "activity": None,
}
