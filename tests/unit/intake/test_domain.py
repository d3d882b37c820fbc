"""What an event is, when it happened, whose it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import domain, plain
from services.intake.domain import Draft, RecordKey, Refusal, Source
from services.intake.limits import Limits, TooFast
from services.intake.messages import Amount
from services.kit import envelope, ids

SECRET = b"secret"
RECEIVED = datetime(2026, 11, 22, 8, 15, 1, 250000, tzinfo=UTC)
ORIGINAL = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
SHOP = Source(name="verkkokauppa", kind="shopify", trusted=True)
PURCHASE = Draft(
    name="purchase",
    record=RecordKey("external_id", "7345", False),
    source_event_id="order:820982911:create",
    original=ORIGINAL,
    fields={"email": "maija.meikalainen@example.fi"},
    verified=("email",),
    amount=Amount(minor=12990, currency="EUR"),
    properties={"order_id": "820982911"},
)


def test_an_event_has_the_shape_of_the_contract() -> None:
    event = domain.event(PURCHASE, SHOP, secret=SECRET, received=RECEIVED)

    record_id = str(ids.record_id(SECRET, "verkkokauppa", "external_id", "7345"))
    assert json.loads(envelope.encode(event)) == {
        "specversion": "1.0",
        "id": str(ids.event_id(ORIGINAL, "verkkokauppa", "order:820982911:create")),
        "source": "/intake/verkkokauppa",
        "type": "tuttu.event",
        "subject": record_id,
        "time": "2026-11-22T08:15:00Z",
        "datacontenttype": "application/json",
        "data": {
            "name": "purchase",
            "record": {
                "id": record_id,
                "source": "verkkokauppa",
                "kind": "external_id",
                "key": "7345",
                "claimed": False,
            },
            "links": [],
            "fields": {"email": "maija.meikalainen@example.fi"},
            "verified": ["email"],
            "consents": [],
            "tags": {"add": [], "remove": []},
            "amount": {"minor": 12990, "currency": "EUR"},
            "properties": {"order_id": "820982911"},
            "source_event_id": "order:820982911:create",
            "original_time": "2026-11-22T08:15:00Z",
            "sent_time": None,
            "received_time": "2026-11-22T08:15:01.250000Z",
        },
    }


def test_a_source_adds_its_tags_to_those_of_the_event() -> None:
    source = Source(name="messut", kind="segment", tags_add=("messut 2026", "liidi"), tags_remove=("vanha",))
    draft = Draft(
        name="lead", record=PURCHASE.record, source_event_id="1", original=ORIGINAL, tags_add=("liidi", "kahvi")
    )

    tags = domain.event(draft, source, secret=SECRET, received=RECEIVED).data.tags

    assert (tags.add, tags.remove) == (("messut 2026", "liidi", "kahvi"), ("vanha",))


@pytest.mark.parametrize(
    ("original_s", "sent_s", "expected_s"),
    [
        (0, None, 0),  # the source's clock is taken at its word
        (0, 1, 9),  # a second passed at the source until it sent; it arrived at 10
        (3600, 3601, 9),  # a clock that is an hour fast
        (-3600, -3599, 9),  # and one that is slow
        (20, None, 10),  # nothing happens in the future
        (20, 20, 10),
        (5, 2, 10),  # sent before it happened
    ],
)
def test_the_error_of_the_senders_clock_is_taken_out(original_s: int, sent_s: int | None, expected_s: int) -> None:
    def at(seconds: int) -> datetime:
        return ORIGINAL + timedelta(seconds=seconds)

    sent = at(sent_s) if sent_s is not None else None
    assert domain.corrected_time(at(original_s), sent, at(10)) == at(expected_s)


times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(times, st.none() | times)
def test_nothing_happens_after_it_was_received(original: datetime, sent: datetime | None) -> None:
    assert domain.corrected_time(original, sent, RECEIVED) <= RECEIVED


@given(times, times, st.none() | times)
def test_an_events_id_does_not_depend_on_sending_and_arrival(
    original: datetime, received: datetime, sent: datetime | None
) -> None:
    def draft(sent: datetime | None) -> Draft:
        return Draft(name="x", record=PURCHASE.record, source_event_id="1", original=original, sent=sent)

    first = domain.event(draft(None), SHOP, secret=SECRET, received=RECEIVED)
    again = domain.event(draft(sent), SHOP, secret=SECRET, received=received)
    assert first.id == again.id


def test_two_people_behind_one_mailbox_are_two_claims() -> None:
    maija = domain.claim({"email": "info@example.fi", "full_name": "Maija Meikäläinen"}, otherwise="")
    matti = domain.claim({"email": "info@example.fi", "given_name": "Matti"}, otherwise="")
    parts = domain.claim(
        {"email": "info@example.fi", "given_name": "Maija", "family_name": "Meikäläinen"}, otherwise=""
    )

    assert maija.key == parts.key == "info@example.fi|maija meikalainen"
    assert matti.key == "info@example.fi|matti"


def test_namesakes_who_leave_no_address_are_not_one_claim() -> None:
    fields = {"full_name": "Matti Virtanen"}
    assert domain.claim(fields, otherwise="event:1") != domain.claim(fields, otherwise="event:2")


def test_json_that_is_too_deep_is_refused_and_nul_is_left_out() -> None:
    deep: Any = "x"
    for _ in range(plain.DEEPEST_JSON + 1):
        deep = {"a": deep}
    with pytest.raises(Refusal):
        plain.storable(deep, json.dumps(deep).encode())
    wide: dict[str, Any] = {"a": [{"b": {}}] * 100}
    assert plain.storable(wide, json.dumps(wide).encode()) == wide
    nul = {"a\x00": ["\x00b", {"c": "\x00"}], "d": 1}
    assert plain.storable(nul, json.dumps(nul).encode()) == {"a": ["b", {"c": ""}], "d": 1}


def test_a_source_may_send_a_burst_and_then_waits() -> None:
    now = 0.0
    limits = Limits(lambda: now)
    limits.check("kauppa", 10)
    limits.pay("kauppa", 10, 100)

    with pytest.raises(TooFast) as caught:
        limits.check("kauppa", 10)
    assert caught.value.attributes["retry_after_s"] == 9  # 20 tokens, 100 spent, 81 to win at 10 a second

    limits.check("toinen", 10)
    now = 8.2
    limits.check("kauppa", 10)
