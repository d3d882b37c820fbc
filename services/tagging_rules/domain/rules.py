"""Rules as validated data, of two kinds, and the book that holds all rules in force.

*on* an event that fits, tags are added and removed; *while* a condition about the contact holds, a tag or a lifecycle
phase is there.
"""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from uuid import UUID

import msgspec

from services.kit import errors
from services.tagging_rules.domain import conditions, evidence, matching, tags
from services.tagging_rules.domain.events import Event, EventData, EventName
from services.tagging_rules.domain.evidence import Assertion, MarkKey, Marks
from services.tagging_rules.domain.matching import Profile

MAX_TAGS = 20

Phase = Literal["lead", "suspect", "prospect", "customer", "loyal", "key", "lapsed"]
RuleName = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Priority = Annotated[int, msgspec.Meta(ge=-1000, le=1000)]


class InvalidRule(errors.InvalidInput):
    """{place}: {reason}"""


class RulesInACycle(errors.InvalidInput):
    """These rules wait for each other's tags, so that none of them can be decided: {names}."""


class OnRule(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="on", forbid_unknown_fields=True):
    """On an event of one of these names that fits, tags are added and removed."""

    name: RuleName
    priority: Priority = 0
    """Where rules answer the same event with opposite words about a tag, the higher one has its way."""
    enabled: bool = True
    event: EventName | list[EventName]
    when: Any = None
    """JSON as it comes; a `Condition` or None once it is parsed."""
    add: list[str] = []
    remove: list[str] = []


class WhileRule(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="while", forbid_unknown_fields=True):
    """While a condition about the contact holds, a tag or a phase is there."""

    name: RuleName
    priority: Priority = 0
    """Where several rules hold, the phase is that of the highest one."""
    enabled: bool = True
    when: Any
    """JSON as it comes; a `Condition` once it is parsed."""
    tag: str | None = None
    phase: Phase | None = None


Definition: TypeAlias = OnRule | WhileRule


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is at one of its versions."""

    id: UUID
    version: int
    definition: Definition


def parse(raw: object) -> Definition:
    """The rule that `raw` (JSON as Python values) states, its tags cleaned, its condition checked.

    Raises `errors.InvalidInput`, whose field is the faulty place, as `add[1]` or `when.all[1].value`.
    """
    try:
        rule: Definition = msgspec.convert(raw, OnRule | WhileRule)
    except msgspec.ValidationError as error:
        reason, place = errors.place_of(error)
        raise InvalidRule(place=place or "the rule", reason=reason, field=place or None) from error
    name = rule.name.strip()
    if not name or not name.isprintable():
        raise _invalid("name", "expected text that can be read")
    rule = msgspec.structs.replace(rule, name=name)
    return _checked_on(rule) if isinstance(rule, OnRule) else _checked_while(rule)


def _checked_on(rule: OnRule) -> OnRule:
    names = [rule.event] if isinstance(rule.event, str) else list(dict.fromkeys(rule.event))
    if not 1 <= len(names) <= MAX_TAGS:
        raise _invalid("event", f"expected 1 to {MAX_TAGS} names of events")
    add, remove = tags.clean_all(rule.add, "add"), tags.clean_all(rule.remove, "remove")
    if not add and not remove:
        raise _invalid("add", "a rule adds or removes at least one tag")
    for place, given in (("add", add), ("remove", remove)):
        if len(given) > MAX_TAGS:
            raise _invalid(place, f"expected at most {MAX_TAGS} tags")
    if both := set(add) & set(remove):
        raise _invalid("remove", f"the rule adds and removes {sorted(both)[0]!r} on the same occasion")
    when = None if rule.when is None else conditions.parse(rule.when, "when", of_event=True)
    return msgspec.structs.replace(rule, event=names, when=when, add=list(add), remove=list(remove))


def _checked_while(rule: WhileRule) -> WhileRule:
    if (rule.tag is None) == (rule.phase is None):
        raise _invalid("tag" if rule.tag is None else "phase", "a rule gives either a tag or a phase")
    tag = None if rule.tag is None else tags.clean(rule.tag, "tag")
    return msgspec.structs.replace(rule, tag=tag, when=conditions.parse(rule.when, "when", of_event=False))


def _invalid(place: str, reason: str) -> InvalidRule:
    return InvalidRule(place=place, reason=reason, field=place)


def to_json(definition: Definition) -> dict[str, Any]:
    """The JSON, as Python values, that `parse` reads back to an equal rule."""
    raw: dict[str, Any] = msgspec.to_builtins(definition)
    return raw


# -- the rules in force


@dataclass(frozen=True, slots=True)
class On:
    """An on-rule, ready for use."""

    rule_id: UUID
    version: int
    matches: Callable[[EventData], bool]
    add: Sequence[str]
    remove: Sequence[str]


@dataclass(frozen=True, slots=True)
class While:
    """A while-rule, ready for use."""

    rule_id: UUID
    version: int
    rank: tuple[int, UUID]
    """The smallest has its way: the highest priority, then the smallest id."""
    holds: Callable[[Profile], bool]
    tag: str | None
    phase: Phase | None


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules in force at one moment, compiled."""

    stamp: int
    """Grows with every change of a rule."""
    on: Mapping[str, Sequence[On]]
    """By event name; the rule that has its way stands first."""
    whiles: Sequence[While]
    """Each after those whose tags it asks for."""
    names: Mapping[tuple[UUID, int], str]
    """The name of every version of every rule, also of those that are switched off or history."""
    facts: frozenset[str] = field(default=frozenset())
    """Names of the events whose facts while-rules ask for."""
    fields: bool = False
    """Whether while-rules ask for fields of the contact."""

    EMPTY: ClassVar[RuleBook]

    def said_by(self, event: Event) -> dict[MarkKey, Marks]:
        """What an event says about tags, itself and through on-rules.

        What the event itself names outranks rules; of rules the highest priority, then the smallest id; within each, a
        removal outranks an addition.
        """
        data = event.data
        rules = self.on.get(data.name, ())
        named = data.tags
        if not rules and not named.add and not named.remove:
            return {}
        record_id = data.record.id
        said: dict[MarkKey, Marks] = {}
        if named.add or named.remove:
            by_itself = Assertion(event.time, event.id, record_id)
            for tag in tags.clean_all(named.remove, "tags.remove"):
                said[record_id, tag] = evidence.removed(by_itself)
            for tag in tags.clean_all(named.add, "tags.add"):
                said.setdefault((record_id, tag), evidence.added(by_itself))
        for rule in rules:
            if rule.matches(data):
                by_rule = Assertion(event.time, event.id, record_id, rule.rule_id, rule.version)
                for tag in rule.remove:
                    said.setdefault((record_id, tag), evidence.removed(by_rule))
                for tag in rule.add:
                    said.setdefault((record_id, tag), evidence.added(by_rule))
        return said


RuleBook.EMPTY = RuleBook(0, {}, (), {})


def book(rules: Iterable[Rule], *, stamp: int, names: Mapping[tuple[UUID, int], str]) -> RuleBook:
    """Compile rules; those that are not enabled are left out.

    Raises `RulesInACycle` when while-rules wait for each other's tags.
    """
    enabled = sorted(
        (rule for rule in rules if rule.definition.enabled), key=lambda rule: (-rule.definition.priority, rule.id)
    )
    on: dict[str, list[On]] = defaultdict(list)
    for rule in enabled:
        definition = rule.definition
        if isinstance(definition, OnRule):
            compiled = On(rule.id, rule.version, matching.of_event(definition.when), definition.add, definition.remove)
            for name in definition.event:
                on[name].append(compiled)
    whiles = in_order(enabled)
    asked = [conditions.names_of(definition.when) for _, definition in whiles]
    return RuleBook(
        stamp=stamp,
        on=dict(on),
        whiles=tuple(
            While(
                rule.id,
                rule.version,
                (-definition.priority, rule.id),
                matching.of_contact(definition.when),
                definition.tag,
                definition.phase,
            )
            for rule, definition in whiles
        ),
        names=names,
        facts=frozenset(name for _, events, _ in asked for name in events),
        fields=any(fields for _, _, fields in asked),
    )


def in_order(rules: Iterable[Rule]) -> list[tuple[Rule, WhileRule]]:
    """The enabled while-rules, each after those whose tags it asks for. Raises `RulesInACycle`."""
    whiles = {
        rule.id: (rule, rule.definition)
        for rule in rules
        if isinstance(rule.definition, WhileRule) and rule.definition.enabled
    }
    givers: dict[str, list[UUID]] = defaultdict(list)
    for rule, definition in whiles.values():
        if definition.tag is not None:
            givers[definition.tag].append(rule.id)
    waits_for = {
        rule.id: [giver for tag in conditions.names_of(definition.when)[0] for giver in givers.get(tag, ())]
        for rule, definition in whiles.values()
    }
    try:
        order = list(graphlib.TopologicalSorter(waits_for).static_order())
    except graphlib.CycleError as error:
        circle: Sequence[UUID] = error.args[1]
        names = " → ".join(f'"{whiles[rule_id][0].definition.name}"' for rule_id in circle)
        raise RulesInACycle(names=names, field="when") from error
    return [whiles[rule_id] for rule_id in order]
