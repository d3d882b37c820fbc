"""Conditions compiled into closures, once for each version of a rule."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import msgspec

from services.tagging_rules.domain import conditions
from services.tagging_rules.domain.conditions import Compare, Condition, HasTag, Leaf, Measure
from services.tagging_rules.domain.events import EventData
from services.tagging_rules.domain.evidence import Fact

S = TypeVar("S")
Test: TypeAlias = Callable[[Any], bool]
Find: TypeAlias = Callable[[S], Sequence[Any]]

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "is": operator.eq,
    "is_not": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What while-rules can ask of a contact. `tags` grows while the rules are worked out in their order."""

    fields: Mapping[str, str]
    facts: Mapping[str, Sequence[tuple[str, Fact]]]
    """By event name: (currency, what adds up)."""
    tags: set[str]


def of_event(condition: Condition | None) -> Callable[[EventData], bool]:
    """A function that says whether an event fits; without a condition every event does."""
    if condition is None:
        return lambda _: True
    return _compiled(condition, _event_leaf)


def of_contact(condition: Condition) -> Callable[[Profile], bool]:
    """A function that says whether a contact fits."""
    return _compiled(condition, _contact_leaf)


def _compiled(condition: Condition, leaf: Callable[[Leaf], Callable[[S], bool]]) -> Callable[[S], bool]:
    match condition:
        case conditions.All():
            every = [_compiled(inner, leaf) for inner in condition.all]
            return lambda subject: all(holds(subject) for holds in every)
        case conditions.Any_():
            some = [_compiled(inner, leaf) for inner in condition.any]
            return lambda subject: any(holds(subject) for holds in some)
        case conditions.Not():
            inner = _compiled(condition.inner, leaf)
            return lambda subject: not inner(subject)
        case _:
            return leaf(condition)


# -- where a value is found: a list, empty when it is missing


def _event_leaf(leaf: Leaf) -> Callable[[EventData], bool]:
    assert isinstance(leaf, Compare)  # the parser lets nothing else into a condition about an event
    return _compared(leaf, _in_event(leaf.field))


def _in_event(name: str) -> Find[EventData]:
    head, _, rest = name.partition(".")
    if head == "properties":
        path = rest.split(".")
        return lambda event: _along(event.properties, path)
    if head == "fields":
        return lambda event: _present(event.fields.get(rest))
    return _EVENT_FIELDS[name]


_EVENT_FIELDS: Mapping[str, Find[EventData]] = {
    "name": lambda event: [event.name],
    "source": lambda event: [event.record.source],
    "record.kind": lambda event: [event.record.kind],
    "record.claimed": lambda event: [event.record.claimed],
    "amount.minor": lambda event: [event.amount.minor] if event.amount is not None else (),
    "amount.currency": lambda event: [event.amount.currency] if event.amount is not None else (),
}


def _present(value: Any) -> Sequence[Any]:
    return () if value is None else (value,)


def _along(start: Any, path: Sequence[str]) -> Sequence[Any]:
    """The values at the end of a path; a list on the way, or at the end, stands for each of its elements."""
    found = [start]
    for name in path:
        found = [item[name] for item in _spread(found) if isinstance(item, dict) and name in item]
        if not found:
            return found
    return [item for item in _spread(found) if item is not None]


def _spread(items: Sequence[Any]) -> Iterator[Any]:
    # A stack, not recursion: how deep lists lie in an event is up to its sender.
    waiting = list(reversed(items))
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        else:
            yield item


# -- comparing


def _compared(leaf: Compare, find: Find[S]) -> Callable[[S], bool]:
    op, value = leaf.op, leaf.value
    if op == "exists":
        wanted = value is not False
        return lambda subject: bool(find(subject)) is wanted
    if op == "is_not":
        test = _equals(value)
        return lambda subject: not any(test(found) for found in find(subject))
    test = _test(op, value)
    return lambda subject: any(test(found) for found in find(subject))


def _test(op: str, value: Any) -> Test:
    if op == "is":
        return _equals(value)
    if op == "in":
        tests = [_equals(one) for one in value]
        return lambda found: any(test(found) for test in tests)
    if op in ("contains", "starts_with"):
        folded = value.casefold()
        if op == "contains":
            return lambda found: isinstance(found, str) and folded in found.casefold()
        return lambda found: isinstance(found, str) and found.casefold().startswith(folded)
    order = _ORDER[op]
    if isinstance(value, str):
        bound = conditions.moment(value)
        return lambda found: (
            isinstance(found, str) and (time := conditions.moment(found)) is not None and order(time, bound)
        )
    return lambda found: (number := _number(found)) is not None and order(number, value)


def _equals(value: Any) -> Test:
    if isinstance(value, str):
        folded = value.casefold()
        return lambda found: isinstance(found, str) and found.casefold() == folded
    if isinstance(value, bool):
        return lambda found: found is value
    return lambda found: _number(found) == value


def _number(found: Any) -> int | float | None:
    """A number, or text that states one: fields of contacts are always text."""
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    if not isinstance(found, str):
        return found
    try:
        return float(found)
    except ValueError:
        return None


# -- what a while-rule asks of a contact


def _contact_leaf(leaf: Leaf) -> Callable[[Profile], bool]:
    if isinstance(leaf, HasTag):
        tag = leaf.tag
        return lambda profile: tag in profile.tags
    if isinstance(leaf, Measure):
        return _measured(leaf)
    name = leaf.field.removeprefix("fields.")
    return _compared(leaf, lambda profile: _present(profile.fields.get(name)))


def _measured(leaf: Measure) -> Callable[[Profile], bool]:
    name, currency = leaf.event, leaf.currency

    def facts(profile: Profile) -> list[Fact]:
        return [fact for kept, fact in profile.facts.get(name, ()) if currency is None or kept == currency]

    if leaf.op == "exists":
        wanted = leaf.value is not False
        return lambda profile: bool(facts(profile)) is wanted
    order, value = _ORDER[leaf.op], leaf.value
    match leaf.fact:
        case "count":
            return lambda profile: order(sum(fact.count for fact in facts(profile)), value)
        case "sum":
            return lambda profile: order(sum(fact.sum_minor for fact in facts(profile)), value)
    assert not isinstance(value, msgspec.UnsetType)  # the parser asks for a date
    bound = conditions.moment(str(value))
    if leaf.fact == "first":
        return lambda profile: bool(found := facts(profile)) and order(min(fact.first for fact in found), bound)
    return lambda profile: bool(found := facts(profile)) and order(max(fact.last for fact in found), bound)
