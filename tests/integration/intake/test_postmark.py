"""Postmark's inbound webhook over HTTP."""

from __future__ import annotations

from typing import Any

from tests.integration.intake.running import Intake

MAIL: dict[str, Any] = {
    "FromName": "Maija Meikäläinen",
    "From": "maija.meikalainen@example.fi",
    "FromFull": {"Email": "Maija.Meikalainen@example.fi", "Name": "Maija Meikäläinen", "MailboxHash": ""},
    "ToFull": [{"Email": "myynti@kauppa.example", "Name": "", "MailboxHash": ""}],
    "Subject": "Kysymys toimituksesta",
    "Date": "Sun, 22 Nov 2026 10:15:00 +0200",
    "MessageID": "73e6d360-66eb-11e1-8e72-a8904824019b",
    "TextBody": "Hei, milloin tilaukseni tulee?\n",
    "HtmlBody": "<p>Hei</p>",
    "StrippedTextReply": "",
    "Headers": [{"Name": "Message-ID", "Value": "<CAB@example.fi>"}],
    "Attachments": [{"Name": "kuva.png", "Content": "SALAINENSISALTO", "ContentType": "image/png", "ContentLength": 4}],
}


async def test_a_mail_becomes_what_its_sender_claims(intake: Intake) -> None:
    await intake.source("postilaatikko", "postmark")
    key = await intake.key("postilaatikko")

    for _ in range(2):
        answer = await intake.door.post("/postmark/postilaatikko", json=MAIL, auth=("postmark", key))
        assert answer.status_code == 200, answer.text

    first, second = await intake.events()
    assert first["id"] == second["id"]
    assert first["data"]["name"] == "email_received"
    assert first["data"]["record"]["claimed"] is True
    assert first["data"]["properties"]["attachments"] == [
        {"name": "kuva.png", "content_type": "image/png", "size_bytes": 4}
    ]
    assert "SALAINENSISALTO" not in str(first)


async def test_only_the_sources_own_key_opens_it(intake: Intake) -> None:
    await intake.source("postilaatikko", "postmark")
    await intake.source("toinen", "postmark")
    await intake.source("sivusto", "segment")

    async def status(key: str) -> int:
        answer = await intake.door.post("/postmark/postilaatikko", json=MAIL, auth=("postmark", key))
        return answer.status_code

    assert (await intake.door.post("/postmark/postilaatikko", json=MAIL)).status_code == 401
    assert await status("wrong") == 401
    assert await status(await intake.key("toinen")) == 403
    assert await status(await intake.key("sivusto")) == 403
    assert await intake.rejections() == []


async def test_a_mail_that_cannot_be_taken_is_kept_without_its_attachments(intake: Intake) -> None:
    await intake.source("postilaatikko", "postmark")
    key = await intake.key("postilaatikko")

    broken = {**MAIL, "FromFull": {"Email": "ei osoite"}}
    answer = await intake.door.post("/postmark/postilaatikko", json=broken, auth=("postmark", key))

    assert (answer.status_code, answer.json()["field"]) == (422, "FromFull.Email")
    (line,) = await intake.rejections()
    kept = await intake.rejection(line["id"])
    assert "kuva.png" in kept["body"]
    assert "SALAINENSISALTO" not in kept["body"]
