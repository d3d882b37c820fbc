"""Positions in the store: claimed once more they are fenced, and they move only from where their owner left them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from services.kit import migrations
from services.kit.database import Connection
from services.kit.runtime import positions
from services.kit.runtime.positions import Position

A, B = ("events", 0), ("events", 1)
CONTACT = UUID(int=1)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    await migrations.migrate(database, "services.kit")
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def test_a_partition_without_a_position_begins_at_the_start_of_its_log(connection: Connection) -> None:
    held = await positions.claim(connection, {A: 0, B: 17})
    assert held == {A: Position(1, 0, 0, (0, 0), []), B: Position(1, 17, 17, (17, 17), [])}
    assert not any(position.dirty for position in held.values())


async def test_what_is_moved_is_what_the_next_owner_finds(connection: Connection) -> None:
    held = await positions.claim(connection, {A: 0, B: 0})
    moved = {A: replace(held[A], applied=5, produced=2), B: replace(held[B], applied=3)}
    await positions.move(connection, moved, B, [CONTACT])
    again = await positions.claim(connection, {A: 0, B: 0})
    assert again == {A: Position(2, 5, 2, (5, 2), []), B: Position(2, 3, 0, (3, 0), [CONTACT])}
    assert again[B].dirty


async def test_a_former_owner_is_fenced_though_its_successor_has_done_nothing_yet(connection: Connection) -> None:
    held = await positions.claim(connection, {A: 0, B: 0})
    await positions.claim(connection, {B: 0})
    with pytest.raises(positions.Fenced):
        await positions.move(connection, {A: replace(held[A], applied=5), B: replace(held[B], applied=5)}, A, [])


async def test_a_position_that_has_moved_on_is_not_moved_from_where_it_was(connection: Connection) -> None:
    held = await positions.claim(connection, {A: 0})
    await positions.move(connection, {A: replace(held[A], applied=5)}, A, [])
    with pytest.raises(positions.Fenced):
        await positions.move(connection, {A: replace(held[A], applied=5)}, A, [])
    stored = await positions.read(connection, [A, B])
    assert stored == {A: Position(1, 5, 0, (5, 0), [])}


async def test_a_skip_fences_the_owner_and_only_goes_forward(connection: Connection) -> None:
    held = await positions.claim(connection, {A: 0})
    assert await positions.skip(connection, *A, to=7)
    assert not await positions.skip(connection, *A, to=7)
    assert not await positions.skip(connection, *B, to=7)
    with pytest.raises(positions.Fenced):
        await positions.move(connection, {A: replace(held[A], applied=1)}, A, [])
    assert (await positions.claim(connection, {A: 0}))[A].applied == 7
