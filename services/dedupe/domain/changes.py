"""What a batch of events changes: records with what was said of them, and links between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from services.dedupe.domain.evidence import Link
from services.dedupe.domain.records import Record, Ref, Statement, named, told


class Said(NamedTuple):
    """What one event says: something of its own record, and that others are the same customer."""

    statement: Statement
    links: Sequence[Ref]


class Changes(NamedTuple):
    """Records and links as they are afterwards, those that differ; and whose links have become too many to count."""

    records: dict[UUID, Record]
    links: list[Link]
    crossed: set[UUID]


LinkKey = tuple[UUID, UUID]
"""Child and parent."""


def link(record: Ref, other: Ref, time: datetime) -> Link:
    """The link that an event of `record` makes by naming `other`: a visitor is always the child."""
    child, parent = other, record
    if record.kind == "anonymous_id" and other.kind != "anonymous_id":
        child, parent = record, other
    return Link(child.id, parent.id, time, record.claimed, child.kind == "anonymous_id")


def links_of(said: Iterable[Said]) -> dict[LinkKey, Link]:
    """The links that events make."""
    found: dict[LinkKey, Link] = {}
    for statement, others in said:
        for other in others:
            if other.id != statement.record.id:
                new = link(statement.record, other, statement.time)
                key = new.child, new.parent
                found[key] = _joined(found.get(key), new)
    return found


def _joined(a: Link | None, b: Link) -> Link:
    return b if a is None else a._replace(time=min(a.time, b.time), claimed=a.claimed and b.claimed)


def changes(
    said: Sequence[Said], records: Mapping[UUID, Record], links: Mapping[LinkKey, Link], *, bound: int
) -> Changes:
    """What events change of these records and links, which are all that they name, as far as they are known."""
    after: dict[UUID, Record] = {}
    for statement, others in said:
        id = statement.record.id
        after[id] = told(after.get(id) or records.get(id), statement)
        for other in others:
            # Nobody vouches for what a claim names.
            ref = other._replace(claimed=other.claimed or statement.record.claimed)
            before = after.get(ref.id) or records.get(ref.id)
            if (now := named(before, ref, statement.time)) is not before:
                after[ref.id] = now
    changed = []
    crossed = set()
    for key, new in links_of(said).items():
        known = links.get(key)
        joined = _joined(known, new)
        if joined == known:
            continue
        changed.append(joined)
        named_by = _is_counted(joined) - (known is not None and _is_counted(known))
        for id, more in ((joined.child, (named_by, 0)), (joined.parent, (0, 0 if joined.anonymous else named_by))):
            if any(more):
                record = after.get(id) or records[id]
                now = after[id] = msgspec.structs.replace(
                    record, named_by=record.named_by + more[0], naming=record.naming + more[1]
                )
                if record.named_by <= bound < now.named_by or record.naming <= bound < now.naming:
                    crossed.add(id)
    return Changes(after, changed, crossed)


def _is_counted(link: Link) -> bool:
    """Whether a link counts against the bound: claims do not, or they could part customers."""
    return link.anonymous or not link.claimed
