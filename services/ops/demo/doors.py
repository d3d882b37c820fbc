"""What the outside sends: one function per door, plain values in, a request as the vendor makes it out."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec

SHOP, SITE, MAIL, FORMS = "verkkokauppa", "sivusto", "posti", "lomakkeet"
NEWSLETTER, QUOTE = "uutiskirje", "tarjouspyynto"


@dataclass(frozen=True)
class Told:
    """One event that a delivery tells, as the register must come to know it."""

    source: str
    key: str
    """What makes it the same event when it is told again."""
    name: str
    person: int | None = None
    """Whose it is; None for a visitor who has not said."""
    visitor: str | None = None
    """The browser that it came from, or that it ties to the person."""
    minor: int = 0
    """Cents of a sale; negative for money given back."""
    tags: tuple[str, ...] = ()
    """Tags that the event itself names."""
    id: UUID | None = None
    """The event's id; None where the door's answer says it."""


@dataclass(frozen=True)
class Refused:
    """A rejection that a delivery must leave behind."""

    source: str
    reason: str


@dataclass(frozen=True)
class Delivery:
    """One request to a door, and what must come of it."""

    door: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    told: tuple[Told, ...] = ()
    status: int = 200
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True)
class Credentials:
    """What the demo's sources were given when they were made."""

    shop_secret: str
    site_key: str
    mail_key: str


@dataclass(frozen=True)
class Line:
    """So many of an article, at a price in cents each."""

    sku: str
    title: str
    quantity: int
    price: int

    @property
    def total(self) -> int:
        return self.quantity * self.price


def euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shopify(
    topic: str,
    body: Mapping[str, Any],
    *,
    secret: str,
    told: tuple[Told, ...] = (),
    status: int = 200,
    refused: tuple[Refused, ...] = (),
) -> Delivery:
    """A webhook of the shop, signed with the app's client secret."""
    content = msgspec.json.encode(body)
    signature = base64.b64encode(hmac.digest(secret.encode(), content, hashlib.sha256)).decode()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-SHA256": signature,
        "X-Shopify-Shop-Domain": "kahvikauppa.myshopify.com",
        "X-Shopify-API-Version": "2026-01",
        # The shop sends the same id when it sends again.
        "X-Shopify-Webhook-Id": hashlib.sha256(topic.encode() + content).hexdigest()[:32],
    }
    return Delivery("Shopify", f"/intake/shopify/{SHOP}", headers, content, told, status, refused)


def segment(
    calls: Sequence[Mapping[str, Any]],
    *,
    key: str,
    sent: datetime,
    told: tuple[Told, ...] = (),
    status: int = 200,
    refused: tuple[Refused, ...] = (),
) -> Delivery:
    """A batch as Segment's libraries send it: the write key as the user of Basic, no password."""
    body = {"batch": calls, "sentAt": stamp(sent), "context": {"library": {"name": "demo", "version": "1"}}}
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode(),
    }
    return Delivery("Segment", "/intake/v1/batch", headers, msgspec.json.encode(body), told, status, refused)


def form(
    name: str,
    values: Mapping[str, str],
    *,
    told: tuple[Told, ...] = (),
    status: int = 202,
    refused: tuple[Refused, ...] = (),
) -> Delivery:
    """What a browser posts from a page with a form."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://kahvikauppa.example.fi"}
    return Delivery("form", f"/intake/forms/{name}", headers, urlencode(values).encode(), told, status, refused)


def postmark(
    *,
    key: str,
    message_id: str,
    sender: tuple[str, str],
    subject: str,
    text: str,
    at: datetime,
    told: tuple[Told, ...] = (),
) -> Delivery:
    """An e-mail to the shop, as Postmark hands it over; `sender` is name and address."""
    name, address = sender
    body = {
        "MessageID": message_id,
        "From": address,
        "FromName": name,
        "FromFull": {"Email": address, "Name": name, "MailboxHash": ""},
        "To": "asiakaspalvelu@kahvikauppa.example.fi",
        "ToFull": [{"Email": "asiakaspalvelu@kahvikauppa.example.fi", "Name": "", "MailboxHash": ""}],
        "CcFull": [],
        "Subject": subject,
        "Date": at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        "TextBody": text,
        "HtmlBody": "",
        "StrippedTextReply": "",
        "Tag": "",
        "Headers": [],
        "Attachments": [],
    }
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Basic " + base64.b64encode(f"postmark:{key}".encode()).decode(),
    }
    return Delivery("Postmark", f"/intake/postmark/{MAIL}", headers, msgspec.json.encode(body), told)


def raw(path: str, content: bytes, headers: Mapping[str, str], *, status: int, refused: Sequence[Refused]) -> Delivery:
    """A request that is wrong in some way."""
    return Delivery("bad input", path, headers, content, (), status, tuple(refused))
