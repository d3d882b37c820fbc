"""Segment's calls as events."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import Draft, RecordKey, Refusal, Source
from services.intake.doors import segment
from services.intake.doors.segment import Call

SERVER = Source(name="sivusto", kind="segment", trusted=True)
BROWSER = Source(name="selain", kind="segment")


def terms(source: Source = SERVER) -> segment.Terms:
    return segment.Terms(source, "FI", "EUR", lambda: "made here")


def read(call: Call, body: dict[str, Any], source: Source = SERVER) -> Draft:
    (draft,) = segment.read_call(call, json.dumps(body).encode(), terms(source)).drafts
    return draft


def refusal(call: Call, body: dict[str, Any], source: Source = SERVER) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(call, body, source)
    return caught.value


TRAITS = {
    "firstName": "Maija",
    "last_name": "Meikäläinen",
    "email": "Maija@Example.fi",
    "phone": "040 123 4567",
    "address": {"street": "Mannerheimintie 12 A 3", "postalCode": "00100", "city": "Helsinki", "country": "Finland"},
    "birthday": "1980-05-01T00:00:00Z",
    "company": {"name": "Kahvila Aalto Oy", "employee_count": 5},
    "title": "ostopäällikkö",
    "language": "fi-FI",
    "plan": "kulta",
}


def test_traits_become_canonical_fields_and_the_rest_stays() -> None:
    draft = read("identify", {"userId": "u1", "traits": TRAITS})

    assert draft.fields == {
        "given_name": "Maija",
        "family_name": "Meikäläinen",
        "email": "maija@example.fi",
        "phone": "+358401234567",
        "street": "Mannerheimintie 12 A 3",
        "postcode": "00100",
        "city": "Helsinki",
        "country": "FI",
        "birth_date": "1980-05-01",
        "organisation": "Kahvila Aalto Oy",
        "title": "ostopäällikkö",
        "language": "fi",
    }
    assert draft.properties == {"company": {"employee_count": 5}, "plan": "kulta"}


def test_a_trait_that_cannot_be_read_is_kept_aside() -> None:
    draft = read("identify", {"userId": "u1", "traits": {"email": "ei ole", "phone": "1", "name": "Maija"}})

    assert draft.fields == {"full_name": "Maija"}
    assert draft.properties == {"unread": {"email": "ei ole", "phone": "1"}}


@pytest.mark.parametrize(
    ("source", "ids", "record", "links"),
    [
        (SERVER, {"userId": "u1"}, RecordKey("external_id", "u1", False), ()),
        (SERVER, {"userId": 88}, RecordKey("external_id", "88", False), ()),
        (SERVER, {"anonymousId": "a1"}, RecordKey("anonymous_id", "a1", False), ()),
        (
            SERVER,
            {"userId": "u1", "anonymousId": "a1"},
            RecordKey("external_id", "u1", False),
            (RecordKey("anonymous_id", "a1", False),),
        ),
        (SERVER, {"userId": "null", "anonymousId": "a1"}, RecordKey("anonymous_id", "a1", False), ()),
        (BROWSER, {"anonymousId": "a1"}, RecordKey("anonymous_id", "a1", True), ()),
        (BROWSER, {"userId": "u1", "anonymousId": "a1"}, RecordKey("anonymous_id", "a1", True), ()),
        (BROWSER, {"userId": "u1"}, RecordKey("claim", "user_id:u1|", True), ()),
        (
            BROWSER,
            {"userId": "u1", "anonymousId": "a1", "context": {"traits": {"email": "m@example.fi"}}},
            RecordKey("claim", "m@example.fi|", True),
            (RecordKey("anonymous_id", "a1", True),),
        ),
    ],
)
def test_whose_an_event_is(
    source: Source, ids: dict[str, Any], record: RecordKey, links: tuple[RecordKey, ...]
) -> None:
    draft = read("page", ids, source)
    assert (draft.record, draft.links) == (record, links)


@pytest.mark.parametrize("junk", ["", "0", "000-000", "-1", "null", "NULL", "anonymous", "undefined", " ", "None"])
def test_ids_that_are_nobodys_make_no_customer(junk: str) -> None:
    assert refusal("page", {"userId": junk}).field == "userId"


def test_an_alias_links_the_former_id_of_either_kind() -> None:
    draft = read("alias", {"previousId": "a1", "userId": "u1"})

    assert draft.record == RecordKey("external_id", "u1", False)
    assert draft.links == (RecordKey("external_id", "a1", False), RecordKey("anonymous_id", "a1", False))


def test_an_alias_from_a_browser_only_tells_of_the_visitor() -> None:
    draft = read("alias", {"previousId": "a1", "userId": "u1"}, BROWSER)

    assert (draft.record, draft.links) == (RecordKey("anonymous_id", "a1", True), ())
    assert draft.properties == {"user_id": "u1", "previous_id": "a1"}


@pytest.mark.parametrize(
    ("properties", "minor", "currency"),
    [
        ({"total": 129.9, "revenue": 100, "currency": "EUR"}, 12990, "EUR"),
        ({"revenue": "100.00", "currency": "sek"}, 10000, "SEK"),
        ({"total": 5}, 500, "EUR"),
        ({"total": 500, "currency": "JPY"}, 500, "JPY"),
    ],
)
def test_a_completed_order_is_a_purchase_of_its_total(properties: dict[str, Any], minor: int, currency: str) -> None:
    for event in ("Order Completed", "order_completed", "ORDER COMPLETED"):
        draft = read("track", {"userId": "u1", "event": event, "properties": properties})
        assert draft.name == "purchase"
        assert draft.amount is not None
        assert (draft.amount.minor, draft.amount.currency) == (minor, currency)


def test_a_refund_is_negative() -> None:
    for total in (12.5, -12.5):
        draft = read("track", {"userId": "u1", "event": "Order Refunded", "properties": {"total": total}})
        assert draft.name == "refund"
        assert draft.amount is not None
        assert draft.amount.minor == -1250


def test_products_become_lines() -> None:
    products = [
        {"product_id": "1", "sku": "KAHVI-500", "name": "Kahvi 500 g", "price": 8.95, "quantity": 2},
        {"sku": "LAHJA"},
    ]
    draft = read("track", {"userId": "u1", "event": "Order Completed", "properties": {"products": products}})

    assert draft.amount is None
    assert draft.properties == {
        "lines": [
            {
                "product_id": "1",
                "sku": "KAHVI-500",
                "title": "Kahvi 500 g",
                "quantity": 2,
                "amount": {"minor": 1790, "currency": "EUR"},
            },
            {"sku": "LAHJA"},
        ]
    }


def test_other_events_keep_their_names() -> None:
    assert read("track", {"userId": "u1", "event": "Ilmoittautui webinaariin"}).name == "Ilmoittautui webinaariin"
    assert read("page", {"userId": "u1", "name": "Etusivu"}).name == "page_view"
    screen = read("screen", {"userId": "u1", "name": "Aloitus", "category": "Sovellus"})
    assert (screen.name, screen.properties) == ("screen_view", {"name": "Aloitus", "category": "Sovellus"})


def test_a_group_is_where_somebody_works() -> None:
    draft = read("group", {"userId": "u1", "groupId": "0123456-7", "traits": {"name": "Kahvila Aalto Oy", "size": 5}})

    assert draft.fields == {"organisation": "Kahvila Aalto Oy"}
    assert draft.properties == {"group_id": "0123456-7", "traits": {"name": "Kahvila Aalto Oy", "size": 5}}


def test_of_the_context_stays_how_somebody_came() -> None:
    context = {
        "campaign": {"source": "uutiskirje"},
        "page": {"url": "https://example.fi/"},
        "ip": "192.0.2.1",
        "library": {"name": "analytics.js"},
    }
    draft = read("page", {"userId": "u1", "context": context})

    assert draft.properties == {
        "context": {"page": {"url": "https://example.fi/"}, "campaign": {"source": "uutiskirje"}}
    }


def test_the_original_time_outranks_a_corrected_one() -> None:
    body = {"userId": "u1", "timestamp": "2026-11-22T08:15:00Z", "originalTimestamp": "2026-11-22T08:14:00Z"}
    draft = read("page", body)

    assert draft.original is not None
    assert draft.original.minute == 14


def test_an_id_without_a_message_id_follows_from_what_was_said() -> None:
    body = {"userId": "u1", "name": "Etusivu", "timestamp": "2026-11-22T08:15:00Z", "sentAt": "2026-11-22T08:15:01Z"}
    first = read("page", body)
    again = read("page", {**body, "sentAt": "2026-11-22T09:00:00Z"})
    other = read("page", {**body, "name": "Kauppa"})

    assert first.source_event_id == again.source_event_id != other.source_event_id
    assert not first.made_id
    assert read("page", {"userId": "u1"}).made_id


@pytest.mark.parametrize(
    ("call", "body", "reason", "field"),
    [
        ("track", {"userId": "u1"}, "missing", "event"),
        ("track", {"userId": "u1", "event": 5}, "invalid", "event"),
        ("track", {"userId": "u1", "event": "x" * 201}, "invalid", "event"),
        ("track", {"event": "x"}, "missing", "userId"),
        ("track", {"event": "x", "userId": "x" * 513}, "invalid", "userId"),
        ("track", {"event": "x", "userId": 1.5}, "invalid", "userId"),
        ("track", {"event": "x", "userId": "u1", "properties": "x"}, "invalid", "properties"),
        (
            "track",
            {"event": "Order Completed", "userId": "u1", "properties": {"total": "x"}},
            "invalid",
            "properties.total",
        ),
        (
            "track",
            {"event": "Order Completed", "userId": "u1", "properties": {"total": 1, "currency": "euro"}},
            "invalid",
            "properties.currency",
        ),
        ("identify", {"userId": "u1", "timestamp": "eilen"}, "invalid", "timestamp"),
        ("identify", {"userId": "u1", "originalTimestamp": "x"}, "invalid", "originalTimestamp"),
        ("group", {"userId": "u1"}, "missing", "groupId"),
        ("alias", {"previousId": "a1"}, "missing", "userId"),
        ("alias", {"userId": "a1"}, "missing", "previousId"),
    ],
)
def test_what_cannot_be_taken_names_its_field(call: Call, body: dict[str, Any], reason: str, field: str) -> None:
    refused = refusal(call, body)
    assert (refused.reason, refused.field) == (reason, field)


def test_a_source_refuses_who_lacks_what_it_requires() -> None:
    source = Source(name="x", kind="segment", trusted=True, requires=("email", "name"))

    assert refusal("identify", {"userId": "u1"}, source).field == "traits.email"
    refused = refusal("identify", {"userId": "u1", "traits": {"email": "m@example.fi"}}, source)
    assert refused.field == "traits.name"
    assert "Maija Meikäläinen" in refused.detail
    read("identify", {"userId": "u1", "traits": {"email": "m@example.fi", "firstName": "Maija"}}, source)
    read("page", {"userId": "u1"}, source)


def test_a_batch_says_for_all_what_its_items_do_not_say() -> None:
    batch = {
        "batch": [
            {"type": "page", "userId": "u1", "context": {"campaign": {"source": "oma"}}},
            {"type": "page", "userId": "u2"},
            {"type": "hyppy", "userId": "u3"},
            "x",
        ],
        "context": {"campaign": {"source": "yhteinen"}},
        "sentAt": "2026-11-22T08:15:01Z",
    }
    found = segment.read_batch(json.dumps(batch).encode(), terms())

    assert [draft.properties["context"]["campaign"]["source"] for draft in found.drafts] == ["oma", "yhteinen"]
    assert {draft.sent.second for draft in found.drafts if draft.sent} == {1}
    assert [(each.index, each.refusal.field, each.raw) for each in found.refused] == [
        (2, "type", b'{"type": "hyppy", "userId": "u3"}'),
        (3, None, b'"x"'),
    ]


def test_bytes_that_are_no_json_are_refused() -> None:
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b"[]", b'{"batch": [', b'{"batch": ["\\ud800"]}', b"1" * 5000):
        try:
            found = segment.read_batch(body, terms())
        except Refusal:
            continue
        assert found.drafts == []
        assert found.refused


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
known = (
    "userId",
    "anonymousId",
    "event",
    "traits",
    "properties",
    "context",
    "timestamp",
    "messageId",
    "sentAt",
    "name",
)
likely = st.fixed_dictionaries(
    {"userId": st.just("u1") | json_values},
    optional={
        "type": st.sampled_from(segment.CALLS),
        "event": st.sampled_from(["Order Completed", "Order Refunded", "x"]) | json_values,
        "groupId": json_values,
        "previousId": json_values,
        "traits": st.dictionaries(st.sampled_from(list(TRAITS)), json_values) | json_values,
        "properties": st.dictionaries(
            st.sampled_from(["total", "currency", "products", "price"]), json_values | st.lists(st.just({"price": 1}))
        ),
        "context": st.dictionaries(st.sampled_from(["traits", "page", "campaign"]), json_values),
        "timestamp": json_values,
        "messageId": json_values,
    },
)


@given(st.lists(likely | st.dictionaries(st.sampled_from(known), json_values) | json_values, max_size=5), st.booleans())
def test_whatever_comes_becomes_an_event_or_a_refusal(items: list[Any], trusted: bool) -> None:
    body = json.dumps({"batch": items}).encode()
    source = SERVER if trusted else BROWSER

    found = segment.read_batch(body, terms(source))

    assert len(found.drafts) + len(found.refused) == len(items)
    for draft in found.drafts:
        assert draft.record.key
        assert b"\\u0000" not in msgspec.json.encode([draft.properties, draft.fields, draft.name, draft.record.key])
