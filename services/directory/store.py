"""The only module that speaks SQL to directory's database; reads and writes a whole batch at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from services.directory import messages
from services.directory.domain import customers, finding
from services.directory.messages import Customer, Kind, Part
from services.kit import database
from services.kit.database import Connection
from services.kit.envelope import Received

P = TypeVar("P", bound=Part)


class _Version(msgspec.Struct):
    version: int


_QUERIES = database.load_queries(__package__)
_decode_customer = msgspec.json.Decoder(Customer).decode
_decode_version = msgspec.json.Decoder(_Version).decode
_decode_contact = msgspec.json.Decoder(messages.Contact).decode
_decode_tags = msgspec.json.Decoder(messages.ContactTags).decode
_decode_activity = msgspec.json.Decoder(messages.ContactActivity).decode


@dataclass(frozen=True, slots=True)
class State:
    """A customer as published: `body` is its JSON."""

    contact_id: UUID
    version: int
    kind: Kind
    at: datetime
    body: msgspec.Raw


async def save_parts(connection: Connection, topic: str, newest: Sequence[Received[P]]) -> Collection[UUID]:
    """Keep states, one per contact, where they are newer than what is held; the contacts where they were."""
    ordered = sorted(newest, key=lambda one: one.data.contact_id.int)
    rows = await connection.fetch(
        _QUERIES["save_parts"],
        topic,
        [one.data.contact_id for one in ordered],
        [one.data.version for one in ordered],
        [one.event.time for one in ordered],
        [_json(one.data) for one in ordered],
    )
    return {row["contact_id"] for row in rows}


async def lock_customers(connection: Connection, ids: Collection[UUID]) -> Mapping[UUID, customers.Published]:
    """What was published of each contact; other workers wait for these rows until the transaction ends."""
    ordered = sorted(ids, key=lambda contact_id: contact_id.int)
    await connection.execute(_QUERIES["insert_customers"], ordered)
    rows = await connection.fetch(_QUERIES["lock_customers"], ordered)
    return {
        row["contact_id"]: customers.Published(
            row["version"], _decode_customer(row["state"]) if row["state"] is not None else None
        )
        for row in rows
    }


async def parts(connection: Connection, ids: Collection[UUID]) -> Mapping[UUID, customers.Parts]:
    """What the topics last said of each contact that has a `contacts` state; others make no customer yet."""
    rows = await connection.fetch(_QUERIES["parts"], list(ids))
    bodies: dict[tuple[UUID, str], str] = {}
    latest: dict[UUID, datetime] = {}
    for row in rows:
        contact_id = row["contact_id"]
        bodies[contact_id, row["topic"]] = row["body"]
        latest[contact_id] = max(latest.get(contact_id, row["at"]), row["at"])
    found: dict[UUID, customers.Parts] = {}
    for contact_id, at in latest.items():
        contact = bodies.get((contact_id, messages.CONTACTS))
        if contact is None:
            continue
        tags = bodies.get((contact_id, messages.CONTACT_TAGS))
        activity = bodies.get((contact_id, messages.CONTACT_ACTIVITY))
        found[contact_id] = customers.Parts(
            _decode_contact(contact),
            _decode_tags(tags) if tags is not None else None,
            _decode_activity(activity) if activity is not None else None,
            at,
        )
    return found


async def save_customers(connection: Connection, changes: Sequence[customers.Change]) -> None:
    """Keep new versions, of customers that are locked."""
    await connection.execute(
        _QUERIES["save_customers"],
        [change.customer.customer_id for change in changes],
        [change.customer.version for change in changes],
        [change.kind for change in changes],
        [change.at for change in changes],
        [change.customer.merged_into for change in changes],
        [_json(change.customer) for change in changes],
    )


async def save_entries(connection: Connection, entries: Mapping[UUID, finding.Entry | None]) -> None:
    """Keep what these customers are found by; None takes one out."""
    gone = sorted(contact_id for contact_id, entry in entries.items() if entry is None)
    there = sorted((contact_id, entry) for contact_id, entry in entries.items() if entry is not None)
    if gone:
        await connection.execute(_QUERIES["delete_search"], gone)
    if not there:
        return
    await connection.execute(
        _QUERIES["save_search"],
        [contact_id for contact_id, _ in there],
        [entry.sort_name for _, entry in there],
        [" ".join(entry.words) for _, entry in there],
        ["\x1f".join(entry.tags) for _, entry in there],
        [entry.phase for _, entry in there],
    )
    await connection.execute(_QUERIES["share_words"])
    words = sorted({word for _, entry in there for word in entry.names})
    new = sorted(row["word"] for row in await connection.fetch(_QUERIES["unknown_words"], words))
    if new:
        keys = [" ".join(sorted(finding.spelling_keys(word))) for word in new]
        await connection.execute(_QUERIES["insert_words"], new, keys)


async def save_handles(connection: Connection, handles: Mapping[UUID, Collection[finding.Handle]]) -> None:
    """Keep just these exact ways to each of these customers."""
    if not handles:
        return
    rows = sorted((contact_id, handle) for contact_id, held in handles.items() for handle in held)
    columns = (
        [contact_id for contact_id, _ in rows],
        [handle.kind for _, handle in rows],
        [handle.source for _, handle in rows],
        [handle.value for _, handle in rows],
        [handle.claimed for _, handle in rows],
    )
    await connection.execute(_QUERIES["delete_identifiers"], sorted(handles), *columns)
    await connection.execute(_QUERIES["insert_identifiers"], *columns)


async def forget_words(connection: Connection) -> None:
    """Delete the words that no name has any longer. Writers of names wait meanwhile."""
    async with connection.transaction():
        await connection.execute(_QUERIES["own_words"])
        await connection.execute(_QUERIES["forget_words"])


# -- what was published


async def published(connection: Connection, ids: Collection[UUID]) -> Sequence[State]:
    """The newest version of each of these customers that have one."""
    return [
        State(row["contact_id"], row["version"], row["kind"], row["at"], _body(row))
        for row in await connection.fetch(_QUERIES["customers"], list(ids))
    ]


async def survivor(connection: Connection, contact_id: UUID) -> Customer | None:
    """The customer that an id leads to now: its own, or the one that it was merged into."""
    row = await connection.fetchrow(_QUERIES["survivor"], contact_id)
    return _customer(row) if row is not None else None


# -- finding


@dataclass(frozen=True, slots=True)
class Filters:
    """Which of the customers may be found: those with all these tags, in this phase."""

    tags: tuple[str, ...] = ()
    phase: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A tsquery that the words of a customer must fit, or the ids that will do as well; without both everyone fits."""

    text: str | None = None
    ids: Sequence[UUID] | None = None


Place = tuple[str, UUID]
"""Where a customer stands in the phone book."""


async def prepare_search(connection: Connection) -> None:
    """Plan each search of this transaction for its own words: how rare they are decides how they are best found."""
    await connection.execute(_QUERIES["prepare_search"])


async def page(
    connection: Connection,
    match: Match,
    but_not: str | None,
    filters: Filters,
    after: Place | None,
    limit: int,
    *,
    many: bool,
) -> list[tuple[Place, Customer]]:
    """The next customers that fit `match`, but not the tsquery `but_not` or the ids, in the order of a phone book.

    `many` is whether so many fit that the page is soon full.
    """
    sort_name, contact_id = after if after is not None else (None, None)
    rows = await connection.fetch(
        _QUERIES["page_of_many" if many else "page_of_few"],
        match.text,
        match.ids,
        but_not,
        filters.tags or None,
        filters.phase,
        sort_name,
        contact_id,
        limit,
    )
    return [((row["sort_name"], row["contact_id"]), _customer(row)) for row in rows]


async def count(connection: Connection, match: Match, filters: Filters, bound: int | None) -> int:
    """How many customers fit, but no more than `bound`."""
    found: int = await connection.fetchval(
        _QUERIES["count"], match.text, match.ids, filters.tags or None, filters.phase, bound
    )
    return found


async def contacts_by_handle(connection: Connection, query: finding.Query, limit: int) -> list[UUID]:
    """Customers whose e-mail address, phone number or external id fits, at most `limit`."""
    rows = await connection.fetch(
        _QUERIES["contacts_by_handle"],
        _starts(query.email_start) if query.email_start else None,
        _starts(query.phone_start) if query.phone_start else None,
        _starts(query.phone_end[::-1]) if query.phone_end else None,
        query.external_id,
        limit,
    )
    return [row["contact_id"] for row in rows]


async def similar_words(connection: Connection, word: str) -> list[str]:
    """Words of names that the one typed may stand for."""
    rows = await connection.fetch(_QUERIES["similar_words"], list(finding.typed_keys(word)))
    return [row["word"] for row in rows]


def _starts(text: str) -> str:
    """A LIKE pattern for what begins with `text`."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


async def lookup(connection: Connection, kind: str, value: str, source: str | None = None) -> list[Customer]:
    """Customers with just this identifier, at most 20; those who only claim it come last."""
    return [_customer(row) for row in await connection.fetch(_QUERIES["lookup"], kind, value, source)]


def _customer(row: Mapping[str, Any]) -> Customer:
    return _decode_customer(_body(row))


def _body(row: Mapping[str, Any]) -> msgspec.Raw:
    """The customer as it was encoded, with the version of the row: a repair raises the column alone."""
    body: str = row["state"]
    if _decode_version(body).version != row["version"]:
        body = _json(msgspec.structs.replace(_decode_customer(body), version=row["version"]))
    return msgspec.Raw(body)


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
