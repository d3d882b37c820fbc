"""The way out to Kafka: `publish` returns when all in-sync replicas have every message, or raises."""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.partitioner import murmur2

from services.kit import errors
from services.kit.envelope import Message

_MAX_BATCH_BYTES = 512 * 1024
MAX_MESSAGE_BYTES = 3 * 1024 * 1024
# Of these, Kafka's own part of a record: headers and sizes.
_OVERHEAD_BYTES = 8 * 1024
# Below this many messages a call shares aiokafka's own batches with its neighbours; above, it makes its own.
_OWN_BATCHES_FROM = 8

log = structlog.get_logger(__name__)


class KafkaUnavailable(errors.Unavailable):
    """{part} does not confirm; nothing was accepted. Send again in {retry_after_s} s."""


class MessageTooLarge(errors.TooLarge):
    """A message for {topic} has {size_bytes} bytes; {limit_bytes} are the most that is sent."""


@functools.lru_cache(maxsize=200_000)
def _hash_of(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it."""
    return _hash_of(key.encode()) % partitions


class Producer:
    """Idempotent, acks=all, bounded in time.

    What a publish that ran out of time had under way may arrive later: a duplicate, never a loss. An idempotent
    aiokafka producer can stick for good after an error, so after a time-out it is replaced by a new one; until that one
    has started, `publish` fails at once instead of letting requests pile up.
    """

    def __init__(self, bootstrap: str, *, prefix: str = "", client: str = "tuttu", timeout: timedelta) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._client = client
        self._timeout_s = timeout.total_seconds()
        self._producer: AIOKafkaProducer | None = None
        self._broken: AIOKafkaProducer | None = None
        self._replacing: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return self._producer is not None

    async def start(self) -> None:
        """Connect; raises `KafkaUnavailable` when no broker answers."""
        self._producer = await self._connect()

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            acks="all",
            enable_idempotence=True,
            # Messages gather while a request is under way; waiting for more would only add to the latency.
            linger_ms=0,
            max_batch_size=_MAX_BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=int(self._timeout_s * 1000),
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.start()
        except BaseException as error:
            await _stop(producer)
            if isinstance(error, (KafkaError, OSError, TimeoutError)):
                raise KafkaUnavailable(part=f"Kafka at {self._bootstrap}") from error
            raise
        return producer

    async def stop(self) -> None:
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        producers, self._producer, self._broken = (self._producer, self._broken), None, None
        for producer in producers:
            if producer is not None:
                await _stop(producer)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Produce these messages and wait for all acknowledgements.

        Messages of one partition keep their order. Raises `KafkaUnavailable` when not all were confirmed in time; some
        of them may be in Kafka all the same. Raises `MessageTooLarge` before anything is sent.
        """
        if not messages:
            return
        for message in messages:
            if (size := len(message.value) + len(message.key)) > MAX_MESSAGE_BYTES - _OVERHEAD_BYTES:
                raise MessageTooLarge(topic=message.topic, size_bytes=size, limit_bytes=MAX_MESSAGE_BYTES)
        producer = self._producer
        if producer is None:
            raise KafkaUnavailable(part="Kafka")
        try:
            async with asyncio.timeout(self._timeout_s):
                if len(messages) < _OWN_BATCHES_FROM:
                    await self._send_each(producer, messages)
                else:
                    await self._send_batches(producer, messages)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("publish failed", error=repr(error), messages=len(messages))
            self._replace(producer)
            raise KafkaUnavailable(part="Kafka") from error

    async def _send_each(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        waiting = [
            await producer.send(
                self._prefix + message.topic, message.value, key=message.key.encode(), headers=message.headers()
            )
            for message in messages
        ]
        await asyncio.gather(*waiting)

    async def _send_batches(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        by_partition: dict[tuple[str, int], list[Message]] = defaultdict(list)
        counts: dict[str, int] = {}
        for message in messages:
            if (count := counts.get(message.topic)) is None:
                count = counts[message.topic] = len(await producer.partitions_for(self._prefix + message.topic))
            by_partition[message.topic, partition_of(message.key, count)].append(message)
        await asyncio.gather(*(self._send_partition(producer, *place, group) for place, group in by_partition.items()))

    async def _send_partition(
        self, producer: AIOKafkaProducer, topic: str, partition: int, messages: Sequence[Message]
    ) -> None:
        name = self._prefix + topic
        waiting = []
        batch = producer.create_batch()
        for message in messages:
            parts = {"timestamp": None, "key": message.key.encode(), "value": message.value}
            if batch.append(**parts, headers=message.headers()) is None:
                waiting.append(await producer.send_batch(batch, name, partition=partition))
                batch = producer.create_batch()
                batch.append(**parts, headers=message.headers())
        batch.close()
        waiting.append(await producer.send_batch(batch, name, partition=partition))
        await asyncio.gather(*waiting)

    def _replace(self, broken: AIOKafkaProducer) -> None:
        if self._producer is not broken:
            return
        self._producer, self._broken = None, broken
        self._replacing = asyncio.create_task(self._reconnect(broken))

    async def _reconnect(self, broken: AIOKafkaProducer) -> None:
        await _stop(broken)
        self._broken = None
        while True:
            try:
                self._producer = await self._connect()
                log.info("producer replaced")
                return
            except errors.Unavailable:
                await asyncio.sleep(1)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop without waiting for what cannot be delivered; aiokafka alone tries without end while no broker answers."""
    try:
        async with asyncio.timeout(3):
            await producer.flush()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("producer given up with messages under way", error=repr(error))
    finally:
        # aiokafka has no way to give up: end its batches and its sending task by hand.
        producer._message_accumulator.fail_all(KafkaConnectionError("given up"))
        for end in (producer._sender.close, producer.stop):
            try:
                async with asyncio.timeout(2):
                    await end()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("producer did not stop in order", error=repr(error))
