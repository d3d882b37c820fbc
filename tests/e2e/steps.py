"""What the tests do: send to doors, wait for what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import httpx

from services.ops.demo.doors import Delivery
from services.ops.demo.people import Person
from services.ops.demo.register import Register
from services.ops.demo.watcher import Watcher
from tests.e2e.system import Tuttu

T = TypeVar("T")
Customer = dict[str, Any]


@contextlib.asynccontextmanager
async def watching(tuttu: Tuttu) -> AsyncIterator[Watcher]:
    """A subscriber, from its connection on."""
    async with tuttu.client() as client:
        watcher = Watcher(client)
        task = asyncio.create_task(watcher.watch())
        try:
            async with asyncio.timeout(10):
                await watcher.connected.wait()
            yield watcher
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def send(register: Register, *deliveries: Delivery) -> list[httpx.Response]:
    """Knock at doors, one after the other; each must answer as expected."""
    answers = []
    for each in deliveries:
        answer = await register.client.post(each.path, content=each.content, headers=dict(each.headers))
        assert answer.status_code == each.status, answer.text
        answers.append(answer)
    return answers


async def eventually(look: Callable[[], Awaitable[T | None]], within_s: float = 15) -> T:
    """What `look` gives as soon as it is something."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        found = await look()
        if found:
            return found
        assert loop.time() < deadline, "it did not come"
        await asyncio.sleep(0.03)


async def update_of(updates: Watcher, person: Person, fits: Callable[[Customer], Any] = bool) -> Customer:
    """The last update of the person's contact, as soon as one fits."""

    async def look() -> Customer | None:
        return next((each for each in updates.latest.values() if is_of(each, person) and fits(each)), None)

    return await eventually(look)


def is_of(customer: Customer, person: Person) -> bool:
    return any(each["value"] == person.email for each in customer["identifiers"])


def bought(count: int) -> Callable[[Customer], bool]:
    """Whether a customer has so many purchases and the tag of those who bought."""
    return lambda customer: counts(customer).get("purchase") == count and "asiakas" in customer["tags"]


def counts(customer: Customer) -> dict[str, int]:
    return dict((customer["activity"] or {"counts": {}})["counts"])


async def contact_of(register: Register, person: Person) -> list[Customer]:
    """The contacts that hold the person's e-mail address, by the directory."""
    answer = await register.get("/directory/contacts/lookup", email=person.email)
    return list(answer["contacts"])


async def quiet(updates: Watcher, for_s: float = 0.4) -> None:
    """Wait until the subscriber has heard nothing for so long: what was sent has come through."""
    before = -1
    while before != updates.total:
        before = updates.total
        await asyncio.sleep(for_s)


async def gone(updates: Watcher, customer_id: str) -> Customer:
    """The update that says that a customer was merged into another."""

    async def look() -> Customer | None:
        customer = updates.latest[customer_id]
        return customer if customer["merged_into"] else None

    return await eventually(look)


async def merge(register: Register, left: str, right: str) -> dict[str, Any]:
    """Merge two contacts by hand; the outcome's result."""
    outcome = await register.post(f"/dedupe/contacts/{left}/merge", {"with": right}, command=True)
    assert outcome["status"] == "done"
    return dict(outcome["result"])


async def records_of(register: Register, contact_id: str) -> list[str]:
    contact = await register.get(f"/dedupe/contacts/{contact_id}")
    return [member["record_id"] for member in contact["members"]]
