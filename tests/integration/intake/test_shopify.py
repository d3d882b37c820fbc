"""Shopify's webhooks over HTTP: the signature comes first."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx

from tests.integration.intake.running import Intake

SECRET = "shpss_0123456789abcdef"
ORDER = {
    "id": 820982911,
    "name": "#1001",
    "email": "maija.meikalainen@example.fi",
    "currency": "EUR",
    "total_price": "129.90",
    "created_at": "2026-11-22T10:15:00+02:00",
    "updated_at": "2026-11-22T10:15:02+02:00",
    "customer": {
        "id": 7345,
        "email": "maija.meikalainen@example.fi",
        "first_name": "Maija",
        "last_name": "Meikäläinen",
        "verified_email": True,
    },
    "line_items": [{"sku": "KAHVI-500", "title": "Kahvi 500 g", "quantity": 2, "price": "8.95"}],
}


async def send(intake: Intake, body: Any, *, topic: str = "orders/create", secret: str = SECRET) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = base64.b64encode(hmac.digest(secret.encode(), raw, hashlib.sha256)).decode()
    headers = {
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": signature,
        "x-shopify-shop-domain": "kauppa.myshopify.com",
        "content-type": "application/json",
    }
    return await intake.door.post("/shopify/verkkokauppa", content=raw, headers=headers)


async def test_a_signed_order_becomes_a_purchase_once(intake: Intake) -> None:
    await intake.source("verkkokauppa", "shopify", secret=SECRET)

    for _ in range(2):
        answer = await send(intake, ORDER)
        assert answer.status_code == 200, answer.text

    first, second = await intake.events()
    assert first["id"] == second["id"] == answer.json()["event_ids"][0]
    assert first["data"]["name"] == "purchase"
    assert first["data"]["amount"] == {"minor": 12990, "currency": "EUR"}
    assert first["data"]["source_event_id"] == "order:820982911:create"


async def test_a_wrong_signature_is_a_401_and_kept_without_secrets(intake: Intake) -> None:
    await intake.source("verkkokauppa", "shopify", secret=SECRET)

    answer = await send(intake, ORDER, secret="another secret")

    assert answer.status_code == 401
    assert await intake.events() == []
    (line,) = await intake.rejections(source="verkkokauppa")
    kept = await intake.rejection(line["id"])
    assert (kept["reason"], kept["door"], kept["context"]) == ("unsigned", "shopify", {"topic": "orders/create"})
    assert json.loads(kept["body"]) == ORDER
    assert "x-shopify-hmac-sha256" not in kept["headers"]
    assert SECRET not in json.dumps(kept)


async def test_a_flood_of_unsigned_bodies_is_refused_but_not_kept(intake: Intake) -> None:
    await intake.source("verkkokauppa", "shopify", secret=SECRET)

    for number in range(30):
        answer = await send(intake, {**ORDER, "id": number}, secret="another secret")
        assert answer.status_code == 401

    assert len(await intake.rejections(limit=100)) == 20


async def test_a_rotated_secret_goes_on_to_work_for_a_while(intake: Intake) -> None:
    await intake.source("verkkokauppa", "shopify", secret=SECRET)

    new = {"secret": "shpss_the_new_one", "overlap_s": 3600}
    answer = await intake.admin.post("/sources/verkkokauppa/secrets", json=new)
    assert answer.status_code == 204, answer.text
    assert (await send(intake, ORDER)).status_code == 200
    assert (await send(intake, ORDER, secret="shpss_the_new_one")).status_code == 200

    await intake.admin.post("/sources/verkkokauppa/secrets", json={**new, "overlap_s": 0})
    assert (await send(intake, ORDER)).status_code == 401
    assert (await send(intake, ORDER, secret="shpss_the_new_one")).status_code == 200


async def test_what_is_signed_and_cannot_be_read_names_its_field(intake: Intake) -> None:
    await intake.source("verkkokauppa", "shopify", secret=SECRET)

    cases: list[tuple[Any, int, str | None]] = [
        (b"{", 400, None),
        ({**ORDER, "id": None}, 422, "id"),
        ({**ORDER, "total_price": "paljon"}, 422, "total_price"),
        ({**ORDER, "line_items": "x"}, 422, "line_items"),
        ({key: value for key, value in ORDER.items() if key != "created_at"}, 422, "created_at"),
    ]
    for body, status, field in cases:
        answer = await send(intake, body)
        assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text


async def test_a_delivery_that_is_tried_again_is_one_rejection(intake: Intake) -> None:
    await intake.source("verkkokauppa", "shopify", secret=SECRET)

    for _ in range(3):
        await send(intake, {**ORDER, "total_price": "paljon"})

    (line,) = await intake.rejections()
    assert line["times"] == 3


async def test_topics_that_are_not_read_are_kept_and_answered_200(intake: Intake) -> None:
    await intake.source("verkkokauppa", "shopify", secret=SECRET)

    for topic in ("products/update", "customers/redact"):
        assert (await send(intake, {"id": 1}, topic=topic)).status_code == 200

    assert [line["reason"] for line in await intake.rejections()] == ["privacy", "unsupported"]


async def test_an_unknown_shop_is_a_404(intake: Intake) -> None:
    await intake.source("verkkokauppa", "segment")

    assert (await send(intake, ORDER)).status_code == 404
