"""The guard: whoever wrote what to a state topic, in the end the last record of each key is the row."""

from __future__ import annotations

from services.kit.database import Connection
from tests.integration.kit import ledger
from tests.integration.kit.bench import ACCOUNTS, Bench, amounts, assigned, eventually


async def settled(bench: Bench, rounds: int) -> None:
    """Bring every account to this version at least, and its state to the topic."""
    for _ in range(rounds):
        before = await bench.applied()
        await bench.send(amounts(20))
        await bench.wait_applied(before + 20)
    await bench.wait_states_equal_rows()


async def send_stale(bench: Bench, version: int) -> None:
    """What a worker that comes late would send: another balance, and this version."""
    rows = (await bench.rows()).values()
    await bench.send([ledger.balance_message(replace_version(row, version)) for row in rows])


def replace_version(balance: ledger.Balance, version: int) -> ledger.Balance:
    return ledger.Balance(balance.account_id, balance.balance - 1, balance.count, version)


async def test_a_lower_version_after_a_higher_one_is_followed_by_the_row(bench: Bench) -> None:
    async with bench.worker():
        await settled(bench, 2)
        rows = await bench.rows()
        await send_stale(bench, 1)
        assert await bench.last_balances() != rows
        await bench.wait_states_equal_rows()
        assert await bench.rows() == rows


async def test_what_came_while_no_worker_was_there_is_mended_by_the_next(bench: Bench) -> None:
    async with bench.worker():
        await settled(bench, 2)
    await send_stale(bench, 1)
    async with bench.worker():
        await bench.wait_states_equal_rows()


async def test_a_topic_that_is_above_the_rows_lifts_them(bench: Bench) -> None:
    async with bench.worker():
        await settled(bench, 2)
        before = await bench.rows()
        # As after a restored backup: the topic has seen what the store has forgotten.
        await send_stale(bench, 50)
        await bench.wait_states_equal_rows()
        rows = await bench.rows()
    assert {row.version for row in rows.values()} == {51}
    assert {key: row.balance for key, row in rows.items()} == {key: row.balance for key, row in before.items()}


async def test_records_of_other_making_do_not_disturb_the_guard(bench: Bench) -> None:
    async with bench.worker() as running:
        await settled(bench, 1)
        await bench.send_raw("balances", b"what", None, key=b"no id")
        await bench.send_raw("balances", b"what", key=None)
        await bench.send_raw("balances", b"what", key=str(ACCOUNTS[0]).encode())
        await settled(bench, 1)
        await send_stale(bench, 1)
        await bench.wait_states_equal_rows()
        assert not running.crashed


async def test_the_guard_tries_again_when_the_database_fails_for_a_moment(bench: Bench) -> None:
    away: list[Exception] = []

    async def fault(step: str, connection: Connection) -> None:
        if step == "before-produce" and away:
            raise away.pop()

    async with bench.worker(fault) as running:
        await settled(bench, 2)
        away += [OSError("refused"), ConnectionResetError("gone")]
        await send_stale(bench, 1)
        await bench.wait_states_equal_rows()
        assert (away, running.crashed) == ([], False)


async def test_a_guard_that_gets_a_partition_back_does_not_trust_what_it_remembers_of_it(bench: Bench) -> None:
    async with bench.worker() as first:
        await assigned(first)
        await settled(bench, 1)
        await eventually(bench.guard_has_read_all)
        async with bench.worker():
            await eventually(lambda: bench.has_members("ledger-guard", 2))
            # The second worker's guard sees these, the first one's sees half of them.
            await settled(bench, 3)
            await eventually(bench.guard_has_read_all)
        await eventually(lambda: bench.has_members("ledger-guard", 1))
        await send_stale(bench, 3)
        await bench.wait_states_equal_rows()


async def test_the_partitions_of_a_guard_that_died_are_guarded_again_soon(bench: Bench) -> None:
    doomed = await bench.process()
    await settled(bench, 2)
    await eventually(lambda: bench.has_members("ledger-guard", 1))
    doomed.kill()
    await send_stale(bench, 1)
    async with bench.worker():
        await bench.wait_states_equal_rows(seconds=8)
