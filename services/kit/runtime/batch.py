"""One micro-batch: applied in one transaction with the positions, retried, halved, and only then sent on."""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import structlog

from services.kit import metrics
from services.kit.database import Connection, Pool
from services.kit.envelope import Message, Received
from services.kit.runtime import dead_letters, failures, positions
from services.kit.runtime.dead_letters import Item
from services.kit.runtime.inputs import Input, Settle, State
from services.kit.runtime.positions import Partition, Position
from services.kit.runtime.producer import Producer

# Of what goes by itself; some seconds in all. A defect fails thrice, what was chance does not.
_ATTEMPTS = 7
_ATTEMPTS_AT_UNKNOWN = 3
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Batch:
    """Applies items to the store and sends what follows from them.

    `held` maps the partitions of this worker to their positions; it is changed in place, only after a commit.
    """

    service: str
    pool: Pool
    producer: Producer
    inputs: Mapping[str, Input]
    settle: Settle | None
    states: Sequence[State]
    held: dict[Partition, Position]
    invalid: failures.InvalidShare
    pending: set[UUID] = field(default_factory=set)
    """Contacts whose state is committed and not yet known to be in Kafka."""
    uncertain: bool = False
    """Whether the store may be ahead of `held`: a transaction has not ended, or its end was not heard of."""

    def __post_init__(self) -> None:
        for position in self.held.values():
            self.pending.update(position.touched)

    async def run(self, items: Sequence[Item]) -> None:
        """Apply what is new, then emit for all. Raises `positions.Fenced`, or what no retry could mend."""
        fresh = [item for item in items if not self._is_applied(item)]
        repeated = [item for item in items if self._is_applied(item)] if len(fresh) < len(items) else []
        # What is committed goes out first: nothing that is wrong with a new record may hold it back.
        if repeated or self.pending:
            await self._reading(lambda connection: dead_letters.recall(connection, repeated))
            await self._send(repeated)
        if fresh:
            await self._commit(fresh)
            await self._send(fresh)

    async def flush(self) -> None:
        """Write back what is known to be produced, where it is not written yet."""
        if self.uncertain:
            await self._catch_up()
        dirty = {key: position for key, position in self.held.items() if position.dirty}
        if dirty:
            await self._write(dirty, min(dirty), self.pending)

    # -- the transaction

    async def _commit(self, fresh: Sequence[Item]) -> None:
        careful = fenced = False
        failed = 0
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                if self.uncertain:
                    await self._catch_up()
                if self._is_applied(fresh[0]):
                    # One transaction for all: an earlier attempt was committed, and only its answer was lost.
                    await self._reading(lambda connection: dead_letters.recall(connection, fresh))
                else:
                    await self._transaction(fresh, careful)
                return
            except positions.Fenced:
                # By a successor; or by a commit of our own that had not ended when we caught up.
                if fenced:
                    raise
                fenced = True
            except failures.TooManyInvalid:
                raise
            except Exception as error:
                if failures.is_refusal(error) and not careful:
                    careful = True
                    metrics.batches_halved.labels(self.service).inc()
                    continue
                failed += 1
                cause = failures.transient_cause(error)
                if failed >= (_ATTEMPTS_AT_UNKNOWN if cause is None else _ATTEMPTS):
                    raise
                log.warning("batch is tried again", service=self.service, attempt=failed, error=repr(cause or error))
                metrics.batches_retried.labels(self.service).inc()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _catch_up(self) -> None:
        """Read the positions again: a commit whose answer was lost may have happened."""
        async with self.pool.acquire() as connection:
            stored = await positions.read(connection, list(self.held))
        for key, position in self.held.items():
            now = stored.get(key)
            if now is None or now.epoch != position.epoch:
                raise positions.Fenced()
            if now.applied > position.applied:
                self.pending.update(now.touched)
            position.applied, position.stored, position.touched = now.applied, now.stored, now.touched
        self.uncertain = False

    def _is_applied(self, item: Item) -> bool:
        return item.record.offset < self.held[item.place].applied

    async def _transaction(self, fresh: Sequence[Item], careful: bool) -> None:
        unreadable = sum(item.received is None for item in fresh)
        self.invalid.check(len(fresh), unreadable)
        after = {
            key: Position(position.epoch, position.applied, position.produced, position.stored)
            for key, position in self.held.items()
            if position.dirty
        }
        for key, end in _ends(fresh).items():
            position = self.held[key]
            after[key] = Position(position.epoch, end, position.produced, position.stored)
        self.uncertain = True
        async with self.pool.acquire() as connection, connection.transaction():
            if careful:
                for item in fresh:
                    # Of an attempt that was rolled back.
                    if item.received is not None:
                        item.reason = item.field = None
                refused: list[Item] = []
                touched = await self._apply_halving(connection, fresh, refused, (len(fresh), unreadable))
                await dead_letters.save(connection, refused)
            else:
                touched = await self._apply(connection, fresh)
            touched |= self.pending
            await positions.move(connection, after, fresh[0].place, touched)
        self._moved(after, fresh[0].place, touched)
        self.pending |= touched
        self.invalid.add(len(fresh), sum(item.reason is not None for item in fresh))

    async def _write(self, after: Mapping[Partition, Position], first: Partition, touched: set[UUID]) -> None:
        self.uncertain = True
        async with self.pool.acquire() as connection, connection.transaction():
            await positions.move(connection, after, first, touched)
        self._moved(after, first, touched)

    def _moved(self, after: Mapping[Partition, Position], first: Partition, touched: Iterable[UUID]) -> None:
        for key, position in after.items():
            held = self.held[key]
            held.applied, held.stored = position.applied, (position.applied, position.produced)
            held.touched = frozenset(touched) if key == first else ()
        self.uncertain = False

    async def _apply(self, connection: Connection, fresh: Sequence[Item]) -> set[UUID]:
        groups = _by_topic(fresh)
        affected: set[UUID] = set()
        for topic, source in self.inputs.items():
            if group := groups.get(topic):
                affected.update(await source.apply(connection, group))
        if self.settle is not None and affected:
            return set(await self.settle(connection, affected))
        return affected

    async def _apply_halving(
        self, connection: Connection, fresh: Sequence[Item], refused: list[Item], batch: tuple[int, int]
    ) -> set[UUID]:
        """As `_apply`, and finds the records that are refused even alone; all of it, or (too many) nothing is kept."""
        try:
            async with connection.transaction():
                return await self._apply(connection, fresh)
        except Exception as error:
            if not failures.is_refusal(error):
                raise
            if len(fresh) == 1:
                (item,) = fresh
                item.reason, item.field = failures.reason_of(error, self.service)
                refused.append(item)
                seen, unreadable = batch
                self.invalid.check(seen, unreadable + len(refused))
                return set()
        middle = len(fresh) // 2
        touched = await self._apply_halving(connection, fresh[:middle], refused, batch)
        return touched | await self._apply_halving(connection, fresh[middle:], refused, batch)

    # -- after the commit

    async def _send(self, items: Sequence[Item]) -> None:
        """Produce what follows from these items, which are applied, and the states of all that is pending."""
        touched = list(self.pending)
        messages, versions = await self._reading(lambda connection: self._outputs(connection, items, touched))
        await self.producer.publish(messages)
        await self._send_what_moved_meanwhile(versions)
        self.pending.difference_update(touched)
        for key, end in _ends(items).items():
            self.held[key].produced = max(self.held[key].produced, end)
        for item in items:
            if item.reason is not None:
                metrics.dead_letters.labels(self.service, item.record.topic).inc()

    async def _outputs(
        self, connection: Connection, items: Sequence[Item], touched: Sequence[UUID]
    ) -> tuple[list[Message], dict[str, dict[UUID, int]]]:
        messages: list[Message] = []
        versions: dict[str, dict[UUID, int]] = {}
        groups = _by_topic(items)
        for topic, source in self.inputs.items():
            if source.emit is not None and (group := groups.get(topic)):
                messages += await source.emit(connection, group)
        if touched:
            for state in self.states:
                sent = await state.load(connection, touched)
                versions[state.topic] = {UUID(message.key): message.version or 0 for message in sent}
                messages += sent
        messages += [dead_letters.message(self.service, item) for item in items if item.reason is not None]
        return messages, versions

    async def _send_what_moved_meanwhile(self, sent: Mapping[str, Mapping[UUID, int]]) -> None:
        """Another worker may have sent a newer state before ours came: then the newer one goes last again."""
        for state in self.states:
            if versions := sent.get(state.topic):
                again = await self._reading(functools.partial(_newer, state=state, sent=versions))
                metrics.states_republished.labels(self.service, state.topic, "moved").inc(len(again))
                await self.producer.publish(again)

    async def _reading(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run what only reads, again where the database fails for a moment."""
        for attempt in range(1, _ATTEMPTS):
            try:
                async with self.pool.acquire() as connection:
                    return await work(connection)
            except Exception as error:
                if failures.transient_cause(error) is None:
                    raise
                await asyncio.sleep(min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))
        async with self.pool.acquire() as connection:
            return await work(connection)


async def _newer(connection: Connection, state: State, sent: Mapping[UUID, int]) -> Sequence[Message]:
    now = await state.versions(connection, sent.keys())
    moved = [key for key, version in sent.items() if now.get(key, version) > version]
    return await state.load(connection, moved) if moved else ()


def _ends(items: Iterable[Item]) -> dict[Partition, int]:
    """The offset after the last of these items, which are in order, for each partition."""
    return {item.place: item.record.offset + 1 for item in items}


def _by_topic(items: Iterable[Item]) -> dict[str, list[Received[Any]]]:
    groups: dict[str, list[Received[Any]]] = defaultdict(list)
    for item in items:
        if item.received is not None and item.reason is None:
            groups[item.record.topic].append(item.received)
    return groups
