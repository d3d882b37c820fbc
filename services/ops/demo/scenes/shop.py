"""Scenes in the web shop: accounts, orders, guests, refunds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from services.ops.demo import doors, people, story
from services.ops.demo.cast import Cast
from services.ops.demo.doors import SHOP, Delivery, Told
from services.ops.demo.people import Person


def _shop_customer(person: Person, at: datetime, **other: Any) -> dict[str, Any]:
    return {
        "id": person.shop_id,
        "email": person.email,
        "first_name": person.given,
        "last_name": person.family,
        "phone": person.phone_abroad,
        "verified_email": True,
        "created_at": doors.stamp(at),
        "updated_at": doors.stamp(at),
        "email_marketing_consent": {"state": "not_subscribed"},
        **other,
    }


def _address(person: Person, phone: str) -> dict[str, Any]:
    return {
        "first_name": person.given,
        "last_name": person.family,
        "address1": person.street,
        "zip": person.postcode,
        "city": person.city,
        "country_code": "FI",
        "phone": phone,
    }


def order(cast: Cast, person: Person, *, guest_as: str | None = None, phone: str | None = None) -> Delivery:
    """A purchase; of a guest, who is known by the e-mail address as it was typed (`guest_as`)."""
    number, lines, at = cast.next_order(person), cast.basket(), cast.now()
    total = sum(line.total for line in lines)
    body: dict[str, Any] = {
        "id": number,
        "name": f"#{number % 100_000}",
        "email": guest_as or person.email,
        "currency": "EUR",
        "total_price": doors.euros(total),
        "financial_status": "paid",
        "created_at": doors.stamp(at),
        "updated_at": doors.stamp(at),
        "billing_address": _address(person, phone or person.phone_at_home),
        "line_items": story.lines_json(lines),
    }
    if guest_as is None:
        body["customer"] = _shop_customer(person, at)
        cast.refundable.append((person, number, lines, at))
    told = Told(SHOP, f"order:{number}", "purchase", person.number, minor=total)
    return doors.shopify("orders/create", body, secret=cast.credentials.shop_secret, told=(told,))


def first_order(cast: Cast) -> Iterator[Delivery]:
    """Somebody new makes an account and orders; the shop sends the order twice, as it does when an answer is late."""
    person = cast.newcomer()
    at = cast.now()
    told = Told(SHOP, f"customer:{person.shop_id}", "customer_created", person.number)
    customer = _shop_customer(person, at, default_address=_address(person, person.phone))
    yield doors.shopify("customers/create", customer, secret=cast.credentials.shop_secret, told=(told,))
    first = order(cast, person)
    yield first
    cast.customers.append(person)
    yield first


def order_again(cast: Cast) -> Iterator[Delivery]:
    """A customer orders again; the phone number is written the other way."""
    person = cast.customer()
    if person is not None:
        yield order(cast, person, phone=person.phone_abroad)


def guest_order(cast: Cast) -> Iterator[Delivery]:
    """A customer did not log in and wrote the address in capitals."""
    person = cast.customer()
    if person is not None:
        yield order(cast, person, guest_as=f" {person.email.title()} ", phone=person.phone)


def new_guest(cast: Cast) -> Iterator[Delivery]:
    """Somebody new buys without an account."""
    person = cast.newcomer()
    yield order(cast, person, guest_as=person.email)


def refund(cast: Cast) -> Iterator[Delivery]:
    """An article of an order comes back."""
    if not cast.refundable:
        return
    person, number, lines, ordered = cast.refundable.pop(cast.rng.randrange(len(cast.refundable)))
    at, back = cast.now(), lines[0].price
    body = {
        "id": number,
        "email": person.email,
        "currency": "EUR",
        "total_price": doors.euros(sum(line.total for line in lines)),
        "financial_status": "partially_refunded",
        "created_at": doors.stamp(ordered),
        "updated_at": doors.stamp(at),
        "customer": _shop_customer(person, at),
        "line_items": story.lines_json(lines),
        "refunds": [
            {
                "id": number + 500,
                "created_at": doors.stamp(at),
                "transactions": [
                    {"amount": doors.euros(back), "currency": "EUR", "kind": "refund", "status": "success"}
                ],
            }
        ],
    }
    told = (
        Told(SHOP, f"order:{number}:updated:{doors.stamp(at)}", "order_updated", person.number),
        Told(SHOP, f"refund:{number + 500}", "refund", person.number, minor=-back),
    )
    yield doors.shopify("orders/updated", body, secret=cast.credentials.shop_secret, told=told)


def household(cast: Cast) -> Iterator[Delivery]:
    """Two who share a home and its phone: two customers, and never one."""
    one, other = cast.newcomer(), cast.newcomer()
    while other.given == one.given:
        other = cast.newcomer()
    for person in (one, cast.enter(people.housemate(one, other))):
        yield order(cast, person, phone=person.phone)
