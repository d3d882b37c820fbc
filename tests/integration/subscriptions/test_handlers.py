"""From `customers` to the feed."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from services.kit.database import Connection, Pool
from services.subscriptions import domain, store
from tests.integration.subscriptions.worker import apply
from tests.unit.subscriptions.factories import MAIJA, TEPPO, record


async def versions(connection: Connection, after: int = 0) -> list[tuple[str, int]]:
    rows = await connection.fetch("SELECT body ->> 'name', version FROM feed WHERE seq > $1 ORDER BY seq", after)
    return [(name, version) for name, version in rows]


async def test_the_feed_holds_the_newest_version_of_each_customer_in_order_of_arrival(connection: Connection) -> None:
    await apply(connection, record(MAIJA, 1), record(TEPPO, 1, name="Teppo"))
    await apply(connection, record(MAIJA, 2), record(MAIJA, 2), record(TEPPO, 1, name="Old"))
    assert await versions(connection) == [("Teppo", 1), ("Maija", 2)]
    assert (await store.after(connection, 0, 10)).seq == await store.head(connection)


async def test_a_batch_of_nothing_new_moves_nothing(connection: Connection) -> None:
    await apply(connection, record(MAIJA, 2))
    head = await store.head(connection)
    await apply(connection, record(MAIJA, 2), record(MAIJA, 1))
    assert await store.head(connection) == head


async def test_a_seq_is_microseconds_since_1970_or_more(connection: Connection) -> None:
    before = time.time_ns() // 1000
    await apply(connection, record(MAIJA, 1))
    assert before <= await store.head(connection) < before + 60_000_000
    await connection.execute("UPDATE head SET seq = $1", before * 2)
    await apply(connection, record(MAIJA, 2))
    assert await store.head(connection) == before * 2 + 1


async def test_a_tag_or_a_name_that_postgresql_cannot_hold_stops_nobody(connection: Connection) -> None:
    await apply(connection, record(MAIJA, 1, ["\x00", "vip"], name="\x00"))
    read = await store.after(connection, 0, 10, tag="vip")
    assert b'"name": "\\u0000"' in read.entries[0].frame
    assert read.entries[0].tags == {"vip"}


async def test_who_has_a_tag_and_who_lost_it_is_read(connection: Connection) -> None:
    await apply(connection, record(MAIJA, 1, ["vip"]), record(TEPPO, 1, ["asiakas"]))
    place = await store.head(connection)
    assert [entry.tags for entry in (await store.after(connection, 0, 10, tag="vip")).entries] == [{"vip"}]
    await apply(connection, record(MAIJA, 2))
    await apply(connection, record(MAIJA, 3))
    now = await store.head(connection)
    assert len((await store.after(connection, place, 10, tag="vip", whole=place)).entries) == 1
    assert len((await store.after(connection, place, 10, tag="vip", whole=now)).entries) == 0


async def test_one_notification_a_batch_wakes_readers(connection: Connection, store_dsn: str) -> None:
    heard: list[str] = []
    listener = await asyncpg.connect(store_dsn)
    await listener.add_listener(store.CHANNEL, lambda *news: heard.append(str(news[3])))
    await apply(connection, record(MAIJA, 1), record(TEPPO, 1))
    await apply(connection, record(MAIJA, 1))
    await listener.fetchval("SELECT 1")
    assert heard == [str(await store.head(connection))]
    await listener.close()


async def test_a_reader_never_passes_over_what_another_writer_has_not_committed(
    pool: Pool, connection: Connection
) -> None:
    async with pool.acquire() as slow, pool.acquire() as fast:
        transaction = slow.transaction()
        await transaction.start()
        await store.append(slow, _one(await store.lock_head(slow)))
        waits = asyncio.create_task(apply(fast, record(TEPPO, 1)))
        await asyncio.sleep(0.1)
        read = await store.after(connection, 0, 10)
        assert (read.entries, read.seq) == ([], 0), "neither the first writer nor the second, which waits for it"
        await transaction.commit()
        await waits
    assert await versions(connection) == [("slow", 1), ("Maija", 1)]


def _one(head: tuple[int, int]) -> list[domain.Appended]:
    state = domain.State(MAIJA, 1, "created", frozenset(), '{"name":"slow"}')
    return domain.append(*head, {}, [state])
