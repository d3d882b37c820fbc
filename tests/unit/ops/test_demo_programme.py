"""The day of the demo, as requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json

from services.ops.demo import programme
from services.ops.demo.cast import Cast
from services.ops.demo.doors import Credentials, Delivery, Told

CREDENTIALS = Credentials(shop_secret="salaisuus", site_key="tuttu_site_x", mail_key="tuttu_mail_x")


def _day(count: int, *, first: int = 0, seed: int = 1) -> list[Delivery]:
    numbers = itertools.count(first)
    cast = Cast(CREDENTIALS, lambda: next(numbers), seed)
    return list(itertools.islice(programme.deliveries(cast), count))


def _told(day: list[Delivery]) -> list[Told]:
    return [told for each in day for told in each.told]


def test_the_same_seed_gives_the_same_day() -> None:
    def shape(day: list[Delivery]) -> list[object]:
        return [(each.door, each.path, [(told.name, told.person, told.minor) for told in each.told]) for each in day]

    assert shape(_day(200)) == shape(_day(200))
    assert shape(_day(200)) != shape(_day(200, seed=2))


def test_the_first_hundred_deliveries_come_to_every_door_and_to_every_kind_of_mishap() -> None:
    day = _day(400)
    assert {each.door for each in day[:100]} == {"Shopify", "Segment", "form", "Postmark", "bad input"}
    assert {each.status for each in day if each.door == "bad input"} == {202, 400, 401, 422}
    assert {refused.reason for each in day for refused in each.refused} == {
        "unsigned",
        "missing",
        "unreadable",
        "invalid",
        "honeypot",
    }


def test_the_day_tells_all_kinds_of_events() -> None:
    assert {told.name for each in _day(400) for told in each.told} == {
        "customer_created",
        "email_received",
        "identify",
        "order_updated",
        "page_view",
        "purchase",
        "quote_request",
        "refund",
        "signup",
    }


def test_some_deliveries_come_twice_byte_by_byte() -> None:
    day = _day(200)
    contents = [each.content for each in day if each.told]
    assert 0.05 < 1 - len(set(contents)) / len(contents) < 0.4


def test_two_days_have_no_event_and_no_person_in_common() -> None:
    one, other = _day(300), _day(300, first=1000)
    assert not {told.key for told in _told(one)} & {told.key for told in _told(other)}
    assert {told.person for told in _told(one)} & {told.person for told in _told(other)} == {None}


def test_every_shopify_delivery_but_the_forged_one_is_signed() -> None:
    for each in _day(300):
        if each.path.startswith("/intake/shopify/"):
            expected = hmac.digest(CREDENTIALS.shop_secret.encode(), each.content, hashlib.sha256)
            signed = base64.b64decode(each.headers["X-Shopify-Hmac-SHA256"]) == expected
            assert signed == (each.status != 401)


def test_what_an_order_costs_is_the_sum_of_its_lines_and_what_is_expected_of_it() -> None:
    orders = [each for each in _day(300) if each.headers.get("X-Shopify-Topic") == "orders/create" and each.told]
    assert orders
    for each in orders:
        order = json.loads(each.content)
        lines = sum(round(float(line["price"]) * 100) * line["quantity"] for line in order["line_items"])
        assert lines == round(float(order["total_price"]) * 100) == each.told[0].minor
