"""Names of people and organisations: one form for equal names, and whether two names can be one person's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from anyascii import anyascii
from rapidfuzz.distance import JaroWinkler

from services.dedupe.domain.common_names import COMMON_GIVEN_NAMES

TYPO_SIMILARITY = 0.86
"""Jaro–Winkler similarity from which two names differ by a typing error."""
SWAP_ADVANTAGE = 0.15
"""How much more alike two names must be crosswise before one of them is taken to be written family name first."""

# Ways to write one sound in Latin letters: Mäki, Maeki; Korhonen, Korhoonen; Virtanen, Wirtanen; Jelena, Yelena.
_SPELLINGS = (
    *(("aa", "a"), ("ae", "a"), ("oe", "o"), ("tsh", "c"), ("shch", "c"), ("kh", "h"), ("zh", "z"), ("sh", "s")),
    *(("ch", "c"), ("j", "i"), ("y", "i"), ("w", "v")),
)
_SEPARATORS = re.compile(r"[^a-z0-9]+")
# Of O'Brien, and of the soft sign of Russian names.
_APOSTROPHES = str.maketrans("", "", "'`")


@lru_cache(maxsize=65_536)
def fold(text: str) -> tuple[str, ...]:
    """The words of a name without case, marks, script and ways of spelling: Anna-Maija Mäki → anna, maia, maki."""
    plain = text if text.isascii() else anyascii(unicodedata.normalize("NFKD", text))
    plain = plain.lower().translate(_APOSTROPHES)
    for written, sound in _SPELLINGS:
        if written in plain:
            plain = plain.replace(written, sound)
    return tuple(word for word in _SEPARATORS.split(plain) if word)


_COMMON = frozenset("".join(fold(name)) for name in COMMON_GIVEN_NAMES.split())


class Name(NamedTuple):
    """Folded words. An organisation's name counts only where there is no person's."""

    given: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    organisation: tuple[str, ...] = ()

    @property
    def is_person(self) -> bool:
        return bool(self.given or self.family)


NAMELESS = Name()


def name(given: str | None, family: str | None, full: str | None, organisation: str | None) -> Name:
    """The name that these fields say; a full name is split where its parts are not given by themselves."""
    given_words, family_words = fold(given or ""), fold(family or "")
    if not given_words and not family_words and full:
        before, comma, after = full.partition(",")
        if comma and fold(after):
            given_words, family_words = fold(after), fold(before)
        else:
            words = full.split()
            given_words, family_words = fold(" ".join(words[:-1]) or full), fold(words[-1]) if words[1:] else ()
    if given_words or family_words:
        return Name(given_words, family_words)
    return Name(organisation=fold(organisation or ""))


class Relation(Enum):
    """What two names say of whether they are one person's."""

    COMPATIBLE = "compatible"
    OTHER_FAMILY_NAME = "other family name"
    """The given names agree, the family names do not: married, or two people."""
    UNKNOWN = "unknown"
    """One has no name, or they have no part in common that could be compared."""
    DIFFERENT = "different"


@lru_cache(maxsize=262_144)
def relation(a: Name, b: Name) -> Relation:
    """How two names stand to each other; symmetric."""
    if not (a.is_person and b.is_person):
        if a.organisation and b.organisation:
            return Relation.COMPATIBLE if _text(a.organisation) == _text(b.organisation) else Relation.DIFFERENT
        return Relation.UNKNOWN
    if _crossed(a, b):
        agree = _agree(a.given, b.family, common=_COMMON) and _agree(a.family, b.given, common=_COMMON)
        return Relation.COMPATIBLE if agree else Relation.DIFFERENT
    given = _agree(a.given, b.given, common=_COMMON)
    family = _agree(a.family, b.family, common=frozenset())
    if given is False:
        return Relation.DIFFERENT
    if family is False:
        return Relation.OTHER_FAMILY_NAME if given else Relation.DIFFERENT
    # A family name alone is that of several people.
    return Relation.COMPATIBLE if given else Relation.UNKNOWN


def owners(names: Iterable[Name]) -> int:
    """How many people (or organisations) these names are of at least: 0 when nobody is named.

    Full names come first, so that an initial belongs to somebody who is there already. A person and the organisation
    that is named without one are two.
    """
    found: list[Name] = []
    for one in sorted({name for name in names if name != NAMELESS}, key=lambda name: (-_length(name), name)):
        if all(_others(one, other) for other in found):
            found.append(one)
    return len(found)


def _others(a: Name, b: Name) -> bool:
    return a.is_person != b.is_person or relation(a, b) in (Relation.DIFFERENT, Relation.OTHER_FAMILY_NAME)


def _agree(a: tuple[str, ...], b: tuple[str, ...], *, common: frozenset[str]) -> bool | None:
    """Whether two given (or family) names can be the same; None where one is missing."""
    if not a or not b:
        return None
    if _text(a) == _text(b) or not {word for word in a if len(word) > 1}.isdisjoint(b):
        return True
    first, other = a[0], b[0]
    if len(first) == 1 or len(other) == 1:
        return first[0] == other[0]
    if first in common and other in common:
        return False
    return _similarity(first, other) >= TYPO_SIMILARITY


def _crossed(a: Name, b: Name) -> bool:
    if not (a.given and a.family and b.given and b.family):
        return False
    straight = _alike(a.given, b.given) + _alike(a.family, b.family)
    crossed = _alike(a.given, b.family) + _alike(a.family, b.given)
    return crossed / 2 > straight / 2 + SWAP_ADVANTAGE


def _alike(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    return _similarity(_text(a), _text(b))


def _similarity(a: str, b: str) -> float:
    # In one order: which letters Jaro pairs may depend on which word it begins with.
    return JaroWinkler.similarity(min(a, b), max(a, b))


def _text(words: tuple[str, ...]) -> str:
    return "".join(words)


def _length(name: Name) -> int:
    return sum(len(word) for part in name for word in part)
