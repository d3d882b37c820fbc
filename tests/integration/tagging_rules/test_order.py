"""Tags are a pure function, on the real store: any order, batching and repetition gives the same tags."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit import database as kit_database
from services.kit.database import Pool
from services.kit.envelope import Received
from services.tagging_rules import store
from services.tagging_rules.domain.standing import Standing
from services.tagging_rules.store import KeptRule
from tests.integration.tagging_rules.conftest import Worker, empty
from tests.unit.tagging_rules import histories
from tests.unit.tagging_rules.factories import START
from tests.unit.tagging_rules.histories import History

T = TypeVar("T")
Batches = Sequence[Sequence[Received[Any]]]


@pytest.fixture
def dsn(database: str) -> str:
    """A store with the rules of the histories instead of the starting rules."""

    async def replace_rules(pool: Pool) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await store.turn_book(connection)
            await connection.execute("TRUNCATE rule_version")
            for rule in histories.RULES:
                await store.save_rule(connection, KeptRule(rule=rule, author="test", changed_at=START))

    on_pool(database, replace_rules)
    return database


def on_pool(dsn: str, work: Callable[[Pool], Awaitable[T]]) -> T:
    """Run `work` in a loop of its own: a property has many examples, a test function one loop."""

    async def run() -> T:
        pool = await kit_database.open_pool(dsn, application="test")
        try:
            return await work(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


async def standings_after(pool: Pool, workers: Sequence[Batches]) -> dict[UUID, Standing]:
    """What contacts are after all workers have run their batches, side by side. Deadlocks between them are tried
    again, as the runtime does. That a contact was something for a while must not matter, nor may versions."""
    await empty(pool)
    await asyncio.gather(*(_work(Worker(pool), batches) for batches in workers))
    found = await Worker(pool).standings()
    return {contact_id: standing for contact_id, standing in found.items() if standing != Standing()}


async def _work(worker: Worker, batches: Batches) -> None:
    for batch in batches:
        while True:
            try:
                await worker.run(*batch)
                break
            except asyncpg.DeadlockDetectedError:
                await asyncio.sleep(0.01)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_batching_with_repeats_gives_the_same_tags(data: st.DataObject, dsn: str) -> None:
    history = data.draw(histories.histories())
    batches = data.draw(histories.deliveries(history))

    async def both(pool: Pool) -> tuple[dict[UUID, Standing], dict[UUID, Standing]]:
        return await standings_after(pool, [[history.messages]]), await standings_after(pool, [batches])

    first, second = on_pool(dsn, both)
    assert first == second


@given(history=histories.histories(least=20, most=40))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_several_workers_at_once_come_to_the_same_tags(history: History, dsn: str) -> None:
    batches = [history.messages[start : start + 2] for start in range(0, len(history.messages), 2)]
    side_by_side = [batches[number::3] for number in range(3)]

    async def both(pool: Pool) -> tuple[dict[UUID, Standing], dict[UUID, Standing]]:
        return await standings_after(pool, [[history.messages]]), await standings_after(pool, side_by_side)

    alone, together = on_pool(dsn, both)
    assert together == alone
