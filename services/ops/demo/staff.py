"""What the shop's own people do meanwhile: give a tag, write down a call, merge by mistake and undo it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from services.kit import errors
from services.ops.demo import player, story
from services.ops.demo.cast import Cast
from services.ops.demo.people import Person
from services.ops.demo.register import Register
from services.ops.demo.scenes import shop
from services.ops.demo.tracker import Tracker

_FIRST_AFTER_S = 2.0
_FIRST_ACTS_EVERY_S = 1.0
_LATER_ACTS_EVERY_S = 15.0
_SEEN_WITHIN_S = 10.0


class NotSeen(errors.TuttuError):
    """{what} was not seen within {seconds:.0f} s."""


class Staff:
    """Acts through the APIs with the admin's key, on customers whom it finds there by their e-mail address."""

    def __init__(self, register: Register, cast: Cast, own: Cast, tracker: Tracker) -> None:
        """`own` brings people whom nobody else meets: what is merged by hand must not be moved by other deliveries."""
        self._register = register
        self._cast = cast
        self._own = own
        self._tracker = tracker
        # Of its own: the day's deliveries do not depend on how fast the staff is.
        self._rng = random.Random(f"staff/{cast.seed}")

    async def work(self, stop: asyncio.Event) -> None:
        """Act now and then until `stop`; what was begun is ended."""
        acts: tuple[Callable[[], Awaitable[None]], ...] = (self._tag, self._log_call, self._merge_and_unmerge)
        await player.pause(stop, _FIRST_AFTER_S)
        number = 0
        while not stop.is_set():
            if len(self._cast.customers) >= 2:
                try:
                    await acts[number % len(acts)]()
                except errors.TuttuError as error:
                    self._tracker.surprises.append(f"staff: {error.detail}")
                number += 1
            await player.pause(stop, _FIRST_ACTS_EVERY_S if number < len(acts) else _LATER_ACTS_EVERY_S)

    async def _tag(self) -> None:
        person = self._rng.choice(self._cast.customers)
        contact = await self._find(person)
        path = f"/tagging-rules/contacts/{contact['customer_id']}/tags"
        await self._register.post(path, {"add": [story.VIP], "reason": "hyvä asiakas"}, command=True)
        self._tracker.tagged(person.number, story.VIP)

    async def _log_call(self) -> None:
        person = self._rng.choice(self._cast.customers)
        contact = await self._find(person)
        path = f"/activity/contacts/{contact['customer_id']}/activities"
        await self._register.post(path, {"name": "call", "text": story.CALL}, command=True)
        self._tracker.logged(person.number, "call")

    async def _merge_and_unmerge(self) -> None:
        """Two customers are taken for one, and parted again."""
        one, other = self._own.newcomer(), self._own.newcomer()
        for person in (one, other):
            await player.deliver(self._register.client, shop.order(self._own, person), self._tracker)
        left, right = [str((await self._find(person))["customer_id"]) for person in (one, other)]
        records = await self._records(right)
        merged = await self._register.post(
            f"/dedupe/contacts/{left}/merge", {"with": right, "reason": "sama henkilö"}, command=True
        )
        survivor = str(merged["result"]["contact_id"])
        await self._until(lambda: self._holders((left, right), {survivor}), "a merge by hand")
        await self._register.post(
            f"/dedupe/contacts/{survivor}/unmerge", {"records": records, "reason": "eri henkilö"}, command=True
        )
        await self._until(lambda: self._holders((left, right), {left, right}), "an unmerge by hand")

    async def _records(self, contact_id: str) -> list[str]:
        contact = await self._register.get(f"/dedupe/contacts/{contact_id}")
        return [member["record_id"] for member in contact["members"]]

    async def _holders(self, asked: Iterable[str], expected: set[str]) -> bool:
        """Whether the directory leads from these ids to the expected contacts."""
        return {(await self._register.get(f"/directory/contacts/{each}"))["customer_id"] for each in asked} == expected

    async def _find(self, person: Person) -> dict[str, Any]:
        """The contact of somebody who has ordered; it may be on its way still."""
        contact: dict[str, Any] = {}

        async def found() -> bool:
            nonlocal contact
            answer = await self._register.get("/directory/contacts/lookup", email=person.email)
            vouched = [
                each
                for each in answer["contacts"]
                if any(one["value"] == person.email and not one["claimed"] for one in each["identifiers"])
            ]
            contact = vouched[0] if vouched else {}
            return bool(vouched)

        await self._until(found, f"the contact of person {person.number}")
        return contact

    async def _until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SEEN_WITHIN_S
        while not await condition():
            if loop.time() > deadline:
                raise NotSeen(what=what, seconds=_SEEN_WITHIN_S)
            await asyncio.sleep(0.1)
