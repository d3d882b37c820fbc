"""States of the three topics as their producers write them: Maija, unless told otherwise."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.directory import messages
from services.directory.domain import customers
from services.kit.envelope import Decode, Received, Record

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAIJA = UUID("5b0e6c1e-7d5f-8a53-9c0a-2f1d8c4b6a01")
TEPPO = UUID("9c3f2b77-1d2e-8b4f-a6c5-3e2d1c0b9a02")
MAIJAS = {
    "given_name": "Maija",
    "family_name": "Meikäläinen",
    "email": "maija.meikalainen@example.fi",
    "phone": "+358401234567",
}
_offsets = itertools.count()


def contact(
    contact_id: UUID = MAIJA,
    version: int = 1,
    *,
    fields: Mapping[str, str] | None = None,
    external_id: str | None = "7345",
    claimed: bool = False,
    verified: bool = False,
    merged_into: UUID | None = None,
    erased_at: datetime | None = None,
    confirmed: str = "2026-11-22",
    time: datetime = NOON,
) -> Received[messages.Contact]:
    """A `contacts` state; its identifiers follow from its fields."""
    gone = merged_into is not None or erased_at is not None
    fields = {} if gone else MAIJAS if fields is None else fields
    identifiers: list[dict[str, Any]] = [
        {"kind": kind, "source": None, "value": fields[kind], "claimed": claimed}
        for kind in ("email", "phone")
        if kind in fields
    ]
    if external_id and not gone:
        identifiers.append({"kind": "external_id", "source": "verkkokauppa", "value": external_id, "claimed": False})
    data = {
        "contact_id": str(contact_id),
        "version": version,
        "merged_into": str(merged_into) if merged_into else None,
        "erased_at": erased_at.isoformat() if erased_at else None,
        "members": [],
        "fields": {
            name: {
                "value": value,
                "record_id": str(contact_id),
                "source": "verkkokauppa",
                "confirmed": confirmed,
                "verified": verified,
            }
            for name, value in fields.items()
        },
        "identifiers": identifiers,
        "consents": [],
    }
    return _received(messages.CONTACTS, "tuttu.contact", messages.decode_contact, data, time)


def tags(
    contact_id: UUID = MAIJA,
    version: int = 1,
    names: Sequence[str] = ("asiakas",),
    *,
    phase: str | None = "customer",
    time: datetime = NOON,
) -> Received[messages.ContactTags]:
    """A `contact-tags` state."""
    by = {"kind": "hand", "record_id": str(contact_id), "author": "liisa"}
    data = {
        "contact_id": str(contact_id),
        "version": version,
        "tags": [{"tag": name, "since": NOON.isoformat(), "by": by} for name in names],
        "phase": {"phase": phase, "by": by} if phase else None,
    }
    return _received(messages.CONTACT_TAGS, "tuttu.contact-tags", messages.decode_tags, data, time)


def activity(
    contact_id: UUID = MAIJA, version: int = 1, purchases: int = 1, *, time: datetime = NOON
) -> Received[messages.ContactActivity]:
    """A `contact-activity` state."""
    data = {
        "contact_id": str(contact_id),
        "version": version,
        "first_time": NOON.isoformat(),
        "last_time": (NOON + timedelta(days=purchases)).isoformat(),
        "last_name": "purchase",
        "counts": {"purchase": purchases},
        "sales": [],
    }
    return _received(messages.CONTACT_ACTIVITY, "tuttu.contact-activity", messages.decode_activity, data, time)


def parts(
    contact_state: Received[messages.Contact],
    tags_state: Received[messages.ContactTags] | None = None,
    activity_state: Received[messages.ContactActivity] | None = None,
) -> customers.Parts:
    return customers.Parts(
        contact_state.data,
        tags_state.data if tags_state else None,
        activity_state.data if activity_state else None,
        NOON,
    )


def _received(topic: str, type: str, decode: Decode, data: Mapping[str, Any], time: datetime) -> Received[Any]:
    event = {
        "specversion": "1.0",
        "id": f"{data['contact_id']}-{data['version']}",
        "source": "/test",
        "type": type,
        "subject": data["contact_id"],
        "time": time.isoformat(),
        "data": data,
    }
    value = json.dumps(event, ensure_ascii=False).encode()
    return Received(Record(topic, 0, next(_offsets), None, value), decode(value))
