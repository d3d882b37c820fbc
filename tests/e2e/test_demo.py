"""The demo's day, played on the services under test."""

from __future__ import annotations

import asyncio
import io

from rich.console import Console

from services.ops.demo.day import Day, Options
from services.ops.demo.notes import Notes
from services.ops.demo.screen import Screen
from tests.e2e.system import Tuttu


async def test_a_day_adds_up_and_so_does_the_next(tuttu: Tuttu) -> None:
    for duration_s in (7, 3):
        shown = io.StringIO()
        async with tuttu.client() as client:
            options = Options(duration_s, per_s=25)
            day = Day(client, Notes(tuttu.notes), options, Screen(Console(file=shown, width=100)))
            adds_up = await day.play(asyncio.Event(), tuttu.url, tuttu.notes / "admin.key")
        assert adds_up, shown.getvalue()
        assert "Everything adds up." in shown.getvalue()


async def test_a_day_that_is_stopped_ends_with_its_summary(tuttu: Tuttu) -> None:
    shown, stop = io.StringIO(), asyncio.Event()
    async with tuttu.client() as client:
        day = Day(client, Notes(tuttu.notes), Options(), Screen(Console(file=shown, width=100)))
        playing = asyncio.create_task(day.play(stop, tuttu.url, tuttu.notes / "admin.key"))
        await asyncio.sleep(1.5)
        stop.set()
        assert await playing
    assert "Stopped before it was checked" in shown.getvalue()
