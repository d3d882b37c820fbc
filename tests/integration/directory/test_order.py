"""Whatever the order, the batches, the repeats and the workers: the same customers, found alike."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.directory import handlers
from services.kit.database import Connection, Pool
from services.kit.envelope import Received
from tests.integration.directory.worker import apply
from tests.unit.directory.factories import NOON, activity, contact, tags

CONTACTS = [UUID(int=number << 64) for number in range(1, 5)]
NAMES = ("Maija", "Teppo", "Åke")


def story(seed: int) -> list[Received[Any]]:
    """Several versions of the states of some contacts: renamed, merged, split, erased, tagged."""
    chance = random.Random(seed)
    told: list[Received[Any]] = []
    for contact_id in CONTACTS:
        for version in range(1, chance.randint(2, 5)):
            time = NOON + timedelta(minutes=chance.randint(0, 5))
            fate = chance.random()
            told.append(
                contact(contact_id, version, merged_into=CONTACTS[0], time=time)
                if fate < 0.3
                else contact(contact_id, version, erased_at=NOON, time=time)
                if fate < 0.4
                else contact(contact_id, version, fields={"given_name": chance.choice(NAMES)}, time=time)
            )
        for version in range(1, chance.randint(1, 4)):
            told.append(tags(contact_id, version, chance.sample(("asiakas", "vip", "messut"), 2)))
        for version in range(1, chance.randint(1, 4)):
            told.append(activity(contact_id, version, purchases=version))
    return told


def shuffled(told: Sequence[Received[Any]], seed: int) -> list[list[Received[Any]]]:
    """The same in another order, some twice, in batches of other sizes."""
    chance = random.Random(seed)
    order = [*told, *chance.sample(told, len(told) // 3)]
    chance.shuffle(order)
    batches = []
    while order:
        size = chance.randint(1, 6)
        batches.append(order[:size])
        order = order[size:]
    return batches


async def outcome(connection: Connection) -> dict[str, Any]:
    """All that is said and found, without versions and times, which tell how often and when it was said."""
    said = {}
    for message in await handlers.load(connection, CONTACTS):
        said[message.key] = {**json.loads(message.value)["data"], "version": None, "changed": None}
    found = {
        table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY {table}::text")]
        for table in ("search", "identifier")
    }
    return {"said": said, **found}


async def reset(connection: Connection) -> None:
    await connection.execute("TRUNCATE part, customer, search, word, identifier")


@given(story_seed=st.integers(0, 10_000), order_seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_repeats_give_the_same_customers(store_dsn: str, story_seed: int, order_seed: int) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(store_dsn)
        try:
            told = story(story_seed)
            await reset(connection)
            for one in told:
                await apply(connection, one)
            expected = await outcome(connection)
            await reset(connection)
            for batch in shuffled(told, order_seed):
                await apply(connection, *batch)
            assert await outcome(connection) == expected
        finally:
            await connection.close()

    asyncio.run(run())


async def test_two_workers_at_once_give_the_same_customers(connection: Connection, pool: Pool) -> None:
    for seed in range(5):
        told = story(seed)
        await reset(connection)
        await apply(connection, *told)
        expected = await outcome(connection)
        await reset(connection)

        async def work(batches: Sequence[Sequence[Received[Any]]]) -> None:
            async with pool.acquire() as own:
                for batch in batches:
                    await apply(own, *batch)

        batches = shuffled(told, seed)
        await asyncio.gather(work(batches[::2]), work(batches[1::2]))
        assert await outcome(connection) == expected
