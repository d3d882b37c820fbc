"""Forms over HTTP, as browsers, scripts and robots post them."""

from __future__ import annotations

from typing import Any

from tests.integration.intake.running import Intake

FORM: dict[str, Any] = {
    "name": "uutiskirje",
    "source": "lomakkeet",
    "event": "signup",
    "fields": [
        {"name": "sahkoposti", "label": "Sähköposti", "kind": "email", "required": True},
        {"name": "nimi"},
        {"name": "kiinnostus", "kind": "choice", "choices": ["kahvi", "tee"]},
    ],
    "tags_add": ["uutiskirjeen tilaaja"],
    "consent": {
        "purpose": "marketing",
        "channel": "email",
        "text": "Haluan uutiskirjeen.",
        "text_version": "uutiskirje-2026-01",
        "field": "lupa",
    },
    "redirect": "https://example.fi/kiitos",
    "honeypot": "kotisivu",
    "allowed_origins": ["https://example.fi"],
}
FILLED = {
    "sahkoposti": "Maija.Meikalainen@example.fi",
    "nimi": "Maija Meikäläinen",
    "kiinnostus": "kahvi",
    "lupa": "on",
}
BROWSER = {"accept": "text/html,application/xhtml+xml", "origin": "https://example.fi"}


async def prepare(intake: Intake, **changes: Any) -> None:
    await intake.source("lomakkeet", "forms")
    await intake.form(**{**FORM, **changes})


async def test_a_browsers_post_becomes_a_claim_and_the_browser_goes_on(intake: Intake) -> None:
    await prepare(intake)

    answer = await intake.door.post("/forms/uutiskirje", data=FILLED, headers=BROWSER)

    assert (answer.status_code, answer.headers["location"]) == (303, "https://example.fi/kiitos")
    (event,) = await intake.events()
    data = event["data"]
    assert data["name"] == "signup"
    assert (data["record"]["kind"], data["record"]["claimed"]) == ("claim", True)
    assert data["record"]["key"] == "maija.meikalainen@example.fi|maija meikalainen"
    assert data["fields"] == {"email": "maija.meikalainen@example.fi", "full_name": "Maija Meikäläinen"}
    assert data["tags"] == {"add": ["uutiskirjeen tilaaja"], "remove": []}
    assert data["consents"] == [
        {"purpose": "marketing", "channel": "email", "granted": True, "text_version": "uutiskirje-2026-01"}
    ]
    assert data["properties"] == {
        "kiinnostus": "kahvi",
        "form": "uutiskirje",
        "consent_text": "Haluan uutiskirjeen.",
    }


async def test_json_and_multipart_say_the_same(intake: Intake) -> None:
    await prepare(intake)

    script = await intake.door.post("/forms/uutiskirje", json=FILLED)
    parts = [(name, (None, value)) for name, value in FILLED.items()]
    whole = await intake.door.post("/forms/uutiskirje", files=parts)

    assert (script.status_code, whole.status_code) == (202, 202), whole.text
    first, second = (event["data"] for event in await intake.events())
    assert {event["id"] for event in await intake.events()} == {script.json()["event_id"], whole.json()["event_id"]}
    assert first["fields"] == second["fields"]
    assert first["properties"] == second["properties"]


async def test_what_is_missing_is_named_with_an_example(intake: Intake) -> None:
    await prepare(intake)

    answer = await intake.door.post("/forms/uutiskirje", data={"nimi": "Maija"})

    problem = answer.json()
    assert (answer.status_code, problem["field"]) == (422, "sahkoposti")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Sähköposti is missing: expected an e-mail address, for example" in problem["detail"]
    (line,) = await intake.rejections(source="lomakkeet")
    assert (line["reason"], line["field"], line["context"]) == ("missing", "sahkoposti", {"form": "uutiskirje"})


async def test_a_robot_believes_that_it_got_through(intake: Intake) -> None:
    await prepare(intake)

    person = await intake.door.post("/forms/uutiskirje", json=FILLED)
    robot = await intake.door.post("/forms/uutiskirje", json={**FILLED, "kotisivu": "https://spam.example"})

    assert person.status_code == robot.status_code
    assert person.json().keys() == robot.json().keys()
    assert len(await intake.events()) == 1
    assert [line["reason"] for line in await intake.rejections()] == ["honeypot"]


async def test_sending_twice_with_one_key_is_one_event(intake: Intake) -> None:
    await prepare(intake)

    by_header = [
        await intake.door.post("/forms/uutiskirje", json=FILLED, headers={"idempotency-key": "k1"}) for _ in range(2)
    ]
    hidden = [await intake.door.post("/forms/uutiskirje", data={**FILLED, "_id": "k2"}) for _ in range(2)]
    alone = [await intake.door.post("/forms/uutiskirje", data=FILLED) for _ in range(2)]

    ids = [[answer.json()["event_id"] for answer in answers] for answers in (by_header, hidden, alone)]
    assert [len(set(each)) for each in ids] == [1, 1, 2]


async def test_another_post_with_a_used_key_is_refused(intake: Intake) -> None:
    await prepare(intake)
    key = {"idempotency-key": "k1"}

    await intake.door.post("/forms/uutiskirje", json=FILLED, headers=key)
    answer = await intake.door.post("/forms/uutiskirje", json={**FILLED, "nimi": "Matti"}, headers=key)

    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


async def test_a_file_is_refused_and_not_lost_in_silence(intake: Intake) -> None:
    await prepare(intake)

    answer = await intake.door.post("/forms/uutiskirje", data=FILLED, files={"liite": ("cv.pdf", b"%PDF")})

    assert (answer.status_code, answer.json()["field"]) == (422, "liite")


async def test_a_page_of_another_site_may_not_post(intake: Intake) -> None:
    await prepare(intake)

    refused = await intake.door.post("/forms/uutiskirje", json=FILLED, headers={"origin": "https://evil.example"})
    taken = await intake.door.post("/forms/uutiskirje", json=FILLED, headers={"origin": "https://example.fi"})

    assert (refused.status_code, taken.status_code) == (403, 202)
    assert "access-control-allow-origin" not in refused.headers
    assert taken.headers["access-control-allow-origin"] == "https://example.fi"


async def test_bad_bodies_are_refused_in_the_words_of_http(intake: Intake) -> None:
    await prepare(intake)
    post = intake.door.post
    plain, script = {"content-type": "text/plain"}, {"content-type": "application/json"}

    assert (await post("/forms/uutiskirje", content=b"x", headers=plain)).status_code == 400
    assert (await post("/forms/uutiskirje", content=b"[1]", headers=script)).status_code == 422
    assert (await post("/forms/uutiskirje", content=b"x" * 300_000, headers=plain)).status_code == 413
    assert (await post("/forms/nothing", json=FILLED)).status_code == 404


async def test_a_form_changes_and_goes(intake: Intake) -> None:
    await prepare(intake)
    address = "/form-definitions/uutiskirje"

    changed = await intake.admin.put(address, json={**FORM, "redirect": None})
    assert changed.status_code == 200
    answer = await intake.door.post("/forms/uutiskirje", data=FILLED, headers=BROWSER)
    assert (answer.status_code, "Kiitos" in answer.text) == (200, True)

    assert (await intake.admin.get("/form-definitions")).json()["forms"][0]["name"] == "uutiskirje"
    assert (await intake.admin.delete(address)).status_code == 204
    assert (await intake.admin.get(address)).status_code == 404
    assert (await intake.door.post("/forms/uutiskirje", data=FILLED)).status_code == 404
