"""One micro-batch: applied in one transaction with the positions, retried, halved, and only then sent on."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from services.kit import envelope, errors, metrics
from services.kit.database import Connection, Pool, load_queries
from services.kit.envelope import Message, Received, Record
from services.kit.runtime import positions
from services.kit.runtime.inputs import Input, Retry, Settle, State
from services.kit.runtime.positions import Partition, Position
from services.kit.runtime.producer import Producer

_QUERIES = load_queries("services.kit")
_ATTEMPTS = 7
_FIRST_PAUSE_S = 0.05

# What goes by itself: connections lost or refused, deadlocks, serialization, locks not had in time.
TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TransactionRollbackError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
    Retry,
)
# What a value does: it will be refused again, however often it is tried.
REFUSED = (
    asyncpg.DataError,
    # Not every violated constraint: of a unique one, another worker may be the cause, not the value.
    asyncpg.CheckViolationError,
    asyncpg.NotNullViolationError,
    asyncpg.ProgramLimitExceededError,
    errors.InvalidInput,
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Item:
    """A record on its way through a batch: readable, or with the reason why it is not."""

    record: Record
    received: Received[Any] | None
    reason: str | None = None
    field: str | None = None

    @property
    def place(self) -> Partition:
        return self.record.topic, self.record.partition


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
    pending: set[UUID] = field(default_factory=set)
    """Contacts whose state is committed and not yet known to be in Kafka."""

    def __post_init__(self) -> None:
        for position in self.held.values():
            self.pending.update(position.touched)

    async def run(self, items: Sequence[Item]) -> None:
        """Apply what is new, then emit for all. Raises `positions.Fenced`, or what no retry could mend."""
        repeated = [item for item in items if item.record.offset < self.held[item.place].applied]
        await self._commit(items)
        await self._emit(items, repeated)
        for item in items:
            position = self.held[item.place]
            position.produced = max(position.produced, item.record.offset + 1)

    async def flush(self) -> None:
        """Write back what is known to be produced, where it is not written yet."""
        dirty = {key: position for key, position in self.held.items() if position.dirty}
        if dirty:
            async with self.pool.acquire() as connection, connection.transaction():
                await positions.move(connection, dirty, None, self.pending)
            for position in dirty.values():
                position.written = (position.applied, position.produced)

    # -- the transaction

    async def _commit(self, items: Sequence[Item]) -> None:
        pause_s = _FIRST_PAUSE_S
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._transaction(items)
                return
            except positions.Fenced:
                raise
            except REFUSED as error:
                fresh = self._fresh(items)
                if len(fresh) > 1:
                    metrics.batches_halved.labels(self.service).inc()
                    middle = items.index(fresh[len(fresh) // 2])
                    await self._commit(items[:middle])
                    await self._commit(items[middle:])
                    return
                if fresh[0].reason is not None:
                    raise
                fresh[0].reason = f"The store of {self.service} refuses a value: {_said(error)}"
                fresh[0].field = getattr(error, "field", None)
            except Exception as error:
                transient = isinstance(_cause(error), TRANSIENT)
                # An unknown error gets two more tries: what is a defect fails thrice, what was chance does not.
                if attempt == (_ATTEMPTS if transient else 3):
                    raise
                log.warning("batch is tried again", service=self.service, attempt=attempt, error=repr(_cause(error)))
                metrics.batches_retried.labels(self.service).inc()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 1.0)
                await self._catch_up()

    async def _catch_up(self) -> None:
        """Read the positions again: a commit whose answer was lost may have happened."""
        try:
            async with self.pool.acquire() as connection:
                stored = await positions.read(connection, list(self.held))
        except TRANSIENT:
            return
        for key, (epoch, applied) in stored.items():
            if epoch != self.held[key].epoch:
                raise positions.Fenced()
            self.held[key].applied = max(self.held[key].applied, applied)

    def _fresh(self, items: Sequence[Item]) -> list[Item]:
        return [item for item in items if item.record.offset >= self.held[item.place].applied]

    async def _transaction(self, items: Sequence[Item]) -> None:
        fresh = self._fresh(items)
        if not fresh:
            return
        moved = {key: position for key, position in self.held.items() if position.dirty}
        for item in fresh:
            moved[item.place] = self.held[item.place]
        after = {key: Position(position.epoch, position.applied, position.produced) for key, position in moved.items()}
        for item in fresh:
            after[item.place].applied = item.record.offset + 1
        async with self.pool.acquire() as connection, connection.transaction():
            touched = await self._apply(connection, fresh)
            touched |= self.pending
            await positions.move(connection, after, fresh[0].place, touched)
        self.pending |= touched
        for key, position in after.items():
            self.held[key].applied = position.applied
            self.held[key].written = (position.applied, position.produced)

    async def _apply(self, connection: Connection, fresh: Sequence[Item]) -> set[UUID]:
        refused = [item for item in fresh if item.reason is not None and item.received is not None]
        if refused:
            await connection.execute(
                _QUERIES["insert_dead_letters"],
                [item.record.topic for item in refused],
                [item.record.partition for item in refused],
                [item.record.offset for item in refused],
                [item.reason for item in refused],
            )
        groups = _by_topic(item for item in fresh if item.reason is None)
        affected: set[UUID] = set()
        for topic, source in self.inputs.items():
            if group := groups.get(topic):
                affected.update(await source.apply(connection, group))
        if self.settle is not None and affected:
            return set(await self.settle(connection, affected))
        return affected

    # -- after the commit

    async def _emit(self, items: Sequence[Item], repeated: Sequence[Item]) -> None:
        touched = list(self.pending)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self.pool.acquire() as connection:
                    await self._recall_refusals(connection, repeated)
                    messages, versions = await self._outputs(connection, items, touched)
                break
            except Exception as error:
                if attempt == _ATTEMPTS or not isinstance(_cause(error), TRANSIENT):
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt)
        await self.producer.publish(messages)
        await self._send_what_moved_meanwhile(versions)
        self.pending.difference_update(touched)

    async def _outputs(
        self, connection: Connection, items: Sequence[Item], touched: Sequence[UUID]
    ) -> tuple[list[Message], dict[str, dict[UUID, int]]]:
        messages: list[Message] = []
        versions: dict[str, dict[UUID, int]] = {}
        groups = _by_topic(item for item in items if item.reason is None)
        for topic, source in self.inputs.items():
            if source.emit is not None and (group := groups.get(topic)):
                messages += await source.emit(connection, group)
        if touched:
            for state in self.states:
                sent = await state.load(connection, touched)
                versions[state.topic] = {UUID(message.key): message.version or 0 for message in sent}
                messages += sent
        for item in items:
            if item.reason is not None:
                messages.append(dead_letter(self.service, item))
                metrics.dead_letters.labels(self.service, item.record.topic).inc()
        return messages, versions

    async def _recall_refusals(self, connection: Connection, repeated: Sequence[Item]) -> None:
        """That the store refused a record in an earlier run cannot be seen from the record: the row has the reason."""
        repeated = [item for item in repeated if item.reason is None]
        if not repeated:
            return
        rows = await connection.fetch(
            _QUERIES["dead_letters"],
            [item.record.topic for item in repeated],
            [item.record.partition for item in repeated],
            [item.record.offset for item in repeated],
        )
        reasons = {(row["topic"], row["partition"], row["offset"]): row["reason"] for row in rows}
        for item in repeated:
            item.reason = reasons.get((*item.place, item.record.offset))

    async def _send_what_moved_meanwhile(self, sent: Mapping[str, Mapping[UUID, int]]) -> None:
        """Another worker may have sent a newer state before ours came: then the newer one goes last again."""
        for state in self.states:
            versions = sent.get(state.topic)
            if not versions:
                continue
            async with self.pool.acquire() as connection:
                now = await state.versions(connection, versions.keys())
                moved = [key for key, version in versions.items() if now.get(key, version) > version]
                again = await state.load(connection, moved) if moved else ()
            if again:
                metrics.states_republished.labels(self.service, state.topic, "moved").inc(len(again))
                await self.producer.publish(again)


def _by_topic(items: Iterable[Item]) -> dict[str, list[Received[Any]]]:
    groups: dict[str, list[Received[Any]]] = defaultdict(list)
    for item in items:
        if item.received is not None:
            groups[item.record.topic].append(item.received)
    return groups


def _cause(error: BaseException) -> BaseException:
    """A killed backend shows as an InterfaceError from the end of the transaction; the cause is its context."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, TRANSIENT):
            return inner
        inner = inner.__cause__ or inner.__context__
    return error


def _said(error: Exception) -> str:
    # PostgreSQL's message names the type and the column; its detail would repeat the row, personal data and all.
    return str(error).split("\n", 1)[0][:300]


def dead_letter(service: str, item: Item) -> Message:
    """The record whole, with the reason; its id follows from where it lay, so a repeat is recognised."""
    record = item.record
    place = f"{record.topic}/{record.partition}/{record.offset}"
    try:
        text, encoded = (record.value.decode() if record.value is not None else None), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(record.value or b"").decode()
    key = record.key.decode(errors="replace") if record.key is not None else None
    data = DeadLetter(
        service=service,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=key,
        headers={name: value.decode(errors="replace") for name, value in record.headers if value is not None},
        value=text,
        value_base64=encoded,
        reason=item.reason or "",
        field=item.field,
    )
    event = envelope.CloudEvent(
        id=f"{record.topic}-{record.partition}-{record.offset}-{service}",
        source=f"/{service}",
        type="tuttu.dead-letter",
        subject=place,
        time=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        data=data,
    )
    return envelope.message("dead-letters", key if key is not None else place, event)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that `service` could not read or store, as it was; `value_base64` where it is not UTF-8."""

    service: str
    topic: str
    partition: int
    offset: int
    key: str | None
    headers: dict[str, str]
    value: str | None
    value_base64: str | None
    reason: str
    field: str | None
