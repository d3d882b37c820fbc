"""What the doors share: bytes to structs with refusals that name the field, and what a door hands out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from services.intake import normalise
from services.intake.domain import Draft, Refusal
from services.intake.messages import Amount

T = TypeVar("T")
_MISSING = re.compile(r"Object missing required field `(.+)`")


@dataclass(frozen=True, slots=True)
class Refused:
    """One item of a batch that became no event; `raw` is that item alone."""

    index: int
    refusal: Refusal
    raw: bytes


@dataclass(slots=True)
class Reading:
    """What a body held."""

    drafts: list[Draft] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    item_context: dict[str, Any] = field(default_factory=dict)
    """What a refused item needs besides its own bytes to be read again."""


def decode(decoder: msgspec.json.Decoder[T], body: bytes | memoryview | msgspec.Raw) -> T:
    """Decode a JSON body; refuses with the place and what was expected there."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except msgspec.DecodeError as error:
        raise Refusal("unreadable", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Refusal("unreadable", "the body is nested too deeply") from None
    except ValueError:  # bytes that are not UTF-8; numbers of thousands of digits
        raise Refusal("unreadable", "the body is not JSON in UTF-8") from None


def _invalid(said: str) -> Refusal:
    """From msgspec's words: "Expected `str`, got `int` - at `$.a`", "Object missing required field `b` - at `$.a`"."""
    detail, _, place = said.rpartition(" - at `") if " - at `" in said else (said, "", "")
    at = place.rstrip("`").removeprefix("$").lstrip(".")
    absent = _MISSING.fullmatch(detail)
    if absent:
        at = f"{at}.{absent[1]}" if at else absent[1]
        return Refusal("missing", f"{at} is missing", field=at)
    return Refusal("invalid", f"{at or 'the body'}: {detail}", field=at or None)


def amount(value: Any, currency: Any, *, at: str, currency_at: str, otherwise: str) -> Amount:
    """Money of a JSON body, `otherwise` in the installation's currency; refuses what cannot be read."""
    code = otherwise if currency is None else normalise.currency(currency)
    if code is None:
        raise Refusal("invalid", f"{currency_at} must be an ISO 4217 code, for example EUR", field=currency_at)
    minor = normalise.minor_units(value, code)
    if minor is None:
        raise Refusal("invalid", f"{at} must be an amount of money, for example 129.90", field=at)
    return Amount(minor=minor, currency=code)


def line(price: Any, quantity: Any, currency: str, *, rest: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an order: its amount is price times quantity, before discounts, and absent where it cannot be read."""
    read: dict[str, Any] = dict(rest)
    if quantity is not None:
        read["quantity"] = quantity
    minor = normalise.minor_units(price, currency)
    count = 1 if quantity is None else quantity
    if minor is not None and isinstance(count, int | float) and not isinstance(count, bool):
        total = minor * count
        if abs(total) < 2**53:
            read["amount"] = {"minor": round(total), "currency": currency}
    return read


def header(headers: Mapping[str, str], *names: str) -> str | None:
    """The first of these headers that is there; names in lower case."""
    return next((headers[name] for name in names if headers.get(name)), None)


def first(mapping: Mapping[str, Any], names: Sequence[str]) -> tuple[str, Any] | None:
    """The first of these keys whose value is not null, with its value."""
    return next(((name, mapping[name]) for name in names if mapping.get(name) is not None), None)
