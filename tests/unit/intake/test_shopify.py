"""Shopify's orders and customers as events."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import Draft, RecordKey, Refusal, Source
from services.intake.doors import shopify
from services.intake.messages import Amount, Consent

SHOP = Source(name="verkkokauppa", kind="shopify", trusted=True)
TERMS = shopify.Terms(SHOP, "FI", "EUR")
ADDRESS = {
    "first_name": "Maija",
    "last_name": "Meikäläinen",
    "name": "Maija Meikäläinen",
    "address1": "Mannerheimintie 12 A 3",
    "address2": None,
    "phone": "040 123 4567",
    "city": "Helsinki",
    "zip": "00100",
    "province": None,
    "country": "Finland",
    "country_code": "FI",
    "company": None,
    "latitude": 60.17,
    "longitude": 24.94,
}
CUSTOMER = {
    "id": 7345,
    "email": "maija.meikalainen@example.fi",
    "created_at": "2026-11-01T09:00:00+02:00",
    "updated_at": "2026-11-22T10:15:00+02:00",
    "first_name": "Maija",
    "last_name": "Meikäläinen",
    "state": "disabled",
    "note": None,
    "verified_email": True,
    "tags": "kahvi, vip",
    "currency": "EUR",
    "phone": "+358401234567",
    "email_marketing_consent": {
        "state": "subscribed",
        "opt_in_level": "single_opt_in",
        "consent_updated_at": "2026-11-01T09:00:00+02:00",
    },
    "sms_marketing_consent": {"state": "not_subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": None},
    "default_address": ADDRESS,
}
ORDER = {
    "id": 820982911,
    "admin_graphql_api_id": "gid://shopify/Order/820982911",
    "name": "#1001",
    "order_number": 1001,
    "email": "maija.meikalainen@example.fi",
    "contact_email": "maija.meikalainen@example.fi",
    "phone": None,
    "currency": "EUR",
    "total_price": "129.90",
    "financial_status": "paid",
    "fulfillment_status": None,
    "created_at": "2026-11-22T10:15:00+02:00",
    "updated_at": "2026-11-22T10:15:02+02:00",
    "cancelled_at": None,
    "discount_codes": [{"code": "SYKSY", "amount": "10.00", "type": "fixed_amount"}],
    "customer": CUSTOMER,
    "billing_address": ADDRESS,
    "shipping_address": ADDRESS,
    "line_items": [
        {
            "id": 1,
            "product_id": 632910392,
            "variant_id": 808950810,
            "sku": "KAHVI-500",
            "title": "Kahvi 500 g",
            "quantity": 2,
            "price": "8.95",
        },
        {
            "id": 2,
            "product_id": None,
            "variant_id": None,
            "sku": "",
            "title": "Lahjapakkaus",
            "quantity": 1,
            "price": "5",
        },
    ],
    "refunds": [],
}


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(base), **changes}


def read(topic: str, body: dict[str, Any], terms: shopify.Terms = TERMS) -> list[Draft]:
    return shopify.read(topic, json.dumps(body).encode(), terms).drafts


def test_a_created_order_is_a_purchase() -> None:
    (draft,) = read("orders/create", ORDER)

    assert draft.name == "purchase"
    assert draft.amount == Amount(minor=12990, currency="EUR")
    assert draft.record == RecordKey("external_id", "7345", False)
    assert draft.links == ()
    assert draft.source_event_id == "order:820982911:create"
    assert draft.original == datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
    assert draft.fields == {
        "given_name": "Maija",
        "family_name": "Meikäläinen",
        "email": "maija.meikalainen@example.fi",
        "phone": "+358401234567",
        "street": "Mannerheimintie 12 A 3",
        "postcode": "00100",
        "city": "Helsinki",
        "country": "FI",
    }
    assert draft.verified == ("email",)
    assert draft.consents == (Consent(purpose="marketing", channel="email", granted=True),)
    assert draft.properties == {
        "order_id": "820982911",
        "order_name": "#1001",
        "financial_status": "paid",
        "discount_codes": ["SYKSY"],
        "customer_tags": ["kahvi", "vip"],
        "lines": [
            {
                "sku": "KAHVI-500",
                "title": "Kahvi 500 g",
                "product_id": "632910392",
                "variant_id": "808950810",
                "quantity": 2,
                "amount": {"minor": 1790, "currency": "EUR"},
            },
            {"title": "Lahjapakkaus", "quantity": 1, "amount": {"minor": 500, "currency": "EUR"}},
        ],
    }


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("orders/updated", "order_updated"),
        ("orders/paid", "order_paid"),
        ("orders/cancelled", "order_cancelled"),
        ("orders/fulfilled", "order_fulfilled"),
    ],
)
def test_only_the_creation_of_an_order_carries_its_amount(topic: str, name: str) -> None:
    (draft,) = read(topic, ORDER)

    assert (draft.name, draft.amount) == (name, None)
    assert draft.properties["total"] == {"minor": 12990, "currency": "EUR"}
    assert draft.original == datetime(2026, 11, 22, 8, 15, 2, tzinfo=UTC)


def test_an_order_is_created_and_cancelled_once_but_updated_often() -> None:
    later = changed(ORDER, updated_at="2026-11-23T10:00:00+02:00", cancelled_at="2026-11-23T09:59:00+02:00")
    again = changed(later, updated_at="2026-11-24T10:00:00+02:00")

    def ids(topic: str) -> set[tuple[str, datetime | None]]:
        drafts = [draft for body in (later, again) for draft in read(topic, body)]
        return {(draft.source_event_id, draft.original) for draft in drafts}

    assert len(ids("orders/create")) == 1
    assert len(ids("orders/cancelled")) == 1
    assert len(ids("orders/updated")) == 2


def test_a_refund_is_found_in_the_order_and_stays_one_event() -> None:
    refund = {
        "id": 509562969,
        "created_at": "2026-11-25T12:00:00+02:00",
        "transactions": [
            {"id": 1, "amount": "8.95", "kind": "refund", "status": "success", "currency": "EUR"},
            {"id": 2, "amount": "8.95", "kind": "refund", "status": "failure", "currency": "EUR"},
        ],
    }
    once = changed(ORDER, refunds=[refund], updated_at="2026-11-25T12:00:00+02:00")
    later = changed(once, updated_at="2026-11-26T12:00:00+02:00", financial_status="partially_refunded")

    _, draft = read("orders/updated", once)
    _, again = read("orders/updated", later)

    assert draft == again
    assert (draft.name, draft.amount) == ("refund", Amount(minor=-895, currency="EUR"))
    assert draft.source_event_id == "refund:509562969"
    assert draft.record == RecordKey("external_id", "7345", False)


def test_an_order_with_another_biller_links_both() -> None:
    (draft,) = read("orders/create", changed(ORDER, email="Talous@Aalto.example"))

    assert draft.record == RecordKey("external_id", "7345", False)
    assert draft.links == (RecordKey("email", "talous@aalto.example", False),)
    assert draft.fields["email"] == "maija.meikalainen@example.fi"


@pytest.mark.parametrize(
    ("changes", "record"),
    [
        ({"customer": None}, RecordKey("email", "maija.meikalainen@example.fi", False)),
        ({"customer": None, "email": None, "contact_email": ""}, RecordKey("phone", "+358401234567", False)),
        (
            {"customer": None, "email": "", "contact_email": None, "billing_address": None, "shipping_address": None},
            RecordKey("anonymous_id", "order:820982911", False),
        ),
    ],
)
def test_a_guest_is_known_by_what_was_left(changes: dict[str, Any], record: RecordKey) -> None:
    (draft,) = read("orders/create", changed(ORDER, **changes))

    assert draft.record == record
    assert draft.verified == ()


def test_an_address_that_the_shop_did_not_verify_is_not_verified() -> None:
    (draft,) = read("orders/create", changed(ORDER, customer=changed(CUSTOMER, verified_email=False)))
    assert draft.verified == ()


@pytest.mark.parametrize(
    ("changes", "consents"),
    [
        ({"email_marketing_consent": {"state": "unsubscribed"}}, [("email", False)]),
        ({"email_marketing_consent": {"state": "pending"}}, []),
        ({"email_marketing_consent": {"state": "not_subscribed"}}, []),
        ({"sms_marketing_consent": {"state": "subscribed"}}, [("email", True), ("sms", True)]),
        ({"email_marketing_consent": None, "accepts_marketing": True}, [("email", True)]),
        ({"email_marketing_consent": None, "accepts_marketing": False}, []),
    ],
)
def test_consent_is_what_was_given_or_taken_back(changes: dict[str, Any], consents: list[tuple[str, bool]]) -> None:
    (draft,) = read("customers/update", changed(CUSTOMER, **changes))
    assert [(consent.channel, consent.granted) for consent in draft.consents] == consents


def test_customers_have_events_of_their_own() -> None:
    (created,) = read("customers/create", CUSTOMER)
    (updated,) = read("customers/update", CUSTOMER)
    (deleted,) = read("customers/delete", {"id": 7345})

    assert (created.name, created.source_event_id) == ("customer_created", "customer:7345:create")
    assert created.original == datetime(2026, 11, 1, 7, tzinfo=UTC)
    assert updated.source_event_id == "customer:7345:update:2026-11-22T10:15:00+02:00"
    assert updated.fields["street"] == "Mannerheimintie 12 A 3"
    assert (deleted.name, deleted.original, deleted.fields) == ("customer_deleted", None, {})
    assert created.record == updated.record == deleted.record


@pytest.mark.parametrize(
    ("topic", "changes", "reason", "field"),
    [
        ("orders/create", {"id": None}, "missing", "id"),
        ("orders/create", {"created_at": None}, "missing", "created_at"),
        ("orders/create", {"created_at": "eilen"}, "invalid", "created_at"),
        ("orders/create", {"total_price": None}, "invalid", "total_price"),
        ("orders/create", {"currency": "euro"}, "invalid", "currency"),
        ("orders/create", {"line_items": None}, "invalid", "line_items"),
        ("orders/create", {"customer": "Maija"}, "invalid", "customer"),
        ("products/update", {}, "unsupported", "X-Shopify-Topic"),
        ("customers/redact", {}, "privacy", None),
    ],
)
def test_what_cannot_be_taken_names_its_field(
    topic: str, changes: dict[str, Any], reason: str, field: str | None
) -> None:
    with pytest.raises(Refusal) as caught:
        read(topic, changed(ORDER, **changes))
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_a_shop_refuses_who_lacks_what_it_requires() -> None:
    terms = shopify.Terms(Source(name="x", kind="shopify", trusted=True, requires=("email",)), "FI", "EUR")
    with pytest.raises(Refusal) as caught:
        read("orders/create", changed(ORDER, customer=None, email=None, contact_email=None), terms)
    assert (caught.value.reason, caught.value.field) == ("missing", "email")


def signed(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


@pytest.mark.parametrize("header", ["x-shopify-hmac-sha256", "shopify-hmac-sha256"])
@pytest.mark.parametrize("secret", ["current", "former"])
def test_what_either_secret_signed_passes(secret: str, header: str) -> None:
    body = json.dumps(ORDER).encode()
    shopify.check_signature(body, {header: signed(body, secret)}, ["current", "former"])


@pytest.mark.parametrize(
    ("headers", "secrets"),
    [
        ({}, ["current"]),
        ({"x-shopify-hmac-sha256": ""}, ["current"]),
        ({"x-shopify-hmac-sha256": "no base64!"}, ["current"]),
        ({"x-shopify-hmac-sha256": "ääkköset"}, ["current"]),
        ({"x-shopify-hmac-sha256": signed(b"another body", "current")}, ["current"]),
        ({"x-shopify-hmac-sha256": signed(b"{}", "another")}, ["current"]),
        ({"x-shopify-hmac-sha256": signed(b"{}", "")}, []),
        ({"x-shopify-hmac-sha256": signed(b"{}", "current")}, [None]),
    ],
)
def test_whatever_is_wrong_with_a_signature_it_is_unsigned(headers: dict[str, str], secrets: list[Any]) -> None:
    with pytest.raises(Refusal) as caught:
        shopify.check_signature(b"{}", headers, secrets)
    assert (caught.value.reason, caught.value.status) == ("unsigned", 401)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(list(ORDER)), json_values, st.sampled_from(list(CUSTOMER)), json_values)
def test_whatever_stands_in_an_order_it_is_an_event_or_a_refusal(
    in_order: str, value: Any, in_customer: str, other: Any
) -> None:
    body = changed(ORDER, customer=changed(CUSTOMER, **{in_customer: other}))
    body[in_order] = value
    try:
        drafts = read("orders/create", body)
    except Refusal:
        return
    assert drafts[0].record.key
