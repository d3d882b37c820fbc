"""A database whose backends die, whose answers are lost, and whose errors come in bad company."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.kit.database import Connection
from services.kit.runtime import Retry
from tests import proxy
from tests.integration.kit.bench import ACCOUNTS, Bench, amounts, assigned, crashed, eventually, total
from tests.integration.kit.ledger import Fault, amount_message


@pytest.fixture
async def wire(bench: Bench) -> AsyncIterator[proxy.PostgresProxy]:
    """What lies between a worker and its database."""
    async with proxy.PostgresProxy(bench.dsn) as wire:
        yield wire


async def end_backends(bench: Bench) -> int:
    """Terminate the workers' connections, whatever they are doing; how many were in a transaction."""
    return int(
        await bench.pool.fetchval(
            """
            SELECT count(*) FILTER (WHERE xact_start IS NOT NULL AND pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'ledger'
            """
        )
    )


async def test_backends_that_die_in_mid_transaction_lose_and_double_nothing(bench: Bench) -> None:
    ended = 0

    async def slowly(step: str, connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(0.02)")

    async with bench.worker(slowly) as running:
        await assigned(running)
        for _ in range(15):
            await bench.send(amounts(40))
            await asyncio.sleep(0.05)
            ended += await end_backends(bench)
        await bench.wait_applied(15 * 40)
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
        assert not running.crashed
    assert ended > 0
    assert await bench.applied() == 15 * 40
    assert await bench.balance() == 15 * total(40)
    assert len(set(await bench.topic("receipts"))) == 15 * 40


@pytest.mark.parametrize(
    ("faults", "refused"),
    [
        pytest.param([proxy.committed], 0, id="answer lost"),
        # The first look at the positions fails too: then nothing may be applied before another look.
        pytest.param([proxy.committed], 1, id="answer lost and server away"),
        pytest.param([proxy.committed], 3, id="answer lost and server away for a while"),
        pytest.param([proxy.committed_late], 0, id="commit still under way"),
        pytest.param([proxy.not_committed], 0, id="commit never arrived"),
        pytest.param([proxy.not_committed, proxy.committed, proxy.committed_late], 1, id="one after another"),
    ],
)
async def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten(
    bench: Bench, wire: proxy.PostgresProxy, faults: list[proxy.CommitFault], refused: int
) -> None:
    async with bench.worker(dsn=wire.dsn) as running:
        await assigned(running)
        expected = len(faults)
        wire.commits, wire.refuse_after_commit = list(faults), refused
        await bench.send([*amounts(40), amount_message(ACCOUNTS[7], 1, "\0")])
        await bench.wait_applied(40)
        await bench.wait_states_equal_rows()

        async def all_struck() -> bool:
            return wire.struck == expected

        await bench.send(amounts(40))
        await eventually(all_struck)
        await bench.wait_applied(80)
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
        assert not running.crashed
    assert await bench.applied() == 80
    assert await bench.balance() == 2 * total(40)
    assert len(await bench.topic("receipts")) == 80
    assert len(await bench.dead_letters()) == 1


async def test_a_worker_whose_database_stays_away_stops_and_its_successor_doubles_nothing(
    bench: Bench, wire: proxy.PostgresProxy
) -> None:
    async with bench.worker(dsn=wire.dsn) as running:
        await assigned(running)
        wire.commits, wire.refuse_after_commit = [proxy.committed], 1000
        await bench.send(amounts(40))
        await crashed(running)
        # Away, and back just before the worker writes its positions for the last time.
        wire.refuse = 0
    assert await bench.applied() == 40
    async with bench.worker():
        await bench.wait_written_back()
        await bench.wait_states_equal_rows()
    assert await bench.balance() == total(40)


def failing(errors: list[Exception], step: str = "before-commit") -> Fault:
    """At this step: each of these errors in turn, then the last for good."""

    async def fault(now: str, connection: Connection) -> None:
        if now == step:
            raise errors.pop(0) if len(errors) > 1 else errors[0]

    return fault


async def test_an_unknown_error_after_errors_that_go_by_themselves_stops_the_worker_too(bench: Bench) -> None:
    errors: list[Exception] = [asyncpg.DeadlockDetectedError("deadlock") for _ in range(4)]
    await bench.send(amounts(40))
    async with bench.worker(failing([*errors, ZeroDivisionError("a defect")])) as running:
        assert isinstance(await crashed(running), ZeroDivisionError)
    assert {applied for applied, _, _ in await bench.positions()} == {0}
    assert await bench.topic("receipts") == []


async def test_a_value_refused_after_errors_that_go_by_themselves_is_a_dead_letter_and_not_lost(bench: Bench) -> None:
    left = 6

    async def fault(step: str, connection: Connection) -> None:
        nonlocal left
        if step == "before-apply" and left > 0:
            left -= 1
            raise Retry()

    await bench.send([amount_message(ACCOUNTS[7], 1, "unwanted"), amount_message(ACCOUNTS[7], 1)])
    async with bench.worker(fault) as running:
        await bench.wait_applied(1)
        await bench.wait_written_back()
        assert not running.crashed
    assert len(await bench.dead_letters()) == 1


async def test_a_key_that_another_worker_took_is_tried_again(bench: Bench) -> None:
    taken = [asyncpg.UniqueViolationError("another worker was faster"), asyncpg.UniqueViolationError("and again")]

    async def fault(step: str, connection: Connection) -> None:
        if step == "before-commit" and taken:
            raise taken.pop()

    async with bench.worker(fault):
        await bench.send(amounts(40))
        await bench.wait_applied(40)
        await bench.wait_written_back()
    assert await bench.dead_letters() == []
    assert await bench.balance() == total(40)


async def test_outputs_that_cannot_be_read_for_a_moment_are_read_again(bench: Bench) -> None:
    async def fault(step: str, connection: Connection) -> None:
        if step == "before-produce" and away:
            raise away.pop()

    away: list[Exception] = [asyncpg.ConnectionDoesNotExistError("gone"), OSError("refused")]
    async with bench.worker(fault):
        await bench.send(amounts(40))
        await bench.wait_applied(40)
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
    assert len(await bench.topic("receipts")) == 40


async def test_outputs_that_cannot_be_made_stop_the_worker_and_are_made_by_its_successor(bench: Bench) -> None:
    await bench.send(amounts(40))
    async with bench.worker(failing([ZeroDivisionError("a defect")], "before-produce")) as running:
        assert isinstance(await crashed(running), ZeroDivisionError)
    assert await bench.topic("receipts") == []
    # The defect is mended, and at the next record there is another: what is committed is sent all the same.
    await bench.send([amount_message(account, 1, "defect") for account in ACCOUNTS])
    async with bench.worker() as running:
        assert isinstance(await crashed(running), ZeroDivisionError)
    assert len(await bench.topic("receipts")) == await bench.applied()
    assert await bench.last_balances() == await bench.rows()
    assert await bench.all_is_written_back()
