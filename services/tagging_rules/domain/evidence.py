"""What is known of a record: accumulators that merge, so that they are the same whatever the order of arrival.

A record's evidence stays with the record. A contact's evidence is that of its records, merged; so merge and unmerge of
contacts move nothing and lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from services.tagging_rules.domain.events import Event

# -- facts


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What the events of one name and currency add up to."""

    count: int
    sum_minor: int
    first: datetime
    last: datetime

    def __add__(self, other: Fact) -> Fact:
        return Fact(
            self.count + other.count,
            self.sum_minor + other.sum_minor,
            min(self.first, other.first),
            max(self.last, other.last),
        )


FactKey: TypeAlias = tuple[UUID, str, str]
"""Record, event name, currency (empty for events without an amount)."""


def facts_of(events: Iterable[Event]) -> dict[FactKey, Fact]:
    """What these events add; each must be given once."""
    facts: dict[FactKey, Fact] = {}
    for event in events:
        data = event.data
        minor, currency = (data.amount.minor, data.amount.currency) if data.amount is not None else (0, "")
        key = data.record.id, data.name, currency
        new = Fact(1, minor, event.time, event.time)
        facts[key] = facts[key] + new if key in facts else new
    return facts


# -- assertions


class Assertion(msgspec.Struct, frozen=True, gc=False):
    """That a tag be there, or not: said by an event (through a rule or by itself) or by a person.

    Assertions are ordered by time, and by the id of their cause where the times are equal.
    """

    time: datetime
    cause: UUID
    """The event's id, or the command's."""
    record_id: UUID
    rule_id: UUID | None = None
    rule_version: int | None = None
    author: str | None = None

    @property
    def key(self) -> tuple[datetime, UUID]:
        return self.time, self.cause


def _earlier(one: Assertion | None, other: Assertion | None) -> Assertion | None:
    if one is None or other is None:
        return one or other
    return one if one.key <= other.key else other


def _later(one: Assertion | None, other: Assertion | None) -> Assertion | None:
    if one is None or other is None:
        return one or other
    return one if one.key >= other.key else other


class Marks(msgspec.Struct, frozen=True, gc=False):
    """All assertions about one tag, as far as they matter: the first and last that add it, the last that removes it.

    Whether the tag is there is up to the last one. The first is kept because it is what made the tag be there, as long
    as nothing ever removed it: so a customer's tenth purchase changes nothing about the tag "asiakas".
    """

    first: Assertion | None = None
    last: Assertion | None = None
    removed: Assertion | None = None

    def __or__(self, other: Marks) -> Marks:
        return Marks(
            _earlier(self.first, other.first), _later(self.last, other.last), _later(self.removed, other.removed)
        )

    @property
    def present(self) -> Assertion | None:
        """The assertion to which the tag is owed; None when the tag is not there.

        The first one, unless a removal came after it; then the last one (an earlier one after the removal would be
        nicer, but cannot be known without keeping every assertion there ever was).
        """
        if self.last is None or (self.removed is not None and self.last.key <= self.removed.key):
            return None
        if self.first is not None and (self.removed is None or self.first.key > self.removed.key):
            return self.first
        return self.last


def added(assertion: Assertion) -> Marks:
    return Marks(assertion, assertion, None)


def removed(assertion: Assertion) -> Marks:
    return Marks(None, None, assertion)


MarkKey: TypeAlias = tuple[UUID, str]
"""Record, tag."""


def merged(kept: Mapping[MarkKey, Marks], new: Mapping[MarkKey, Marks]) -> dict[MarkKey, Marks]:
    """Those of `new` that change what was kept, merged with it."""
    changed: dict[MarkKey, Marks] = {}
    for key, marks in new.items():
        before = kept.get(key)
        after = marks if before is None else before | marks
        if after != before:
            changed[key] = after
    return changed


class HandTag(msgspec.Struct, frozen=True, gc=False):
    """What a person last said about a tag: be there (True), not be there (False), or as the rules say (None)."""

    present: bool | None
    said: Assertion


def latest(one: HandTag, other: HandTag) -> HandTag:
    return one if one.said.key >= other.said.key else other


# -- membership


class Membership(msgspec.Struct, frozen=True, gc=False):
    """Where a record belongs, by the largest number that was heard of it."""

    contact_id: UUID
    number: int
