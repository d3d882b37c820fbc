"""Records that no retry can mend: why the store refused them, and the messages that carry them away."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.kit import envelope
from services.kit.database import Connection, load_queries
from services.kit.envelope import Message, Received, Record
from services.kit.runtime.positions import Partition
from services.kit.runtime.producer import MAX_MESSAGE_BYTES

_QUERIES = load_queries("services.kit")
# Kafka's own part of a record: its key, headers and sizes.
_OVERHEAD_BYTES = 16 * 1024


@dataclass(slots=True)
class Item:
    """A record on its way through a batch: readable, or with the reason why it is not."""

    record: Record
    received: Received[Any] | None
    reason: str | None = None
    field: str | None = None

    @property
    def place(self) -> Partition:
        return self.record.topic, self.record.partition


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that `service` could not read or store, as it was; `value_base64` where it is not UTF-8."""

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


async def save(connection: Connection, refused: Sequence[Item]) -> None:
    """Keep why the store refuses these records, in the transaction that passes them."""
    await connection.execute(
        _QUERIES["insert_dead_letters"],
        [item.record.topic for item in refused],
        [item.record.partition for item in refused],
        [item.record.offset for item in refused],
        [item.reason for item in refused],
        [item.field for item in refused],
    )


async def recall(connection: Connection, passed: Sequence[Item]) -> None:
    """That the store refused a record in an earlier run cannot be seen from the record: the row has the reason."""
    readable = [item for item in passed if item.received is not None]
    rows = await connection.fetch(
        _QUERIES["dead_letters"],
        [item.record.topic for item in readable],
        [item.record.partition for item in readable],
        [item.record.offset for item in readable],
    )
    refusals = {(row["topic"], row["partition"], row["offset"]): (row["reason"], row["field"]) for row in rows}
    for item in readable:
        item.reason, item.field = refusals.get((*item.place, item.record.offset), (None, None))


def message(service: str, item: Item) -> Message:
    """The record whole, with the reason; its id follows from where it lay, so a repeat is recognised.

    A record from elsewhere that is too large to be carried is named without its value.
    """
    record = item.record
    whole = _message(service, item, record.value, item.reason or "")
    if len(whole.value) + len(record.key or b"") <= MAX_MESSAGE_BYTES - _OVERHEAD_BYTES:
        return whole
    size = len(record.value or b"")
    return _message(service, item, None, f"{item.reason} (its {size} bytes are too many for a dead letter)")


def _message(service: str, item: Item, value: bytes | None, reason: str) -> Message:
    record = item.record
    place = f"{record.topic}/{record.partition}/{record.offset}"
    try:
        text, encoded = (value.decode() if value is not None else None), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(value or b"").decode()
    key = record.key.decode(errors="replace") if record.key is not None else None
    data = DeadLetter(
        service=service,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=key,
        headers={name: value.decode(errors="replace") for name, value in record.headers if value is not None},
        value=text,
        value_base64=encoded,
        reason=reason,
        field=item.field,
    )
    event = envelope.CloudEvent(
        id=f"{record.topic}-{record.partition}-{record.offset}-{service}",
        source=f"/{service}",
        type="tuttu.dead-letter",
        subject=place,
        time=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        data=data,
    )
    return envelope.message("dead-letters", key if key is not None else place, event)
