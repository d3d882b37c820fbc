"""PostgreSQL: pools, migrations, named queries, and the errors of the driver in our words."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import resources
from typing import Any, TypeAlias

import asyncpg

from services.kit import errors

# asyncpg's own names differ between a pool's connection and a bare one; handlers take either.
Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"
Pool: TypeAlias = "asyncpg.Pool[Any]"

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


class DatabaseUnavailable(errors.Unavailable):
    """The database of {part} does not answer; nothing was accepted. Send again in {retry_after_s} s."""


async def open_pool(
    dsn: str,
    *,
    application: str,
    minimum: int = 1,
    maximum: int = 8,
    statement_timeout: timedelta = timedelta(seconds=30),
) -> Pool:
    """A pool whose sessions give up rather than hold locks: time-outs for statements, locks and idle transactions."""
    return await asyncpg.create_pool(
        dsn,
        min_size=minimum,
        max_size=maximum,
        command_timeout=statement_timeout.total_seconds() + 5,
        server_settings={
            "application_name": application,
            "statement_timeout": f"{int(statement_timeout.total_seconds() * 1000)}",
            "lock_timeout": "5000",
            # Below the time that a claim of partitions may take: a frozen owner's row locks would block it.
            "idle_in_transaction_session_timeout": "4000",
            "timezone": "UTC",
            "jit": "off",
        },
    )


def load_queries(package: str) -> dict[str, str]:
    """The queries of `sql/queries.sql` in `package`, by name.

    Each begins with a line `-- name --` and a comment that says in a sentence what it does.
    """
    text = resources.files(package).joinpath("sql/queries.sql").read_text()
    parts = _NAME.split(text)
    queries = dict(zip(parts[1::2], (body.strip().rstrip(";") for body in parts[2::2]), strict=True))
    if len(queries) != len(parts) // 2:
        raise ValueError(f"two queries of {package} have the same name")
    return queries
