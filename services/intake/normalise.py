"""Values as they are written outside, in the one form that they have inside. Nothing here raises: what does not parse
is None, and the door decides whether that is a rejection or a value to be kept aside.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import anyascii
import email_validator
import phonenumbers

from services.intake.countries import CODES

LONGEST_VALUE = 500
"""Characters of a field at most; a longer value is cut."""

# Characters without width, and those that only change direction: they make equal values differ unseen.
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SPACES = re.compile(r"\s+")
_EMAIL = re.compile(
    r"(?=.{3,254}$)(?=.{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
)
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_].*)?")
_FINNISH_DATE = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SPACED_NUMBER = re.compile(r"[\s\u00a0\u202f']")

# Those that differ from two decimals (ISO 4217).
_EXPONENTS = dict.fromkeys(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ],
    0,
) | dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3)
_LARGEST_MINOR = 10**15

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
# Numbers above are milliseconds since 1970, below are seconds: the border is 1973 in one and 5138 in the other.
_MILLISECONDS_FROM = 1e11


def text(value: Any) -> str | None:
    """A string or number on one line in NFC, without invisible characters and outer spaces; None if nothing is left."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    cleaned = value if isinstance(value, str) else str(value)
    if not cleaned.isascii():
        cleaned = unicodedata.normalize("NFC", cleaned)
    if not cleaned.isprintable():
        cleaned = _CONTROLS.sub(" ", _INVISIBLE.sub("", cleaned))
    cleaned = _SPACES.sub(" ", cleaned).strip()
    return cleaned[:LONGEST_VALUE] or None


def identifier(value: Any) -> str | None:
    """A key that a source gave: as `text`, but a number keeps its digits and inner spaces stay."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    key = str(value).strip()
    if not key.isprintable():
        key = _CONTROLS.sub("", _INVISIBLE.sub("", key)).strip()
    return key or None


@lru_cache(maxsize=65_536)
def phone(value: str, region: str) -> str | None:
    """E.164, as +358401234567; `region` is where a number without a country code is from."""
    try:
        parsed = phonenumbers.parse(value.removeprefix("tel:"), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=65_536)
def email(value: str) -> str | None:
    """Trimmed and lower-cased where its syntax is right; whether it exists is not asked."""
    cleaned = unicodedata.normalize("NFC", value).strip().lower().removeprefix("mailto:")
    if _EMAIL.fullmatch(cleaned):
        return cleaned
    if cleaned.isascii():
        return None
    try:
        return email_validator.validate_email(cleaned, check_deliverability=False).normalized.lower()
    except email_validator.EmailNotValidError:
        return None


def country(value: str) -> str:
    """ISO 3166-1 alpha-2 where the name is known, else the text as it was."""
    known = CODES.get(value.casefold())
    if known:
        return known
    return value.upper() if len(value) == 2 and value.isascii() and value.isalpha() else value


def postcode(value: str) -> str:
    return value.upper().removeprefix("FI-")


def language(value: str) -> str | None:
    """The language alone, as fi, of a tag such as fi-FI."""
    match = _LANGUAGE.fullmatch(value.lower())
    return match[1] if match else None


def birth_date(value: str) -> str | None:
    """ISO 8601, of itself (a time after it is dropped) or of the Finnish way (1.5.1980)."""
    try:
        finnish = _FINNISH_DATE.fullmatch(value)
        parts = (finnish[3], finnish[2].zfill(2), finnish[1].zfill(2)) if finnish else ()
        born = date.fromisoformat("-".join(parts) or value[:10])
    except ValueError:
        return None
    return born.isoformat() if 1850 <= born.year <= 2100 else None


def currency(value: Any) -> str | None:
    """An ISO 4217 code in capitals."""
    code = value.strip().upper() if isinstance(value, str) else ""
    return code if _CURRENCY.fullmatch(code) else None


def minor_units(value: Any, currency_code: str) -> int | None:
    """Money as text or number, in the minor unit of its currency: ("129.90", EUR) → 12990, (129, JPY) → 129.

    Halves are rounded up. A comma may stand before the decimals, spaces between thousands.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    cleaned = _SPACED_NUMBER.sub("", str(value))
    if "," in cleaned and "." not in cleaned:
        cleaned = cleaned.replace(",", ".")
    try:
        number = Decimal(cleaned)
        if not number.is_finite() or abs(number) > _LARGEST_MINOR:
            return None
        minor = int((number * 10 ** _EXPONENTS.get(currency_code, 2)).quantize(Decimal(1), ROUND_HALF_UP))
    except InvalidOperation:
        return None
    return minor if abs(minor) <= _LARGEST_MINOR else None


def moment(value: Any) -> datetime | None:
    """A time in UTC: ISO 8601 (without a zone it is UTC), or a number of seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value.strip())
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_FROM else value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found >= _EARLIEST else None


def mail_date(value: str) -> datetime | None:
    """The Date of an e-mail (RFC 5322), in UTC."""
    try:
        found = parsedate_to_datetime(value)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found if found >= _EARLIEST else None


@lru_cache(maxsize=65_536)
def folded(name: str) -> str:
    """A name without case, marks and double spaces, as it stands in the key of a claim: Meikäläinen → meikalainen."""
    return " ".join(anyascii.anyascii(name).lower().split())
