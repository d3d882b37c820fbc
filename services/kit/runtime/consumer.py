"""The loop: claim partitions, poll, run a batch, write positions back. One per service and process.

What aiokafka does that this must bear (0.14): `getmany` hands out records while the assigned listener still runs, and
records of partitions already lost; what a listener raises is swallowed; `commit` may retry without end; `stop` does
not call the revoked listener.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from mode import Service

from services.kit import envelope, errors, metrics
from services.kit.database import Pool
from services.kit.runtime import failures, positions
from services.kit.runtime.batch import Batch
from services.kit.runtime.dead_letters import Item
from services.kit.runtime.inputs import Input, Settle, State
from services.kit.runtime.positions import Position
from services.kit.runtime.producer import Producer
from services.kit.runtime.tasks import heard
from services.kit.settings import Platform

_IDLE_FLUSH_S = 0.5
_LAST_BATCH_S = 10.0
_LEAVE_S = 3.0
_OFFSETS_EVERY_S = 2.0
MAX_PARTITION_FETCH_BYTES = 4 * 1024 * 1024

log = structlog.get_logger(__name__)


class ClaimFailed(errors.TuttuError):
    """{service} could not take over its partitions within {seconds} s."""


class Consumer(Service, ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Runs a service's batches until it is stopped; crashes (and with it the process) on what no retry mends."""

    def __init__(
        self,
        service: str,
        *,
        platform: Platform,
        pool: Pool,
        producer: Producer,
        inputs: Sequence[Input],
        settle: Settle | None = None,
        states: Sequence[State] = (),
    ) -> None:
        super().__init__()
        self.service = service
        self._platform = platform
        self._pool = pool
        self._producer = producer
        self._inputs = {source.topic: source for source in sorted(inputs, key=lambda source: not source.state)}
        self._settle = settle
        self._states = states
        self._prefix = platform.topic_prefix
        self._batch: Batch | None = None
        self._lock = asyncio.Lock()
        self._failure: BaseException | None = None
        self._fenced: tuple[float, positions.Fenced] | None = None
        self._catching_up: dict[TopicPartition, int] = {}
        self._invalid = failures.InvalidShare(service)
        self._kafka: AIOKafkaConsumer = None
        self._left = asyncio.Event()
        self._oldest_ms: int | None = None
        self._offsets_at = 0.0
        self._dirty_since = 0.0
        self.progress_at = time.monotonic()
        metrics.begin(service, self._inputs)

    # -- life

    @property
    def assigned(self) -> bool:
        """Whether this worker has claimed its partitions (it may have got none, and still be ready)."""
        return self._batch is not None

    @Service.task
    async def _run(self) -> None:
        await heard(self._consume())

    async def _consume(self) -> None:
        self._kafka = AIOKafkaConsumer(
            bootstrap_servers=self._platform.kafka,
            client_id=self.service,
            group_id=self._prefix + self.service,
            enable_auto_commit=False,
            # Never decides where we read: we seek to our own positions, and look for gaps ourselves.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=MAX_PARTITION_FETCH_BYTES,
            max_poll_records=self._platform.batch_records,
            heartbeat_interval_ms=1000,
            session_timeout_ms=int(self._platform.session_timeout.total_seconds() * 1000),
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        self._kafka.subscribe([self._prefix + topic for topic in self._inputs], listener=self)
        try:
            await self._kafka.start()
            while not self.should_stop:
                await self._turn()
                self.progress_at = time.monotonic()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.error("worker stops", service=self.service, error=repr(error), exc_info=error)
            raise
        finally:
            try:
                await self._leave()
            finally:
                self._left.set()

    async def on_stop(self) -> None:
        """Let the batch under way end before the task is cancelled: SIGTERM leaves nothing half-done."""
        # Without partitions there is no batch; joining a group whose dead member is waited for would take long.
        if self._batch is not None:
            try:
                async with asyncio.timeout(_LAST_BATCH_S):
                    await self._left.wait()
            except TimeoutError:
                log.warning("the last batch did not end in time", service=self.service)

    async def _leave(self) -> None:
        """Write back what was produced, then tell the group; both bounded, for the next owner copes without."""
        try:
            async with asyncio.timeout(3):
                async with self._lock:
                    if self._batch is not None:
                        await self._batch.flush()
                    self._batch = None
        except Exception as error:
            log.info("positions not written back at the end", service=self.service, error=repr(error))
        await leave(self._kafka, self.service)

    # -- assignment

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Let the running batch end, if it does soon; if not, the next owner's claim fences it."""
        self._fenced = None
        try:
            async with asyncio.timeout(2):
                async with self._lock:
                    if self._batch is not None:
                        await self._batch.flush()
                        self._batch = None
        except Exception as error:
            log.info("positions not written back at a rebalance", service=self.service, error=repr(error))
        self._batch = None

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        # What is raised here is logged and swallowed by aiokafka: keep it for the loop. No heartbeat is sent meanwhile:
        # bound it below the session time-out.
        bound_s = self._platform.session_timeout.total_seconds() * 0.7
        try:
            async with asyncio.timeout(bound_s):
                await self._claim(assigned)
        except TimeoutError:
            self._failure = ClaimFailed(service=self.service, seconds=bound_s)
        except Exception as error:
            self._failure = error

    async def _claim(self, assigned: Collection[TopicPartition]) -> None:
        self._batch = None
        starts = await self._kafka.beginning_offsets(list(assigned)) if assigned else {}
        ends = await self._kafka.end_offsets(list(assigned)) if assigned else {}
        held = await self._take_over({(self._logical(tp), tp.partition): start for tp, start in starts.items()})
        for tp in assigned:
            position = held[self._logical(tp), tp.partition]
            self._check_log(tp, starts[tp], ends[tp], position)
        # No await from here: what `getmany` returns after the seeks belongs to these positions.
        self._catching_up = {
            tp: end
            for tp, end in ends.items()
            if self._inputs[self._logical(tp)].state and end > held[self._logical(tp), tp.partition].produced
        }
        for tp in assigned:
            self._kafka.seek(tp, held[self._logical(tp), tp.partition].produced)
        self._batch = Batch(
            self.service, self._pool, self._producer, self._inputs, self._settle, self._states, held, self._invalid
        )
        log.info("partitions claimed", service=self.service, partitions=len(held))

    def _logical(self, tp: TopicPartition) -> str:
        return str(tp.topic).removeprefix(self._prefix)

    async def _take_over(self, starts: Mapping[positions.Partition, int]) -> dict[positions.Partition, Position]:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    return await positions.claim(connection, starts)
            except Exception as error:
                # Claiming twice is no harm. The caller bounds it.
                if (cause := failures.transient_cause(error)) is None:
                    raise
                log.warning("positions are claimed again", service=self.service, error=repr(cause))
                await asyncio.sleep(0.2)

    def _check_log(self, tp: TopicPartition, start: int, end: int, position: Position) -> None:
        """Stop where records are gone, rather than pass over them."""
        place = {"service": self.service, "topic": self._logical(tp), "partition": tp.partition}
        if end < position.applied:
            raise positions.LogEndsBeforePosition(**place, end=end, position=position.applied)
        # Of a compacted topic the last state of each key is still there, wherever its log begins.
        if start > position.produced and not self._inputs[self._logical(tp)].state:
            missing = start - position.produced
            raise positions.LogStartsAfterPosition(**place, start=start, position=position.produced, missing=missing)

    async def _check_gap(self, tp: TopicPartition, first: int, position: Position) -> None:
        """What comes must be what follows; aiokafka goes to the log's start by itself when ours is not there."""
        if first < position.produced or (first > position.produced and not self._inputs[self._logical(tp)].state):
            starts, ends = await self._kafka.beginning_offsets([tp]), await self._kafka.end_offsets([tp])
            self._check_log(tp, starts[tp], ends[tp], position)

    # -- a turn of the loop

    async def _turn(self) -> None:
        if self._failure is not None:
            raise self._failure
        polled = await self._kafka.getmany(*self._catching_up, timeout_ms=int(_IDLE_FLUSH_S * 500))
        batch = self._batch
        if batch is not None and self._catching_up:
            polled = self._states_only(batch, polled)
        async with self._lock:
            # Assigned anew, or lost, while we polled: what came is fetched again from the position.
            if batch is None or batch is not self._batch:
                self._stop_when_only_fenced()
                await asyncio.sleep(0.01)
                return
            try:
                await self._process(batch, polled)
            except positions.Fenced as error:
                log.info("batch of a former assignment was rolled back", service=self.service)
                if batch is self._batch:
                    self._batch = None
                    self._fenced = time.monotonic(), error

    def _states_only(
        self, batch: Batch, polled: Mapping[TopicPartition, Sequence[object]]
    ) -> Mapping[TopicPartition, Sequence[object]]:
        """A poll that began before the claim asked for all topics: put back what must wait for the state topics."""
        for tp in polled.keys() - self._catching_up.keys():
            self._kafka.seek(tp, batch.held[self._logical(tp), tp.partition].produced)
        return {tp: records for tp, records in polled.items() if tp in self._catching_up}

    def _stop_when_only_fenced(self) -> None:
        """A worker that was frozen is told by the group that it was replaced, and joins anew. If the group knows of no
        successor, somebody moved the position by hand: start again from there."""
        if self._fenced is not None:
            fenced_at, error = self._fenced
            if time.monotonic() - fenced_at > self._platform.session_timeout.total_seconds():
                raise error

    async def _process(self, batch: Batch, polled: Mapping[TopicPartition, Sequence[object]]) -> None:
        items = [item for tp, records in polled.items() for item in await self._items(batch, tp, records)]
        if items or batch.pending:
            started = time.perf_counter()
            self._oldest_ms = min((item.record.timestamp_ms for item in items), default=None)
            await batch.run(items)
            metrics.batch_seconds.labels(self.service).observe(time.perf_counter() - started)
            metrics.batch_records.labels(self.service).observe(len(items))
            self._dirty_since = time.monotonic()
        elif time.monotonic() - self._dirty_since > _IDLE_FLUSH_S:
            await self._flush(batch)
        self._forget_reached_ends(batch)
        self._measure(batch)
        await self._show_offsets(batch)

    async def _flush(self, batch: Batch) -> None:
        self._dirty_since = time.monotonic()
        try:
            await batch.flush()
        except Exception as error:
            # The next batch or the next idle moment writes the same: not a reason to stop.
            if failures.transient_cause(error) is None:
                raise
            log.info("positions not written back this time", service=self.service, error=repr(error))

    async def _items(self, batch: Batch, tp: TopicPartition, records: Sequence[object]) -> list[Item]:
        topic = self._logical(tp)
        position = batch.held[topic, tp.partition]
        if not records:
            return []
        await self._check_gap(tp, records[0].offset, position)  # type: ignore[attr-defined]  # aiokafka has no types
        decode = self._inputs[topic].decode
        items = []
        for raw in records:
            record = envelope.Record(
                topic,
                tp.partition,
                raw.offset,  # type: ignore[attr-defined]
                raw.key,  # type: ignore[attr-defined]
                raw.value,  # type: ignore[attr-defined]
                raw.headers,  # type: ignore[attr-defined]
                raw.timestamp,  # type: ignore[attr-defined]
            )
            if record.offset < position.produced:
                continue
            items.append(_read(record, decode))
        metrics.records.labels(self.service, topic).inc(len(items))
        return items

    def _forget_reached_ends(self, batch: Batch) -> None:
        for tp, end in list(self._catching_up.items()):
            if self._kafka.highwater(tp) is not None and batch.held[self._logical(tp), tp.partition].applied >= end:
                del self._catching_up[tp]

    # -- what is shown outside

    def _measure(self, batch: Batch) -> None:
        lags = dict.fromkeys(self._inputs, 0)
        for tp in self._kafka.assignment():
            position = batch.held.get((self._logical(tp), tp.partition))
            if position is not None and (high := self._kafka.highwater(tp)) is not None:
                lags[self._logical(tp)] += max(0, high - position.applied)
        for topic, lag in lags.items():
            metrics.lag.labels(self.service, topic).set(lag)
        if not any(lags.values()):
            self._oldest_ms = None

    def oldest_age_s(self) -> float:
        """Age of the oldest record that is not applied, as far as this worker has seen; 0 when nothing waits."""
        return max(0.0, time.time() - self._oldest_ms / 1000) if self._oldest_ms is not None else 0.0

    async def _show_offsets(self, batch: Batch) -> None:
        """Commit to Kafka, for those who look at lag there; nothing reads it back, so failing is no harm."""
        now = time.monotonic()
        if now - self._offsets_at < _OFFSETS_EVERY_S:
            return
        self._offsets_at = now
        offsets = {
            tp: batch.held[self._logical(tp), tp.partition].applied
            for tp in self._kafka.assignment()
            if (self._logical(tp), tp.partition) in batch.held
        }
        if offsets:
            try:
                async with asyncio.timeout(1):
                    await self._kafka.commit(offsets)
            except (KafkaError, OSError, TimeoutError) as error:
                log.debug("offsets not shown", service=self.service, error=repr(error))


async def leave(kafka: AIOKafkaConsumer, service: str) -> None:
    """Tell the group, within three seconds; without a broker aiokafka tries for long, and ignores a cancellation."""
    leaving = asyncio.create_task(kafka.stop())
    done, _ = await asyncio.wait({leaving}, timeout=_LEAVE_S)
    if not done:
        leaving.cancel()
    # A task that is not done, or that aiokafka cancelled from inside, has no error to show.
    elif not leaving.cancelled() and leaving.exception() is None:
        return
    log.info("consumer did not leave in order", service=service, task=repr(leaving))


def _read(record: envelope.Record, decode: envelope.Decode) -> Item:
    try:
        if record.value is None:
            # Kafka's tombstone: on a state topic the end of a key, which its owner announces as a state before.
            raise envelope.Unreadable(reason="the record is empty")
        return Item(record, envelope.Received(record, decode(record.value)))
    except errors.InvalidInput as error:
        return Item(record, None, error.detail, error.field)
