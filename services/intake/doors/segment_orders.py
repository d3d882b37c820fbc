"""Segment's ecommerce events as purchases and refunds. Source: "Spec: V2 Ecommerce Events"."""

from __future__ import annotations

from services.intake import normalise
from services.intake.domain import Draft
from services.intake.doors import reading
from services.intake.messages import Amount

NAMES = {
    "ordercompleted": "purchase",
    "orderrefunded": "refund",
    "ordercancelled": "order_cancelled",
    "orderupdated": "order_updated",
}


def read(draft: Draft, default_currency: str) -> None:
    """`total` is what the customer paid; `revenue` leaves out shipping and tax and serves where there is no total."""
    properties = draft.properties
    code = normalise.currency(properties.get("currency")) or default_currency
    paid = reading.first(properties, ("total", "revenue", "value"))
    if paid:
        draft.amount = reading.amount(
            paid[1],
            properties.get("currency"),
            at=f"properties.{paid[0]}",
            currency_at="properties.currency",
            otherwise=default_currency,
        )
        if draft.name == "refund":
            draft.amount = Amount(minor=-abs(draft.amount.minor), currency=draft.amount.currency)
    products = properties.get("products")
    if isinstance(products, list) and all(isinstance(each, dict) for each in products):
        draft.properties = {name: value for name, value in properties.items() if name != "products"}
        draft.properties["lines"] = [
            reading.line(
                each.get("price"),
                each.get("quantity"),
                code,
                rest={("title" if name == "name" else name): value for name, value in each.items() if name != "price"},
            )
            for each in products
        ]
