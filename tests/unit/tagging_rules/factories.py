"""Data for the tests of tagging-rules: only what a test is about is said, the rest is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from services.kit import ids
from services.kit.envelope import CloudEvent, Received, Record
from services.tagging_rules import messages
from services.tagging_rules.domain import rules
from services.tagging_rules.domain.events import Amount, Event, EventData, EventTags, SourceRecord
from services.tagging_rules.domain.rules import Rule, RuleBook

T = TypeVar("T")
START = datetime(2026, 11, 1, tzinfo=UTC)


def at(day: float) -> datetime:
    """A time, in days after the first of November 2026."""
    return START + timedelta(days=day)


def record_id(number: int) -> UUID:
    """The id of a source record, which is also that of the contact whose first record it is."""
    return UUID(int=0x5B0E6C1E_0000_8000_8000_000000000000 + number)


def rule_id(number: int) -> UUID:
    return UUID(int=0x0B7D9A40_0000_8000_9000_000000000000 + number)


def event(
    name: str = "purchase",
    *,
    day: float = 1,
    record: int = 1,
    id: str = "",
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    amount: tuple[int, str] | None = None,
    source: str = "verkkokauppa",
    kind: str = "external_id",
    claimed: bool = False,
    fields: Mapping[str, str] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> Event:
    """An event; its id follows from what it says, unless `id` tells two equal ones apart."""
    return Event(
        id=ids.event_id(at(day), source, f"{name} {record} {id}"),
        time=at(day),
        data=EventData(
            name=name,
            record=SourceRecord(id=record_id(record), source=source, kind=kind, claimed=claimed),
            fields=dict(fields or {}),
            tags=EventTags(add=list(add), remove=list(remove)),
            amount=Amount(minor=amount[0], currency=amount[1]) if amount else None,
            properties=dict(properties or {}),
        ),
    )


def on(
    number: int = 1,
    *,
    event: str | list[str] = "purchase",
    when: Any = None,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    priority: int = 0,
    name: str = "",
    version: int = 1,
    enabled: bool = True,
) -> Rule:
    raw = {"kind": "on", "event": event, "when": when, "add": list(add), "remove": list(remove)}
    raw |= {"name": name or f"on {number}", "priority": priority, "enabled": enabled}
    return Rule(rule_id(number), version, rules.parse(raw))


def while_(
    number: int = 1,
    *,
    when: Any,
    tag: str | None = None,
    phase: str | None = None,
    priority: int = 0,
    name: str = "",
    version: int = 1,
    enabled: bool = True,
) -> Rule:
    raw = {"kind": "while", "when": when, "name": name or f"while {number}", "priority": priority, "enabled": enabled}
    raw |= {"tag": tag} if tag is not None else {"phase": phase}
    return Rule(rule_id(number), version, rules.parse(raw))


def book(*given: Rule) -> RuleBook:
    names = {(rule.id, rule.version): rule.definition.name for rule in given}
    return rules.book(given, stamp=1, names=names)


# -- records of topics


def received(topic: str, type: str, id: str, data: T, time: datetime = START) -> Received[T]:
    event = CloudEvent(id=id, source="/test", type=type, subject=None, time=time, data=data)
    return Received(Record(topic, 0, 0, None, None), event)


def resolved(event: Event, *, contact: int | None = None, membership: int = 1) -> Received[messages.EventResolved]:
    """An event whose record belongs to a contact: its own, if none is named."""
    contact_id = record_id(contact) if contact is not None else event.data.record.id
    data = messages.EventResolved(contact_id=contact_id, membership=membership, event=event)
    return received("resolved-events", "tuttu.event-resolved", str(event.id), data, event.time)


def contact(
    number: int = 1,
    *,
    version: int = 1,
    members: Mapping[int, int] | None = None,
    fields: Mapping[str, str] | None = None,
    merged_into: int | None = None,
    erased: bool = False,
) -> Received[messages.ContactState]:
    """A contact's state; `members` maps records to their membership numbers, by default its first record to 1."""
    gone = merged_into is not None or erased
    members = members if members is not None else {} if gone else {number: 1}
    data = messages.ContactState(
        contact_id=record_id(number),
        version=version,
        merged_into=record_id(merged_into) if merged_into is not None else None,
        erased_at=START if erased else None,
        members=[
            messages.Member(record_id=record_id(one), membership=membership) for one, membership in members.items()
        ],
        fields={name: messages.Field(value=value) for name, value in (fields or {}).items()},
    )
    return received("contacts", "tuttu.contact", f"c-{number}-{version}", data)


def change_tags(
    contact: int = 1,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    clear: Sequence[str] = (),
    day: float = 1,
    author: str = "key:liisa",
    id: str = "",
) -> Received[messages.ChangeTags]:
    data = messages.ChangeTags(
        contact_id=record_id(contact), add=list(add), remove=list(remove), clear=list(clear), author=author
    )
    command_id = ids.derived("command", str(contact), str(day), *add, "-", *remove, "-", *clear, id)
    return received("tag-commands", messages.CHANGE_TAGS, str(command_id), data, at(day))
