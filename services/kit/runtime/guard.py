"""The owner's reader of its own state topics: in the end the last record of a key is the row.

Two workers may send the states of one contact in the wrong order, or one may send late, after its successor. Whoever
wrote them, the guard sees the records: where the last of a key is below the row, it publishes the row; where it is
above (a restored backup), it lifts the row and publishes.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from mode import Service

from services.kit import errors, metrics
from services.kit.database import Pool
from services.kit.runtime import failures
from services.kit.runtime.consumer import leave
from services.kit.runtime.inputs import State
from services.kit.runtime.producer import Producer
from services.kit.runtime.tasks import heard
from services.kit.settings import Platform

_REMEMBERED = 200_000
_DOUBT_S = 1.0
_DOUBTS = 10_000

log = structlog.get_logger(__name__)


class Guard(Service, ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Watches the state topics of a service, in a consumer group of its own, so that workers share the partitions."""

    def __init__(
        self, service: str, *, platform: Platform, pool: Pool, producer: Producer, states: Sequence[State]
    ) -> None:
        super().__init__()
        self.service = service
        self._platform = platform
        self._pool = pool
        self._producer = producer
        self._states = {platform.topic_prefix + state.topic: state for state in states}
        self._last: OrderedDict[tuple[str, UUID], int] = OrderedDict()
        self._doubts: set[tuple[str, UUID]] = set()
        self._behind: dict[tuple[str, UUID], int] = {}
        """Doubtful keys whose row was above their last record when they were looked at, with that record's version."""
        self._unsettled = False
        """Whether something was read since the group's offsets were moved."""

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        pass

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        # What another guard saw meanwhile is not known here: every key is one that is seen for the first time.
        self._last.clear()
        self._doubts.clear()
        self._behind.clear()

    @Service.task
    async def _run(self) -> None:
        await heard(self._watch())

    async def _watch(self) -> None:
        kafka = AIOKafkaConsumer(
            bootstrap_servers=self._platform.kafka,
            client_id=f"{self.service}-guard",
            group_id=f"{self._platform.topic_prefix}{self.service}-guard",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=5000,
            # It judges after a second anyway: let the broker gather instead of answering for every record.
            fetch_max_wait_ms=500,
            fetch_min_bytes=1_000_000,
            heartbeat_interval_ms=1000,
            session_timeout_ms=int(self._platform.session_timeout.total_seconds() * 1000),
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        kafka.subscribe(list(self._states), listener=self)
        try:
            await kafka.start()
            while not self.should_stop:
                await self._round(kafka)
        finally:
            await leave(kafka, f"{self.service}-guard")

    async def _round(self, kafka: AIOKafkaConsumer) -> None:
        """Read for a while, let what is under way arrive, settle the doubts, and only then move the group's offsets."""
        until = time.monotonic() + _DOUBT_S
        while (left_s := until - time.monotonic()) > 0 and len(self._doubts) < _DOUBTS and not self.should_stop:
            for tp, records in (await kafka.getmany(timeout_ms=int(left_s * 1000))).items():
                for record in records:
                    self._note(tp.topic, record.key, dict(record.headers).get("version"))
                self._unsettled = True
        if not self._unsettled:
            return
        try:
            await self.settle()
        except Exception as error:
            if failures.transient_cause(error) is None and not isinstance(error, errors.Unavailable):
                raise
            log.warning("states are compared again", service=self.service, error=repr(error))
            await asyncio.sleep(_DOUBT_S)
            return
        if self._doubts:
            return
        try:
            async with asyncio.timeout(2):
                await kafka.commit()
            self._unsettled = False
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("guard's offsets not committed", service=self.service, error=repr(error))

    def _note(self, topic: str, key: bytes | None, version: bytes | None) -> None:
        if key is None or version is None:
            return  # not of this service's making; a consumer makes a dead letter of it
        try:
            name, number = (topic, UUID(key.decode())), int(version)
        except ValueError:
            return
        before = self._last.pop(name, None)
        self._last[name] = number
        if before is None or number < before:
            self._doubts.add(name)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    async def settle(self) -> None:
        """Compare the last record of each doubtful key with its row, and mend.

        A row above its key's last record may be on its way to the topic: it is sent again when a second look finds the
        same. Until then the doubt stays.
        """
        doubts = frozenset(self._doubts)
        under_way: dict[tuple[str, UUID], int] = {}
        for topic, state in self._states.items():
            seen = {key: self._last[topic, key] for name, key in doubts if name == topic and (topic, key) in self._last}
            if not seen:
                continue
            async with self._pool.acquire() as connection:
                rows = await state.versions(connection, seen.keys())
                above = {key: version for key, version in seen.items() if key in rows and version > rows[key]}
                behind = []
                for key in (key for key, version in seen.items() if key in rows and version < rows[key]):
                    if self._behind.get((topic, key)) == seen[key]:
                        behind.append(key)
                    else:
                        under_way[topic, key] = seen[key]
                lifted = await state.lift(connection, above) if above else ()
                messages = await state.load(connection, [*behind, *lifted]) if behind or lifted else ()
            if messages:
                metrics.states_republished.labels(self.service, state.topic, "guard").inc(len(messages))
                log.info("states republished", service=self.service, topic=state.topic, states=len(messages))
                await self._producer.publish(messages)
        self._doubts -= doubts - under_way.keys()
        self._behind = under_way
