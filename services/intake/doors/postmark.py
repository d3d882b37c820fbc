"""Postmark's inbound webhook: an e-mail that somebody sent to us.

Source: postmarkapp.com, "Inbound webhook". A From line proves nothing, so the sender is a claim, unless the source
trusts what the receiving server found: its own result for SPF or DMARC, for the very domain in the From line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import msgspec

from services.intake import normalise
from services.intake.domain import Draft, RecordKey, Refusal, Source, claim
from services.intake.doors import reading
from services.intake.doors.reading import Reading
from services.intake.fields import check_requirements, read_fields
from services.intake.plain import storable

LONGEST_TEXT = 20_000
"""Characters of a mail's text that are kept with its event."""
LONGEST_HTML = 500_000
MOST_RECIPIENTS = 100
MOST_ATTACHMENTS = 100

_SPF = re.compile(r"\s*pass\b.*?envelope-from=<?\"?[^@;\s]*@([a-z0-9.-]+)", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6])\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_DMARC = re.compile(r"\bdmarc=pass\b[^;]*?\bheader\.from=([a-z0-9.-]+)", re.IGNORECASE | re.DOTALL)


class Address(msgspec.Struct, rename="pascal", kw_only=True):
    email: str | None = None
    name: str | None = None


class Header(msgspec.Struct, rename="pascal", kw_only=True):
    name: str
    value: str


class Attachment(msgspec.Struct, rename="pascal", kw_only=True):
    """Its content is passed over: it is never kept."""

    name: str | None = None
    content_type: str | None = None
    content_length: int | None = None


class Mail(msgspec.Struct, rename="pascal", kw_only=True):
    message_id: str = msgspec.field(name="MessageID")
    from_: str | None = msgspec.field(name="From", default=None)
    from_name: str | None = None
    from_full: Address | None = None
    to_full: list[Address] = []
    cc_full: list[Address] = []
    original_recipient: str | None = None
    subject: str | None = None
    date: str | None = None
    mailbox_hash: str | None = None
    tag: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    stripped_text_reply: str | None = None
    headers: list[Header] = []
    attachments: list[Attachment] = []


_mails = msgspec.json.Decoder(Mail)


@dataclass(frozen=True, slots=True)
class Terms:
    source: Source
    region: str


def read(body: bytes, terms: Terms) -> Reading:
    mail = reading.decode(_mails, body)
    message_id = normalise.identifier(mail.message_id)
    if not message_id:
        raise Refusal("missing", "MessageID is missing: expected Postmark's id of the message", field="MessageID")
    sender = mail.from_full or Address(email=mail.from_, name=mail.from_name)
    address = normalise.email(sender.email or "")
    if address is None:
        raise Refusal(
            "missing" if not sender.email else "invalid",
            "FromFull.Email must be an e-mail address, for example maija.meikalainen@example.fi",
            field="FromFull.Email",
        )
    # Many senders have their address for a name.
    name = sender.name if sender.name and "@" not in sender.name else None
    fields, _ = read_fields((("email", address), ("full_name", name)), terms.region)
    check_requirements(terms.source, fields)
    vouched = terms.source.trust_mail_authentication and authenticated(mail.headers, address)
    text = mail.stripped_text_reply or mail.text_body or plain_text(mail.html_body or "")
    properties: dict[str, Any] = {
        "subject": mail.subject,
        "text": text[:LONGEST_TEXT],
        "to": [each.email for each in mail.to_full[:MOST_RECIPIENTS] if each.email],
        "message_id": _header(mail.headers, "message-id"),
        "attachments": [
            {"name": each.name, "content_type": each.content_type, "size_bytes": each.content_length}
            for each in mail.attachments[:MOST_ATTACHMENTS]
        ],
    }
    optional = {
        "text_cut": len(text) > LONGEST_TEXT or None,
        "cc": [each.email for each in mail.cc_full[:MOST_RECIPIENTS] if each.email] or None,
        "in_reply_to": _header(mail.headers, "in-reply-to"),
        "original_recipient": mail.original_recipient or None,
        "mailbox_hash": mail.mailbox_hash or None,
        "tag": mail.tag or None,
    }
    properties |= {key: value for key, value in optional.items() if value is not None}
    draft = Draft(
        name="email_received",
        record=RecordKey("email", address, False) if vouched else claim(fields, otherwise=""),
        source_event_id=message_id,
        original=normalise.mail_date(mail.date) if mail.date else None,
        fields=fields,
        verified=("email",) if vouched else (),
        properties=storable(properties, msgspec.json.encode(properties)),
    )
    return Reading([draft])


def authenticated(headers: list[Header], address: str) -> bool:
    """Whether the receiving server found the From domain authenticated.

    Only the topmost header of each name counts: the receiving server writes its own above what came with the mail,
    where a forger may have written the same.
    """
    domain = address.rpartition("@")[2]
    for name, pattern in (("authentication-results", _DMARC), ("received-spf", _SPF)):
        found = pattern.search(_header(headers, name) or "")
        if found and found[1].lower().rstrip(".") == domain:
            return True
    return False


def plain_text(html: str) -> str:
    """The words of an HTML mail that has no text part; in one pass, whatever the HTML."""
    rest = html[:LONGEST_HTML]
    for element in ("style", "script", "title"):
        kept: list[str] = []
        lower = rest.lower()
        position = 0
        while (start := lower.find(f"<{element}", position)) >= 0:
            kept.append(rest[position:start])
            end = lower.find(f"</{element}", start)
            position = end if end >= 0 else len(rest)
        rest = "".join((*kept, rest[position:]))
    lines = unescape(_TAG.sub(" ", _BREAK.sub("\n", rest))).splitlines()
    return "\n".join(words for line in lines if (words := " ".join(line.split())))


def without_attachments(body: bytes) -> bytes:
    """A mail as it is kept with a rejection: contents of attachments left out, all else as it came."""
    try:
        mail = msgspec.json.decode(body)
        for attachment in mail["Attachments"]:
            attachment.pop("Content", None)
    except (msgspec.DecodeError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return body
    return msgspec.json.encode(mail)


def _header(headers: list[Header], name: str) -> str | None:
    return next((each.value for each in headers if each.name.lower() == name), None)
