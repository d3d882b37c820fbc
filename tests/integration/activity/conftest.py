"""A migrated store of activity, and connections to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.kit import database as kit_database
from services.kit import migrations
from services.kit.database import Connection, Pool


@pytest.fixture
async def store_dsn(database: str) -> str:
    await migrations.migrate(database, "services.activity")
    return database


@pytest.fixture
async def connection(store_dsn: str) -> AsyncIterator[Connection]:
    opened = await asyncpg.connect(store_dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def pool(store_dsn: str) -> AsyncIterator[Pool]:
    opened = await kit_database.open_pool(store_dsn, application="test")
    yield opened
    await opened.close()
