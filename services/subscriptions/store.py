"""The only module that speaks SQL to subscriptions' database; reads and writes a whole batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from services.kit import database
from services.kit.database import Connection
from services.subscriptions import domain
from services.subscriptions.reading import Read

CHANNEL = "feed"

_QUERIES = database.load_queries(__package__)
_decode_tags = msgspec.json.Decoder(frozenset[str]).decode
_decode_left = msgspec.json.Decoder(dict[str, int]).decode


async def lock_head(connection: Connection) -> tuple[int, int]:
    """(last seq, microseconds since 1970); other writers wait until the transaction ends."""
    row = await connection.fetchrow(_QUERIES["lock_head"])
    assert row is not None, "the migration makes the row"
    return row["seq"], row["now"]


async def known(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, domain.Known]:
    """What the feed holds of these customers."""
    return {
        row["customer_id"]: domain.Known(row["version"], _decode_tags(row["tags"]), _decode_left(row["left_tags"]))
        for row in await connection.fetch(_QUERIES["known"], ids)
    }


async def append(connection: Connection, appended: Sequence[domain.Appended]) -> None:
    """Put versions at the end of the feed, whose head is locked, and wake the readers at the commit."""
    await connection.execute(
        _QUERIES["append"],
        [one.state.customer_id for one in appended],
        [one.seq for one in appended],
        [one.state.version for one in appended],
        [one.state.kind for one in appended],
        [_json(one.state.tags) for one in appended],
        [_json(one.left) for one in appended],
        [one.state.body for one in appended],
    )
    await connection.execute(_QUERIES["move_head"], appended[-1].seq)


async def head(connection: Connection) -> int:
    """The last seq."""
    seq: int = await connection.fetchval(_QUERIES["head"])
    return seq


async def after(connection: Connection, seq: int, limit: int, *, tag: str | None = None, whole: int = 0) -> Read:
    """Read on from `seq`: all, or who has the tag and who lost it after `whole`; at most `limit`."""
    # Read first: what is seen after it holds all that it counts, for seqs become visible in their order.
    end = await head(connection)
    rows = await connection.fetch(_QUERIES["after"], seq, tag, whole, limit)
    entries = [
        domain.Entry(
            row["seq"],
            _decode_tags(row["tags"]),
            _decode_left(row["left_tags"]),
            domain.frame(row["kind"], row["body"]),
        )
        for row in rows
    ]
    last = entries[-1].seq if entries else seq
    return Read(entries, last, False) if len(rows) == limit else Read(entries, max(last, end), True)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
