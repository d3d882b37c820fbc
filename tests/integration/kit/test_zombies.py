"""Workers that are frozen past their session, replaced, and woken; workers that come and go."""

from __future__ import annotations

import asyncio
import functools
import signal

from tests.integration.kit import ledger
from tests.integration.kit.bench import (
    ACCOUNTS,
    Bench,
    amounts,
    assigned,
    ended,
    eventually,
    stopped,
    total,
    wake,
)


async def inversions(bench: Bench) -> int:
    """How often a lower version follows a higher one of the same account on the state topic."""
    last: dict[object, int] = {}
    found = 0
    for balance in await bench.balances():
        found += balance.version < last.get(balance.account_id, 0)
        last[balance.account_id] = balance.version
    return found


async def fenced(bench: Bench) -> bool:
    """Whether a worker process found that it was replaced; it stops, or joins anew if the group told it first."""
    return "Fenced" in bench.said() or "former assignment" in bench.said()


async def test_what_a_woken_worker_sends_late_does_not_stay_the_last_state(bench: Bench) -> None:
    await bench.send(amounts(300))
    zombie = await bench.process("before-produce:SIGSTOP")
    await stopped(zombie)
    async with bench.worker() as successor:
        await assigned(successor)
        await bench.send(amounts(300))
        await bench.wait_applied(600)
        await bench.wait_states_equal_rows()
        rows = await bench.rows()
        wake(zombie)

        async def sent_late() -> bool:
            return await inversions(bench) > 0

        await eventually(sent_late)
        await bench.wait_states_equal_rows()
        assert await bench.rows() == rows
        await bench.wait_written_back()
    assert await bench.balance() == 2 * total(300)


async def test_the_guard_mends_what_a_woken_worker_sends_just_before_it_dies(bench: Bench) -> None:
    await bench.send(amounts(300))
    zombie = await bench.process("before-produce:SIGSTOP", "after-produce:SIGKILL")
    await stopped(zombie)
    async with bench.worker() as successor:
        await assigned(successor)
        await bench.send(amounts(300))
        await bench.wait_applied(600)
        await bench.wait_states_equal_rows()
        wake(zombie)
        assert await ended(zombie) == -signal.SIGKILL
        assert await inversions(bench) > 0
        await bench.wait_states_equal_rows()
    assert await bench.balance() == 2 * total(300)


async def test_a_worker_woken_inside_its_transaction_is_fenced_and_commits_nothing(bench: Bench) -> None:
    await bench.send(amounts(300))
    # Before it locks a row, and with a server that would wait for it for good: only the epoch can hold it.
    zombie = await bench.process("before-apply:SIGSTOP", IDLE_IN_TRANSACTION="0")
    await stopped(zombie)
    async with bench.worker():
        await bench.wait_applied(300)
        await bench.wait_states_equal_rows()
        wake(zombie)
        await eventually(functools.partial(fenced, bench))
        await bench.wait_written_back()
    assert await bench.applied() == 300
    assert await bench.balance() == total(300)
    assert len(set(await bench.topic("receipts"))) == 300


async def test_a_worker_frozen_with_rows_locked_holds_its_successor_up_only_for_a_bounded_time(bench: Bench) -> None:
    await bench.send(amounts(300))
    zombie = await bench.process("before-commit:SIGSTOP")
    await stopped(zombie)
    async with bench.worker():
        await bench.wait_applied(300)
        await bench.wait_states_equal_rows()
        wake(zombie)
        await eventually(functools.partial(fenced, bench))
        await bench.wait_written_back()
    assert await bench.applied() == 300
    assert await bench.balance() == total(300)


async def test_a_worker_frozen_while_idle_goes_on_when_it_is_woken(bench: Bench) -> None:
    frozen = await bench.process()
    await bench.send(amounts(100))
    await bench.wait_applied(100)
    await bench.wait_written_back()
    frozen.send_signal(signal.SIGSTOP)
    async with bench.worker() as successor:
        await assigned(successor)
        await bench.send(amounts(100))
        await bench.wait_applied(200)
        wake(frozen)
    # Only the one that was frozen is there now.
    await bench.send(amounts(100))
    await bench.wait_applied(300)
    await bench.wait_states_equal_rows()
    assert frozen.returncode is None
    assert await bench.balance() == 3 * total(100)


async def test_workers_that_join_leave_and_die_under_load_lose_and_double_nothing(bench: Bench) -> None:
    sent = 0
    loaded = asyncio.Event()

    async def load() -> None:
        nonlocal sent
        while not loaded.is_set():
            await bench.send([ledger.amount_message(account, 1) for account in ACCOUNTS])
            sent += len(ACCOUNTS)
            await asyncio.sleep(0.02)

    async def more() -> bool:
        return await bench.applied() > before + 100

    loading = asyncio.create_task(load())
    doomed = await bench.process()
    async with bench.worker() as first:
        await assigned(first)
        for _ in range(2):
            before = await bench.applied()
            async with bench.worker() as second:
                await assigned(second)
                await eventually(more)
        before = await bench.applied()
        doomed.kill()
        await eventually(more)
        loaded.set()
        await loading
        await bench.wait_applied(sent)
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
    assert await bench.applied() == await bench.balance() == sent
    assert len(set(await bench.topic("receipts"))) == sent
