"""A worker that applies records as the runtime would, without Kafka."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from typing import Any
from uuid import UUID

from services.directory import handlers, messages
from services.kit.database import Connection
from services.kit.envelope import Received
from services.kit.runtime import Apply

_APPLY: dict[str, Apply] = {
    messages.CONTACTS: handlers.contacts,
    messages.CONTACT_TAGS: handlers.contact_tags,
    messages.CONTACT_ACTIVITY: handlers.contact_activity,
}


async def apply(connection: Connection, *records: Received[Any]) -> Collection[UUID]:
    """One batch in one transaction; the customers that changed."""
    by_topic: dict[str, list[Received[Any]]] = defaultdict(list)
    for one in records:
        by_topic[one.record.topic].append(one)
    affected: set[UUID] = set()
    async with connection.transaction():
        for topic, handle in _APPLY.items():
            if by_topic[topic]:
                affected.update(await handle(connection, by_topic[topic]))
        return await handlers.settle(connection, affected)


async def published(connection: Connection, contact_id: UUID) -> dict[str, Any]:
    """The CloudEvent that `customers` carries of a customer."""
    [message] = await handlers.load(connection, [contact_id])
    event: dict[str, Any] = json.loads(message.value)
    assert message.key == event["subject"] == event["data"]["customer_id"] == str(contact_id)
    assert message.version == event["data"]["version"]
    return event
