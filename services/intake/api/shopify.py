"""Shopify's webhooks: one address per shop."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import bodies
from services.intake.api.common import Intake, as_error
from services.intake.domain import Refusal
from services.intake.doors import reading, shopify
from services.intake.limits import TooFast
from services.kit import web

_DOOR = "shopify"
_UNSIGNED_PER_S = 0.2
"""How many bodies of a source that nobody signed are kept per second; anybody could fill the store with them."""


def router(intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["Shopify"])

    @routes.post("/shopify/{source}")
    async def receive(source: str, request: Request) -> Response:
        """A webhook on `orders/*` or `customers/*`, signed with the app's client secret.

        200 when its events are safe, also for topics that are not read (they are kept as rejections); 401 for a
        signature that does not fit.
        """
        shop = await intake.register.source(source, "shopify")
        intake.check_rate(shop)
        body = await bodies.read(request, intake.settings.webhook_bytes)
        topic = reading.header(request.headers, *shopify.TOPIC)
        arrival = intake.arrival(request, _DOOR, shop.name, intake.masked(body), {"topic": topic})
        try:
            # On the bytes as they came, before anything is read from them.
            shopify.check_signature(body, request.headers, await intake.register.secrets(shop.name))
        except Refusal as refusal:
            try:
                intake.limits.check(f"unsigned:{shop.name}", _UNSIGNED_PER_S, burst=20)
            except TooFast:
                raise as_error(refusal, None) from None
            intake.limits.pay(f"unsigned:{shop.name}", _UNSIGNED_PER_S, 1, burst=20)
            raise await intake.refused(arrival, refusal) from None
        intake.pay(shop, 1)
        terms = shopify.Terms(shop, intake.region, intake.settings.default_currency)
        try:
            found = shopify.read(topic, arrival.body, terms)
            accepted = await intake.gate.accept(arrival, shop, found)
        except Refusal as refusal:
            error_or_kept = await intake.gate.refuse(arrival, refusal)
            if refusal.status == 200:
                return web.Json({"kept": str(error_or_kept), "detail": refusal.detail})
            raise as_error(refusal, error_or_kept) from None
        if accepted.kept:
            raise as_error(accepted.kept[0].refusal, accepted.kept[0].rejection_id)
        return web.Json({"event_ids": accepted.event_ids})

    return routes
