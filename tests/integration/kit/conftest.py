"""Topics, a store and workers of the ledger, for one test each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.kit import migrations
from services.kit.settings import Platform
from tests.integration.kit import ledger
from tests.integration.kit.bench import Bench


@pytest.fixture
async def bench(kafka_bootstrap: str, topic_prefix: str, database: str) -> AsyncIterator[Bench]:
    """The ledger's topics and store, and what a test needs to write, to read and to run workers."""
    await migrations.migrate(database, "services.kit")
    connection = await asyncpg.connect(database)
    await connection.execute(ledger.SCHEMA)
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics(
        [
            NewTopic(f"{topic_prefix}{name}", num_partitions=2, replication_factor=1)
            for name in ("amounts", "balances", "receipts", "dead-letters")
        ]
    )
    await admin.close()
    async with Bench(Platform(kafka=kafka_bootstrap, topic_prefix=topic_prefix), database) as made:
        yield made
