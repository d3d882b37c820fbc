"""CloudEvents 1.0 in structured JSON mode, as every topic carries them, and records as Kafka holds them.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from services.kit import errors

CONTENT_TYPE = b"application/cloudevents+json"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_encoder = msgspec.json.Encoder()


class Unreadable(errors.InvalidInput):
    """Expected a CloudEvent as JSON: {reason}"""


class CloudEvent(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One message on a topic; `subject` is what it is about, `time` is when that happened, not when it was sent."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime
    datacontenttype: str = "application/json"
    data: T


@dataclass(frozen=True, slots=True)
class Record:
    """What Kafka handed out, as it was. `topic` is the logical name, without an installation's prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class Received(Generic[T_co]):
    """A record that could be read, with the CloudEvent that it holds."""

    record: Record
    event: CloudEvent[T_co]

    @property
    def data(self) -> T_co:
        return self.event.data


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be produced. `version` stands on state messages, as a header, so that the guard need not parse."""

    topic: str
    key: str
    value: bytes
    version: int | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        headers = [("content-type", CONTENT_TYPE)]
        if self.version is not None:
            headers.append(("version", b"%d" % self.version))
        return headers


def encode(event: CloudEvent[Any]) -> bytes:
    return _encoder.encode(event)


def message(topic: str, key: str, event: CloudEvent[Any], *, version: int | None = None) -> Message:
    return Message(topic, key, encode(event), version)


Decode = Callable[[bytes], CloudEvent[Any]]


def _at_utc(event: CloudEvent[Any]) -> CloudEvent[Any]:
    if event.specversion != "1.0":
        raise Unreadable(reason=f"specversion must be 1.0, not {event.specversion!r}", field="specversion")
    if event.time.tzinfo is None:
        raise Unreadable(reason="time must have a zone, as 2026-11-22T08:15:00Z", field="time")
    return event


def decoder(*, type: str, data: Any) -> Decode:
    """A function from bytes to `CloudEvent[data]`. Raises `Unreadable`, which names the field, for anything else."""
    return decoder_by_type({type: data})


def decoder_by_type(data_by_type: Mapping[str, Any]) -> Decode:
    """As `decoder`, for a topic that carries several types, each with its own data."""
    decoders = {name: msgspec.json.Decoder(_of(data)) for name, data in data_by_type.items()}
    only = next(iter(decoders)) if len(decoders) == 1 else None
    head = msgspec.json.Decoder(_Head)

    def decode(value: bytes) -> CloudEvent[Any]:
        try:
            # One pass where the topic has one type; two where the type must be known first.
            name = only or head.decode(value).type
            if name not in decoders:
                raise Unreadable(reason=f"type must be one of {', '.join(decoders)}, not {name!r}", field="type")
            event = decoders[name].decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreadable(reason=str(error), field=errors.place_of(error)[1] or None) from error
        except RecursionError as error:
            raise Unreadable(reason="it is nested too deeply") from error
        if event.type not in decoders:
            raise Unreadable(reason=f"type must be {only}, not {event.type!r}", field="type")
        return _at_utc(event)

    return decode


def _of(data: Any) -> Any:
    # A type that is known only at run time is beyond the type checker.
    return CloudEvent.__class_getitem__(data)  # type: ignore[attr-defined]


class _Head(msgspec.Struct):
    type: str


def utc(time: datetime) -> datetime:
    """The same moment in UTC; a time without a zone is taken as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
