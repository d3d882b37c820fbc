"""Worker processes that die at each step of a batch: nothing is lost, nothing is added twice."""

from __future__ import annotations

import signal

from tests.integration.kit import ledger
from tests.integration.kit.bench import ACCOUNTS, Bench, amounts, ended, eventually, total

UNFIT = ledger.amount_message(ACCOUNTS[7], 5, "a text with a zero byte: \0")


async def go_on(bench: Bench, count: int) -> None:
    """Let a successor do the rest, in this process; then all must be as if nothing had happened."""
    async with bench.worker():
        await bench.wait_applied(count)
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
    assert await bench.applied() == count
    assert await bench.balance() == total(count)


async def test_records_that_come_again_only_emit_again(bench: Bench) -> None:
    await bench.send(amounts(300))
    async with bench.worker():
        await bench.wait_applied(300)
        await bench.wait_states_equal_rows()
    rows = await bench.rows()
    await bench.pool.execute("UPDATE position SET produced = 0 WHERE topic = 'amounts'")
    await go_on(bench, 300)
    assert await bench.rows() == rows
    assert len(await bench.topic("receipts")) == 600


async def test_states_that_a_position_names_are_sent_though_no_record_comes(bench: Bench) -> None:
    await bench.send(amounts(300))
    async with bench.worker():
        await bench.wait_applied(300)
        await bench.wait_states_equal_rows()
    # As after a crash that came when all records' outputs were sent, and the states of two accounts not.
    await bench.pool.execute(
        "UPDATE account SET balance = balance + 1, version = version + 1 WHERE account_id = ANY($1::uuid[])",
        ACCOUNTS[:2],
    )
    await bench.pool.execute(
        """UPDATE position SET touched = $1::uuid[] WHERE topic = 'amounts' AND "partition" = 1""", ACCOUNTS[:2]
    )
    async with bench.worker():
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()


async def test_a_crash_before_the_commit_loses_and_doubles_nothing(bench: Bench) -> None:
    await bench.send(amounts(300))
    process = await bench.process("before-commit:SIGKILL")
    assert await ended(process) == -signal.SIGKILL
    assert await bench.applied() == 0
    assert await bench.topic("receipts") == []
    await go_on(bench, 300)
    assert len(await bench.topic("receipts")) == 300


async def test_a_crash_between_commit_and_produce_leaves_its_outputs_to_the_successor(bench: Bench) -> None:
    await bench.send([*amounts(300), UNFIT])
    await bench.send_raw("amounts", b"no JSON")
    process = await bench.process("before-produce:SIGKILL")
    assert await ended(process) == -signal.SIGKILL
    applied = await bench.applied()
    assert applied > 0
    assert any(touched for _, _, touched in await bench.positions())
    assert (await bench.topic("receipts"), await bench.topic("balances")) == ([], [])

    await go_on(bench, 300)
    assert len(await bench.topic("receipts")) == 300
    assert len(await bench.dead_letters()) == 2


async def test_a_refused_record_is_one_dead_letter_though_the_worker_died_before_it_could_say_so(bench: Bench) -> None:
    good = [ledger.amount_message(ACCOUNTS[7], 1) for _ in range(50)]
    await bench.send([*good[:20], UNFIT, *good[20:]])
    assert await ended(await bench.process("before-produce:SIGKILL")) == -signal.SIGKILL
    assert await bench.applied() == 50
    assert await bench.topic("dead-letters") == []
    async with bench.worker():
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
    (letter,) = await bench.dead_letters()
    assert letter.value == UNFIT.value.decode()
    assert "refuses a value" in letter.reason
    assert len(await bench.topic("receipts")) == 50


async def test_a_crash_after_produce_sends_the_same_again_and_adds_nothing(bench: Bench) -> None:
    await bench.send([*amounts(300), UNFIT])
    process = await bench.process("after-produce:SIGKILL")
    assert await ended(process) == -signal.SIGKILL
    assert await bench.topic("receipts") != []
    assert not await bench.all_is_written_back()
    await go_on(bench, 300)
    assert len(set(await bench.topic("receipts"))) == 300
    letters = await bench.dead_letters()
    assert len({(letter.topic, letter.partition, letter.offset) for letter in letters}) == 1
    assert len(set(await bench.topic("dead-letters"))) == 1


async def test_an_unknown_error_stops_the_process_with_a_status_and_leaves_the_position(bench: Bench) -> None:
    await bench.send([*amounts(20), ledger.amount_message(ACCOUNTS[0], 1, "defect")])
    assert await ended(await bench.process()) == 1
    applied = [applied for applied, _, _ in await bench.positions()]
    assert sum(applied) == await bench.applied() < 21
    assert "ZeroDivisionError" in bench.said()
    # Nothing was learnt: the next one stops at the same record.
    assert await ended(await bench.process()) == 1
    assert await bench.dead_letters() == []


async def test_sigterm_leaves_nothing_half_done(bench: Bench) -> None:
    await bench.send(amounts(3000))
    process = await bench.process(TUTTU_BATCH_RECORDS="20")

    async def under_way() -> bool:
        return await bench.applied() > 0

    await eventually(under_way)
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == 0
    applied = await bench.applied()
    assert 0 < applied < 3000
    assert await bench.all_is_written_back()
    assert sum(applied for applied, _, _ in await bench.positions()) == applied
    assert len(await bench.topic("receipts")) == applied
    assert await bench.last_balances() == await bench.rows()
    await go_on(bench, 3000)
    assert len(await bench.topic("receipts")) == 3000
