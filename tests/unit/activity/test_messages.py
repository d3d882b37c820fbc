"""How records are read: byte for byte what is kept, and the field by its name where one is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.activity import messages
from services.kit import envelope

EVENT = (
    '{ "id":"019ab4f0-3a20-8c1d-9f3b-6a0e5d2c7b11","source":"/intake/x" ,"type":"tuttu.event",\n'
    '"time":"2026-11-22T08:15:00.120000+02:00","data":{"name":"purchase","later":[1.50,1e3,"\\u00e4ä\\u0000"],\n'
    '"record":{"id":"5b0e6c1e-7d5f-8a53-9c0a-2f1d8c4b6a01","source":"verkkokauppa"},'
    '"amount":{"minor":12990,"currency":"EUR"},"properties":{"b":1,"a":2}} }'
)
CONTACT = "5b0e6c1e-7d5f-8a53-9c0a-2f1d8c4b6a01"


def resolved(event: str) -> bytes:
    return (
        f'{{"specversion":"1.0","id":"1","source":"/dedupe","type":"tuttu.event-resolved",'
        f'"time":"2026-11-22T06:15:00Z","data":{{"contact_id":"{CONTACT}","membership":1,"event":{event}}}}}'
    ).encode()


def test_the_event_is_kept_byte_for_byte() -> None:
    assert messages.decode_resolved_event(resolved(EVENT)).data.body == EVENT.encode()


def test_what_the_history_needs_is_read() -> None:
    event = messages.decode_resolved_event(resolved(EVENT)).data.event
    assert event.data.name == "purchase"
    assert event.data.amount == messages.Amount(minor=12990, currency="EUR")
    assert event.time.isoformat() == "2026-11-22T08:15:00.120000+02:00"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"id": "no id"}, "data.event.id"),
        ({"time": "2026-11-22T08:15:00"}, "data.event.time"),
        ({"time": "0001-01-01T00:00:00Z"}, "data.event.time"),
        ({"time": "9999-12-31T23:59:59Z"}, "data.event.time"),
        ({"data": {"name": "", "record": {"id": CONTACT, "source": "x"}}}, "data.event.data.name"),
        ({"data": {"name": "n" * 201, "record": {"id": CONTACT, "source": "x"}}}, "data.event.data.name"),
        ({"data": {"name": "purchase"}}, "data.event.data.record"),
        (
            {
                "data": {
                    "name": "purchase",
                    "record": {"id": CONTACT, "source": "x"},
                    "amount": {"minor": 10**14, "currency": "EUR"},
                }
            },
            "data.event.data.amount.minor",
        ),
    ],
)
def test_an_event_that_cannot_be_read_is_told_by_its_field(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(envelope.Unreadable) as refused:
        messages.decode_resolved_event(resolved(json.dumps(json.loads(EVENT) | changed)))
    assert refused.value.field == field


@pytest.mark.parametrize("event", ["5", "null", "[]", '"text"'])
def test_something_else_in_the_place_of_an_event_is_unreadable(event: str) -> None:
    with pytest.raises(envelope.Unreadable) as refused:
        messages.decode_resolved_event(resolved(event))
    assert refused.value.field == "data.event"


def test_a_command_without_a_uuid_for_its_id_is_unreadable() -> None:
    command = {
        "specversion": "1.0",
        "id": "17",
        "source": "/activity/api",
        "type": "tuttu.log-activity",
        "time": "2026-11-22T10:07:00Z",
        "data": {
            "contact_id": CONTACT,
            "name": "call",
            "occurred_at": "2026-11-22T10:00:00Z",
            "author": "key:liisa",
        },
    }
    with pytest.raises(envelope.Unreadable) as refused:
        messages.decode_command(json.dumps(command).encode())
    assert refused.value.field == "id"
