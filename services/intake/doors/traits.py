"""Segment's traits as canonical fields. Source: "Spec: Identify", reserved traits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.intake.fields import canonical_name, read_fields

_ADDRESS = ("street", "postcode", "city", "country")


def read(traits: dict[str, Any], region: str) -> tuple[dict[str, str], dict[str, Any]]:
    """(fields, the other traits). A known trait whose value cannot be read stands under `unread`, as it was."""
    rest: dict[str, Any] = {}
    known, unread = read_fields(_values(traits, rest), region)
    if unread:
        rest["unread"] = unread
    return known, rest


def _values(traits: dict[str, Any], rest: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in traits.items():
        if isinstance(value, dict):
            yield from _nested(name, value, rest)
        elif canonical := canonical_name(name):
            yield canonical, value
        elif name == "company":
            yield "organisation", value
        else:
            rest[name] = value


def _nested(name: str, value: dict[str, Any], rest: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if name == "address":
        other = {}
        for part, each in value.items():
            canonical = canonical_name(part)
            if canonical in _ADDRESS:
                yield canonical, each
            else:
                other[part] = each
        if other:
            rest[name] = other
    elif name == "company":
        yield "organisation", value.get("name")
        other = {part: each for part, each in value.items() if part != "name"}
        if other:
            rest[name] = other
    else:
        rest[name] = value
