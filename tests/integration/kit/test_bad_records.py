"""Records that cannot be read or stored: each becomes one dead letter, the rest goes on; too many stop the worker."""

from __future__ import annotations

from aiokafka import TopicPartition

from services.kit.envelope import Message
from services.kit.runtime import positions
from services.kit.runtime.failures import TooManyInvalid
from services.kit.runtime.producer import partition_of
from tests.integration.kit import ledger
from tests.integration.kit.bench import ACCOUNTS, PARTITIONS, Bench, amounts, crashed, total

EVENT = (
    b'{"specversion":"1.0","id":"1","source":"/test","type":"test.amount","time":"2026-11-22T08:15:00Z",'
    b'"data":{"account_id":"00000000-0000-0000-0000-000000000001","cents":1}}'
)


async def test_each_unreadable_record_is_one_dead_letter_that_names_the_field(bench: Bench) -> None:
    unreadable = {
        b"\xff\xfe no text": None,
        b"": None,
        None: None,
        b"[]": None,
        EVENT.replace(b'"cents":1', b'"cents":"one"'): "data.cents",
        EVENT.replace(b'"cents":1', b'"c":1'): "data.cents",
        EVENT.replace(b'"id":"1",', b""): "id",
        EVENT.replace(b"test.amount", b"test.other"): "type",
        EVENT.replace(b'"1.0"', b'"0.3"'): "specversion",
        EVENT.replace(b"08:15:00Z", b"08:15:00"): "time",
    }
    await bench.send(amounts(100))
    await bench.send_raw("amounts", *unreadable)
    await bench.send_raw("amounts", EVENT, key=None)
    async with bench.worker():
        await bench.wait_applied(101)
        await bench.wait_written_back()
    letters = {
        letter.value_base64 or (letter.value.encode() if letter.value is not None else None): letter
        for letter in await bench.dead_letters()
    }
    assert {letter.reason.partition(":")[0] for letter in letters.values()} == {"Expected a CloudEvent as JSON"}
    assert letters["//4gbm8gdGV4dA=="].value is None
    fields = {value: letters[value].field for value in unreadable if value != b"\xff\xfe no text"}
    assert fields == {value: field for value, field in unreadable.items() if value in fields}
    assert len(await bench.dead_letters()) == len(unreadable)


async def test_values_that_the_store_refuses_are_one_dead_letter_each_and_the_rest_goes_on(bench: Bench) -> None:
    refused = [
        ledger.amount_message(ACCOUNTS[3], 5, "a zero byte: \0"),
        ledger.amount_message(ACCOUNTS[4], 2_000_000, "more than an account may hold"),
        ledger.amount_message(ACCOUNTS[5], 2**63, "more than a column can hold"),
        ledger.amount_message(ACCOUNTS[6], 7, "unwanted"),
    ]
    good = amounts(500)
    mixed = [*good[:100], refused[0], *good[100:200], refused[1], refused[2], *good[200:499], refused[3], good[499]]
    async with bench.worker():
        await bench.send(mixed)
        await bench.wait_applied(500)
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
    assert await bench.balance() == total(500)
    letters = await bench.dead_letters()
    assert sorted(letter.value or "" for letter in letters) == sorted(message.value.decode() for message in refused)
    reasons = {letter.key: letter.reason for letter in letters}
    assert "invalid byte sequence" in reasons[str(ACCOUNTS[3])]
    assert "account_balance_check" in reasons[str(ACCOUNTS[4])]
    assert "does not fit its column" in reasons[str(ACCOUNTS[5])]
    assert str(2**63) not in reasons[str(ACCOUNTS[5])]
    assert [letter.field for letter in letters if letter.key == str(ACCOUNTS[6])] == ["data.note"]
    assert len(await bench.topic("receipts")) == 500


async def test_a_record_too_large_to_be_carried_away_is_named_without_its_value(bench: Bench) -> None:
    await bench.send_raw("amounts", b"x" * 3_900_000)
    async with bench.worker():
        await bench.send(amounts(10))
        await bench.wait_applied(10)
        await bench.wait_written_back()
    (letter,) = await bench.dead_letters()
    assert (letter.topic, letter.offset, letter.value) == ("amounts", 0, None)
    assert "3900000 bytes are too many" in letter.reason


async def test_too_many_unreadable_records_stop_the_worker_and_the_position_stays(bench: Bench) -> None:
    await bench.send([Message("amounts", "k", b"junk %d" % number) for number in range(300)])
    async with bench.worker() as running:
        assert isinstance(await crashed(running), TooManyInvalid)
    assert {applied for applied, _, _ in await bench.positions()} == {0}
    assert await bench.dead_letters() == []


async def test_too_many_refused_records_stop_the_worker_and_the_position_stays(bench: Bench) -> None:
    await bench.send([ledger.amount_message(ACCOUNTS[1], 5, "unwanted") for _ in range(300)])
    for _ in range(2):
        async with bench.worker() as running:
            assert isinstance(await crashed(running), TooManyInvalid)
    assert {applied for applied, _, _ in await bench.positions()} == {0}
    assert await bench.pool.fetchval("SELECT count(*) FROM dead_letter") == 0
    assert await bench.dead_letters() == []


async def test_invalid_records_that_come_one_by_one_are_counted_over_batches(bench: Bench) -> None:
    await bench.send([ledger.amount_message(ACCOUNTS[1], 5, "unwanted") for _ in range(50)])
    async with bench.worker() as running:
        await bench.wait_written_back()
        await bench.send([ledger.amount_message(ACCOUNTS[1], 5, "unwanted") for _ in range(49)])
        await bench.wait_written_back()
        await bench.send([ledger.amount_message(ACCOUNTS[1], 5, "unwanted") for _ in range(49)])
        assert isinstance(await crashed(running), TooManyInvalid)
    assert sum(applied for applied, _, _ in await bench.positions()) < 148


async def test_skip_passes_the_record_at_which_a_worker_stops(bench: Bench) -> None:
    account = ACCOUNTS[1]
    await bench.send([ledger.amount_message(account, 1), ledger.amount_message(account, 1, "defect")])
    await bench.send([ledger.amount_message(account, 1)])
    async with bench.worker() as running:
        assert isinstance(await crashed(running), ZeroDivisionError)
    partition = partition_of(str(account), PARTITIONS)
    async with bench.pool.acquire() as connection:
        assert await positions.skip(connection, "amounts", partition, 2)
        assert not await positions.skip(connection, "amounts", partition, 1)
    async with bench.worker():
        await bench.wait_applied(1)
        await bench.wait_written_back()
    assert (await bench.balance(), await bench.positions()) == (
        1,
        [(3, 3, 0) if n == partition else (0, 0, 0) for n in range(2)],
    )


async def test_a_skip_under_a_running_worker_makes_it_leave(bench: Bench) -> None:
    async with bench.worker() as running:
        await bench.send([ledger.amount_message(ACCOUNTS[1], 1)])
        await bench.wait_applied(1)
        partition = partition_of(str(ACCOUNTS[1]), PARTITIONS)
        tp = TopicPartition(bench.platform.topic_prefix + "amounts", partition)
        end = (await bench.ends("amounts"))[tp]
        async with bench.pool.acquire() as connection:
            assert await positions.skip(connection, "amounts", partition, end + 1)
        await bench.send([ledger.amount_message(ACCOUNTS[1], 1) for _ in range(3)])
        assert isinstance(await crashed(running), positions.Fenced)
    async with bench.worker():
        await bench.wait_applied(3)
        await bench.wait_written_back()
    assert await bench.applied() == 3
