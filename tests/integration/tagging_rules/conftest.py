"""A store of tagging-rules, and the batch path over it without Kafka."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql

from services.kit import database as kit_database
from services.kit import keys, migrations
from services.kit.database import Connection, Pool
from services.kit.envelope import Message, Received
from services.kit.runtime import Apply
from services.tagging_rules import handlers, messages
from services.tagging_rules.domain.standing import Standing
from tests import servers


class Worker:
    """One worker: runs a batch as the runtime does, in one transaction, and sends what changed."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.handle = handlers.Handlers(handlers.Rules())

    async def run(self, *batch: Received[Any]) -> list[Message]:
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                changed = await self.apply(connection, batch)
            return list(await handlers.contact_tags(connection, list(changed)))

    async def apply(self, connection: Connection, batch: Sequence[Received[Any]]) -> Sequence[UUID]:
        by_topic: dict[str, Apply] = {
            "contacts": self.handle.contacts,
            "resolved-events": self.handle.resolved_events,
            "tag-commands": self.handle.tag_commands,
        }
        affected: set[UUID] = set()
        for topic, apply in by_topic.items():
            if group := [one for one in batch if one.record.topic == topic]:
                affected.update(await apply(connection, group))
        return list(await self.handle.settle(connection, affected)) if affected else []

    async def standings(self) -> dict[UUID, Standing]:
        """What was last published of each contact, without versions."""
        rows = await self.pool.fetch("SELECT contact_id, state FROM contact_tags WHERE version > 0")
        return {row["contact_id"]: msgspec.json.decode(row["state"], type=Standing) for row in rows}

    async def tags_of(self, contact_id: UUID) -> list[str]:
        found = (await self.standings()).get(contact_id, Standing())
        return [held.tag for held in found.tags]


def state_of(message: Message) -> messages.ContactTags:
    """The state that a message carries."""
    raw = msgspec.json.decode(message.value)
    return msgspec.convert(raw["data"], messages.ContactTags)


@pytest.fixture(scope="session")
def migrated(postgres: servers.Postgres) -> Iterator[str]:
    """The name of a migrated store, which is copied for each test: that is faster than to migrate each."""
    name = f"tagging_rules_{secrets.token_hex(5)}"
    with postgres.empty_database(name) as dsn:
        asyncio.run(migrations.migrate(dsn, "services.tagging_rules"))
        yield name


@pytest.fixture
def database(postgres: servers.Postgres, migrated: str, unique: str) -> Iterator[str]:
    """The address of a store of this test's own."""
    name, template = sql.Identifier(f"test_{unique}"), sql.Identifier(migrated)
    with psycopg.connect(postgres.address, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, template))
    yield postgres.dsn(f"test_{unique}")
    with psycopg.connect(postgres.address, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool on the store."""
    opened = await kit_database.open_pool(database, application="test")
    yield opened
    await opened.close()


@pytest.fixture
def worker(pool: Pool) -> Worker:
    return Worker(pool)


async def new_client(pool: Pool, http: FastAPI, *scopes: str) -> httpx.AsyncClient:
    """A client of the service's HTTP, whose key has these scopes."""
    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="liisa", scopes=scopes)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(http),
        base_url="http://tagging-rules",
        headers={"Authorization": f"Bearer {key.text}"},
    )


async def empty(connection: Connection | asyncpg.Pool[Any]) -> None:
    """Forget everything but the rules."""
    await connection.execute(
        "TRUNCATE membership, seen_event, fact, record_tag, hand_tag, contact_seen, contact_tags, command_outcome"
    )
