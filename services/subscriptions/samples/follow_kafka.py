"""Follow customer updates on the Kafka topic and keep a copy of each customer; needs `pip install aiokafka`.

    python follow_kafka.py BOOTSTRAP [TOPIC]

The topic is compacted: read from its beginning it gives the newest version of every customer. A record may come twice,
and an older one after a newer one: what is not newer than the copy is ignored.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer


def handle(customers: dict[str, Any], event: dict[str, Any]) -> bool:
    """Keep the customer if it is newer than what there is; whether it was.

    One that was merged or erased stays as its state without data, so that nothing older brings it back.
    """
    customer = event["data"]
    held = customers.get(customer["customer_id"])
    if held is not None and held["version"] >= customer["version"]:
        return False
    customers[customer["customer_id"]] = customer
    return True


async def main() -> None:
    bootstrap, topic = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "customers"
    customers: dict[str, Any] = {}
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        async for record in consumer:
            if record.value is None:  # the end of an erased customer, long after it
                customers.pop(record.key.decode(), None)
                continue
            event = json.loads(record.value)
            if handle(customers, event):
                customer = event["data"]
                kind = event["type"].removeprefix("tuttu.customer.")
                print(kind, customer["customer_id"], customer["version"], customer["name"], flush=True)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main())
