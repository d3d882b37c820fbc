"""A migrated store of directory, connections to it, and its HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from services.directory import api
from services.kit import database as kit_database
from services.kit import keys, migrations, web
from services.kit.database import Connection, Pool


@pytest.fixture
async def store_dsn(database: str) -> str:
    await migrations.migrate(database, "services.directory")
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


@pytest.fixture
async def client(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    """The service's HTTP for a key that may read."""
    http = web.create_app("directory", [api.router(pool, "FI")], keys.KeyStore(pool))
    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="liisa", scopes=["directory:read"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(http),
        base_url="http://directory",
        headers={"Authorization": f"Bearer {key.text}"},
    ) as made:
        yield made
