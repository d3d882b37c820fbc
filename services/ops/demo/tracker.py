"""What was sent, what was answered, and therefore what the register must come to know. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from uuid import UUID

from services.ops.demo.doors import Delivery, Refused, Told

BUYER = "asiakas"
LOYAL = "kanta-asiakas"
LOYAL_FROM = 5
PROSPECT = "potentiaalinen asiakas"
INTERESTED_BY = ("signup", "quote_request")


@dataclass
class Life:
    """What must be known of one person."""

    counts: Counter[str] = field(default_factory=Counter)
    minor: int = 0
    tags: set[str] = field(default_factory=set)


@dataclass
class Expected:
    """What the register must hold of this run."""

    lives: dict[int, Life] = field(default_factory=dict)
    visits: set[UUID] = field(default_factory=set)
    """Events of visitors who never said who they are."""

    @property
    def known_events(self) -> int:
        return sum(life.counts.total() for life in self.lives.values())

    @property
    def minor(self) -> int:
        return sum(life.minor for life in self.lives.values())


class Tracker:
    """Counts deliveries and answers."""

    def __init__(self) -> None:
        self.deliveries = 0
        self.sent = 0
        """Events that accepted deliveries told, each as often as it was told."""
        self.told: dict[tuple[str, str], Told] = {}
        self.ids: dict[tuple[str, str], UUID] = {}
        """The id of each event, as far as a door or the event itself said it."""
        self.refused: Counter[Refused] = Counter()
        self.turned_away = 0
        """Requests whose sender is unknown: there is nobody to keep a rejection for."""
        self.surprises: list[str] = []
        self._by_hand: Counter[tuple[int, str]] = Counter()
        self._hand_tags: dict[int, set[str]] = {}

    @property
    def accepted(self) -> int:
        """Distinct events."""
        return len(self.told)

    @property
    def repeats(self) -> int:
        return self.sent - self.accepted

    @property
    def rejections(self) -> int:
        return self.refused.total()

    @property
    def by_hand(self) -> int:
        """Events that people of the shop wrote down."""
        return self._by_hand.total()

    def answered(self, delivery: Delivery, status: int, event_ids: Sequence[UUID] = ()) -> None:
        """A door answered, with the ids of the events in their order where it gives them.

        Any 2xx and the redirect after a form count as taken.
        """
        self.deliveries += 1
        taken = 200 <= status < 300 or status == 303
        if taken != (delivery.status < 400) or (not taken and status != delivery.status):
            self.surprises.append(f"{delivery.door} answered {status} at {delivery.path}, expected {delivery.status}")
        if taken:
            self.sent += len(delivery.told)
            given: Sequence[UUID | None] = event_ids if len(event_ids) == len(delivery.told) else ()
            for told, its in zip_longest(delivery.told, given):
                self._take(told, told.id or its)
        self.refused.update(delivery.refused)
        if status == 401 and not delivery.refused:
            self.turned_away += 1

    def _take(self, told: Told, event_id: UUID | None) -> None:
        key = told.source, told.key
        self.told[key] = told
        if event_id is not None and self.ids.setdefault(key, event_id) != event_id:
            self.surprises.append(f"a repeat of {told.name} {told.key} was taken for another event, {event_id}")

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """No answer, however often it was tried."""
        self.deliveries += 1
        self.surprises.append(f"{delivery.door} did not answer at {delivery.path}: {error!r}")

    def logged(self, person: int, name: str) -> None:
        """Somebody of the shop wrote something down."""
        self._by_hand[person, name] += 1

    def tagged(self, person: int, tag: str) -> None:
        """Somebody of the shop gave a tag."""
        self._hand_tags.setdefault(person, set()).add(tag)

    def expected(self) -> Expected:
        """What must be known by now: whoever told who uses a browser is who used it before."""
        owners = {
            told.visitor: told.person
            for told in self.told.values()
            if told.visitor is not None and told.person is not None
        }
        expected = Expected()
        for told in self.told.values():
            person = owners.get(told.visitor or "") if told.person is None else told.person
            if person is None:
                if told.id is not None:
                    expected.visits.add(told.id)
                continue
            life = expected.lives.setdefault(person, Life())
            life.counts[told.name] += 1
            life.minor += told.minor
            life.tags.update(told.tags)
        for (person, name), count in self._by_hand.items():
            expected.lives.setdefault(person, Life()).counts[name] += count
        for person, tags in self._hand_tags.items():
            expected.lives.setdefault(person, Life()).tags.update(tags)
        for life in expected.lives.values():
            purchases = life.counts["purchase"]
            interested = any(life.counts[name] for name in INTERESTED_BY)
            life.tags.update([BUYER] * (purchases >= 1) + [LOYAL] * (purchases >= LOYAL_FROM))
            life.tags.update([PROSPECT] * (interested and not purchases))
        return expected


def differences(customer: dict[str, Any], life: Life) -> list[str]:
    """How a customer, as the register tells of it, differs from what must be known."""
    activity = customer.get("activity") or {"counts": {}, "sales": []}
    found = []
    if dict(life.counts) != activity["counts"]:
        found.append(f"events {activity['counts']}, expected {dict(life.counts)}")
    minor = {each["currency"]: each["amount_minor"] for each in activity["sales"]}
    if minor.get("EUR", 0) != life.minor or set(minor) > {"EUR"}:
        found.append(f"sales {minor}, expected {life.minor} cents")
    if missing := life.tags - set(customer["tags"]):
        found.append(f"lacks the tags {', '.join(sorted(missing))}")
    found += [
        f"has the tag {tag}" for tag in (BUYER, LOYAL, PROSPECT) if tag in customer["tags"] and tag not in life.tags
    ]
    return found
