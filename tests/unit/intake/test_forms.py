"""Submissions of forms as claims."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import ConsentAsked, Draft, Form, FormField, RecordKey, Refusal, Source
from services.intake.doors import forms
from services.intake.messages import Consent

SOURCE = Source(name="lomakkeet", kind="forms")
CONSENT = ConsentAsked(
    purpose="marketing", channel="email", text="Haluan uutiskirjeen.", text_version="2026-01", field="lupa"
)
FORM = Form(
    name="uutiskirje",
    source="lomakkeet",
    fields=(
        FormField(name="sposti", label="Sähköposti", kind="email", required=True),
        FormField(name="puh", kind="phone"),
        FormField(name="etunimi"),
        FormField(name="aihe", kind="choice", choices=("kahvi", "tee")),
        FormField(name="kuka", to="organisation"),
    ),
    tags_add=("uutiskirjeen tilaaja",),
    tags_remove=("ei tilaa",),
    consent=CONSENT,
    honeypot="kotisivu",
)
URLENCODED = "application/x-www-form-urlencoded"


def read(values: dict[str, Any], form: Form = FORM, source: Source = SOURCE, own_id: str | None = None) -> Draft:
    post = forms.Post(dict(values), own_id)
    (draft,) = forms.read(post, forms.Terms(form, source, "FI"), new_id=lambda: "made here").drafts
    return draft


def refusal(values: dict[str, Any], form: Form = FORM, source: Source = SOURCE) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(values, form, source)
    return caught.value


def test_a_submission_is_a_claim_with_the_forms_tags_and_consent() -> None:
    draft = read(
        {
            "sposti": "Maija@Example.fi",
            "puh": "040 123 4567",
            "etunimi": "Maija",
            "sukunimi": "Meikäläinen",
            "aihe": "kahvi",
            "kuka": "Kahvila Aalto Oy",
            "viesti": "Terve!",
            "lupa": "on",
            "kotisivu": "",
            "tyhjä": "",
        }
    )

    assert draft.name == "signup"
    assert draft.record == RecordKey("claim", "maija@example.fi|maija meikalainen", True)
    assert draft.fields == {
        "email": "maija@example.fi",
        "phone": "+358401234567",
        "given_name": "Maija",
        "family_name": "Meikäläinen",
        "organisation": "Kahvila Aalto Oy",
    }
    assert draft.verified == ()
    assert (draft.tags_add, draft.tags_remove) == (("uutiskirjeen tilaaja",), ("ei tilaa",))
    assert draft.consents == (Consent(purpose="marketing", channel="email", granted=True, text_version="2026-01"),)
    assert draft.properties == {
        "aihe": "kahvi",
        "viesti": "Terve!",
        "form": "uutiskirje",
        "consent_text": "Haluan uutiskirjeen.",
    }
    assert (draft.source_event_id, draft.made_id, draft.original) == ("made here", True, None)


def test_an_id_of_its_own_makes_a_submission_repeatable() -> None:
    draft = read({"sposti": "m@example.fi"}, own_id="k1")
    assert (draft.source_event_id, draft.made_id) == ("k1", False)


@pytest.mark.parametrize(
    ("values", "reason", "field", "says"),
    [
        ({}, "missing", "sposti", "maija.meikalainen@example.fi"),
        ({"sposti": "  "}, "missing", "sposti", "Sähköposti"),
        ({"sposti": ["", "m@example.fi"]}, "missing", "sposti", "Sähköposti"),
        ({"sposti": "m at example.fi"}, "invalid", "sposti", "an e-mail address"),
        ({"sposti": {"a": 1}}, "invalid", "sposti", "an e-mail address"),
        ({"sposti": "m@example.fi", "puh": "ei"}, "invalid", "puh", "+358 40 123 4567"),
        ({"sposti": "m@example.fi", "aihe": "olut"}, "invalid", "aihe", "kahvi, tee"),
        ({"sposti": "m@example.fi", "kotisivu": "https://x.example"}, "honeypot", "kotisivu", ""),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_page(
    values: dict[str, Any], reason: str, field: str, says: str
) -> None:
    refused = refusal(values)
    assert (refused.reason, refused.field) == (reason, field)
    assert says in refused.detail


def test_what_the_source_requires_is_named_as_the_page_names_it() -> None:
    source = Source(name="lomakkeet", kind="forms", requires=("phone",))
    assert refusal({"sposti": "m@example.fi", "puh": ""}, source=source).field == "puh"
    assert refusal({"sposti": "m@example.fi"}, source=source).field == "phone"


@pytest.mark.parametrize(
    ("box", "granted"),
    [
        ("on", True),
        ("1", True),
        (True, True),
        (["", "on"], True),
        (None, False),
        ("", False),
        ("ei", False),
        (False, False),
    ],
)
def test_only_a_ticked_box_is_consent(box: Any, granted: bool) -> None:
    draft = read({"sposti": "m@example.fi", "lupa": box})
    assert bool(draft.consents) is granted
    assert ("consent_text" in draft.properties) is granted


def test_a_form_whose_text_says_so_takes_sending_as_consent() -> None:
    asked = ConsentAsked(purpose="marketing", channel="email", text="Lähettämällä…", text_version="1")
    form = Form(name="f", source="lomakkeet", consent=asked)
    assert read({"email": "m@example.fi"}, form).consents
    assert not read({"email": "m@example.fi"}, Form(name="f", source="lomakkeet")).consents


def test_namesakes_without_an_address_stay_apart() -> None:
    form = Form(name="f", source="lomakkeet")
    first = read({"nimi": "Matti Virtanen"}, form, own_id="1").record
    second = read({"nimi": "Matti Virtanen"}, form, own_id="2").record
    assert first != second


def multipart(*parts: tuple[str, str]) -> bytes:
    body = "".join(f"--raja\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n" for head, value in parts)
    return f"{body}--raja--\r\n".encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (urlencode({"nimi": "Äiti & isä", "aihe": ["a", "b"]}, doseq=True).encode(), URLENCODED),
        (urlencode({"nimi": "Äiti & isä", "aihe": ["a", "b"]}, doseq=True).encode(), None),
        ("nimi=Äiti+%26+isä&aihe=a&aihe=b".encode(), URLENCODED),
        ("nimi=Äiti+%26+is%E4&aihe=a&aihe=b".encode("latin-1"), f"{URLENCODED}; charset=iso-8859-1"),
        (
            multipart(('name="nimi"', "Äiti & isä"), ('name="aihe"', "a"), ('name="aihe"', "b")),
            "multipart/form-data; boundary=raja",
        ),
        (
            multipart(
                ('name="nimi"', "Äiti & isä"),
                ('name="aihe"', "a"),
                ('name="aihe"', "b"),
                ('name="cv"; filename=""', ""),
            ),
            "multipart/form-data; boundary=raja",
        ),
        (json.dumps({"nimi": "Äiti & isä", "aihe": ["a", "b"]}).encode(), "application/json; charset=utf-8"),
    ],
)
def test_every_way_to_post_says_the_same(body: bytes, content_type: str | None) -> None:
    assert forms.parse(body, content_type).values == {"nimi": "Äiti & isä", "aihe": ["a", "b"]}


def test_the_header_outranks_the_hidden_id() -> None:
    assert forms.parse(b"_id=hidden&a=1", URLENCODED) == forms.Post({"a": "1"}, "hidden")
    assert forms.parse(b"_id=hidden", URLENCODED, idempotency_key="header").own_id == "header"


@pytest.mark.parametrize(
    ("body", "content_type", "reason", "field"),
    [
        (b"x", "text/plain", "unreadable", "Content-Type"),
        (b"{", "application/json", "unreadable", None),
        (b"[]", "application/json", "invalid", None),
        (b"a=1", f"{URLENCODED}; charset=klingon", "unreadable", "Content-Type"),
        (b"&".join(b"a%d=1" % n for n in range(201)), URLENCODED, "too_large", None),
        (b"x", "multipart/form-data", "unreadable", "Content-Type"),
        (b"x", "multipart/form-data; boundary=raja", "unreadable", None),
        (multipart(("", "x")), "multipart/form-data; boundary=raja", "unreadable", "Content-Disposition"),
        (multipart(*[('name="a"', "1")] * 201), "multipart/form-data; boundary=raja", "too_large", None),
        (multipart(('name="cv"; filename="cv.pdf"', "%PDF")), "multipart/form-data; boundary=raja", "invalid", "cv"),
        (b"_id=" + b"x" * 600, URLENCODED, "invalid", "_id"),
    ],
)
def test_bodies_that_are_no_forms_are_refused(body: bytes, content_type: str, reason: str, field: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        forms.parse(body, content_type)
    assert (caught.value.reason, caught.value.field) == (reason, field)


types = st.sampled_from(
    [URLENCODED, "multipart/form-data; boundary=raja", "application/json", "multipart/form-data", "x"]
)


@given(st.binary(max_size=100) | st.binary(max_size=50).map(lambda part: b"--raja\r\n" + part), types)
def test_whatever_bytes_come_they_are_a_form_or_refused(body: bytes, content_type: str) -> None:
    try:
        post = forms.parse(body, content_type)
        read(post.values, Form(name="f", source="lomakkeet"))
    except Refusal:
        pass
