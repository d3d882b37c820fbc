"""The only module that speaks SQL: reads and writes a whole batch at a time.

Who decides which records are one contact holds the matching lock alone; who only writes what is said of known records
shares it, so that memberships stay as they are, and holds the contacts, then the records. Both take it before they
remember an event in the inbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from services.dedupe.domain.evidence import Assertion, Holders, Link
from services.dedupe.domain.golden import Golden
from services.dedupe.domain.records import Attribute, Consents, Record
from services.kit.database import Connection, load_queries

_QUERIES = load_queries(__package__)
_MATCHING_LOCK = 0x7475_7474_75  # any number, the same in every version

_attributes = msgspec.json.Decoder(dict[str, Attribute])
_consents = msgspec.json.Decoder(Consents)
_encoder = msgspec.json.Encoder()
_number = attrgetter("int")


def _text(value: Any) -> str:
    return _encoder.encode(value).decode()


# -- locks and the inbox


async def lock_matching(connection: Connection) -> None:
    """From here on nobody else reads or writes what decides over contacts, until this transaction ends."""
    await connection.execute(_QUERIES["lock_matching"], _MATCHING_LOCK)


async def lock_memberships(connection: Connection) -> None:
    """From here on records stay in their contacts, until this transaction ends."""
    await connection.execute(_QUERIES["lock_memberships"], _MATCHING_LOCK)


async def remember_events(connection: Connection, record_of: Mapping[UUID, UUID]) -> set[UUID]:
    """Put events (id → record) into the inbox; returns those that were not there."""
    rows = await connection.fetch(_QUERIES["insert_inbox"], list(record_of), list(record_of.values()))
    return {row[0] for row in rows}


# -- records


async def all_known(connection: Connection, ids: Collection[UUID]) -> bool:
    """Whether there is a record with each of these ids."""
    return bool(await connection.fetchval(_QUERIES["count_records"], list(ids)) == len(ids))


async def records(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Record]:
    """Those of these records that are known."""
    return _records(await connection.fetch(_QUERIES["records"], list(ids))) if ids else {}


async def records_of_contacts(
    connection: Connection, contact_ids: Collection[UUID], *, but: Collection[UUID] = ()
) -> dict[UUID, Record]:
    """All records of these contacts, without those whose ids are in `but`."""
    if not contact_ids:
        return {}
    return _records(await connection.fetch(_QUERIES["records_of_contacts"], list(contact_ids), list(but)))


async def lock_records_beside(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Record]:
    """These records and all others of their contacts, held until this transaction ends; first the contacts are."""
    await connection.execute(_QUERIES["lock_contacts_of"], list(ids))
    return _records(await connection.fetch(_QUERIES["lock_records_beside"], list(ids)))


def _records(rows: Iterable[asyncpg.Record]) -> dict[UUID, Record]:
    return {
        row[0]: Record(
            id=row[0],
            source=row[1],
            kind=row[2],
            key=row[3],
            claimed=row[4],
            seen=row[5],
            first_time=row[6],
            last_time=row[7],
            attributes=_attributes.decode(row[8]),
            consents=_consents.decode(row[9]),
            named_by=row[10],
            naming=row[11],
            contact_id=row[12],
            membership=row[13],
        )
        for row in rows
    }


async def save_records(connection: Connection, changed: Iterable[Record]) -> None:
    """Write records whole; each has its contact."""
    rows = sorted(changed, key=lambda record: record.id.int)
    if rows:
        await connection.execute(
            _QUERIES["save_records"],
            [row.id for row in rows],
            [row.source for row in rows],
            [row.kind for row in rows],
            [row.key for row in rows],
            [row.claimed for row in rows],
            [row.seen for row in rows],
            [row.first_time for row in rows],
            [row.last_time for row in rows],
            [_text(row.attributes) for row in rows],
            [_text(row.consents) for row in rows],
            [row.named_by for row in rows],
            [row.naming for row in rows],
            [row.contact_id for row in rows],
            [row.membership for row in rows],
        )


async def move_records(connection: Connection, moved: Collection[Record]) -> None:
    """Write the contact and the membership number of records that are otherwise as they were."""
    if moved:
        await connection.execute(
            _QUERIES["move_records"],
            [row.id for row in moved],
            [row.contact_id for row in moved],
            [row.membership for row in moved],
        )


class Membership(NamedTuple):
    contact_id: UUID
    number: int


async def memberships(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Membership]:
    """The contact of each record, with the number of that decision."""
    rows = await connection.fetch(_QUERIES["memberships"], list(ids))
    return {row[0]: Membership(row[1], row[2]) for row in rows}


# -- what records may be matched by


class Key(NamedTuple):
    """A blocking key as a record holds it."""

    key: int
    claimed: bool
    record_id: UUID


async def change_keys(connection: Connection, old: Collection[Key], new: Collection[Key]) -> None:
    """Forget and remember who holds which key."""
    if old:
        await connection.execute(_QUERIES["delete_keys"], *map(list, zip(*old, strict=True)))
    if new:
        await connection.execute(_QUERIES["insert_keys"], *map(list, zip(*new, strict=True)))


async def holders(connection: Connection, keys: Collection[int], limit: int) -> dict[int, Holders]:
    """Who holds each key, of each standing at most `limit`."""
    found = {key: Holders([], []) for key in keys}
    if keys:
        for row in await connection.fetch(_QUERIES["holders"], list(keys), limit):
            of_key = found[row[0]]
            (of_key.claims if row[1] else of_key.verified).append(row[2])  # type: ignore[attr-defined]  # lists, from above
    return found


Pair = tuple[UUID, UUID]


async def links_between(connection: Connection, pairs: Collection[Pair]) -> dict[Pair, Link]:
    """The known ones of these links (child, parent)."""
    if not pairs:
        return {}
    rows = await connection.fetch(_QUERIES["links_between"], *map(list, zip(*pairs, strict=True)))
    return {(row[0], row[1]): Link(*row) for row in rows}


async def save_links(connection: Connection, links: Collection[Link]) -> None:
    if links:
        await connection.execute(_QUERIES["save_links"], *map(list, zip(*links, strict=True)))


async def links(
    connection: Connection, *, named: Collection[UUID], naming: Collection[UUID], naming_others: Collection[UUID]
) -> list[Link]:
    """The links by which `named` are named, those by which `naming` name visitors and `naming_others` name others."""
    rows = await connection.fetch(_QUERIES["links"], list(named), list(naming), list(naming_others))
    return [Link(*row) for row in rows]


# -- what people decided


async def assertions(connection: Connection, ids: Collection[UUID]) -> list[Assertion]:
    """What holds of these records, with any others, by what people said."""
    return [Assertion(*row) for row in await connection.fetch(_QUERIES["assertions"], list(ids))]


class Decision(NamedTuple):
    """A merge (`must`) or an unmerge (`cannot`) as it is kept."""

    number: int
    command_id: UUID
    verdict: str
    left: Sequence[UUID]
    right: Sequence[UUID]
    author: str
    reason: str | None
    at: datetime


async def add_decisions(connection: Connection, decisions: Sequence[Decision]) -> dict[UUID, int]:
    """Keep decisions in their order; returns the number of each command."""
    rows = await connection.fetch(
        _QUERIES["insert_assertions"],
        [one.command_id for one in decisions],
        [one.verdict for one in decisions],
        [_array(one.left) for one in decisions],
        [_array(one.right) for one in decisions],
        [one.author for one in decisions],
        [one.reason for one in decisions],
        [one.at for one in decisions],
    )
    return {row[0]: row[1] for row in rows}


def _array(ids: Iterable[UUID]) -> str:
    # Arrays of different lengths cannot be passed as one array.
    return "{" + ",".join(map(str, ids)) + "}"


async def save_assertions(connection: Connection, held: Collection[Assertion], lifted: Collection[Assertion]) -> None:
    """Write what holds of pairs from now on; `lifted` name pairs of which only the contrary is forgotten."""
    if lifted:
        a, b, must, _ = map(list, zip(*lifted, strict=True))
        await connection.execute(_QUERIES["delete_pairs"], a, b, must)
    if held:
        await connection.execute(_QUERIES["save_pairs"], *map(list, zip(*held, strict=True)))


async def history(connection: Connection, ids: Collection[UUID], *, before: int, limit: int) -> list[Decision]:
    """What people decided on any of these records, the latest first."""
    return [Decision(*row) for row in await connection.fetch(_QUERIES["history"], list(ids), before, limit)]


async def decision(connection: Connection, command_id: UUID) -> Decision | None:
    """What one command decided; None when it was refused or never came."""
    row = await connection.fetchrow(_QUERIES["assertion_of"], command_id)
    return Decision(*row) if row is not None else None


# -- contacts


class Contact(NamedTuple):
    """A contact as it is published; `state` is the JSON of its `Golden`."""

    contact_id: UUID
    version: int
    changed_at: datetime
    state: str


async def save_contacts(
    connection: Connection, states: dict[UUID, Golden], *, once_published: dict[UUID, Golden]
) -> set[UUID]:
    """Write the states of contacts whose rows, or the matching lock, are held; returns those that have changed.

    Those of `once_published` are written only if there is a row that says otherwise.
    """
    wanted = {id: _text(state) for id, state in (once_published | states).items()}
    if not wanted:
        return set()
    rows = await connection.fetch(_QUERIES["contact_states"], list(wanted))
    before = {row[0]: row[1] for row in rows}
    changed = {id: text for id, text in wanted.items() if before.get(id) != text and (id in before or id in states)}
    if changed:
        await connection.execute(_QUERIES["save_contacts"], list(changed), list(changed.values()))
    return set(changed)


async def contacts(connection: Connection, ids: Collection[UUID]) -> list[Contact]:
    """Contacts as they are published; those of whom nothing is known are not."""
    rows = await connection.fetch(_QUERIES["contacts"], list(ids))
    return [Contact(*row) for row in rows]


async def versions(connection: Connection, ids: Collection[UUID]) -> dict[UUID, int]:
    rows = await connection.fetch(_QUERIES["versions"], list(ids))
    return {row[0]: row[1] for row in rows}
