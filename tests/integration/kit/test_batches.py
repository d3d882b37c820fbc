"""The runtime without faults."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

from tests.integration.kit import ledger
from tests.integration.kit.bench import Bench, amounts, total


async def test_every_amount_is_added_once_and_every_balance_is_published(bench: Bench) -> None:
    async with bench.worker():
        await bench.send(amounts(500))
        await bench.wait_applied(500)
        await bench.wait_states_equal_rows()
    assert await bench.balance() == total(500)
    assert len(await bench.topic("receipts")) == 500


async def test_a_stopped_worker_has_written_its_positions_back(bench: Bench) -> None:
    await bench.send(amounts(500))
    async with bench.worker():
        await bench.wait_applied(500)
    assert await bench.all_is_written_back()
    assert sum(applied for applied, _, _ in await bench.positions()) == 500
    assert await bench.last_balances() == await bench.rows()


async def test_an_idle_worker_writes_its_positions_back(bench: Bench) -> None:
    async with bench.worker():
        await bench.send(amounts(50))
        await bench.wait_applied(50)
        await bench.wait_written_back()


async def test_state_topics_are_read_to_their_end_before_events(bench: Bench) -> None:
    # Small polls, so that many are needed to reach the end. The claim is held up, so that a poll begins before it is
    # done. Some rounds, for what comes first in a poll is a matter of chance.
    platform = replace(bench.platform, batch_records=20)
    for number in range(1, 7):
        accounts = [UUID(int=number * 1000 + each) for each in range(100)]
        await bench.send([ledger.owner_message(account, "someone") for account in accounts])
        await bench.send([ledger.amount_message(account, 100) for account in accounts])
        async with bench.pool.acquire() as connection, bench.worker(platform=platform):
            async with connection.transaction():
                await connection.execute("LOCK TABLE position")
                await asyncio.sleep(0.3)
            await bench.wait_applied(number * 100)
        assert await bench.pool.fetchval("SELECT count(*) FROM orphan") == 0
    assert await bench.pool.fetchval("SELECT count(*) FROM owner") == 600
