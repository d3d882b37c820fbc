"""Values in the one form that they have inside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import normalise
from services.intake.masking import mask


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("040 123 4567", "+358401234567"),
        ("+358 (0)40 123 4567", "+358401234567"),
        ("0401234567", "+358401234567"),
        ("+46 8 123 456 78", "+46812345678"),
        ("tel:+358401234567", "+358401234567"),
        ("09-1234567", "+35891234567"),
        ("ei ole", None),
        ("1", None),
        ("", None),
    ],
)
def test_phones_are_e164_in_the_region(written: str, inside: str | None) -> None:
    assert normalise.phone(written, "FI") == inside


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        (" Maija.Meikalainen@Example.FI ", "maija.meikalainen@example.fi"),
        ("mailto:maija@example.fi", "maija@example.fi"),
        ("maija+uutiset@example.fi", "maija+uutiset@example.fi"),
        ("maija@yhtiö.fi", "maija@yhtiö.fi"),
        ("väinö@example.fi", "väinö@example.fi"),
        ("maija@localhost", None),
        ("maija.example.fi", None),
        ("maija@@example.fi", None),
        ("maija..m@example.fi", None),
        ("maija@-example.fi", None),
        ("maija@example", None),
        ("maija m@example.fi", None),
        ("a" * 65 + "@example.fi", None),
        ("ä ä@example.fi", None),
    ],
)
def test_addresses_are_trimmed_and_lower_case_where_they_are_addresses(written: str, inside: str | None) -> None:
    assert normalise.email(written) == inside


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("  Maija \t Meikäläinen\n", "Maija Meikäläinen"),
        ("Mai\u200bja", "Maija"),
        ("Maija\x00", "Maija"),
        ("Meika\u0308la\u0308inen", "Meikäläinen"),
        (88, "88"),
        (8.5, "8.5"),
        ("", None),
        (" \u202e ", None),
        (None, None),
        (True, None),
        (["Maija"], None),
    ],
)
def test_text_is_on_one_line_without_what_cannot_be_seen(written: Any, inside: str | None) -> None:
    assert normalise.text(written) == inside


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("129.90", "EUR", 12990),
        (129.9, "EUR", 12990),
        (129, "EUR", 12900),
        ("129", "JPY", 129),
        ("1.2345", "KWD", 1235),
        ("0.005", "EUR", 1),
        ("-5.00", "EUR", -500),
        ("1 299,90", "EUR", 129990),
        ("1e3", "EUR", 100000),
        ("NaN", "EUR", None),
        ("1e30", "EUR", None),
        (float("inf"), "EUR", None),
        ("1,299.90", "EUR", None),
        ("paljon", "EUR", None),
        (True, "EUR", None),
        (None, "EUR", None),
    ],
)
def test_money_is_counted_in_the_minor_unit_of_its_currency(value: Any, currency: str, minor: int | None) -> None:
    assert normalise.minor_units(value, currency) == minor


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("2026-11-22T08:15:00.000Z", datetime(2026, 11, 22, 8, 15, tzinfo=UTC)),
        ("2026-11-22T10:15:00+02:00", datetime(2026, 11, 22, 8, 15, tzinfo=UTC)),
        ("2026-11-22T08:15:00", datetime(2026, 11, 22, 8, 15, tzinfo=UTC)),
        (1795335300, datetime(2026, 11, 22, 8, 15, tzinfo=UTC)),
        (1795335300000, datetime(2026, 11, 22, 8, 15, tzinfo=UTC)),
        ("eilen", None),
        ("1969-01-01T00:00:00Z", None),
        (1e300, None),
        (True, None),
    ],
)
def test_times_are_in_utc(written: Any, inside: datetime | None) -> None:
    assert normalise.moment(written) == inside


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("1980-05-01", "1980-05-01"),
        ("1980-05-01T00:00:00.000Z", "1980-05-01"),
        ("1.5.1980", "1980-05-01"),
        ("31.2.1980", None),
        ("toukokuussa", None),
    ],
)
def test_birth_dates_are_iso(written: str, inside: str | None) -> None:
    assert normalise.birth_date(written) == inside


@pytest.mark.parametrize(
    ("written", "inside"),
    [("Suomi", "FI"), ("finland", "FI"), ("FIN", "FI"), ("fi", "FI"), ("Ruotsi", "SE"), ("Narnia", "Narnia")],
)
def test_countries_are_codes_where_their_names_are_known(written: str, inside: str) -> None:
    assert normalise.country(written) == inside


def test_names_in_claims_are_folded() -> None:
    assert normalise.folded("Maija  MEIKÄLÄINEN") == "maija meikalainen"
    assert normalise.folded("Åsa Öberg") == "asa oberg"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b'{"hetu":"131052-308T"}', b'{"hetu":"131052-****"}'),
        (b'{"text":"a\\n131052-308T."}', b'{"text":"a\\n131052-****."}'),
        (b"131052A308T", b"131052A****"),
        (b"131052-308U", b"131052-308U"),  # wrong check character
        (b"321352-308T", b"321352-308T"),  # no date
        (b"9131052-308T", b"9131052-308T"),  # a longer number
        (b"a0131052-308f-4c1d-8e2f-000000000000", b"a0131052-308f-4c1d-8e2f-000000000000"),
    ],
)
def test_personal_identity_codes_are_masked(written: bytes, kept: bytes) -> None:
    assert mask(written) == kept


@given(st.binary(max_size=200))
def test_masking_keeps_the_length(body: bytes) -> None:
    assert len(mask(body)) == len(body)


@given(st.text(max_size=50))
def test_normalising_again_changes_nothing(value: str) -> None:
    text = normalise.text(value)
    assert text is None or normalise.text(text) == text
    email = normalise.email(value)
    assert email is None or normalise.email(email) == email
    phone = normalise.phone(value, "FI")
    assert phone is None or normalise.phone(phone, "SE") == phone
