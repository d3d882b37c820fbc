"""The closed condition tree: what a rule can ask, checked when it is saved, compiled once for each version of a rule.

A condition is JSON of one of these shapes; nothing else is understood, and nothing of it is ever executed:

    {"all": [condition, …]}    {"any": [condition, …]}    {"not": condition}
    {"field": "properties.form", "op": "is", "value": "uutiskirje"}
    {"fact": "count", "event": "purchase", "op": "gte", "value": 5}      (only in while-rules)
    {"tag": "asiakas"}                                                   (only in while-rules)

Text is compared without regard to case. A list on the way (the lines of an order) stands for each of its elements: the
comparison holds when one of them fits. `is_not` is the opposite of `is`, so it also holds where the field is missing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from services.kit import errors
from services.tagging_rules.domain import tags
from services.tagging_rules.domain.events import Currency, EventName

MAX_DEPTH = 8
MAX_NODES = 100
MAX_VALUES = 100
MAX_TEXT = 200

Op: TypeAlias = Literal["is", "is_not", "in", "contains", "starts_with", "exists", "lt", "lte", "gt", "gte"]
Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | list[Scalar]
ORDERED: frozenset[str] = frozenset({"lt", "lte", "gt", "gte"})

# What a rule can ask of an event besides fields.NAME and properties.PATH.
EVENT_FIELDS = ("name", "source", "record.kind", "record.claimed", "amount.minor", "amount.currency")
_RecordFields = ("fields.",)
_EventFields = ("fields.", "properties.")


class InvalidCondition(errors.InvalidInput):
    """{place}: {reason}"""


class All(msgspec.Struct, frozen=True, kw_only=True):
    """Holds when all hold."""

    all: list[Condition]


class Any_(msgspec.Struct, frozen=True, kw_only=True):
    """Holds when at least one holds."""

    any: list[Condition]


class Not(msgspec.Struct, frozen=True, kw_only=True):
    """Holds when the other does not."""

    inner: Condition = msgspec.field(name="not")


class Compare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field of the event or contact beside a value; `exists` takes true, false or no value."""

    field: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
    op: Op
    value: Value | msgspec.UnsetType = msgspec.UNSET


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the contact's events of one name add up to: their number, the sum of their amounts in one currency (in its
    smallest unit), the time of the first and of the last."""

    fact: Literal["count", "sum", "first", "last"]
    event: EventName
    op: Op
    value: Value | msgspec.UnsetType = msgspec.UNSET
    currency: Currency | None = None


class HasTag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contact has a tag, whoever gave it."""

    tag: str


Leaf: TypeAlias = Compare | Measure | HasTag
Condition: TypeAlias = All | Any_ | Not | Compare | Measure | HasTag

_LEAVES: dict[str, type[Leaf]] = {"field": Compare, "fact": Measure, "tag": HasTag}


def parse(raw: object, place: str, *, of_event: bool) -> Condition:
    """The condition that `raw` (JSON as Python values) states about an event or else about a contact.

    Raises `InvalidCondition`, whose field is the faulty place, as `when.all[1].value`.
    """
    return _Parser(of_event).node(raw, place, 1)


def leaves(condition: Condition) -> Iterator[Leaf]:
    """All comparisons in a condition."""
    match condition:
        case All():
            for inner in condition.all:
                yield from leaves(inner)
        case Any_():
            for inner in condition.any:
                yield from leaves(inner)
        case Not():
            yield from leaves(condition.inner)
        case _:
            yield condition


def moment(text: str) -> datetime | None:
    """A date or time in ISO 8601; without a zone it is UTC. None for other text."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


class _Parser:
    """Reads one tree and counts its nodes."""

    def __init__(self, of_event: bool) -> None:
        self._of_event = of_event
        self._nodes = 0

    def node(self, raw: object, place: str, depth: int) -> Condition:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _invalid(place, f"a condition has at most {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            raise _invalid(place, f"a condition is at most {MAX_DEPTH} levels deep")
        if not isinstance(raw, dict):
            raise _invalid(place, f"expected an object, got {_kind_of(raw)}")
        for key in ("all", "any", "not"):
            if key in raw:
                if len(raw) > 1:
                    other = next(name for name in raw if name != key)
                    raise _invalid(f"{place}.{other}", f"beside {key!r} stands nothing else")
                return self._group(key, raw[key], f"{place}.{key}", depth)
        return self._leaf(raw, place)

    def _group(self, key: str, raw: object, place: str, depth: int) -> Condition:
        if key == "not":
            return Not(inner=self.node(raw, place, depth + 1))
        if not isinstance(raw, list) or not raw:
            raise _invalid(place, "expected a list with at least one condition")
        inner = [self.node(one, f"{place}[{index}]", depth + 1) for index, one in enumerate(raw)]
        return All(all=inner) if key == "all" else Any_(any=inner)

    def _leaf(self, raw: dict[str, object], place: str) -> Leaf:
        kind = next((kind for key, kind in _LEAVES.items() if key in raw), None)
        if kind is None or (self._of_event and kind is not Compare):
            allowed = "all, any, not or field" if self._of_event else "all, any, not, field, fact or tag"
            raise _invalid(place, f"expected an object with {allowed}")
        try:
            leaf = msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            reason, faulty = errors.place_of(error)
            raise _invalid(f"{place}.{faulty}" if faulty else place, reason) from error
        if isinstance(leaf, HasTag):
            return HasTag(tag=tags.clean(leaf.tag, f"{place}.tag"))
        if isinstance(leaf, Compare):
            self._check_field(leaf.field, f"{place}.field")
            _check_value(leaf.op, leaf.value, place)
        else:
            _check_measure(leaf, place)
        return leaf

    def _check_field(self, name: str, place: str) -> None:
        prefixes = _EventFields if self._of_event else _RecordFields
        exact = EVENT_FIELDS if self._of_event else ()
        if name in exact:
            return
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if prefix is None or not all(name.removeprefix(prefix).split(".")):
            known = [*exact, *(f"{prefix}NAME" for prefix in prefixes)]
            raise _invalid(place, f"expected one of {', '.join(known)}; got {name!r}")


def _check_measure(leaf: Measure, place: str) -> None:
    if leaf.fact == "sum" and leaf.currency is None:
        raise _invalid(f"{place}.currency", "a sum needs a currency, as EUR")
    if leaf.fact == "count" and leaf.currency is not None:
        raise _invalid(f"{place}.currency", "a count is over all currencies")
    if leaf.fact in ("first", "last"):
        if leaf.op not in ORDERED | {"exists"}:
            raise _invalid(f"{place}.op", f"a time is compared with lt, lte, gt, gte or exists, not {leaf.op}")
        if leaf.op != "exists" and (not isinstance(leaf.value, str) or moment(leaf.value) is None):
            raise _invalid(f"{place}.value", "expected a date or time, as 2026-01-31")
        _check_value(leaf.op, leaf.value, place)
    elif leaf.op not in ORDERED | {"is", "is_not"}:
        raise _invalid(f"{place}.op", f"a number is compared with is, is_not, lt, lte, gt or gte, not {leaf.op}")
    elif isinstance(leaf.value, bool) or not isinstance(leaf.value, int):
        raise _invalid(f"{place}.value", "expected a whole number")


def _check_value(op: Op, value: Value | msgspec.UnsetType, place: str) -> None:
    place = f"{place}.value"
    if op == "exists":
        if not isinstance(value, bool | msgspec.UnsetType):
            raise _invalid(place, "exists takes true, false or no value")
        return
    if isinstance(value, msgspec.UnsetType):
        raise _invalid(place, f"{op} needs a value")
    if op == "in":
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
            raise _invalid(place, f"in needs a list of 1 to {MAX_VALUES} values")
        for index, one in enumerate(value):
            _check_scalar(one, f"{place}[{index}]")
        return
    if isinstance(value, list):
        raise _invalid(place, f"{op} takes one value; use in for several")
    _check_scalar(value, place)
    if op in ("contains", "starts_with") and not (isinstance(value, str) and value):
        raise _invalid(place, f"{op} needs text")
    if op in ORDERED and (isinstance(value, bool) or (isinstance(value, str) and moment(value) is None)):
        raise _invalid(place, f"{op} needs a number, a date or a time (as 2026-01-31)")


def _check_scalar(value: Scalar, place: str) -> None:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise _invalid(place, f"text is at most {MAX_TEXT} characters")
    if isinstance(value, float) and not math.isfinite(value):
        raise _invalid(place, "expected a number")


def _invalid(place: str, reason: str) -> InvalidCondition:
    return InvalidCondition(place=place, reason=reason, field=place)


def _kind_of(raw: object) -> str:
    names: dict[type, str] = {list: "a list", str: "text", bool: "true or false", int: "a number", type(None): "null"}
    return names.get(type(raw), "a number")


def names_of(condition: Condition) -> tuple[Collection[str], Collection[str], bool]:
    """(tags, event names, whether fields) that a condition about a contact asks for."""
    found = list(leaves(condition))
    return (
        {leaf.tag for leaf in found if isinstance(leaf, HasTag)},
        {leaf.event for leaf in found if isinstance(leaf, Measure)},
        any(isinstance(leaf, Compare) for leaf in found),
    )


def to_json(condition: Condition | None) -> Any:
    """The JSON, as Python values, that `parse` reads back to an equal condition."""
    return msgspec.to_builtins(condition)
