"""A whole intake for the clients of this folder: `python -m tests.clients.serve` from the root of the checkout.

Prints one line of JSON with the address and a write key, then every event that reaches Kafka as a line of its own. It
stops when its standard input ends, so that it never outlives the test that started it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer

from services.intake import admin, app
from services.intake.domain import Source
from services.kit import database, migrations
from services.kit.settings import Platform
from services.ops import process, topics
from services.ops.embedded import ports, temporary_servers

SOURCE = Source(name="palvelin", kind="segment", trusted=True)


async def main() -> None:
    async with temporary_servers() as (kafka, postgres):
        await postgres.create_database("intake")
        environment = {"INTAKE_DATABASE": postgres.dsn("intake")}
        platform = Platform(kafka=kafka.bootstrap, secret="clients")
        await topics.create(platform, partitions=1)
        await migrations.migrate(environment["INTAKE_DATABASE"], "services.intake")
        key = await write_key(environment["INTAKE_DATABASE"])
        port = ports.free()
        async with process.running({"intake": app.build}, platform, environment, port=port):
            say({"url": f"http://127.0.0.1:{port}/intake", "key": key})
            printing = asyncio.create_task(print_events(platform))
            await asyncio.to_thread(sys.stdin.read)
            printing.cancel()
            await asyncio.gather(printing, return_exceptions=True)


async def write_key(dsn: str) -> str:
    pool = await database.open_pool(dsn, application="clients")
    try:
        await admin.create_source(pool, SOURCE)
        return (await admin.create_key(pool, SOURCE.name)).key
    finally:
        await pool.close()


async def print_events(platform: Platform) -> None:
    consumer = AIOKafkaConsumer("events", bootstrap_servers=platform.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async for record in consumer:
            say(json.loads(record.value))
    finally:
        await consumer.stop()


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
