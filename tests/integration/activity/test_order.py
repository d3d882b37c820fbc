"""Whatever the order, the batches, the repeats and the workers: the same history, the same summaries."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.activity import store
from services.kit.database import Connection, Pool
from services.kit.envelope import Received
from tests.integration.activity.factories import (
    NOON,
    apply,
    contact_state,
    figures,
    in_batches,
    original,
    published,
    resolved,
)

RECORDS = [UUID(int=number << 64) for number in range(1, 5)]


def story(seed: int, steps: int = 8) -> list[Received[Any]]:
    """Some merges and unmerges in the order in which dedupe decided them, and events resolved in between."""
    chance = random.Random(seed)
    numbers = dict.fromkeys(RECORDS, 1)
    contact_of = {record: record for record in RECORDS}
    versions = dict.fromkeys(RECORDS, 0)
    told: list[Received[Any]] = []

    def tell(*contacts: UUID) -> None:
        for contact in contacts:
            versions[contact] += 1
            members = {record: numbers[record] for record in RECORDS if contact_of[record] == contact}
            into = None if members else contact_of[contact]
            told.append(contact_state(contact, versions[contact], members, merged_into=into))

    tell(*RECORDS[:3])  # the fourth is a visitor of whom nothing is known at first
    for step in range(steps):
        record, target = chance.choice(RECORDS), contact_of[chance.choice(RECORDS)]
        former = contact_of[record]
        if chance.random() < 0.4:
            if former == record:  # merge: all that the contact has goes to the target
                moved, into = [other for other in RECORDS if contact_of[other] == former], target
            else:  # unmerge: the record is its own contact again
                moved, into = [record], record
            if into != former:
                for other in moved:
                    contact_of[other] = into
                    numbers[other] += 1
                tell(former, into)
        event = original(
            chance.choice(["purchase", "refund", "page_view"]),
            record=record,
            minor=chance.randint(-9, 9),
            currency=chance.choice(["EUR", "SEK"]),
            time=NOON + timedelta(minutes=chance.randint(0, 3)),
            said=str(step),
        )
        told.append(resolved(event, contact=contact_of[record], number=numbers[record]))
    tell(*RECORDS)  # the visitor too is known in the end
    return told


async def reset(connection: Connection) -> None:
    await connection.execute("TRUNCATE event, record_activity, membership, contact, contact_activity")


async def told(connection: Connection, batches: Sequence[Sequence[Received[Any]]]) -> dict[UUID, Any]:
    """The history after these batches."""
    await reset(connection)
    for batch in batches:
        await apply(connection, *batch)
    return await history(connection)


async def history(connection: Connection) -> dict[UUID, Any]:
    """What is published, and each contact's timeline."""
    states = figures(await published(connection, *RECORDS))
    return {
        record: (states.get(record), await store.timeline(connection, record, limit=100, limit_bytes=10**6))
        for record in RECORDS
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.lists(st.integers(0, 100), max_size=5), st.data())
async def test_any_order_batches_and_repeats_of_the_same_records_give_the_same_history(
    connection: Connection, seed: int, cuts: list[int], data: st.DataObject
) -> None:
    records = story(seed)
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=5))
    shuffled = data.draw(st.permutations([*records, *repeated]))
    assert await told(connection, in_batches(shuffled, cuts)) == await told(connection, [records])


@pytest.mark.parametrize("seed", range(4))
async def test_workers_that_share_records_and_contacts_leave_the_same_history(
    connection: Connection, pool: Pool, seed: int
) -> None:
    records = story(seed, steps=40)
    expected = await told(connection, [records])
    await reset(connection)
    random.Random(seed).shuffle(records)

    async def work(share: Sequence[Received[Any]]) -> None:
        for batch in in_batches(share, range(0, len(share), 2)):
            await _applied(pool, batch)

    await asyncio.gather(*(work(records[worker::4]) for worker in range(4)))
    assert await history(connection) == expected


async def _applied(pool: Pool, batch: Sequence[Received[Any]]) -> None:
    """As the runtime does it: a batch that met a deadlock is tried again."""
    while True:
        try:
            async with pool.acquire() as connection:
                await apply(connection, *batch)
            return
        except asyncpg.DeadlockDetectedError:
            continue
