"""Migrations: plain SQL files, applied by yoyo; kit's own tables first, then the service's.

`schema.sql` is the readable truth, `migrations/` is the way there; a test builds a database from each and compares.
"""

from __future__ import annotations

import asyncio
import logging
from importlib import resources

import asyncpg
import yoyo

PACKAGES_TABLES = "services.kit"


def _folder(package: str) -> str:
    return str(resources.files(package).joinpath("sql/migrations"))


def _apply(dsn: str, package: str) -> int:
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    backend = yoyo.get_backend(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with backend.lock():
            count = 0
            for folder in (_folder(PACKAGES_TABLES), _folder(package)):
                todo = backend.to_apply(yoyo.read_migrations(folder))
                backend.apply_migrations(todo)
                count += len(todo)
            return count
    finally:
        backend.connection.close()


async def migrate(dsn: str, package: str) -> int:
    """Bring the database of `package` (as `services.dedupe`) to its newest schema; returns how many steps it took.

    `dsn` is that of the owner role. Also makes the coming months' partitions.
    """
    count = await asyncio.to_thread(_apply, dsn, package)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT ensure_months(partrelid::regclass) FROM pg_partitioned_table")
    finally:
        await connection.close()
    return count
