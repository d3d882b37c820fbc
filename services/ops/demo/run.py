"""`tuttu demo`: everything in this process, and a day played on it through its public doors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx

from services.ops import process, up
from services.ops.demo.day import Day, Options
from services.ops.demo.notes import Notes
from services.ops.demo.screen import Screen
from services.ops.installation import Installation

T = TypeVar("T")


class _Stopped(Exception):
    """Somebody stopped it before it had begun."""


async def demo(data: Path, options: Options, screen: Screen, *, host: str, port: int) -> bool:
    """Run until Ctrl-C or the end of the duration; returns whether it adds up.

    Raises what `up.up` raises, `notes.NotesUnreadable`, `register.Refused` or `application.Crashed`.
    """
    stop = process.stop_signals()
    installation = Installation(data)
    async with contextlib.AsyncExitStack() as stack:
        try:
            going_up = up.up(data, host=host, port=port, report=screen.step)
            running = await _unless(stop, stack.enter_async_context(going_up))
        except _Stopped:
            screen.end_status()
            screen.say("Stopped before it had started; what is in the folder stays.")
            return True
        screen.end_status()
        screen.say(f"Tuttu runs at {running.url} (started in {running.started_in_s:.1f} s). Ctrl-C stops everything.")
        adds_up = await _play(running, installation, options, screen, stop)
        screen.step("stopping")
    screen.end_status()
    screen.say(f"Stopped; the data stays in {data}.")
    return adds_up


async def _play(
    running: up.Up, installation: Installation, options: Options, screen: Screen, stop: asyncio.Event
) -> bool:
    headers = {"Authorization": f"Bearer {running.admin_key}"}
    crash = asyncio.create_task(process.until(asyncio.Event(), running.services))
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30) as client:
        day = Day(client, Notes(installation.folder), options, screen)
        playing = asyncio.create_task(day.play(stop, running.url, installation.admin_key))
        try:
            await asyncio.wait({playing, crash}, return_when=asyncio.FIRST_COMPLETED)
            if crash.done():
                crash.result()
            return await playing
        finally:
            screen.end_status()
            for task in (playing, crash):
                task.cancel()
            await asyncio.gather(playing, crash, return_exceptions=True)


async def _unless(stop: asyncio.Event, starting: Coroutine[Any, Any, T]) -> T:
    """The result of `starting`; cancels it and raises `_Stopped` when `stop` comes first."""
    begun, stopped = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({begun, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            return begun.result()
        begun.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await begun
        raise _Stopped
    finally:
        stopped.cancel()
