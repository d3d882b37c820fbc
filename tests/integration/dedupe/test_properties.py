"""The store gives the contacts that the domain works out, whatever the order, the batches and the workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.dedupe.register import Register
from tests.unit.dedupe.strategies import batches, histories, orders
from tests.unit.dedupe.test_properties import BOUNDS, decisions
from tests.unit.dedupe.world import Event, World

with_store = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@with_store
@given(history=histories, bound=BOUNDS, data=st.data())
async def test_any_order_in_any_batches_gives_the_same_contacts(
    register: Register, history: list[Event], bound: int, data: st.DataObject
) -> None:
    await register.clear()
    register.bound = bound
    expected = World(bound).hear(history)

    for batch in data.draw(batches(data.draw(orders(history)))):
        await register.hear(*batch)

    assert await register.contact_of() == expected.contact_of()
    assert await register.contacts() == expected.contacts()


@with_store
@given(history=histories, bound=BOUNDS, data=st.data())
async def test_decisions_between_events_give_the_same_contacts(
    register: Register, history: list[Event], bound: int, data: st.DataObject
) -> None:
    await register.clear()
    register.bound = bound
    world = World(bound)
    for batch in data.draw(batches(data.draw(orders(history)))):
        await register.hear(*batch)
        world.hear(batch)
        if data.draw(st.booleans()):
            decision = data.draw(decisions(world))
            await register.decide(decision)
            world.decide(decision)

    assert await register.contact_of() == world.contact_of()
    assert await register.contacts() == world.contacts()


@with_store
@given(history=histories, bound=BOUNDS, data=st.data())
async def test_two_workers_give_the_same_contacts_as_one(
    dsn: str, register: Register, history: list[Event], bound: int, data: st.DataObject
) -> None:
    await register.clear()
    register.bound = bound
    expected = World(bound).hear(history)
    order = data.draw(orders(history))
    shares = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))

    async with second(dsn, bound) as other:
        await asyncio.gather(
            work(register, [event for event, share in zip(order, shares, strict=True) if share]),
            work(other, [event for event, share in zip(order, shares, strict=True) if not share]),
        )

    assert await register.contact_of() == expected.contact_of()
    assert await register.contacts() == expected.contacts()


@asynccontextmanager
async def second(dsn: str, bound: int) -> AsyncIterator[Register]:
    """The same register, over another connection."""
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    try:
        yield Register(connection, bound)
    finally:
        await connection.close()


async def work(register: Register, events: Sequence[Event]) -> None:
    for low in range(0, len(events), 2):
        await register.hear(*events[low : low + 2])
