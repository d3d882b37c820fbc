"""One coroutine: new versions of customers go to the end of the feed. app.py says from which topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.kit.database import Connection
from services.kit.envelope import Received
from services.subscriptions import domain, messages, store


async def follow_customers(connection: Connection, received: Sequence[Received[messages.Customer]]) -> Iterable[UUID]:
    states = [
        domain.State(
            one.data.customer_id,
            one.data.version,
            messages.kind_of(one.event.type),
            # The store holds no NUL in what it searches; nobody can ask for such a tag either.
            frozenset(tag for tag in one.data.tags if "\x00" not in tag),
            messages.body_of(one.record.value or b""),
        )
        for one in received
    ]
    head, now_us = await store.lock_head(connection)
    known = await store.known(connection, list({state.customer_id for state in states}))
    appended = domain.append(head, now_us, known, states)
    if appended:
        await store.append(connection, appended)
    return ()
