"""Shopify's webhooks on orders and customers.

Source: shopify.dev, "Verify webhook deliveries"; the Order and Customer resources of the Admin REST API.

`orders/create` is the purchase, once per order however often it is sent: its id is that of the order, not of the
delivery, so that a delivery sent again by hand, or by a second subscription, is the same event. Every other topic is an
event of its own per `updated_at` and carries no amount; a refund is found in the order that follows it, by its own id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from services.intake import normalise
from services.intake.domain import Draft, RecordKey, Refusal, Source
from services.intake.doors import reading
from services.intake.doors.reading import Reading
from services.intake.doors.shopify_payloads import Address, Customer, Id, Order, Refund
from services.intake.fields import check_requirements, read_fields
from services.intake.messages import Amount, Consent
from services.intake.plain import storable

SIGNATURE = ("x-shopify-hmac-sha256", "shopify-hmac-sha256")
TOPIC = ("x-shopify-topic", "shopify-topic")
SHOP = ("x-shopify-shop-domain", "shopify-shop-domain")
DELIVERY = ("x-shopify-webhook-id", "shopify-webhook-id")
API_VERSION = ("x-shopify-api-version", "shopify-api-version")

_ORDER_TOPICS = {
    "orders/create": "purchase",
    "orders/updated": "order_updated",
    "orders/paid": "order_paid",
    "orders/cancelled": "order_cancelled",
    "orders/fulfilled": "order_fulfilled",
    "orders/partially_fulfilled": "order_partially_fulfilled",
}
_CUSTOMER_TOPICS = {
    "customers/create": "customer_created",
    "customers/update": "customer_updated",
    "customers/enable": "customer_enabled",
    "customers/disable": "customer_disabled",
    "customers/delete": "customer_deleted",
}
_PRIVACY_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")

_orders = msgspec.json.Decoder(Order)
_customers = msgspec.json.Decoder(Customer)


@dataclass(frozen=True, slots=True)
class Terms:
    source: Source
    region: str
    currency: str


def check_signature(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> None:
    """Refuse what none of the source's secrets (current and former) signed. In constant time, before parsing."""
    try:
        given = base64.b64decode(reading.header(headers, *SIGNATURE) or "", validate=True)
        # Every secret is tried, whichever fits, so that the time says nothing.
        fits = [hmac.compare_digest(hmac.digest(each.encode(), body, hashlib.sha256), given) for each in secrets]
    except Exception:  # whatever went wrong, nothing was proved
        fits = []
    if not any(fits):
        raise Refusal(
            "unsigned",
            "The signature does not fit the body: check that the source has the client secret of the app that sends",
            field="X-Shopify-Hmac-SHA256",
        )


def read(topic: str | None, body: bytes, terms: Terms) -> Reading:
    """The events of one delivery. Headers serve only to verify; `topic` says what the body is."""
    if topic in _PRIVACY_TOPICS:
        raise Refusal("privacy", f"{topic} asks for an action by hand: see the body for whose data it is")
    if topic in _ORDER_TOPICS:
        order = reading.decode(_orders, body)
        return Reading(list(_order(topic, order, body, terms)))
    if topic in _CUSTOMER_TOPICS:
        customer = reading.decode(_customers, body)
        return Reading([_customer(topic, customer, body, terms)])
    if topic is None:
        raise Refusal(
            "invalid",
            "X-Shopify-Topic is missing: expected a topic, for example orders/create",
            field="X-Shopify-Topic",
        )
    raise Refusal("unsupported", f"the topic {topic} is not read; nothing was done", field="X-Shopify-Topic")


def _order(topic: str, order: Order, body: bytes, terms: Terms) -> Iterator[Draft]:
    number = _id(order.id)
    created = _time(order.created_at, "created_at")
    name = _ORDER_TOPICS[topic]
    if name == "purchase":
        event_id, original = f"order:{number}:create", created
    else:
        original = _time(order.updated_at, "updated_at") if order.updated_at else created
        event_id = f"order:{number}:{topic.removeprefix('orders/')}:{order.updated_at or ''}".rstrip(":")
        if name == "order_cancelled" and order.cancelled_at:
            # A cancelled order goes on to change, but it is cancelled once.
            event_id, original = f"order:{number}:cancelled", _time(order.cancelled_at, "cancelled_at")

    customer = order.customer or Customer()
    known, unread = read_fields(_order_fields(order, customer), terms.region)
    check_requirements(terms.source, known)
    record, links = _order_record(order, customer, known, number, terms.region)
    code = normalise.currency(order.currency) or terms.currency
    total: Amount | None = None
    if order.total_price is not None or name == "purchase":
        total = reading.amount(
            order.total_price, order.currency, at="total_price", currency_at="currency", otherwise=terms.currency
        )
    properties = _without_none(
        order_id=number,
        order_name=order.name,
        total={"minor": total.minor, "currency": total.currency} if total and name != "purchase" else None,
        financial_status=order.financial_status,
        fulfillment_status=order.fulfillment_status,
        cancel_reason=order.cancel_reason,
        channel=order.source_name,
        landing_site=order.landing_site,
        referring_site=order.referring_site,
        discount_codes=[each.code for each in order.discount_codes if each.code] or None,
        customer_tags=_tags(customer.tags),
        unread=unread or None,
    )
    properties["lines"] = [
        reading.line(
            each.price,
            each.quantity,
            code,
            rest=_without_none(
                sku=each.sku or None,
                title=each.title,
                product_id=_text(each.product_id),
                variant_id=_text(each.variant_id),
            ),
        )
        for each in order.line_items
    ]
    yield Draft(
        name=name,
        record=record,
        links=links,
        source_event_id=event_id,
        original=original,
        fields=known,
        verified=_verified(customer, known),
        consents=_consents(customer),
        amount=total if name == "purchase" else None,
        properties=storable(properties, body),
    )
    for refund in order.refunds:
        yield from _refund(refund, record, number, terms)


def _refund(refund: Refund, record: RecordKey, order: str, terms: Terms) -> Iterator[Draft]:
    """Money given back. Every later state of the order tells of it again, by the same id."""
    given = [each for each in refund.transactions if each.kind == "refund" and each.status in (None, "success")]
    if refund.id is None or refund.created_at is None or not given:
        return
    amounts = [
        reading.amount(
            each.amount,
            each.currency,
            at="refunds.transactions.amount",
            currency_at="refunds.transactions.currency",
            otherwise=terms.currency,
        )
        for each in given
    ]
    yield Draft(
        name="refund",
        record=record,
        source_event_id=f"refund:{refund.id}",
        original=_time(refund.created_at, "refunds.created_at"),
        amount=Amount(minor=-sum(abs(each.minor) for each in amounts), currency=amounts[0].currency),
        properties={"order_id": order, "refund_id": str(refund.id)},
    )


def _customer(topic: str, customer: Customer, body: bytes, terms: Terms) -> Draft:
    number = _id(customer.id)
    known, unread = read_fields(_customer_fields(customer), terms.region)
    if topic != "customers/delete":
        check_requirements(terms.source, known)
    at = "created_at" if topic == "customers/create" else "updated_at"
    stated = customer.created_at if topic == "customers/create" else customer.updated_at
    event_id = f"customer:{number}:{topic.removeprefix('customers/')}"
    if topic not in ("customers/create", "customers/delete"):
        event_id += f":{stated or ''}"
    properties = _without_none(customer_tags=_tags(customer.tags), unread=unread or None)
    return Draft(
        name=_CUSTOMER_TOPICS[topic],
        record=RecordKey("external_id", number, False),
        source_event_id=event_id,
        original=_time(stated, at) if stated else None,
        fields=known,
        verified=_verified(customer, known),
        consents=_consents(customer),
        properties=storable(properties, body),
    )


def _order_record(
    order: Order, customer: Customer, fields: Mapping[str, str], number: str, region: str
) -> tuple[RecordKey, tuple[RecordKey, ...]]:
    """Whose order it is: the shop's customer; a guest by e-mail, else phone; a till's is an anonymous visit."""
    biller = normalise.email(order.email or order.contact_email or "")
    if customer.id is not None:
        # An order that names another e-mail address than its customer's says that both are the same customer.
        links = (RecordKey("email", biller, False),) if biller and biller != fields.get("email") else ()
        return RecordKey("external_id", _id(customer.id), False), links
    if "email" in fields:
        return RecordKey("email", fields["email"], False), ()
    phone = normalise.phone(fields["phone"], region) if "phone" in fields else None
    if phone:
        return RecordKey("phone", phone, False), ()
    return RecordKey("anonymous_id", f"order:{number}", False), ()


def _customer_fields(customer: Customer) -> Iterator[tuple[str, Any]]:
    home = customer.default_address or Address()
    yield "given_name", customer.first_name
    yield "family_name", customer.last_name
    yield "email", customer.email
    yield "phone", customer.phone
    yield "phone", home.phone
    yield from _address_fields(home)


def _order_fields(order: Order, customer: Customer) -> Iterator[tuple[str, Any]]:
    """The customer's own first, then what the order adds. Its name parts come from one place, never mixed."""
    billing, shipping = order.billing_address, order.shipping_address
    place = billing or shipping or customer.default_address or Address()
    named = next((each for each in (customer, billing, shipping) if each and (each.first_name or each.last_name)), None)
    if named:
        yield "given_name", named.first_name
        yield "family_name", named.last_name
    elif place.name:
        yield "full_name", place.name
    yield "email", customer.email
    if customer.id is None or not customer.email:
        yield "email", order.email
        yield "email", order.contact_email
    for phone in (customer.phone, order.phone, place.phone):
        yield "phone", phone
    yield from _address_fields(place)


def _address_fields(place: Address) -> Iterable[tuple[str, Any]]:
    street = ", ".join(part for part in (place.address1, place.address2) if part)
    return (
        ("organisation", place.company),
        ("street", street),
        ("postcode", place.zip),
        ("city", place.city),
        ("country", place.country_code or place.country),
    )


def _verified(customer: Customer, fields: Mapping[str, str]) -> tuple[str, ...]:
    return ("email",) if customer.verified_email and customer.email and "email" in fields else ()


def _consents(customer: Customer) -> tuple[Consent, ...]:
    """What was given or taken back; a customer who was never asked consented to nothing and refused nothing."""
    said: list[Consent] = []
    for channel, consent in (("email", customer.email_marketing_consent), ("sms", customer.sms_marketing_consent)):
        if consent and consent.state in ("subscribed", "unsubscribed"):
            said.append(Consent(purpose="marketing", channel=channel, granted=consent.state == "subscribed"))
    if customer.email_marketing_consent is None and customer.accepts_marketing:  # API versions before 2022-04
        said.append(Consent(purpose="marketing", channel="email", granted=True))
    return tuple(said)


def _tags(tags: str | list[str] | None) -> list[str] | None:
    parts = tags.split(",") if isinstance(tags, str) else tags or []
    return [part.strip() for part in parts if part.strip()] or None


def _id(value: Id) -> str:
    key = normalise.identifier(value)
    if not key:
        raise Refusal("missing", "id is missing: expected a number, for example 820982911946154508", field="id")
    return key


def _text(value: Id) -> str | None:
    return None if value is None else str(value)


def _time(value: str | None, at: str) -> datetime:
    time = normalise.moment(value)
    if time is None:
        raise Refusal(
            "missing" if value is None else "invalid",
            f"{at} must be a time, for example 2026-11-22T10:15:00+02:00",
            field=at,
        )
    return time


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
