"""Scenes on the site, as Segment's libraries tell them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.kit import ids
from services.ops.demo import doors, people, story
from services.ops.demo.cast import Cast
from services.ops.demo.doors import SITE, Delivery, Told
from services.ops.demo.people import Person


def views(cast: Cast, person: Person, count: int) -> tuple[list[dict[str, Any]], list[Told]]:
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
        told.append(replace(_said_on_site(person, message, time, "page_view"), person=None))
    return calls, told


def _said_on_site(person: Person, message: str, at: datetime, name: str, *, minor: int = 0) -> Told:
    # Segment's API answers with no ids; ours follow from what was sent.
    event = ids.event_id(at, SITE, message)
    return Told(SITE, message, name, person.number, visitor=person.browser_id, minor=minor, id=event)


def visit(cast: Cast) -> Iterator[Delivery]:
    """Somebody looks around and leaves; the library sends the same batch twice."""
    calls, told = views(cast, cast.newcomer(), cast.rng.randint(2, 3))
    batch = doors.segment(calls, key=cast.credentials.site_key, sent=cast.now(), told=tuple(told))
    yield batch
    if cast.rng.random() < 0.3:
        yield batch


def visit_and_buy(cast: Cast) -> Iterator[Delivery]:
    """A visitor looks around, logs in, and buys: what was seen before belongs to the person."""
    key = cast.credentials.site_key
    person = cast.newcomer()
    calls, told = views(cast, person, 2)
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
    bought = _said_on_site(person, message, at, "purchase", minor=total)
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
    told = _said_on_site(person, message, at, "identify")
    return doors.segment([call], key=cast.credentials.site_key, sent=cast.now(), told=(told,))


def customer_logs_in(cast: Cast) -> Iterator[Delivery]:
    """A customer of the shop logs in on the site, under a name without dots."""
    person = cast.customer()
    if person is not None:
        yield _identified(cast, person, name=people.without_dots(person.name))
