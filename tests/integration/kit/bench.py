"""What the runtime's tests work with: a way in, workers to kill, and the oracle."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.kit.application import Running
from services.kit.envelope import CloudEvent, Message
from services.kit.runtime import Producer
from services.kit.settings import Platform
from tests.integration.kit import ledger


class Bench:
    """The ledger's surroundings."""

    def __init__(self, platform: Platform, dsn: str) -> None:
        self.platform = platform
        self.dsn = dsn
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
                process.send_signal(signal.SIGCONT)
                process.kill()
                await process.wait()
        await self.producer.stop()
        await self.pool.close()

    async def send(self, messages: Sequence[Message]) -> None:
        await self.producer.publish(messages)

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[Running]:
        """A worker in this process."""
        running = Running("ledger", ledger.build, self.platform, {"LEDGER_DATABASE": self.dsn})
        await running.start()
        try:
            yield running
        finally:
            await running.stop()

    async def process(self, **environment: str) -> asyncio.subprocess.Process:
        """A worker in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.kit.ledger",
            env={
                **os.environ,
                "TUTTU_KAFKA": self.platform.kafka,
                "TUTTU_TOPIC_PREFIX": self.platform.topic_prefix,
                "LEDGER_DATABASE": self.dsn,
                "FAULT_DONE": str(Path(tempfile.gettempdir()) / f"tuttu-fault-{self.platform.topic_prefix}"),
                **environment,
            },
            stderr=asyncio.subprocess.PIPE,
        )
        self._processes.append(process)
        return process

    async def rows(self) -> dict[UUID, ledger.Balance]:
        rows = await self.pool.fetch("SELECT account_id, balance, count, version FROM account")
        return {row["account_id"]: ledger.Balance(**dict(row)) for row in rows}

    async def applied(self) -> int:
        """How many amounts are in the store."""
        return int(await self.pool.fetchval("SELECT coalesce(sum(count), 0) FROM account"))

    async def wait_applied(self, count: int, seconds: float = 40) -> None:
        async with asyncio.timeout(seconds):
            while await self.applied() < count:
                await asyncio.sleep(0.05)

    async def topic(self, name: str) -> list[tuple[str, bytes]]:
        """All records of a topic, (key, value), in the order of each partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.platform.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            tps = [TopicPartition(self.platform.topic_prefix + name, partition) for partition in range(2)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            await consumer.seek_to_beginning()
            found = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.key.decode(), record.value) for record in records]
            return found
        finally:
            await consumer.stop()

    async def last_balances(self) -> dict[UUID, ledger.Balance]:
        """What someone sees who reads the state topic from its start to its end."""
        decode = msgspec.json.Decoder(CloudEvent[ledger.Balance]).decode
        return {UUID(key): decode(value).data for key, value in await self.topic("balances")}

    async def wait_states_equal_rows(self, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while await self.last_balances() != await self.rows():
                await asyncio.sleep(0.3)
