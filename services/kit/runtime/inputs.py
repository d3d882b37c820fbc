"""What a service tells the runtime: which topic goes to which handler, and which states it owns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.kit.database import Connection
from services.kit.envelope import Decode, Message, Received

Apply = Callable[[Connection, Sequence[Received[Any]]], Awaitable[Iterable[UUID]]]
Emit = Callable[[Connection, Sequence[Received[Any]]], Awaitable[Sequence[Message]]]
Settle = Callable[[Connection, Collection[UUID]], Awaitable[Collection[UUID]]]


class Retry(Exception):
    """What the handler read was changed by another worker before it held the lock: run the batch again."""


@dataclass(frozen=True, slots=True)
class Input:
    """A topic that a service reads.

    `apply` runs in the batch's transaction, gets only records that were never applied, in order of offset, and returns
    the contacts that they affect. `emit` runs after the commit, gets records whose outputs may be missing from Kafka
    (new ones, and after a crash those that were applied before), and makes the event-like outputs from committed rows.
    A `state` topic is read to its end, as it is when the worker starts, before any other topic.
    """

    topic: str
    decode: Decode
    apply: Apply
    emit: Emit | None = None
    state: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A state topic that a service owns: the rows of `table`, with their `key` (uuid) and `version` (bigint).

    `load` makes the present state message of each of these rows that has something to say.
    """

    topic: str
    table: str
    key: str
    load: Callable[[Connection, Sequence[UUID]], Awaitable[Sequence[Message]]]

    async def versions(self, connection: Connection, keys: Collection[UUID]) -> Mapping[UUID, int]:
        rows = await connection.fetch(
            f"SELECT {self.key} AS key, version FROM {self.table} WHERE {self.key} = ANY($1::uuid[])", list(keys)
        )
        return {row["key"]: row["version"] for row in rows}

    async def lift(self, connection: Connection, above: Mapping[UUID, int]) -> Collection[UUID]:
        """Raise rows above the versions that their topic holds, as after a restored backup; their keys."""
        rows = await connection.fetch(
            f"""
            UPDATE {self.table} AS row SET version = given.version + 1
            FROM (SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS given(key, version) ORDER BY key) AS given
            WHERE row.{self.key} = given.key AND row.version < given.version
            RETURNING row.{self.key} AS key
            """,
            list(above.keys()),
            list(above.values()),
        )
        return [row["key"] for row in rows]
