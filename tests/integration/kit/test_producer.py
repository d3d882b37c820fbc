"""The way out to Kafka: bounded where Kafka is away, and there again with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.kit.envelope import Message
from services.kit.runtime import Producer
from services.kit.runtime.producer import KafkaUnavailable, MessageTooLarge, partition_of
from services.ops.embedded import ports
from tests import proxy
from tests.integration.kit.bench import ACCOUNTS, PARTITIONS, Bench, amounts, crashed, eventually

TIMEOUT = timedelta(seconds=1)


@pytest.fixture
async def wire(bench: Bench) -> AsyncIterator[proxy.KafkaProxy]:
    async with proxy.KafkaProxy(bench.platform.kafka) as wire:
        yield wire


def made(bench: Bench, bootstrap: str) -> Producer:
    return Producer(bootstrap, prefix=bench.platform.topic_prefix, client="test", timeout=TIMEOUT)


async def publishes(producer: Producer, messages: list[Message]) -> bool:
    try:
        await producer.publish(messages)
    except KafkaUnavailable:
        return False
    return True


async def test_a_producer_without_a_broker_does_not_start_and_says_where_it_looked() -> None:
    port = ports.free()
    producer = Producer(f"127.0.0.1:{port}", timeout=TIMEOUT)
    with pytest.raises(KafkaUnavailable, match=f"Kafka at 127.0.0.1:{port} does not confirm"):
        await producer.start()
    await producer.stop()


@pytest.mark.parametrize("count", [pytest.param(3, id="few"), pytest.param(100, id="many")])
async def test_kafka_away_is_said_within_the_bound_and_forgotten_when_it_is_back(
    bench: Bench, wire: proxy.KafkaProxy, count: int
) -> None:
    producer = made(bench, wire.address)
    await producer.start()
    await producer.publish(amounts(count))
    tasks = len(asyncio.all_tasks())
    await wire.cut()
    started = time.monotonic()
    with pytest.raises(KafkaUnavailable):
        await producer.publish(amounts(count))
    assert time.monotonic() - started < 2 * TIMEOUT.total_seconds()
    # Nothing piles up meanwhile: the next is refused at once.
    assert not producer.ready
    started = time.monotonic()
    with pytest.raises(KafkaUnavailable):
        await producer.publish(amounts(count))
    assert time.monotonic() - started < 0.1

    await wire.mend()
    await eventually(lambda: publishes(producer, amounts(count)))
    assert len(await bench.topic("amounts")) >= 2 * count

    async def as_before() -> bool:
        return len(asyncio.all_tasks()) <= tasks

    # The producer that was given up has ended, and does not try for good.
    await eventually(as_before)
    await producer.stop()


async def test_a_producer_stops_in_bounded_time_while_kafka_is_away(bench: Bench, wire: proxy.KafkaProxy) -> None:
    producer = made(bench, wire.address)
    await producer.start()
    await wire.cut()
    with pytest.raises(KafkaUnavailable):
        await producer.publish(amounts(3))
    async with asyncio.timeout(10):
        await producer.stop()


async def test_a_message_too_large_is_refused_by_itself_and_harms_no_other(bench: Bench) -> None:
    with pytest.raises(MessageTooLarge, match="for amounts has 3200001 bytes"):
        await bench.send([*amounts(10), Message("amounts", "k", b"x" * 3_200_000)])
    assert await bench.topic("amounts") == []
    assert bench.producer.ready
    await bench.send([Message("amounts", "k", b"x" * 3_000_000) for _ in range(3)])
    await bench.send([Message("amounts", "k", b"x" * 1_000_000) for _ in range(9)])
    assert sorted(len(value) for value in await bench.topic("amounts")) == [1_000_000] * 9 + [3_000_000] * 3


async def test_messages_go_where_kafkas_own_clients_look_for_their_key(bench: Bench) -> None:
    few, many = amounts(3), amounts(100)
    await bench.send(few)
    await bench.send(many)
    for record in await bench.records("amounts"):
        assert record.partition == partition_of(record.key.decode(), PARTITIONS)


async def test_messages_of_a_key_keep_their_order(bench: Bench) -> None:
    key = str(ACCOUNTS[0])
    sent = [b"%d" % number for number in range(1000)]
    for size in (1, 3, 50, 200):
        part, sent[:] = sent[:size], sent[size:]
        await bench.send([Message("amounts", key, value) for value in part])
    assert await bench.topic("amounts") == [b"%d" % number for number in range(254)]


async def test_a_worker_that_cannot_produce_stops_and_its_successor_sends_everything(
    bench: Bench, wire: proxy.KafkaProxy
) -> None:
    platform = replace(bench.platform, kafka=wire.address, produce_timeout=TIMEOUT)

    async def cut(step: str, connection: object) -> None:
        if step == "before-produce":
            await wire.cut()

    await bench.send(amounts(40))
    async with bench.worker(cut, platform=platform) as running:
        assert isinstance(await crashed(running), KafkaUnavailable)
    assert await bench.applied() > 0
    async with bench.worker():
        await bench.wait_applied(40)
        await bench.wait_states_equal_rows()
        await bench.wait_written_back()
    assert len(set(await bench.topic("receipts"))) == 40


async def test_a_worker_outlives_a_broker_that_is_away_for_a_moment(bench: Bench, wire: proxy.KafkaProxy) -> None:
    async with bench.worker(platform=replace(bench.platform, kafka=wire.address)) as running:
        await bench.send(amounts(40))
        await bench.wait_applied(40)
        await bench.wait_written_back()
        await wire.cut()
        await bench.send(amounts(40))
        await wire.mend()
        await bench.wait_applied(80)
        await bench.wait_states_equal_rows()
        assert not running.crashed
