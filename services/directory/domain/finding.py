"""How a customer is found: what is kept of each one for searching, and what a person's few words may mean.

Words are folded alike on both sides (small letters, no accents, Latin script), so that Meikäläinen is found by
MEIKALAINEN. Order is that of a Finnish phone book: family name first, å ä ö after z.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import anyascii
import phonenumbers
from rapidfuzz.distance import OSA

from services.directory.messages import Customer

EMAIL, PHONE, EXTERNAL_ID = "email", "phone", "external_id"

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_NOT_LETTER = re.compile(r"[^a-z]+")
_NOT_DIAL = re.compile(r"[^0-9+]+")
_LIKE_NUMBER = re.compile(r"\+?[\d\s().\-/]+")
_NAMES = ("given_name", "family_name", "full_name", "organisation")
# In ASCII these three follow z, in this order.
_FINNISH = str.maketrans({"å": "{", "ä": "|", "ö": "}"})

# Bounds of what an index entry may hold; a longer name is found by its beginning.
_WORD_LENGTH = 40
_WORDS = 60
_SORT_LENGTH = 100
_VALUE_LENGTH = 300
_QUERY_WORDS = 6
_SPELLINGS = 30
_FEWEST_DIGITS = 4
# Words shorter than this are taken as they are typed.
_FEWEST_LETTERS = 4
_KEY_LENGTH = 7


@dataclass(frozen=True, slots=True, order=True)
class Handle:
    """An exact way to a customer: an e-mail address, a phone number, or an id that a source gave."""

    kind: str
    source: str
    value: str
    claimed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What the search tables hold of one customer."""

    sort_name: str
    words: tuple[str, ...]
    names: tuple[str, ...]
    """Those of the words that are offered for a word with typing errors."""
    tags: tuple[str, ...]
    phase: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """What a person typed, by its possible meanings: all words, or one of the handles."""

    words: tuple[str, ...] = ()
    email_start: str | None = None
    phone_start: str | None = None
    phone_end: str | None = None
    external_id: str | None = None

    @property
    def by_handle(self) -> bool:
        return bool(self.email_start or self.phone_start or self.phone_end or self.external_id)


def fold(text: str) -> str:
    """Small Latin letters without accents."""
    return text.lower() if text.isascii() else anyascii.anyascii(text.casefold()).lower()


def words(text: str) -> list[str]:
    """The folded words of a text, in order; an apostrophe is no letter (O'Brien, OBrien)."""
    return [word[:_WORD_LENGTH] for word in _NOT_WORD.split(fold(text).replace("'", "")) if word]


def entry(customer: Customer) -> Entry | None:
    """What is kept for searching, or None for a customer who is not to be found: merged, erased, or nothing known."""
    if not _is_there(customer):
        return None
    names = _first(word for name in _NAMES if (field := customer.fields.get(name)) for word in words(field.value))
    tags = tuple(tag for tag in customer.tags if _fits(tag))
    others = [word for tag in tags for word in words(tag)]
    addresses = {each.value for each in customer.identifiers if each.kind == EMAIL}
    if EMAIL in customer.fields:
        addresses.add(customer.fields[EMAIL].value)
    others += [
        word[:_WORD_LENGTH]
        for address in sorted(addresses)
        for word in _NOT_LETTER.split(fold(address.partition("@")[0]))
        if len(word) > 1
    ]
    return Entry(_sort_name(customer), tuple(sorted(_first([*names, *others]))), tuple(names), tags, customer.phase)


def of_entry(customer: Customer | None) -> tuple[object, ...]:
    """All that `entry` looks at: of two customers with equal ones nothing else is kept."""
    if customer is None or not _is_there(customer):
        return ()
    values = [field.value if (field := customer.fields.get(name)) else None for name in (*_NAMES, EMAIL)]
    return (*values, customer.identifiers, customer.tags, customer.phase)


def of_handles(customer: Customer | None) -> tuple[object, ...]:
    """All that `handles` looks at."""
    if customer is None or not _is_there(customer):
        return ()
    fields = [customer.fields.get(kind) for kind in (EMAIL, PHONE)]
    return (*((field.value, field.verified) if field else None for field in fields), customer.identifiers)


def handles(customer: Customer) -> frozenset[Handle]:
    """All exact ways to a customer; what is claimed and also verified counts as verified."""
    if not _is_there(customer):
        return frozenset()
    found: dict[tuple[str, str, str], bool] = {}

    def add(kind: str, source: str, value: str, claimed: bool) -> None:
        value = _dialled(value) if kind == PHONE else value.lower() if kind == EMAIL else value
        if value and _fits(value) and _fits(source):
            found[kind, source, value] = claimed and found.get((kind, source, value), True)

    for each in customer.identifiers:
        if each.kind in (EMAIL, PHONE, EXTERNAL_ID):
            add(each.kind, each.source or "", each.value, each.claimed)
    for kind in (EMAIL, PHONE):
        if kind in customer.fields:
            add(kind, "", customer.fields[kind].value, not customer.fields[kind].verified)
    return frozenset(Handle(*key, claimed) for key, claimed in found.items())


def parse(text: str, region: str) -> Query:
    """What a person may mean. `region` is where a number without a country code is from (ISO 3166-1)."""
    text = text.strip()
    if not text or "\x00" in text:
        return Query()
    if "@" in text:
        return Query(email_start=text.lower())
    meant = tuple(words(text)[:_QUERY_WORDS])
    external_id = text if _fits(text) and not any(letter.isspace() for letter in text) else None
    digits = _dialled(text)
    if not _LIKE_NUMBER.fullmatch(text) or len(digits) < _FEWEST_DIGITS:
        return Query(words=meant, external_id=external_id)
    return Query(
        words=meant,
        external_id=external_id,
        phone_start=_phone_start(digits, region),
        phone_end=digits if digits.isdigit() else None,
    )


@lru_cache(maxsize=10_000)
def phone(text: str, region: str) -> str:
    """A phone number as E.164, or its bare digits where it is none."""
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return _dialled(text)
    if not phonenumbers.is_possible_number(parsed):
        return _dialled(text)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def errors_allowed(word: str) -> int:
    """How many typing errors a word of this length may have."""
    return 0 if len(word) < _FEWEST_LETTERS else 1 if len(word) < 7 else 2


def spelling_keys(word: str) -> set[str]:
    """What is kept of a word to find it by a misspelt one: its beginnings, each also with one letter left out.

    After SymSpell (Garbe 2012): one error anywhere makes two words equal when one letter is left out of either, and so
    do most pairs of errors. Only the first letters are kept, as people find a word before they have typed it.
    """
    keys = {word[: _FEWEST_LETTERS - 1]}
    for length in range(_FEWEST_LETTERS, min(len(word), _KEY_LENGTH + 1) + 1):
        keys |= typed_keys(word[:length], length)
    return keys


def typed_keys(typed: str, length: int | None = None) -> set[str]:
    """The spelling keys, one of which a word has that `typed` may stand for."""
    start = typed[: length or _KEY_LENGTH]
    return {start, *(start[:at] + start[at + 1 :] for at in range(len(start)))}


def spellings(typed: str, candidates: Iterable[str]) -> dict[str, int]:
    """The words that `typed` may stand for, whole or as far as they are typed, each with the number of errors.

    Those with the fewest errors, and of these the ones that `typed` is nearest to being the whole of; a bounded number.
    """
    limit = errors_allowed(typed)
    found: dict[str, int] = {}
    for word in candidates:
        if word.startswith(typed):
            continue
        errors = min(
            OSA.distance(typed, word[: len(typed) + more], score_cutoff=limit) for more in range(-limit, limit + 1)
        )
        if errors <= limit:
            found[word] = errors
    best = sorted(found, key=lambda word: (found[word], abs(len(word) - len(typed)), word))
    return {word: found[word] for word in best[:_SPELLINGS]}


def text_query(typed: Sequence[str], meant: Sequence[dict[str, int]], errors: int) -> str | None:
    """A tsquery: each word typed as the beginning of a word, or one of those meant with up to `errors` errors.

    None where no word was typed.
    """
    if not typed:
        return None
    return " & ".join(
        "(" + " | ".join([f"{word}:*", *(other for other, count in others.items() if count <= errors)]) + ")"
        for word, others in zip(typed, meant, strict=True)
    )


def _is_there(customer: Customer) -> bool:
    return customer.merged_into is None and customer.erased_at is None and bool(customer.fields or customer.identifiers)


def _sort_name(customer: Customer) -> str:
    fields = customer.fields
    parts = [fields[field].value for field in ("family_name", "given_name") if field in fields]
    if not parts:
        shown = customer.name or next((each.value for each in customer.identifiers if each.kind == EMAIL), "")
        shown = shown or next((each.value for each in customer.identifiers), "")
        # A full name in one field: the last word is taken as the family name.
        first, _, last = shown.rpartition(" ") if "organisation" not in fields else ("", "", shown)
        parts = [last, first]
    return _phone_book(" ".join(part for part in parts if part))


def _phone_book(text: str) -> str:
    return _printable(anyascii.anyascii(text.lower().translate(_FINNISH)).lower())[:_SORT_LENGTH]


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def _first(found: Iterable[str]) -> list[str]:
    """Without repeats, in order, as many as are kept."""
    return list(dict.fromkeys(found))[:_WORDS]


def _fits(value: str) -> bool:
    return len(value) <= _VALUE_LENGTH and "\x00" not in value


def _dialled(text: str) -> str:
    return _NOT_DIAL.sub("", text)


def _phone_start(digits: str, region: str) -> str | None:
    """The E.164 beginning that is meant by digits typed so far: +358 40…, 00358 40…, 358 40…, 040…"""
    country = str(phonenumbers.country_code_for_region(region))
    trunk = phonenumbers.ndd_prefix_for_region(region, True)
    if digits.startswith("+"):
        return digits
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if trunk and digits.startswith(trunk):
        return f"+{country}{digits.removeprefix(trunk)}"
    return f"+{digits}" if digits.startswith(country) else None
