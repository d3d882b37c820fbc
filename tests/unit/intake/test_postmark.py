"""Inbound mails as events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.domain import Draft, RecordKey, Refusal, Source
from services.intake.doors import postmark

MAILBOX = Source(name="posti", kind="postmark")
TRUSTING = Source(name="posti", kind="postmark", trust_mail_authentication=True)
# As in Postmark's own documentation, with Finnish people.
MAIL: dict[str, Any] = {
    "FromName": "Maija Meikäläinen",
    "MessageStream": "inbound",
    "From": "Maija.Meikalainen@example.fi",
    "FromFull": {"Email": "Maija.Meikalainen@example.fi", "Name": "Maija Meikäläinen", "MailboxHash": ""},
    "To": '"Myynti" <myynti+tilaus@kauppa.example>',
    "ToFull": [{"Email": "myynti+tilaus@kauppa.example", "Name": "Myynti", "MailboxHash": "tilaus"}],
    "Cc": '"Matti" <matti@example.fi>',
    "CcFull": [{"Email": "matti@example.fi", "Name": "Matti", "MailboxHash": ""}],
    "Bcc": "",
    "BccFull": [],
    "OriginalRecipient": "myynti+tilaus@kauppa.example",
    "ReplyTo": "",
    "Subject": "Vs: Tilaus 1001",
    "MessageID": "73e6d360-66eb-11e1-8e72-a8904824019b",
    "Date": "Sun, 22 Nov 2026 10:15:00 +0200",
    "MailboxHash": "tilaus",
    "TextBody": "Kiitos!\n\n> Hei Maija",
    "HtmlBody": "<p>Kiitos!</p>",
    "StrippedTextReply": "Kiitos!",
    "Tag": "",
    "Headers": [
        {"Name": "X-Spam-Status", "Value": "No"},
        {
            "Name": "Received-SPF",
            "Value": "Pass (sender SPF authorized) identity=mailfrom; client-ip=192.0.2.9; helo=mail.example.fi; "
            "envelope-from=maija.meikalainen@example.fi; receiver=hash@inbound.postmarkapp.example",
        },
        {"Name": "Message-ID", "Value": "<CAB123@mail.example.fi>"},
        {"Name": "In-Reply-To", "Value": "<tilaus-1001@kauppa.example>"},
    ],
    "Attachments": [
        {"Name": "kuva.png", "Content": "aGVp", "ContentType": "image/png", "ContentLength": 3, "ContentID": ""}
    ],
}


def read(source: Source = MAILBOX, **changes: Any) -> Draft:
    (draft,) = postmark.read(json.dumps({**MAIL, **changes}).encode(), postmark.Terms(source, "FI")).drafts
    return draft


def test_a_mail_is_an_event_of_whom_it_claims_to_be_from() -> None:
    draft = read()

    assert draft.name == "email_received"
    assert draft.record == RecordKey("claim", "maija.meikalainen@example.fi|maija meikalainen", True)
    assert draft.fields == {"email": "maija.meikalainen@example.fi", "full_name": "Maija Meikäläinen"}
    assert draft.verified == ()
    assert draft.source_event_id == "73e6d360-66eb-11e1-8e72-a8904824019b"
    assert draft.original == datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
    assert draft.properties == {
        "subject": "Vs: Tilaus 1001",
        "text": "Kiitos!",
        "to": ["myynti+tilaus@kauppa.example"],
        "cc": ["matti@example.fi"],
        "message_id": "<CAB123@mail.example.fi>",
        "in_reply_to": "<tilaus-1001@kauppa.example>",
        "original_recipient": "myynti+tilaus@kauppa.example",
        "mailbox_hash": "tilaus",
        "attachments": [{"name": "kuva.png", "content_type": "image/png", "size_bytes": 3}],
    }


def spf(result: str, domain: str) -> dict[str, str]:
    return {"Name": "Received-SPF", "Value": f"{result} identity=mailfrom; envelope-from=maija@{domain}; helo=x"}


def dmarc(result: str, domain: str) -> dict[str, str]:
    return {"Name": "Authentication-Results", "Value": f"mx.example; spf=none; dmarc={result} header.from={domain}"}


@pytest.mark.parametrize(
    ("source", "headers", "vouched"),
    [
        (TRUSTING, [spf("Pass", "example.fi")], True),
        (TRUSTING, [dmarc("pass", "example.fi")], True),
        (TRUSTING, [dmarc("pass (p=reject)", "Example.fi")], True),
        (MAILBOX, [spf("Pass", "example.fi")], False),
        (TRUSTING, [], False),
        (TRUSTING, [spf("SoftFail", "example.fi")], False),
        (TRUSTING, [spf("Pass", "example.com")], False),
        (TRUSTING, [spf("Pass", "example.fi.evil.example")], False),
        (TRUSTING, [dmarc("fail", "example.fi")], False),
        # A forger can write these, but only below what the receiving server wrote.
        (TRUSTING, [spf("Fail", "example.fi"), spf("Pass", "example.fi")], False),
        (TRUSTING, [dmarc("fail", "example.fi"), dmarc("pass", "example.fi")], False),
    ],
)
def test_a_sender_is_believed_only_where_the_receiving_server_vouches_and_the_source_trusts_it(
    source: Source, headers: list[dict[str, str]], vouched: bool
) -> None:
    draft = read(source, Headers=headers)

    assert draft.record.claimed is not vouched
    assert draft.verified == (("email",) if vouched else ())
    if vouched:
        assert draft.record == RecordKey("email", "maija.meikalainen@example.fi", False)


def test_a_long_text_is_cut_and_says_so() -> None:
    draft = read(StrippedTextReply="", TextBody="ä" * 30_000)
    assert len(draft.properties["text"]) == postmark.LONGEST_TEXT
    assert draft.properties["text_cut"] is True


def test_a_mail_of_html_alone_is_read_as_words() -> None:
    html = "<html><style>p {color: red}</style><body><p>Hei&nbsp;Maija &amp; Matti</p><br>Terveisin<br/>Liisa</body>"
    draft = read(StrippedTextReply="", TextBody="", HtmlBody=html)
    assert draft.properties["text"] == "Hei Maija & Matti\nTerveisin\nLiisa"


@pytest.mark.parametrize("html", ["<" * 200_000, "<style>" * 50_000, "<style" * 50_000, "<br" * 100_000])
def test_html_that_is_made_to_be_slow_is_not(html: str) -> None:
    postmark.plain_text(html)


@pytest.mark.parametrize("date", [None, "", "eilen", "Thu, 32 Foo 2026"])
def test_a_mail_without_a_date_is_an_event_all_the_same(date: str | None) -> None:
    assert read(Date=date).original is None


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"MessageID": ""}, "missing", "MessageID"),
        ({"MessageID": None}, "invalid", "MessageID"),
        ({"FromFull": None, "From": None}, "missing", "FromFull.Email"),
        ({"FromFull": {"Email": "ei osoite"}}, "invalid", "FromFull.Email"),
        ({"Headers": "x"}, "invalid", "Headers"),
    ],
)
def test_what_cannot_be_taken_names_its_field(changes: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(**changes)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_attachments_are_not_kept_with_a_rejection() -> None:
    kept = postmark.without_attachments(json.dumps(MAIL).encode())
    assert b"aGVp" not in kept
    assert json.loads(kept)["Attachments"][0]["Name"] == "kuva.png"
    for body in (b"{", b"[]", b'{"Attachments": 5}', b'{"Attachments": [1]}'):
        assert postmark.without_attachments(body) == body
