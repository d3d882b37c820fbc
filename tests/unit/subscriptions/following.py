"""A feed as the store has it, and a subscriber that reads it in pages as the stream does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.subscriptions import domain
from services.subscriptions.domain import Place
from services.subscriptions.reading import Read, Reader, Tail
from tests.unit.subscriptions.factories import entry, known

CUSTOMERS = [UUID(int=number) for number in range(1, 5)]


@dataclass
class Feed:
    head: int = 0
    rows: dict[UUID, domain.Appended] = field(default_factory=dict)

    def change(self, chance: random.Random) -> None:
        """A batch: some customers get a new version, with the tag vip or without."""
        states = []
        for customer in chance.sample(CUSTOMERS, chance.randint(1, 3)):
            version = self.rows[customer].state.version + 1 if customer in self.rows else 1
            tags = frozenset({"vip"}) if chance.random() < 0.5 else frozenset[str]()
            states.append(domain.State(customer, version, "changed", tags, str(customer)))
        held = {customer: known(one) for customer, one in self.rows.items()}
        for one in domain.append(self.head, 0, held, states):
            self.rows[one.state.customer_id] = one
            self.head = one.seq

    def after(self, seq: int, limit: int, tag: str | None = None, whole: int = 0) -> Read:
        """As `store.after` reads."""
        rows = sorted((one for one in self.rows.values() if one.seq > seq), key=lambda one: one.seq)
        entries = [one for one in map(entry, rows) if domain.concerns(one, tag, whole)][:limit]
        return Read(entries, entries[-1].seq, False) if len(entries) == limit else Read(entries, self.head, True)


class Subscriber:
    """Follows the feed as a stream does, and keeps a copy of what it is sent."""

    def __init__(self, feed: Feed, tag: str | None, *, from_start: bool) -> None:
        self.tag = tag
        self.began = 0 if from_start else feed.head
        self.reader = Reader(Place(self.began, feed.head), tag)
        self.whole = feed.head
        """The last place at which it had everything."""
        self.copy: dict[UUID, domain.Entry] = {}

    def read(self, feed: Feed, tail: Tail, limit: int, taken: int | None = None) -> None:
        """Read on; after `taken` events the connection breaks, and the subscriber comes again with its last id."""
        place = self.reader.place
        read = self.reader.remembered(tail)
        stored = read is None
        if read is None:
            read = feed.after(place.seq, limit, self.tag, place.whole)
        sent = [one for one in read.entries if domain.concerns(one, self.tag, place.whole)][:taken]
        frames = self.reader.take(read, stored=stored)[:taken]
        assert [frame.partition(b"\n")[2] for frame in frames] == [one.frame for one in sent]
        self._take(sent)
        if taken is not None:
            self.reader = Reader(place_of(frames[-1]) if frames else place, self.tag)
        if self.reader.place.caught_up:
            self.whole = max(self.whole, self.reader.place.whole)

    def _take(self, entries: Sequence[domain.Entry]) -> None:
        for one in entries:
            customer = UUID(one.frame.decode().partition("data: ")[2].strip())
            assert one.seq > (self.copy[customer].seq if customer in self.copy else 0), "sent again, or out of order"
            if self.tag is not None and self.tag not in one.tags:
                assert one.left[self.tag] > self.whole, "it lost the tag before, and the subscriber knows"
            self.copy[customer] = one

    def check(self, feed: Feed) -> None:
        """Who has caught up knows all that concerns it."""
        if self.reader.place != Place(feed.head, feed.head):
            return
        for customer, one in feed.rows.items():
            has = self.tag is None or self.tag in one.state.tags
            if has and one.seq > self.began:
                assert self.copy[customer].seq == one.seq
            if not has and customer in self.copy:
                assert self.tag not in self.copy[customer].tags, "it lost the tag, and the subscriber does not know"


def place_of(frame: bytes) -> Place:
    """The place that the id of an event names."""
    place = domain.parse_place(frame.decode().partition("\n")[0].removeprefix("id: "))
    assert place is not None
    return place
