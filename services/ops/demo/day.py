"""One day of the shop, from setting the stage to adding up, against a Tuttu that runs somewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from services.kit import errors
from services.ops.demo import checks, people, player, programme, stage
from services.ops.demo.cast import Cast
from services.ops.demo.checks import Before, Result
from services.ops.demo.notes import Notes
from services.ops.demo.register import Register
from services.ops.demo.screen import Screen, doors_to_open, status_line, summary, verdict
from services.ops.demo.staff import Staff
from services.ops.demo.tracker import Tracker
from services.ops.demo.watcher import Watcher

_SENDING_ENDS_BEFORE_S = 4.0
_FLOWS_WITHIN_S = 30.0
_CHECKED_WITHIN_S = 60.0
_SHOW_AFTER_CONTACTS = 5


class NotAnswered(errors.TuttuError):
    """The APIs had not answered all questions after {seconds:.0f} s, so that nothing was added up."""


class NoUpdates(errors.TuttuError):
    """The stream of customer updates did not open within {seconds} s: {reason}."""


@dataclass(frozen=True)
class Options:
    """`duration_s` None plays until it is stopped, and then does not check."""

    duration_s: float | None = None
    per_s: float = 10.0
    seed: int = 1


class Day:
    """A day under way."""

    def __init__(self, client: httpx.AsyncClient, notes: Notes, options: Options, screen: Screen) -> None:
        self._client = client
        self._notes = notes
        self._options = options
        self._screen = screen
        self._register = Register(client)
        self._tracker = Tracker()
        self._watcher = Watcher(client)

    async def play(self, stop: asyncio.Event, url: str, key_file: Path) -> bool:
        """Play until `stop` or the end of the duration; returns whether it adds up (True where nobody asked)."""
        screen, options = self._screen, self._options
        screen.step("making sources, keys and forms")
        credentials = await stage.set_up(self._register, self._notes)
        self._cast = Cast(credentials, self._notes.numbers(), options.seed)
        before = Before((await self._register.get("/directory/contacts/count"))["count"], datetime.now(UTC))
        async with self._watching():
            asked = await self._perform(stop, url, key_file)
            result = None if asked else await self._add_up(before)
        screen.end_status()
        screen.say()
        screen.console.print(summary(self._tracker, self._watcher, result, self._contacts()))
        screen.say()
        for line in verdict(result) if result else ["Stopped before it was checked; with --duration it is."]:
            screen.say(line)
        return result is None or not result.wrong

    @contextlib.asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watcher.watch())
        try:
            opened = asyncio.create_task(self._watcher.connected.wait())
            await asyncio.wait({watching, opened}, timeout=15, return_when=asyncio.FIRST_COMPLETED)
            opened.cancel()
            if not self._watcher.connected.is_set():
                raise NoUpdates(seconds=15, reason="; ".join(self._watcher.errors) or "no answer")
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _perform(self, stop: asyncio.Event, url: str, key_file: Path) -> bool:
        """Send and show; True when somebody stopped it, False when the time is over."""
        loop, options = asyncio.get_running_loop(), self._options
        began, curtain = loop.time(), asyncio.Event()
        own = Cast(self._cast.credentials, self._notes.numbers(), options.seed, by_email=self._cast.by_email)
        staff = Staff(self._register, self._cast, own, self._tracker)
        duration_s = options.duration_s
        sending_s = float("inf") if duration_s is None else max(duration_s - _SENDING_ENDS_BEFORE_S, duration_s / 2)
        shown = False
        async with asyncio.TaskGroup() as group:
            deliveries = programme.deliveries(self._cast)
            playing = player.play(self._client, deliveries, self._tracker, curtain, per_s=options.per_s)
            group.create_task(playing)
            group.create_task(staff.work(curtain))
            while not stop.is_set() and (at_s := loop.time() - began) < sending_s:
                contacts = self._contacts()
                if not shown and (contacts >= _SHOW_AFTER_CONTACTS or at_s > 10):
                    shown = True
                    self._show_doors(url, key_file)
                self._screen.live(status_line(self._tracker, self._watcher, contacts, at_s), at_s)
                await player.pause(stop, 0.5)
            curtain.set()
        return stop.is_set()

    def _show_doors(self, url: str, key_file: Path) -> None:
        self._screen.end_status()
        contact_id = name = None
        for customer_id, customer in checks.standing(self._watcher, self._cast.by_email).items():
            if customer["tags"] and customer["name"]:
                contact_id, name = customer_id, people.without_dots(str(customer["name"]).split()[-1].lower())
                break
        self._screen.say()
        for what, line in doors_to_open(url, key_file, contact_id, name or "virtanen"):
            self._screen.say(f"{what}:\n  {line}")
        self._screen.say()

    def _contacts(self) -> int:
        return len(checks.standing(self._watcher, self._cast.by_email))

    async def _add_up(self, before: Before) -> Result:
        """Wait until what was sent has flowed through, then ask every API; at most for a bounded time."""
        loop, expected = asyncio.get_running_loop(), self._tracker.expected()
        self._screen.step("waiting until everything has flowed through")
        deadline = loop.time() + _FLOWS_WITHIN_S
        # What is waited for is a comparison, not an event.
        while loop.time() < deadline and checks.by_stream(self._watcher, expected, self._cast.by_email):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        self._screen.step("adding up")
        deadline = max(deadline, loop.time() + 5)
        while True:
            bound_s = _CHECKED_WITHIN_S + len(self._tracker.told) / 100
            try:
                async with asyncio.timeout(bound_s):
                    result = await checks.by_api(
                        self._register, self._watcher, self._tracker, self._cast.by_email, before
                    )
            except TimeoutError:
                raise NotAnswered(seconds=bound_s) from None
            if set(result.wrong) <= set(self._tracker.surprises) or loop.time() > deadline:
                return result
            await asyncio.sleep(1)
