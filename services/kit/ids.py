"""Ids that follow from what they name, so that the same thing has the same id wherever and whenever it is made."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import UTC, datetime


def _uuid8(raw: bytes) -> uuid.UUID:
    """The first 16 bytes as a UUID of version 8 (RFC 9562: custom)."""
    value = int.from_bytes(raw[:16], "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def _joined(parts: tuple[str, ...]) -> bytes:
    # The lengths keep ("ab", "c") and ("a", "bc") apart whatever characters the parts hold.
    return b"".join(len(encoded := part.encode()).to_bytes(4, "big") + encoded for part in parts)


def derived(*parts: str) -> uuid.UUID:
    """An id that follows from the parts alone, as that of a command from its key, or of an output from its cause."""
    return _uuid8(hashlib.sha256(_joined(parts)).digest())


def record_id(secret: bytes, source: str, kind: str, key: str) -> uuid.UUID:
    """The id of what one source says of one customer; without the secret nobody can test a guess of the key."""
    return _uuid8(hmac.digest(secret, _joined((source, kind, key)), "sha256"))


def event_id(time: datetime, source: str, source_event_id: str) -> uuid.UUID:
    """48 bits of the source's own time (milliseconds) and a hash of (source, the source's id).

    Stable for a repeated delivery, and near its neighbours in an index. `time` must be the source's own statement,
    never the time of arrival, where a repeat shall be recognised.
    """
    milliseconds = max(0, int(time.timestamp() * 1000)) & (1 << 48) - 1
    digest = hashlib.sha256(_joined((source, source_event_id))).digest()
    return _uuid8(milliseconds.to_bytes(6, "big") + digest[:10])


def time_of(event: uuid.UUID) -> datetime:
    """The time inside an event's id."""
    return datetime.fromtimestamp((event.int >> 80) / 1000, UTC)


def first_id_at(time: datetime) -> uuid.UUID:
    """The smallest id that an event of this time can have: a bound for partitions and ranges."""
    return uuid.UUID(int=(max(0, int(time.timestamp() * 1000)) & (1 << 48) - 1) << 80)
