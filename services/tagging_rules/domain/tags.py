"""What may be a tag."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable

from services.kit import errors

MAX_LENGTH = 80
MAX_AT_ONCE = 100
# Control characters, halves of surrogate pairs, and line and paragraph separators.
_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


class InvalidTag(errors.InvalidInput):
    """A tag is text of 1 to {maximum} characters, without control characters."""


class Contradiction(errors.InvalidInput):
    """The tag {tag!r} stands in more than one of add, remove and clear."""


class WrongNumber(errors.InvalidInput):
    """Name 1 to {maximum} tags to add, to remove or to clear."""


@functools.lru_cache(maxsize=10_000)
def _cleaned(text: str) -> str | None:
    tag = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(tag) <= MAX_LENGTH or any(unicodedata.category(letter) in _FORBIDDEN for letter in tag):
        return None
    return tag


def clean(text: str, place: str) -> str:
    """The tag in NFC, without spaces around it. Raises `InvalidTag` with `place` as its field."""
    tag = _cleaned(text)
    if tag is None:
        raise InvalidTag(maximum=MAX_LENGTH, field=place)
    return tag


def clean_all(texts: Iterable[str], place: str) -> tuple[str, ...]:
    """As `clean`, each once, in the order given; the field is `place[index]`."""
    return tuple(dict.fromkeys(clean(text, f"{place}[{index}]") for index, text in enumerate(texts)))


def by_hand(add: Iterable[str], remove: Iterable[str], clear: Iterable[str]) -> dict[str, bool | None]:
    """What a person says about each tag: be there (True), not be there (False), as the rules say (None).

    Raises `errors.InvalidInput` for what is no tag, contradicts itself or says nothing.
    """
    said: dict[str, bool | None] = {}
    for place, texts, present in (("add", add, True), ("remove", remove, False), ("clear", clear, None)):
        for tag in clean_all(texts, place):
            if tag in said:
                raise Contradiction(tag=tag, field=place)
            said[tag] = present
    if not 1 <= len(said) <= MAX_AT_ONCE:
        raise WrongNumber(maximum=MAX_AT_ONCE, field="add")
    return said
