"""Topics, a store and workers of the ledger, for one test each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.kit import migrations
from services.kit.settings import Platform
from tests.integration.kit import ledger
from tests.integration.kit.bench import PARTITIONS, Bench

TOPICS = ("amounts", "balances", "closings", "command-outcomes", "dead-letters", "owners", "receipts")


@pytest.fixture(autouse=True, scope="session")
def plain_logs() -> None:
    """structlog's own default formats local variables with every traceback, which takes seconds."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])


@pytest.fixture
async def bench(kafka_bootstrap: str, topic_prefix: str, database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """The ledger's topics and store, and what a test needs to write, to read and to run workers."""
    await migrations.migrate(database, "services.kit")
    connection = await asyncpg.connect(database)
    await connection.execute(ledger.SCHEMA)
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics(
        [NewTopic(topic_prefix + name, num_partitions=PARTITIONS, replication_factor=1) for name in TOPICS]
    )
    await admin.close()
    # Lost members are to be missed soon.
    platform = Platform(kafka=kafka_bootstrap, topic_prefix=topic_prefix, session_timeout=timedelta(seconds=2))
    async with Bench(platform, database, tmp_path) as made:
        yield made
