"""The fields that are known of a customer: what sources call them, what may stand in them, what is required."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from services.intake import normalise
from services.intake.domain import Refusal, Source

EXPECTED: Mapping[str, tuple[str, str]] = {
    "name": ("a name", "Maija Meikäläinen"),
    "given_name": ("a first name", "Maija"),
    "family_name": ("a last name", "Meikäläinen"),
    "full_name": ("a name", "Maija Meikäläinen"),
    "email": ("an e-mail address", "maija.meikalainen@example.fi"),
    "phone": ("a phone number", "+358 40 123 4567"),
    "organisation": ("the name of a company or an association", "Kahvila Aalto Oy"),
    "title": ("a job title", "ostopäällikkö"),
    "street": ("a street address", "Mannerheimintie 12 A 3"),
    "postcode": ("a postal code", "00100"),
    "city": ("a town", "Helsinki"),
    "country": ("a country or its ISO 3166 code", "FI"),
    "birth_date": ("a date", "1980-05-01"),
    "language": ("a language or its ISO 639 code", "fi"),
}
"""What may stand in each field: what is expected, and an example."""


def missing(canonical: str, *, at: str | None = None, label: str | None = None) -> Refusal:
    """The refusal for a required field that is empty; `at` is its name where the sender wrote it."""
    expected, example = EXPECTED.get(canonical, ("a value", ""))
    what = f"{label or at or canonical} is missing: expected {expected}"
    return Refusal("missing", f"{what}, for example {example}" if example else what, field=at or canonical)


def unreadable_value(canonical: str, *, at: str, label: str | None = None) -> Refusal:
    expected, example = EXPECTED.get(canonical, ("another value", ""))
    what = f"{label or at} cannot be read: expected {expected}"
    return Refusal("invalid", f"{what}, for example {example}" if example else what, field=at)


def check_requirements(source: Source, fields: Mapping[str, str], at: Mapping[str, str] | None = None) -> None:
    """Refuse what lacks a field that its source requires; `at` says what the sender calls a field."""
    for name in source.requires:
        wanted = ("full_name", "given_name", "family_name") if name == "name" else (name,)
        if not any(each in fields for each in wanted):
            raise missing(name, at=(at or {}).get(name, name))


_ALIASES = {
    "email": "email e-mail emailaddress sähköposti sahkoposti sähköpostiosoite epost",
    "phone": "phone phonenumber mobile telephone tel puhelin puhelinnumero matkapuhelin telefon",
    "given_name": "givenname firstname fname etunimi förnamn",
    "family_name": "familyname lastname surname lname sukunimi efternamn",
    "full_name": "fullname name nimi namn yourname",
    "organisation": "organisation organization company companyname yritys organisaatio företag",
    "title": "title jobtitle position titteli tehtävänimike",
    "street": "street address streetaddress address1 katuosoite lähiosoite osoite gatuadress",
    "postcode": "postcode postalcode zip zipcode postinumero postnummer",
    "city": "city town postitoimipaikka kaupunki paikkakunta ort",
    "country": "country countrycode maa land",
    "birth_date": "birthdate birthday dateofbirth syntymäaika syntymäpäivä",
    "language": "language lang kieli språk",
}
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
_SEPARATORS = str.maketrans("", "", "_- .")


@lru_cache(maxsize=4096)
def canonical_name(name: str) -> str | None:
    """The field that a name outside means: firstName, first_name and etunimi are given_name."""
    return _CANONICAL.get(name.lower()) or _CANONICAL.get(name.lower().translate(_SEPARATORS))


def canonical_value(name: str, value: Any, region: str) -> str | None:
    """The value of a canonical field in its inner form; None where it cannot be that."""
    text = normalise.text(value)
    if text is None:
        return None
    match name:
        case "email":
            return normalise.email(text)
        case "phone":
            # Extensions and internal numbers help a person who calls, though nothing can be matched by them.
            return normalise.phone(text, region) or (text if sum(map(str.isdigit, text)) >= 4 else None)
        case "country":
            return normalise.country(text)
        case "postcode":
            return normalise.postcode(text)
        case "birth_date":
            return normalise.birth_date(text)
        case "language":
            return normalise.language(text)
        case _:
            return text


class Fields(NamedTuple):
    """Canonical fields, and what was said for a field but cannot be read as one (kept aside, nothing is lost)."""

    known: dict[str, str]
    unread: dict[str, Any]


def read_fields(values: Iterable[tuple[str, Any]], region: str) -> Fields:
    """Fields from (canonical name, value); empty values say nothing, the first value of a name counts."""
    known: dict[str, str] = {}
    unread: dict[str, Any] = {}
    for name, value in values:
        if value is None or value == "" or name in known:  # an unread one may be followed by one that can be read
            continue
        cleaned = canonical_value(name, value, region)
        if cleaned is None:
            unread[name] = value
        else:
            known[name] = cleaned
    return Fields(known, unread)
