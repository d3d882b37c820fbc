"""What the runtime's tests work with: a way in, workers to kill, and the oracle."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.kit.application import Running
from services.kit.envelope import CloudEvent, Message
from services.kit.runtime import Producer
from services.kit.runtime.dead_letters import DeadLetter
from services.kit.settings import Platform
from tests.integration.kit import ledger

PARTITIONS = 2
ACCOUNTS = [UUID(int=number) for number in range(20)]


def amounts(count: int) -> list[Message]:
    """100, 101, 102 … cents, in turn for each of the accounts."""
    return [ledger.amount_message(ACCOUNTS[number % len(ACCOUNTS)], 100 + number) for number in range(count)]


def total(count: int) -> int:
    """The sum of `amounts(count)`."""
    return sum(100 + number for number in range(count))


class Bench:
    """The ledger's surroundings."""

    def __init__(self, platform: Platform, dsn: str, folder: Path) -> None:
        self.platform = platform
        self.dsn = dsn
        self.folder = folder
        self.pool: asyncpg.Pool[Any]
        self.producer = Producer(
            platform.kafka, prefix=platform.topic_prefix, client="bench", timeout=timedelta(seconds=8)
        )
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Bench:
        self.pool = await asyncpg.create_pool(self.dsn, min_size=1, max_size=4)
        await self.producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await self.producer.stop()
        await self.pool.close()

    # -- the way in

    async def send(self, messages: Sequence[Message]) -> None:
        await self.producer.publish(messages)

    async def send_raw(self, topic: str, *values: bytes | None, key: bytes | None = b"k") -> None:
        """Records as nobody of ours would write them."""
        producer = AIOKafkaProducer(bootstrap_servers=self.platform.kafka, max_request_size=4 * 1024 * 1024)
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(self.platform.topic_prefix + topic, value, key=key)
        finally:
            await producer.stop()

    async def delete_records_before(self, topic: str, offset: int) -> None:
        """As retention does, in every partition that reaches so far."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.platform.kafka)
        await admin.start()
        try:
            ends = await self.ends(topic)
            await admin.delete_records(
                {tp: RecordsToDelete(before_offset=offset) for tp, end in ends.items() if end >= offset}
            )
        finally:
            await admin.close()

    # -- workers

    @contextlib.asynccontextmanager
    async def worker(
        self, fault: ledger.Fault = ledger.die_at, *, dsn: str | None = None, platform: Platform | None = None
    ) -> AsyncIterator[Running]:
        """A worker in this process."""
        environment = {"LEDGER_DATABASE": dsn or self.dsn}
        running = Running("ledger", ledger.builder(fault), platform or self.platform, environment)
        try:
            await running.start()
            yield running
        finally:
            await running.stop()

    async def process(self, *faults: str, **environment: str) -> asyncio.subprocess.Process:
        """A worker in a process of its own; `faults` as `before-commit:SIGKILL`, each once in a test."""
        with (self.folder / "stderr").open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.integration.kit.ledger",
                env={
                    **os.environ,
                    "TUTTU_KAFKA": self.platform.kafka,
                    "TUTTU_TOPIC_PREFIX": self.platform.topic_prefix,
                    "TUTTU_SESSION_TIMEOUT": str(self.platform.session_timeout.total_seconds()),
                    "LEDGER_DATABASE": self.dsn,
                    "FAULTS": " ".join(faults),
                    "FAULTS_DONE": str(self.folder),
                    **environment,
                },
                stderr=stderr,
            )
        self._processes.append(process)
        return process

    def said(self) -> str:
        """What the worker processes wrote."""
        return (self.folder / "stderr").read_text()

    # -- the oracle

    async def rows(self) -> dict[UUID, ledger.Balance]:
        rows = await self.pool.fetch("SELECT account_id, balance, count, version FROM account")
        return {row["account_id"]: ledger.Balance(**dict(row)) for row in rows}

    async def applied(self) -> int:
        """How many amounts are in the store."""
        return int(await self.pool.fetchval("SELECT coalesce(sum(count), 0) FROM account"))

    async def balance(self) -> int:
        return int(await self.pool.fetchval("SELECT coalesce(sum(balance), 0) FROM account"))

    async def positions(self, topic: str = "amounts") -> list[tuple[int, int, int]]:
        """(applied, produced, how many are touched) of each partition of a topic."""
        rows = await self.pool.fetch(
            'SELECT applied, produced, cardinality(touched) FROM position WHERE topic = $1 ORDER BY "partition"', topic
        )
        return [tuple(row) for row in rows]

    async def all_is_written_back(self) -> bool:
        return all(applied == produced and not touched for applied, produced, touched in await self.positions())

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        async with self._consumer() as consumer:
            tps = [TopicPartition(self.platform.topic_prefix + topic, partition) for partition in range(PARTITIONS)]
            return dict(await consumer.end_offsets(tps))

    async def records(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """All records of a topic, in the order of each partition."""
        async with self._consumer() as consumer:
            tps = [TopicPartition(self.platform.topic_prefix + topic, partition) for partition in range(PARTITIONS)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            await consumer.seek_to_beginning()
            found = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return found

    async def topic(self, name: str) -> list[bytes]:
        """All values of a topic."""
        return [record.value for record in await self.records(name)]

    async def dead_letters(self) -> list[DeadLetter]:
        decode = msgspec.json.Decoder(CloudEvent[DeadLetter]).decode
        return [decode(value).data for value in await self.topic("dead-letters")]

    async def balances(self) -> list[ledger.Balance]:
        """All states that were published; what has no version is none."""
        decode = msgspec.json.Decoder(CloudEvent[ledger.Balance]).decode
        return [decode(record.value).data for record in await self.records("balances") if record.headers]

    async def last_balances(self) -> dict[UUID, ledger.Balance]:
        """What someone sees who reads the state topic from its start to its end."""
        return {balance.account_id: balance for balance in await self.balances()}

    async def has_members(self, group: str, count: int) -> bool:
        """Whether a consumer group has come to rest with so many members."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.platform.kafka)
        await admin.start()
        try:
            (answer,) = await admin.describe_consumer_groups([self.platform.topic_prefix + group])
            _, _, state, _, _, members, *_ = answer.groups[0]
            return state == "Stable" and len(members) == count
        finally:
            await admin.close()

    async def guard_has_read_all(self) -> bool:
        """Whether the guards have come to the end of the state topic, and said so to their group."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.platform.kafka)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(f"{self.platform.topic_prefix}ledger-guard")
        finally:
            await admin.close()
        ends = await self.ends("balances")
        return all(tp in offsets and offsets[tp].offset == end for tp, end in ends.items())

    @contextlib.asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer[bytes, bytes]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.platform.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    # -- waiting, always bounded

    async def wait_applied(self, count: int, seconds: float = 30) -> None:
        async def enough() -> bool:
            return await self.applied() >= count

        await eventually(enough, seconds)

    async def wait_written_back(self, seconds: float = 10) -> None:
        await eventually(self.all_is_written_back, seconds)

    async def wait_read(self, topic: str, seconds: float = 20) -> None:
        """Until everything that is on a topic now is applied."""
        ends = {tp.partition: end for tp, end in (await self.ends(topic)).items()}

        async def read() -> bool:
            rows = await self.pool.fetch('SELECT "partition", applied FROM position WHERE topic = $1', topic)
            return len(rows) == PARTITIONS and all(row["applied"] >= ends[row["partition"]] for row in rows)

        await eventually(read, seconds)

    async def wait_states_equal_rows(self, seconds: float = 20) -> None:
        async def equal() -> bool:
            return await self.last_balances() == await self.rows()

        await eventually(equal, seconds)


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until `condition` holds; the time-out names it."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110  # what is waited for is on servers, which have no events
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {condition}") from None


async def crashed(running: Running, seconds: float = 20) -> BaseException:
    """Wait until a worker of this process stops by itself; why it did."""

    async def has_crashed() -> bool:
        return running.crashed

    await eventually(has_crashed, seconds)
    assert running.crash_reason is not None
    return running.crash_reason


async def assigned(running: Running, seconds: float = 20) -> None:
    """Wait until a worker of this process has claimed its partitions."""

    async def is_assigned() -> bool:
        return running.assigned

    await eventually(is_assigned, seconds)


async def stopped(process: asyncio.subprocess.Process, seconds: float = 20) -> None:
    """Wait until a process has stopped itself (SIGSTOP)."""

    async def is_stopped() -> bool:
        assert process.returncode is None
        return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED

    await eventually(is_stopped, seconds)


async def ended(process: asyncio.subprocess.Process, seconds: float = 20) -> int:
    """Wait for a process's end; its exit status, negative for a signal."""
    async with asyncio.timeout(seconds):
        return await process.wait()


def wake(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGCONT)
