"""What Shopify sends, as far as it is read. Source: the Order and Customer resources of the Admin REST API."""

from __future__ import annotations

import msgspec

Number = str | int | float | None
Id = str | int | None


class Address(msgspec.Struct, kw_only=True):
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    zip: str | None = None
    city: str | None = None
    country: str | None = None
    country_code: str | None = None
    phone: str | None = None


class MarketingConsent(msgspec.Struct, kw_only=True):
    state: str | None = None


class Customer(msgspec.Struct, kw_only=True):
    id: Id = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    verified_email: bool | None = None
    tags: str | list[str] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    default_address: Address | None = None
    email_marketing_consent: MarketingConsent | None = None
    sms_marketing_consent: MarketingConsent | None = None
    accepts_marketing: bool | None = None


class Line(msgspec.Struct, kw_only=True):
    product_id: Id = None
    variant_id: Id = None
    sku: str | None = None
    title: str | None = None
    quantity: int | None = None
    price: Number = None


class Transaction(msgspec.Struct, kw_only=True):
    amount: Number = None
    kind: str | None = None
    status: str | None = None
    currency: str | None = None


class Refund(msgspec.Struct, kw_only=True):
    id: Id = None
    created_at: str | None = None
    transactions: list[Transaction] = []


class DiscountCode(msgspec.Struct, kw_only=True):
    code: str | None = None


class Order(msgspec.Struct, kw_only=True):
    id: Id = None
    name: str | None = None
    order_number: Id = None
    email: str | None = None
    contact_email: str | None = None
    phone: str | None = None
    currency: str | None = None
    total_price: Number = None
    created_at: str | None = None
    updated_at: str | None = None
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    source_name: str | None = None
    landing_site: str | None = None
    referring_site: str | None = None
    customer: Customer | None = None
    billing_address: Address | None = None
    shipping_address: Address | None = None
    line_items: list[Line] = []
    refunds: list[Refund] = []
    discount_codes: list[DiscountCode] = []
