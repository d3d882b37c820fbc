"""The scenes of the day: each is a short story of one or two people, told request by request.

A scene yields a delivery when it is its turn; other scenes go on meanwhile. The foot lists them with their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.kit import ids
from services.ops.demo import doors, people, story
from services.ops.demo.cast import Cast
from services.ops.demo.doors import FORMS, MAIL, NEWSLETTER, QUOTE, SHOP, SITE, Delivery, Refused, Told
from services.ops.demo.people import Person

Scene = Callable[[Cast], Iterator[Delivery]]


# -- the shop


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


def _order(cast: Cast, person: Person, *, guest_as: str | None = None, phone: str | None = None) -> Delivery:
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
    order = _order(cast, person)
    yield order
    cast.customers.append(person)
    yield order


def next_order(cast: Cast) -> Iterator[Delivery]:
    """A customer orders again; the phone number is written the other way."""
    person = cast.customer()
    if person is not None:
        yield _order(cast, person, phone=person.phone_abroad)


def guest_order(cast: Cast) -> Iterator[Delivery]:
    """A customer did not log in and wrote the address in capitals."""
    person = cast.customer()
    if person is not None:
        yield _order(cast, person, guest_as=f" {person.email.title()} ", phone=person.phone)


def new_guest(cast: Cast) -> Iterator[Delivery]:
    """Somebody new buys without an account."""
    person = cast.newcomer()
    yield _order(cast, person, guest_as=person.email)


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
    for person in (one, people.housemate(one, other)):
        yield _order(cast, person, phone=person.phone)


# -- the site


def _views(cast: Cast, person: Person, count: int) -> tuple[list[dict[str, Any]], list[Told]]:
    """Pages that the person's browser showed; nobody has said yet whose browser it is."""
    at, calls, told = cast.now(), [], []
    for position in range(count):
        title, path = cast.rng.choice(story.PAGES)
        time = at - timedelta(seconds=count - position)
        message = f"{person.browser_id}-{int(time.timestamp() * 1000)}-{position}"
        calls.append(
            {
                "type": "page",
                "messageId": message,
                "anonymousId": person.browser_id,
                "timestamp": doors.stamp(time),
                "name": title,
                "properties": {"path": path},
            }
        )
        event = ids.event_id(time, SITE, message)
        told.append(Told(SITE, message, "page_view", visitor=person.browser_id, id=event))
    return calls, told


def visit(cast: Cast) -> Iterator[Delivery]:
    """Somebody looks around and leaves; the library sends the same batch twice."""
    calls, told = _views(cast, cast.newcomer(), cast.rng.randint(2, 3))
    batch = doors.segment(calls, key=cast.credentials.site_key, sent=cast.now(), told=tuple(told))
    yield batch
    if cast.rng.random() < 0.3:
        yield batch


def visit_and_buy(cast: Cast) -> Iterator[Delivery]:
    """A visitor looks around, logs in, and buys: what was seen before belongs to the person."""
    key = cast.credentials.site_key
    person = cast.newcomer()
    calls, told = _views(cast, person, 2)
    yield doors.segment(calls, key=key, sent=cast.now(), told=tuple(told))
    yield _identified(cast, person, name=person.name)
    at, lines = cast.now(), cast.basket()
    number, total = cast.next_order(person), sum(line.total for line in lines)
    message = f"{person.user_id}-order-{number}"
    completed = {
        "type": "track",
        "event": "Order Completed",
        "messageId": message,
        "userId": person.user_id,
        "anonymousId": person.browser_id,
        "timestamp": doors.stamp(at),
        "properties": {
            "order_id": str(number),
            "total": total / 100,
            "currency": "EUR",
            "products": [
                {"sku": line.sku, "name": line.title, "price": line.price / 100, "quantity": line.quantity}
                for line in lines
            ],
        },
    }
    bought = Told(SITE, message, "purchase", person.number, visitor=person.browser_id, minor=total)
    batch = doors.segment([completed], key=key, sent=cast.now(), told=(bought,))
    yield batch
    yield batch


def _identified(cast: Cast, person: Person, *, name: str) -> Delivery:
    at = cast.now()
    message = f"{person.user_id}-login-{int(at.timestamp() * 1000)}"
    call = {
        "type": "identify",
        "messageId": message,
        "userId": person.user_id,
        "anonymousId": person.browser_id,
        "timestamp": doors.stamp(at),
        "traits": {"name": name, "email": person.email, "phone": person.phone_abroad},
    }
    told = Told(SITE, message, "identify", person.number, visitor=person.browser_id)
    return doors.segment([call], key=cast.credentials.site_key, sent=cast.now(), told=(told,))


def customer_logs_in(cast: Cast) -> Iterator[Delivery]:
    """A customer of the shop logs in on the site, under a name without dots."""
    person = cast.customer()
    if person is not None:
        yield _identified(cast, person, name=people.without_dots(person.name))


# -- forms and mail: claims


def _signup(cast: Cast, person: Person, name: str, email: str) -> Delivery:
    at = cast.now()
    own_id = f"{person.number}-{int(at.timestamp() * 1000)}"
    values = {"nimi": name, "sahkoposti": email, "lupa": "on", "kotisivu": "", "_id": own_id}
    told = Told(FORMS, own_id, "signup", person.number, tags=("uutiskirjeen tilaaja",))
    return doors.form(NEWSLETTER, values, told=(told,))


def newsletter(cast: Cast) -> Iterator[Delivery]:
    """Somebody subscribes, and orders later."""
    person = cast.newcomer()
    signup = _signup(cast, person, person.name, person.email)
    yield signup
    if cast.rng.random() < 0.5:
        yield signup  # a double click
    if cast.rng.random() < 0.6:
        yield _order(cast, person)
        cast.customers.append(person)


def customer_subscribes(cast: Cast) -> Iterator[Delivery]:
    """A customer subscribes; Mäkinen is Maekinen on that keyboard."""
    person = cast.customer()
    if person is not None:
        yield _signup(cast, person, people.written_out(person.name), person.email.upper())


def _quote(cast: Cast, person: Person, name: str, phone: str, email: str) -> Delivery:
    company, need = cast.rng.choice(story.QUOTES)
    own_id = f"{person.number}-q-{int(cast.now().timestamp() * 1000)}"
    values = {"nimi": name, "yritys": company, "puhelin": phone, "sahkoposti": email, "tarve": need, "_id": own_id}
    told = Told(FORMS, own_id, "quote_requested", person.number, tags=("tarjouspyyntö",))
    return doors.form(QUOTE, values, told=(told,))


def quote(cast: Cast) -> Iterator[Delivery]:
    """Somebody new asks for a quote."""
    person = cast.newcomer()
    yield _quote(cast, person, person.name, person.phone_at_home, person.email)


def customer_asks_quote(cast: Cast) -> Iterator[Delivery]:
    """A customer asks for a quote and leaves the phone number alone."""
    person = cast.customer()
    if person is not None:
        yield _quote(cast, person, people.without_dots(person.name), person.phone, "")


def _mail(cast: Cast, person: Person) -> Delivery:
    subject, text = cast.rng.choice(story.MAILS)
    at = cast.now().replace(microsecond=0)
    number = f"{person.number:08x}-0000-4000-8000-{int(cast.now().timestamp() * 1000):012x}"
    return doors.postmark(
        key=cast.credentials.mail_key,
        message_id=number,
        sender=(person.name, person.email),
        subject=subject,
        text=f"{text}\n\n{person.name}",
        at=at,
        told=(Told(MAIL, number, "email_received", person.number),),
    )


def stranger_writes(cast: Cast) -> Iterator[Delivery]:
    """A mail from somebody new; Postmark sends it twice."""
    mail = _mail(cast, cast.newcomer())
    yield mail
    yield mail


def customer_writes(cast: Cast) -> Iterator[Delivery]:
    person = cast.customer()
    if person is not None:
        yield _mail(cast, person)


# -- what goes wrong


def mishap(cast: Cast) -> Iterator[Delivery]:
    """The next kind of bad input, in turn."""
    kind = _MISHAPS[cast.mishaps % len(_MISHAPS)]
    cast.mishaps += 1
    yield kind(cast)


def _wrong_signature(cast: Cast) -> Delivery:
    order = _order(cast, cast.newcomer(), guest_as="joku@example.fi")
    headers = {**order.headers, "X-Shopify-Hmac-SHA256": "b2xldGtvIHRvc2lzc2FzaT8gZW4gdXNrbywgZWkgdGFydml0c2U="}
    return replace(order, door="bad input", headers=headers, told=(), status=401, refused=(Refused(SHOP, "unsigned"),))


def _order_without_total(cast: Cast) -> Delivery:
    person, at = cast.newcomer(), cast.now()
    body = {"id": cast.next_order(person), "created_at": doors.stamp(at), "total_price": ["paljon"]}
    bad = doors.shopify("orders/create", body, secret=cast.credentials.shop_secret, status=422)
    return replace(bad, door="bad input", refused=(Refused(SHOP, "invalid"),))


def _signup_without_address(cast: Cast) -> Delivery:
    bad = doors.form(NEWSLETTER, {"nimi": cast.newcomer().name, "sahkoposti": ""}, status=422)
    return replace(bad, door="bad input", refused=(Refused(FORMS, "missing"),))


def _robot(cast: Cast) -> Delivery:
    values = {"nimi": "Robot", "sahkoposti": "robot@example.fi", "kotisivu": "https://spam.example"}
    return replace(doors.form(NEWSLETTER, values), door="bad input", refused=(Refused(FORMS, "honeypot"),))


def _not_json(cast: Cast) -> Delivery:
    batch = doors.segment([], key=cast.credentials.site_key, sent=cast.now(), status=400)
    return replace(batch, door="bad input", content=b'{"batch": [', refused=(Refused(SITE, "unreadable"),))


def _unknown_key(cast: Cast) -> Delivery:
    batch = doors.segment([], key="tuttu_0000000000_vaara", sent=cast.now(), status=401)
    return replace(batch, door="bad input")


def _one_bad_of_two(cast: Cast) -> Delivery:
    """The library is told 200, as Segment does; the good call counts, the bad one is kept aside."""
    calls, told = _views(cast, cast.newcomer(), 1)
    nameless = {"type": "track", "messageId": f"{told[0].key}-x", "anonymousId": told[0].visitor, "event": ""}
    return doors.segment(
        [*calls, nameless],
        key=cast.credentials.site_key,
        sent=cast.now(),
        told=tuple(told),
        refused=(Refused(SITE, "missing"),),
    )


_MISHAPS = (
    _wrong_signature,
    _signup_without_address,
    _not_json,
    _unknown_key,
    _one_bad_of_two,
    _order_without_total,
    _robot,
)

SCENES: tuple[tuple[int, Scene], ...] = (
    (6, first_order),
    (6, visit_and_buy),
    (5, newsletter),
    (10, next_order),
    (5, mishap),
    (3, household),
    (4, customer_logs_in),
    (4, customer_subscribes),
    (3, guest_order),
    (3, quote),
    (2, customer_asks_quote),
    (2, refund),
    (3, customer_writes),
    (2, stranger_writes),
    (3, new_guest),
    (12, visit),
)
"""How often each scene comes, and in which order at the beginning of the day."""
