"""CloudEvents as topics carry them, and the errors of those that are none."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import commands, envelope
from services.kit.envelope import CloudEvent, Unreadable

TIME = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


class Line(msgspec.Struct, frozen=True):
    sku: str
    count: int


class Order(msgspec.Struct, frozen=True):
    number: str
    lines: list[Line] = []


class Visit(msgspec.Struct, frozen=True):
    page: str


ORDER = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "shop.order",
    "time": "2026-11-22T08:15:00Z",
    "data": {"number": "A1", "lines": [{"sku": "x", "count": 1}]},
}
read_order = envelope.decoder(type="shop.order", data=Order)
read_either = envelope.decoder_by_type({"shop.order": Order, "shop.visit": Visit})


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode({name: value for name, value in {**ORDER, **changes}.items() if value is not None})


def refusal(value: bytes, decode: envelope.Decode = read_order) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        decode(value)
    assert caught.value.detail.startswith("Expected a CloudEvent as JSON: ")
    return caught.value


def test_what_is_encoded_is_read_again() -> None:
    event = CloudEvent(
        id="1", source="/shop", type="shop.order", subject="A1", time=TIME, data=Order("A1", [Line("x", 1)])
    )
    assert read_order(envelope.encode(event)) == event
    assert read_either(envelope.encode(event)) == event


@given(st.text(), st.lists(st.builds(Line, st.text(), st.integers(-(2**63), 2**64 - 1))))
def test_all_data_is_read_as_it_was_written(number: str, lines: list[Line]) -> None:
    event = CloudEvent(id="1", source="/shop", type="shop.order", time=TIME, data=Order(number, lines))
    assert read_order(envelope.encode(event)) == event


def test_unknown_fields_are_no_concern_of_a_consumer() -> None:
    assert read_order(encoded(dataschema="x", data={"number": "A1", "more": {"deep": [1]}})).data == Order("A1")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (encoded(data={"number": 1}), "data.number"),
        (encoded(data={"number": "A1", "lines": [{"sku": "x", "count": "one"}]}), "data.lines[0].count"),
        (encoded(data={"number": "A1", "lines": [{"sku": "x"}]}), "data.lines[0].count"),
        (encoded(data={}), "data.number"),
        (encoded(data=[]), "data"),
        (encoded(data=None), "data"),
        (encoded(id=None), "id"),
        (encoded(id=1), "id"),
        (encoded(source=None), "source"),
        (encoded(time=None), "time"),
        (encoded(time="yesterday"), "time"),
        (encoded(time="2026-11-22T08:15:00"), "time"),
        (encoded(specversion="0.3"), "specversion"),
        (encoded(type="shop.visit"), "type"),
        (encoded(type=None), "type"),
    ],
)
def test_the_faulty_field_is_named(value: bytes, field: str) -> None:
    assert refusal(value).field == field


@pytest.mark.parametrize("value", [b"", b"no JSON", b"\xff\xfe", b"{", b"null", b"[]", b"1", b'"text"', b"{} {}"])
def test_what_is_no_event_at_all_names_no_field_but_says_so(value: bytes) -> None:
    assert refusal(value).field in (None, "type", "id")
    assert refusal(value, read_either).field in (None, "type")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(value: bytes) -> None:
    for decode in (read_order, read_either):
        with contextlib.suppress(Unreadable):
            decode(value)


def test_too_deep_a_record_is_unreadable_too() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    refusal(encoded().replace(b'"number":"A1"', b'"number":"A1","deep":' + deep))


def test_a_lone_surrogate_is_unreadable() -> None:
    refusal(encoded().replace(b"A1", rb"\ud800"))


def test_of_several_types_each_has_its_own_data() -> None:
    assert read_either(encoded(type="shop.visit", data={"page": "/"})).data == Visit("/")
    assert refusal(encoded(type="shop.visit"), read_either).field == "data.page"
    other = refusal(encoded(type="shop.refund"), read_either)
    assert (other.field, "one of shop.order, shop.visit" in other.detail) == ("type", True)


def test_a_commands_id_is_a_uuid() -> None:
    read = commands.decoder({"shop.order": Order})
    assert refusal(encoded(), read).field == "id"
    assert read(encoded(id="01994c3c-8000-8000-8000-000000000000")).data.number == "A1"


def test_a_message_says_what_it_is_and_a_state_its_version() -> None:
    event = CloudEvent(id="1", source="/shop", type="shop.order", time=TIME, data=Order("A1"))
    plain = envelope.message("orders", "A1", event)
    assert plain.headers() == [("content-type", b"application/cloudevents+json")]
    state = envelope.message("orders", "A1", event, version=7)
    assert dict(state.headers())["version"] == b"7"


def test_a_time_is_brought_to_utc_and_one_without_a_zone_is_taken_as_utc() -> None:
    assert envelope.utc(datetime.fromisoformat("2026-11-22T10:15:00+02:00")) == TIME
    assert envelope.utc(datetime(2026, 11, 22, 8, 15)) == TIME  # noqa: DTZ001  # that is the case
