"""Who is on stage: the people of a run in their order, and what each has done so far."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.ops.demo import people, story
from services.ops.demo.doors import Credentials, Line
from services.ops.demo.people import Person


@dataclass
class Cast:
    """The state that scenes share. `take_number` gives the next person's number, never one twice."""

    credentials: Credentials
    take_number: Callable[[], int]
    seed: int
    customers: list[Person] = field(default_factory=list)
    """Those who bought in the shop, live alone and may be met again."""
    orders: Counter[int] = field(default_factory=Counter)
    refundable: list[tuple[Person, int, tuple[Line, ...], datetime]] = field(default_factory=list)
    mishaps: int = 0
    by_email: dict[str, int] = field(default_factory=dict)
    """The number of each person, by the e-mail address that is theirs alone."""

    def __post_init__(self) -> None:
        self.rng = random.Random(f"day/{self.seed}")

    def newcomer(self) -> Person:
        return self.enter(people.person(self.take_number()))

    def enter(self, person: Person) -> Person:
        """Somebody comes on stage."""
        self.by_email[person.email] = person.number
        return person

    def customer(self) -> Person | None:
        """Somebody who bought before; the first few of the day come again and again."""
        if not self.customers:
            return None
        regulars = self.customers[:3]
        return self.rng.choice(regulars if self.rng.random() < 0.3 else self.customers)

    def next_order(self, person: Person) -> int:
        self.orders[person.number] += 1
        return story.order_number(person.number, self.orders[person.number])

    def basket(self) -> tuple[Line, ...]:
        articles = self.rng.sample(story.ARTICLES, self.rng.randint(1, 3))
        return tuple(Line(sku, title, self.rng.randint(1, 3), price) for sku, title, price in articles)

    def now(self) -> datetime:
        """Whole milliseconds: what is sent is then what is kept."""
        at = datetime.now(UTC)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)
