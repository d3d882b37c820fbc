"""A migrated store of subscriptions, a feed that follows it, and its HTTP on a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.kit import database as kit_database
from services.kit import http_server, keys, migrations, web
from services.kit.database import Connection, Pool
from services.subscriptions import api
from services.subscriptions.settings import Settings
from services.subscriptions.stream import Feed


@pytest.fixture
async def store_dsn(database: str) -> str:
    await migrations.migrate(database, "services.subscriptions")
    return database


@pytest.fixture
async def connection(store_dsn: str) -> AsyncIterator[Connection]:
    opened = await asyncpg.connect(store_dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def pool(store_dsn: str) -> AsyncIterator[Pool]:
    opened = await kit_database.open_pool(store_dsn, application="test", maximum=6)
    yield opened
    await opened.close()


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def settings() -> Settings:
    """Pings come fast, so that tests need not wait for them."""
    return Settings(database="", streams=250, ping=timedelta(seconds=0.3))


@pytest.fixture
async def feed(pool: Pool, stopping: asyncio.Event, settings: Settings) -> AsyncIterator[Feed]:
    """A feed with its background."""
    made = Feed(pool, stopping, settings)
    background = [asyncio.create_task(run()) for run in (made.follow, made.wake_at_stop)]
    yield made
    for task in background:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def key(pool: Pool) -> str:
    made = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, made, name="liisa", scopes=["subscriptions:read"])
    return made.text


@pytest.fixture
async def server(
    feed: Feed, pool: Pool, stopping: asyncio.Event, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[str]:
    """The service's HTTP; its address."""
    site = FastAPI()
    site.mount(api.PATH, web.create_app("subscriptions", [api.router(feed)], keys.KeyStore(pool)))
    port = unused_tcp_port_factory()
    running, task = await http_server.serve(site, host="127.0.0.1", port=port)
    yield f"http://127.0.0.1:{port}{api.PATH}"
    stopping.set()
    running.should_exit = True
    await task


@pytest.fixture
async def client(server: str, key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=server,
        headers={"Authorization": f"Bearer {key}"},
        limits=httpx.Limits(max_connections=None),
        timeout=20,
    ) as made:
        yield made
