"""Where the log no longer holds what a position asks for, a worker stops and says what is missing."""

from __future__ import annotations

import asyncio
import re

from services.kit.database import Connection
from services.kit.runtime import positions
from tests.integration.kit import ledger
from tests.integration.kit.bench import ACCOUNTS, PARTITIONS, Bench, amounts, assigned, crashed, ended


async def test_a_log_that_starts_after_the_position_stops_the_worker_which_says_what_is_missing(bench: Bench) -> None:
    await bench.send(amounts(40))
    async with bench.worker():
        await bench.wait_applied(40)
    await bench.send(amounts(40))
    ends = (await bench.ends("amounts")).values()
    await bench.delete_records_before("amounts", min(ends) - 3)

    assert await ended(await bench.process()) == 1
    assert "LogStartsAfterPosition" in bench.said()
    assert "records are gone" in bench.said()
    assert "tuttu skip ledger amounts" in bench.said()
    assert await bench.applied() == 40

    async with bench.pool.acquire() as connection:
        for partition in range(PARTITIONS):
            assert await positions.skip(connection, "amounts", partition, min(ends) - 3)
    await bench.send(amounts(20))
    left = sum(end - (min(ends) - 3) for end in ends)
    async with bench.worker():
        await bench.wait_applied(40 + left + 20)
        await bench.wait_written_back()


async def test_a_log_that_loses_its_start_under_a_worker_stops_it(bench: Bench) -> None:
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def fault(step: str, connection: Connection) -> None:
        if step == "before-apply":
            under_way.set()
            await go_on.wait()

    account = ACCOUNTS[1]
    await bench.send([ledger.amount_message(account, 1)])
    async with bench.worker(fault) as running:
        await under_way.wait()
        # Retention overtakes the worker, beyond what it has fetched ahead (4 MB); left to itself, aiokafka would go on
        # at the log's new start.
        await bench.send([ledger.amount_message(account, 1, "large" * 20_000) for _ in range(100)])
        await bench.delete_records_before("amounts", 101)
        await bench.send([ledger.amount_message(account, 1)])
        go_on.set()
        error = await crashed(running)
    assert isinstance(error, positions.LogStartsAfterPosition)
    assert await bench.applied() == error.attributes["position"] == 101 - error.attributes["missing"]


async def test_a_log_that_ends_before_the_position_stops_the_worker_instead_of_passing_new_records(
    bench: Bench,
) -> None:
    await bench.send(amounts(40))
    async with bench.worker():
        await bench.wait_applied(40)
    # As when the log has lost its end: what comes now has offsets that were applied before.
    await bench.pool.execute("UPDATE position SET applied = 1000, produced = 1000 WHERE topic = 'amounts'")
    for _ in range(PARTITIONS):
        async with bench.worker() as running:
            error = await crashed(running)
        assert isinstance(error, positions.LogEndsBeforePosition)
        # What it says can be done as it stands.
        statement = re.search(r"UPDATE position .*? WHERE topic = 'amounts' AND partition = \d", error.detail)
        assert statement is not None
        await bench.pool.execute(statement[0])
    async with bench.worker():
        await bench.send(amounts(40))
        await bench.wait_applied(80)
    assert await bench.applied() == 80


async def test_a_state_topic_may_start_anywhere_for_it_still_has_the_last_state_of_each_key(bench: Bench) -> None:
    await bench.send([ledger.owner_message(account, "first") for account in ACCOUNTS])
    async with bench.worker() as running:
        await assigned(running)
        await bench.wait_read("owners")
    await bench.send([ledger.owner_message(account, "second") for account in ACCOUNTS])
    await bench.send([ledger.owner_message(account, "third") for account in ACCOUNTS])
    ends = (await bench.ends("owners")).values()
    await bench.delete_records_before("owners", min(ends) - 1)
    async with bench.worker():
        await bench.wait_read("owners")
        await bench.send(amounts(20))
        await bench.wait_applied(20)
    assert await bench.pool.fetchval("SELECT count(*) FROM owner WHERE name = 'third'") > 0
