"""JSON that every store can hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from services.intake.domain import Refusal

DEEPEST_JSON = 64


def storable(value: Any, raw: bytes | memoryview) -> Any:
    """`value`, decoded from `raw`, without NUL characters, which PostgreSQL has not; refused where it is too deep."""
    raw = bytes(raw)
    # A walk over every value is only for the few bodies that can need it.
    if raw.count(b"{") + raw.count(b"[") > DEEPEST_JSON:
        _check_depth(value)
    return without_nul(value) if b"\\u0000" in raw else value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST_JSON):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in cast("Iterable[Any]", each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Refusal("invalid", f"the body is nested more than {DEEPEST_JSON} levels deep")


def without_nul(value: Any) -> Any:
    """The same JSON value with every NUL character left out."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [without_nul(each) for each in value]
    if isinstance(value, dict):
        return {key.replace("\x00", ""): without_nul(each) for key, each in value.items()}
    return value
