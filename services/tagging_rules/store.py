"""The only module that speaks SQL; reads and writes a whole batch at a time.

Locks are taken in one order by every batch: the book of rules (shared), records (rows of `membership`, by id), contacts
(rows of `contact_tags`, by id).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.kit import database
from services.kit.database import Connection, Pool
from services.tagging_rules import messages, starting_rules
from services.tagging_rules.domain import rules
from services.tagging_rules.domain.evidence import Assertion, Fact, FactKey, HandTag, MarkKey, Marks, Membership
from services.tagging_rules.domain.rules import Rule, RuleBook
from services.tagging_rules.domain.standing import Evidence, Standing

_QUERIES = database.load_queries(__package__ or "")
_fields = msgspec.json.Decoder(dict[str, str])
_standing = msgspec.json.Decoder(Standing)


# -- records


@dataclass(frozen=True, slots=True)
class Placement:
    """Where records belong."""

    contact_of: Mapping[UUID, UUID]
    moved: Collection[UUID]
    """Contacts that gained or lost one of the records just now."""


async def place(connection: Connection, said: Mapping[UUID, Membership]) -> Placement:
    """Lock these records, take in where they are said to belong, and tell where they do."""
    kept = await _lock_memberships(connection, list(said))
    moved: set[UUID] = set()
    if new := {record_id: membership for record_id, membership in said.items() if record_id not in kept}:
        rows = await connection.fetch(_QUERIES["insert_memberships"], *_columns(new))
        inserted = {row["record_id"]: new[row["record_id"]] for row in rows}
        moved.update(membership.contact_id for membership in inserted.values())
        kept.update(inserted)
        # Another worker placed a record that was new to both of us, while ours waited for it.
        others = [record_id for record_id in new if record_id not in inserted]
        kept.update(await _lock_memberships(connection, others))
    newer = {
        record_id: membership for record_id, membership in said.items() if kept[record_id].number < membership.number
    }
    if newer:
        await connection.execute(_QUERIES["move_memberships"], *_columns(newer))
        moved.update(kept[record_id].contact_id for record_id in newer)
        moved.update(membership.contact_id for membership in newer.values())
        kept.update(newer)
    return Placement({record_id: membership.contact_id for record_id, membership in kept.items()}, moved)


def _columns(memberships: Mapping[UUID, Membership]) -> tuple[list[UUID], list[UUID], list[int]]:
    return (
        list(memberships),
        [membership.contact_id for membership in memberships.values()],
        [membership.number for membership in memberships.values()],
    )


async def _lock_memberships(connection: Connection, records: Sequence[UUID]) -> dict[UUID, Membership]:
    if not records:
        return {}
    rows = await connection.fetch(_QUERIES["lock_memberships"], records)
    return {row["record_id"]: Membership(row["contact_id"], row["number"]) for row in rows}


async def new_events(connection: Connection, event_ids: Collection[UUID]) -> set[UUID]:
    """Those of these events that were never seen before; from now on they have been."""
    rows = await connection.fetch(_QUERIES["insert_seen_events"], list(event_ids))
    return {row["event_id"] for row in rows}


async def add_facts(connection: Connection, facts: Mapping[FactKey, Fact]) -> None:
    await connection.execute(
        _QUERIES["add_facts"],
        [record_id for record_id, _, _ in facts],
        [name for _, name, _ in facts],
        [currency for _, _, currency in facts],
        [fact.count for fact in facts.values()],
        [fact.sum_minor for fact in facts.values()],
        [fact.first for fact in facts.values()],
        [fact.last for fact in facts.values()],
    )


async def marks_of_records(connection: Connection, keys: Collection[MarkKey]) -> dict[MarkKey, Marks]:
    """What events said so far; the caller holds the records' locks (`place`)."""
    rows = await connection.fetch(
        _QUERIES["marks_of_records"], [record_id for record_id, _ in keys], [tag for _, tag in keys]
    )
    return {(row["record_id"], row["tag"]): _marks(row) for row in rows}


def _marks(row: Any) -> Marks:
    record_id: UUID = row["record_id"]
    first = last = removed = None
    if (time := row["last_time"]) is not None:
        last = Assertion(time, row["last_event"], record_id, row["last_rule"], row["last_rule_version"])
        first = Assertion(
            row["first_time"], row["first_event"], record_id, row["first_rule"], row["first_rule_version"]
        )
    if (time := row["removed_time"]) is not None:
        removed = Assertion(time, row["removed_event"], record_id)
    return Marks(first, last, removed)


async def save_marks(connection: Connection, changed: Mapping[MarkKey, Marks]) -> None:
    """Write merged marks; the caller holds the records' locks (`place`)."""
    columns: list[list[Any]] = [[] for _ in range(12)]
    for (record_id, tag), marks in changed.items():
        first, last, removed = marks.first, marks.last, marks.removed
        values = (record_id, tag, *_said(first), *_said(last), *_said(removed)[:2])
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    await connection.execute(_QUERIES["save_marks"], *columns)


def _said(assertion: Assertion | None) -> tuple[datetime | None, UUID | None, UUID | None, int | None]:
    if assertion is None:
        return None, None, None, None
    return assertion.time, assertion.cause, assertion.rule_id, assertion.rule_version


async def save_hand_tags(connection: Connection, said: Mapping[MarkKey, tuple[HandTag, str | None]]) -> None:
    """Write what people said, with their reasons, where it is later than what is kept."""
    hands = [hand for hand, _ in said.values()]
    await connection.execute(
        _QUERIES["save_hand_tags"],
        [record_id for record_id, _ in said],
        [tag for _, tag in said],
        [hand.present for hand in hands],
        [hand.said.time for hand in hands],
        [hand.said.cause for hand in hands],
        [hand.said.author for hand in hands],
        [reason for _, reason in said.values()],
    )


# -- contacts


async def save_seen(connection: Connection, states: Collection[messages.ContactState]) -> set[UUID]:
    """Take in what dedupe says of contacts, one state each; the contacts of which it was news."""
    rows = await connection.fetch(
        _QUERIES["save_seen_contacts"],
        [state.contact_id for state in states],
        [state.version for state in states],
        [state.merged_into is None and state.erased_at is None for state in states],
        [msgspec.json.encode({name: field.value for name, field in state.fields.items()}).decode() for state in states],
    )
    return {row["contact_id"] for row in rows}


async def lock_contacts(connection: Connection, contact_ids: Collection[UUID]) -> dict[UUID, bytes | None]:
    """Lock those of these contacts that dedupe has published; what was last published of each by us."""
    rows = await connection.fetch(_QUERIES["lock_contacts"], list(contact_ids))
    locked = {row["contact_id"]: _encoded(row["state"]) for row in rows}
    if missing := [contact_id for contact_id in contact_ids if contact_id not in locked]:
        rows = await connection.fetch(_QUERIES["insert_contacts"], missing)
        inserted = {row["contact_id"] for row in rows}
        locked.update(dict.fromkeys(inserted))
        if others := [contact_id for contact_id in missing if contact_id not in inserted]:
            # An anonymous visitor's, or made by another worker since we looked.
            rows = await connection.fetch(_QUERIES["lock_contacts"], others)
            locked.update({row["contact_id"]: _encoded(row["state"]) for row in rows})
    return locked


def _encoded(state: str | None) -> bytes | None:
    return state.encode() if state is not None else None


async def evidence_of(connection: Connection, contact_ids: Collection[UUID], book: RuleBook) -> dict[UUID, Evidence]:
    """All that is known of these contacts, as far as the rules ask; those without records are left out."""
    ids = list(contact_ids)
    rows = await connection.fetch(_QUERIES["live_contacts"], ids, book.fields)
    known = {row["contact_id"]: Evidence(_fields.decode(row["fields"]) if row["fields"] else {}) for row in rows}
    live = list(known)
    for row in await connection.fetch(_QUERIES["marks_of_contacts"], live):
        known[row["contact_id"]].add_marks(row["tag"], _marks(row))
    for row in await connection.fetch(_QUERIES["hand_tags_of_contacts"], live):
        said = Assertion(row["time"], row["command_id"], row["record_id"], author=row["author"])
        known[row["contact_id"]].add_hand(row["tag"], HandTag(row["present"], said))
    if book.facts:
        for row in await connection.fetch(_QUERIES["facts_of_contacts"], live, list(book.facts)):
            fact = Fact(row["count"], row["sum_minor"], row["first_time"], row["last_time"])
            known[row["contact_id"]].add_fact(row["event_name"], row["currency"], fact)
    return known


async def save_standings(connection: Connection, changed: Mapping[UUID, bytes]) -> None:
    """Write new states (JSON of `Standing`), each as a new version; the caller holds the contacts' locks."""
    await connection.execute(_QUERIES["save_standings"], list(changed), [state.decode() for state in changed.values()])


@dataclass(frozen=True, slots=True)
class Published:
    """What was last said of a contact."""

    state: messages.ContactTags
    changed_at: datetime


async def standings(connection: Connection, contact_ids: Sequence[UUID]) -> list[Published]:
    rows = await connection.fetch(_QUERIES["standings"], contact_ids)
    return [
        Published(_contact_tags(row["contact_id"], row["version"], row["state"]), row["changed_at"]) for row in rows
    ]


def _contact_tags(contact_id: UUID, version: int, state: str | None) -> messages.ContactTags:
    standing = _standing.decode(state) if state is not None else Standing()
    return messages.ContactTags(contact_id=contact_id, version=version, tags=standing.tags, phase=standing.phase)


async def find_contact(connection: Connection | Pool, contact_id: UUID) -> messages.ContactTags | None:
    """What is said of the contact that this id leads to, which may be the one that absorbed it."""
    row = await connection.fetchrow(_QUERIES["find_contact"], contact_id)
    return _contact_tags(row["contact_id"], row["version"], row["state"]) if row is not None else None


async def list_tags(connection: Connection | Pool, after: str | None, limit: int) -> list[tuple[str, int]]:
    """(tag, contacts that have it), in the order of code points."""
    return [(row["tag"], row["contacts"]) for row in await connection.fetch(_QUERIES["list_tags"], after, limit)]


# -- rules


class KeptRule(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a rule, with who wrote it and when."""

    rule: Rule
    author: str
    changed_at: datetime


async def share_book(connection: Connection) -> int:
    """The stamp of the rules, which cannot change before this transaction ends."""
    while (stamp := await connection.fetchval(_QUERIES["share_rule_book"])) is None:
        await _open_book(connection)
    return int(stamp)


async def turn_book(connection: Connection) -> int:
    """Begin a change of rules: no batch is under way and none begins until this transaction ends. The new stamp."""
    while (stamp := await connection.fetchval(_QUERIES["turn_rule_book"])) is None:
        await _open_book(connection)
    return int(stamp)


async def _open_book(connection: Connection) -> None:
    """Write the starting rules, unless another worker just did."""
    if await connection.fetchval(_QUERIES["insert_rule_book"]) is not None:
        for rule in starting_rules.RULES:
            await save_rule(connection, KeptRule(rule=rule, author="tuttu", changed_at=starting_rules.WRITTEN_AT))


async def load_book(connection: Connection, stamp: int) -> RuleBook:
    kept = await newest_rules(connection)
    names = {(row["rule_id"], row["version"]): row["name"] for row in await connection.fetch(_QUERIES["rule_names"])}
    return rules.book((one.rule for one in kept), stamp=stamp, names=names)


async def newest_rules(connection: Connection) -> list[KeptRule]:
    """The newest version of every rule, in order of ids."""
    return _kept(await connection.fetch(_QUERIES["newest_rules"]))


async def rule_versions(connection: Connection | Pool, rule_id: UUID, before: int | None, limit: int) -> list[KeptRule]:
    """Versions of a rule, the newest first."""
    return _kept(await connection.fetch(_QUERIES["rule_versions"], rule_id, before, limit))


def _kept(rows: Iterable[Any]) -> list[KeptRule]:
    return [
        KeptRule(
            rule=Rule(row["rule_id"], row["version"], rules.parse(msgspec.json.decode(row["definition"]))),
            author=row["author"],
            changed_at=row["changed_at"],
        )
        for row in rows
    ]


async def save_rule(connection: Connection, kept: KeptRule) -> None:
    """Write a new version of a rule."""
    await connection.execute(
        _QUERIES["insert_rule_version"],
        kept.rule.id,
        kept.rule.version,
        msgspec.json.encode(rules.to_json(kept.rule.definition)).decode(),
        kept.author,
        kept.changed_at,
    )


# -- working out all contacts anew


@dataclass(frozen=True, slots=True)
class Recompute:
    """How far a change of while-rules has come among the contacts."""

    stamp: int
    after: UUID | None


async def start_recompute(connection: Connection, stamp: int) -> None:
    await connection.execute(_QUERIES["start_recompute"], stamp)


async def find_recompute(connection: Connection | Pool) -> Recompute | None:
    row = await connection.fetchrow(_QUERIES["find_recompute"])
    return Recompute(row["stamp"], row["after"]) if row is not None else None


async def next_contacts(connection: Connection, after: UUID | None, limit: int) -> list[UUID]:
    return [row["contact_id"] for row in await connection.fetch(_QUERIES["next_contacts"], after, limit)]


async def advance_recompute(connection: Connection, stamp: int, after: UUID) -> None:
    await connection.execute(_QUERIES["advance_recompute"], stamp, after)


async def end_recompute(connection: Connection, stamp: int) -> None:
    await connection.execute(_QUERIES["end_recompute"], stamp)


async def try_recompute_lock(connection: Connection) -> bool:
    return bool(await connection.fetchval(_QUERIES["try_recompute_lock"]))


async def release_recompute_lock(connection: Connection) -> None:
    await connection.execute(_QUERIES["release_recompute_lock"])
