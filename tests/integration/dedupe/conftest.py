"""A store of dedupe's own for each test, and what one does with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from services.kit import migrations
from tests.integration.dedupe.register import Register


@pytest.fixture
async def dsn(database: str) -> str:
    """The address of an empty store."""
    await migrations.migrate(database, "services.dedupe")
    return database


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection to the store."""
    made = await asyncpg.connect(dsn, server_settings={"timezone": "UTC", "jit": "off"})
    yield made
    await made.close()


@pytest.fixture
def register(connection: asyncpg.Connection[Any]) -> Register:
    """The register behind this connection."""
    return Register(connection)
