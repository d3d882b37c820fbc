"""What a contact is, as a pure function of the evidence of its records, its golden record and the rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from services.tagging_rules.domain import evidence
from services.tagging_rules.domain.evidence import Assertion, Fact, HandTag, Marks
from services.tagging_rules.domain.matching import Profile
from services.tagging_rules.domain.rules import Phase, RuleBook, While


class Why(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a tag or phase is there: a rule (with the event that it answered, if any), an event by itself, a person."""

    kind: Literal["rule", "event", "hand"]
    rule_id: UUID | None = None
    rule_name: str | None = None
    rule_version: int | None = None
    event_id: UUID | None = None
    record_id: UUID | None = None
    author: str | None = None


class TagHeld(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tag that is there. `since` is the time of the event or command that says so; None while a condition holds."""

    tag: str
    since: datetime | None
    by: Why


class PhaseHeld(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The lifecycle phase of a contact."""

    phase: Phase
    by: Why


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a contact is: its tags in alphabetical order, and its phase."""

    tags: tuple[TagHeld, ...] = ()
    phase: PhaseHeld | None = None


@dataclass(slots=True)
class Evidence:
    """All that is known of a contact: the evidence of its records, and its golden record."""

    fields: Mapping[str, str] = field(default_factory=dict)
    marks: dict[str, Marks] = field(default_factory=dict)
    hand: dict[str, HandTag] = field(default_factory=dict)
    facts: defaultdict[str, list[tuple[str, Fact]]] = field(default_factory=lambda: defaultdict(list))

    def add_marks(self, tag: str, marks: Marks) -> None:
        """Take in what is asserted of a tag on one of the contact's records."""
        kept = self.marks.get(tag)
        self.marks[tag] = marks if kept is None else kept | marks

    def add_hand(self, tag: str, said: HandTag) -> None:
        """Take in what a person said of a tag, kept with one of the contact's records."""
        kept = self.hand.get(tag)
        self.hand[tag] = said if kept is None else evidence.latest(kept, said)

    def add_fact(self, event_name: str, currency: str, fact: Fact) -> None:
        """Take in what one record's events add up to."""
        self.facts[event_name].append((currency, fact))


def standing_of(known: Evidence, rules: RuleBook) -> Standing:
    """What a contact with this evidence is, and why.

    Assertions of events and people: the latest has its way. While-rules: their tag is there while they hold, unless a
    person removed it and has not cleared that.
    """
    asserted = dict(known.marks)
    for tag, hand in known.hand.items():
        if hand.present is not None:
            said = evidence.added(hand.said) if hand.present else evidence.removed(hand.said)
            asserted[tag] = asserted[tag] | said if tag in asserted else said
    held: dict[str, TagHeld] = {}
    for tag, marks in asserted.items():
        if (owed := marks.present) is not None:
            held[tag] = _asserted(tag, _by_hand_if_so(known.hand.get(tag), marks) or owed, rules)
    if not rules.whiles:
        return Standing(tags=_sorted(held))
    given, phase = _while(known, set(held), rules)
    for tag, rule in given.items():
        held.setdefault(tag, TagHeld(tag=tag, since=None, by=_by_rule(rule, rules)))
    return Standing(
        tags=_sorted(held),
        phase=PhaseHeld(phase=phase.phase, by=_by_rule(phase, rules)) if phase and phase.phase else None,
    )


def _while(known: Evidence, present: set[str], rules: RuleBook) -> tuple[dict[str, While], While | None]:
    """(tag → while-rule that gives it, while-rule that gives the phase); of several the one that has its way."""
    profile = Profile(known.fields, known.facts, present)
    given: dict[str, While] = {}
    phase: While | None = None
    for rule in rules.whiles:
        tag = rule.tag
        if tag is not None:
            hand = known.hand.get(tag)
            if (hand is None or hand.present is not False) and rule.holds(profile):
                best = given.get(tag)
                given[tag] = rule if best is None or rule.rank < best.rank else best
                profile.tags.add(tag)
        elif (phase is None or rule.rank < phase.rank) and rule.holds(profile):
            phase = rule
    return given, phase


def _by_hand_if_so(hand: HandTag | None, marks: Marks) -> Assertion | None:
    """What a person added is owed to that person, as long as no later event removed it."""
    if hand is None or not hand.present or (marks.removed is not None and marks.removed.key > hand.said.key):
        return None
    return hand.said


def _asserted(tag: str, owed: Assertion, rules: RuleBook) -> TagHeld:
    return TagHeld(tag=tag, since=owed.time, by=_why(owed, rules))


def _why(owed: Assertion, rules: RuleBook) -> Why:
    if owed.author is not None:
        return Why(kind="hand", record_id=owed.record_id, author=owed.author)
    if owed.rule_id is None or owed.rule_version is None:
        return Why(kind="event", event_id=owed.cause, record_id=owed.record_id)
    return Why(
        kind="rule",
        rule_id=owed.rule_id,
        rule_name=rules.names.get((owed.rule_id, owed.rule_version)),
        rule_version=owed.rule_version,
        event_id=owed.cause,
        record_id=owed.record_id,
    )


def _by_rule(rule: While, rules: RuleBook) -> Why:
    return Why(
        kind="rule",
        rule_id=rule.rule_id,
        rule_name=rules.names.get((rule.rule_id, rule.version)),
        rule_version=rule.version,
    )


def _sorted(held: Mapping[str, TagHeld]) -> tuple[TagHeld, ...]:
    tags: Sequence[str] = sorted(held)
    return tuple(held[tag] for tag in tags)
