"""The servers of a test run: one embedded Kafka and PostgreSQL for all its processes, or those named by
TUTTU_TEST_KAFKA (host:port) and TUTTU_TEST_POSTGRES (the address of a superuser's database).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from services.ops.embedded import temporary_servers

T = TypeVar("T")
KAFKA = "TUTTU_TEST_KAFKA"
POSTGRES = "TUTTU_TEST_POSTGRES"
NEED_NONE = ("tests/unit", "tests/contract")


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server, reached as its superuser."""

    address: str

    def dsn(self, database: str) -> str:
        """The address of one of its databases."""
        return urlsplit(self.address)._replace(path=f"/{database}").geturl()

    @contextlib.contextmanager
    def empty_database(self, name: str) -> Iterator[str]:
        """A new database's address; it is dropped afterwards, whoever is still connected."""
        with psycopg.connect(self.address, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.dsn(name)
        finally:
            with psycopg.connect(self.address, autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def needed(root: Path, selected: Sequence[str]) -> bool:
    """Whether a run of these paths (`path` or `path::test`) is more than tests without servers."""
    if os.environ.get(KAFKA) and os.environ.get(POSTGRES):
        return False
    paths = [(Path.cwd() / each.split("::", 1)[0]).resolve() for each in selected]
    return not all(any(path.is_relative_to(root / free) for free in NEED_NONE) for path in paths)


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Both servers, with their addresses in the environment, which pytest-xdist's workers inherit."""
    # Not asyncio.run: one loop over the whole run, and never the current one, which is pytest-asyncio's.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        servers = temporary_servers(_report)
        kafka, postgres = runner.run(_entered(servers))
        os.environ[KAFKA] = kafka.bootstrap
        os.environ[POSTGRES] = postgres.dsn()
        try:
            yield
        finally:
            del os.environ[KAFKA], os.environ[POSTGRES]
            runner.run(_left(servers))


async def _entered(manager: contextlib.AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


async def _left(manager: contextlib.AbstractAsyncContextManager[object]) -> None:
    await manager.__aexit__(None, None, None)


def _report(message: str) -> None:
    print(f"tests: {message}", file=sys.stderr)
