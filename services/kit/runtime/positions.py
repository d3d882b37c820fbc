"""How far a service has come on each partition: rows of its own store, moved in the transaction of the batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.kit import errors
from services.kit.database import Connection, load_queries

_QUERIES = load_queries("services.kit")

Partition = tuple[str, int]
"""Topic, without an installation's prefix, and partition."""


class Fenced(errors.TuttuError):
    """Another worker has claimed these partitions; this one's batch was rolled back."""


class LogStartsAfterPosition(errors.TuttuError):
    """{topic}[{partition}] begins at offset {start}, but {service} has only come to {position}: {missing} records are
    gone (retention, or a restored backup). Restore them, or pass them by hand: `tuttu skip {service} {topic}
    {partition} --to {start}`."""


class LogEndsBeforePosition(errors.TuttuError):
    """{topic}[{partition}] ends at offset {end}, but {service} has come to {position}: it has lost its end, or was made
    anew. Restore it, or say in the database of {service} where to go on. Where only the end was lost: UPDATE position
    SET applied = {end}, produced = {end} WHERE topic = '{topic}' AND partition = {partition}. Where the topic begins
    anew: DELETE FROM position WHERE topic = '{topic}' AND partition = {partition}."""


@dataclass(slots=True)
class Position:
    """One partition as this worker holds it; offsets are those of the next record."""

    epoch: int
    applied: int
    produced: int
    stored: tuple[int, int]
    """(applied, produced) as the store has them."""
    touched: Collection[UUID] = ()
    """The contacts that its row names: to be written away once they are sent, wherever the offsets stand."""

    @property
    def dirty(self) -> bool:
        return self.stored != (self.applied, self.produced) or bool(self.touched)


def _of(row: Any) -> Position:
    applied, produced = row["applied"], row["produced"]
    return Position(row["epoch"], applied, produced, (applied, produced), row["touched"])


async def claim(connection: Connection, starts: Mapping[Partition, int]) -> dict[Partition, Position]:
    """Take over partitions: rows that are missing begin at `starts`, every epoch grows, so former owners are fenced."""
    if not starts:
        return {}
    async with connection.transaction():
        wanted = sorted(starts)
        topics, partitions = [topic for topic, _ in wanted], [partition for _, partition in wanted]
        await connection.execute(_QUERIES["insert_positions"], topics, partitions, [starts[key] for key in wanted])
        await connection.execute(_QUERIES["lock_positions"], topics, partitions)
        rows = await connection.fetch(_QUERIES["claim_positions"], topics, partitions)
    return {(row["topic"], row["partition"]): _of(row) for row in rows}


async def move(
    connection: Connection, held: Mapping[Partition, Position], first: Partition, touched: Collection[UUID]
) -> None:
    """Write `applied` and `produced` of these partitions; `touched` goes to the row of `first`, others get none.

    Raises `Fenced` when one of them has another owner, or has moved on from where this owner thinks that it stands (a
    commit whose answer was lost); the caller's transaction must not commit then.
    """
    keys = sorted(held, key=lambda key: (key != first, key))
    updated = await connection.fetchval(
        _QUERIES["move_positions"],
        [topic for topic, _ in keys],
        [partition for _, partition in keys],
        [held[key].epoch for key in keys],
        [held[key].stored[0] for key in keys],
        [held[key].applied for key in keys],
        [held[key].produced for key in keys],
        list(touched),
    )
    if updated != len(keys):
        raise Fenced()


async def read(connection: Connection, keys: Sequence[Partition]) -> dict[Partition, Position]:
    """Where these partitions stand in the store; those that have a row."""
    rows = await connection.fetch(
        _QUERIES["read_positions"], [topic for topic, _ in keys], [partition for _, partition in keys]
    )
    return {(row["topic"], row["partition"]): _of(row) for row in rows}


async def skip(connection: Connection, topic: str, partition: int, to: int) -> bool:
    """Pass records by hand, up to the offset `to`, without applying them; False where the position is further.

    A worker that runs is fenced and stops. What was applied and not sent on yet is given up too: let the worker start
    once before, which sends it first of all.
    """
    status = await connection.execute(_QUERIES["skip_to"], topic, partition, to)
    return str(status) == "UPDATE 1"
