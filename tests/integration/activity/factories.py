"""Records of the topics that activity reads, and a worker that applies them as the runtime would."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from services.activity import handlers, messages
from services.kit import ids
from services.kit.database import Connection
from services.kit.envelope import Decode, Message, Received, Record
from services.kit.runtime import Apply

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_offsets = itertools.count()


def received(topic: str, decode: Decode, event: Mapping[str, Any]) -> Received[Any]:
    value = json.dumps(event, ensure_ascii=False).encode()
    return Received(Record(topic, 0, next(_offsets), None, value), decode(value))


def original(
    name: str = "purchase",
    *,
    record: UUID,
    minor: int | None = None,
    currency: str = "EUR",
    time: datetime = NOON,
    said: str = "",
    properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An event as intake makes it; `said` tells events of one moment apart."""
    return {
        "specversion": "1.0",
        "id": str(ids.event_id(time, "shop", f"{said}{record}{name}")),
        "source": "/intake/shop",
        "type": "tuttu.event",
        "subject": str(record),
        "time": time.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "name": name,
            "record": {"id": str(record), "source": "shop", "kind": "external_id", "key": "1", "claimed": False},
            "amount": None if minor is None else {"minor": minor, "currency": currency},
            "properties": dict(properties or {}),
        },
    }


def resolved(event: Mapping[str, Any], *, contact: UUID, number: int = 1) -> Received[messages.ResolvedEvent]:
    return received(
        "resolved-events",
        messages.decode_resolved_event,
        {
            "specversion": "1.0",
            "id": event["id"],
            "source": "/dedupe",
            "type": "tuttu.event-resolved",
            "subject": str(contact),
            "time": event["time"],
            "data": {"contact_id": str(contact), "membership": number, "event": event},
        },
    )


def contact_state(
    contact: UUID, version: int, members: Mapping[UUID, int], *, merged_into: UUID | None = None
) -> Received[messages.ContactState]:
    """The state of a contact with the membership number of each member."""
    return received(
        "contacts",
        messages.decode_contact,
        {
            "specversion": "1.0",
            "id": f"c-{contact}-{version}",
            "source": "/dedupe",
            "type": "tuttu.contact",
            "subject": str(contact),
            "time": NOON.isoformat(),
            "data": {
                "contact_id": str(contact),
                "version": version,
                "merged_into": None if merged_into is None else str(merged_into),
                "members": [{"record_id": str(record), "membership": number} for record, number in members.items()],
            },
        },
    )


def command(
    contact: UUID,
    name: str = "call",
    *,
    command_id: UUID | None = None,
    occurred_at: datetime = NOON,
    text: str | None = "Kysyi toimituksesta",
) -> Received[messages.LogActivity]:
    return received(
        "activity-commands",
        messages.decode_command,
        {
            "specversion": "1.0",
            "id": str(command_id or uuid4()),
            "source": "/activity/api",
            "type": "tuttu.log-activity",
            "subject": str(contact),
            "time": NOON.isoformat(),
            "data": {
                "contact_id": str(contact),
                "name": name,
                "occurred_at": occurred_at.isoformat(),
                "author": "key:liisa",
                "text": text,
                "properties": {"topic": "toimitus"},
            },
        },
    )


# As in app.py, state topics first.
_APPLY: dict[str, Apply] = {
    "contacts": handlers.follow_contacts,
    "resolved-events": handlers.add_events,
    "activity-commands": partial(handlers.log_activities, future_tolerance=timedelta(hours=24)),
}


async def apply(connection: Connection, *batch: Received[Any]) -> Collection[UUID]:
    """One batch, as the runtime applies it; returns the contacts whose summary changed."""
    affected: set[UUID] = set()
    async with connection.transaction():
        for topic, handler in _APPLY.items():
            if records := [one for one in batch if one.record.topic == topic]:
                affected.update(await handler(connection, records))
        return set(await handlers.settle(connection, affected)) if affected else set()


async def published(connection: Connection, *contacts: UUID) -> dict[UUID, dict[str, Any]]:
    """The present state of contacts, as `contact-activity` gets it."""
    return {UUID(message.key): data_of(message) for message in await handlers.load(connection, contacts)}


def data_of(message: Message) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(message.value)
    data: dict[str, Any] = event["data"]
    return data


def figures(states: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, dict[str, Any]]:
    """States without what depends on the way there: their version, and empty ones."""
    return {
        contact: {name: value for name, value in state.items() if name != "version"}
        for contact, state in states.items()
        if state["counts"]
    }


def in_batches(records: Sequence[Received[Any]], cuts: Collection[int]) -> list[Sequence[Received[Any]]]:
    """The same records, cut at these places; no batch is empty."""
    places = sorted({cut % (len(records) + 1) for cut in cuts} | {0, len(records)})
    return [records[low:high] for low, high in itertools.pairwise(places)]
