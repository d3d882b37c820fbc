"""What goes wrong: input that must be refused, and mostly be kept as a rejection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from services.ops.demo import doors
from services.ops.demo.cast import Cast
from services.ops.demo.doors import FORMS, NEWSLETTER, SHOP, SITE, Delivery, Refused
from services.ops.demo.scenes import shop, site


def mishap(cast: Cast) -> Iterator[Delivery]:
    """The next kind of bad input, in turn."""
    kind = _MISHAPS[cast.mishaps % len(_MISHAPS)]
    cast.mishaps += 1
    yield kind(cast)


def _wrong_signature(cast: Cast) -> Delivery:
    order = shop.order(cast, cast.newcomer(), guest_as="joku@example.fi")
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
    address = f"robot{cast.newcomer().number}@example.fi"
    values = {"nimi": "Robot", "sahkoposti": address, "kotisivu": "https://spam.example"}
    return replace(doors.form(NEWSLETTER, values), door="bad input", refused=(Refused(FORMS, "honeypot"),))


def _not_json(cast: Cast) -> Delivery:
    batch = doors.segment([], key=cast.credentials.site_key, sent=cast.now(), status=400)
    content = f'{{"batch": [{cast.newcomer().number}, '.encode()
    return replace(batch, door="bad input", content=content, refused=(Refused(SITE, "unreadable"),))


def _unknown_key(cast: Cast) -> Delivery:
    batch = doors.segment([], key="tuttu_0000000000_vaara", sent=cast.now(), status=401)
    return replace(batch, door="bad input")


def _one_bad_of_two(cast: Cast) -> Delivery:
    """The library is told 200, as Segment does; the good call counts, the bad one is kept aside."""
    calls, told = site.views(cast, cast.newcomer(), 1)
    nameless = {"type": "track", "messageId": f"{told[0].key}-x", "anonymousId": told[0].visitor, "event": ""}
    return doors.segment(
        [*calls, nameless],
        key=cast.credentials.site_key,
        sent=cast.now(),
        told=tuple(told),
        refused=(Refused(SITE, "missing"),),
    )


# No two are equal, not even in different runs: equal ones are kept as one that came several times.
_MISHAPS = (
    _wrong_signature,
    _signup_without_address,
    _not_json,
    _unknown_key,
    _one_bad_of_two,
    _order_without_total,
    _robot,
)
