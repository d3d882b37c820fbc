"""Whoever reads the feed, in pages of any size, broken off anywhere, while customers go on changing, misses nothing."""

from __future__ import annotations

import random

import pytest

from services.subscriptions import reading
from services.subscriptions.reading import Tail
from tests.unit.subscriptions.following import Feed, Subscriber


@pytest.mark.parametrize("tag", [None, "vip"])
@pytest.mark.parametrize("from_start", [False, True])
def test_nothing_is_missed_and_nothing_said_twice(
    monkeypatch: pytest.MonkeyPatch, tag: str | None, from_start: bool
) -> None:
    monkeypatch.setattr(reading, "TAIL_ENTRIES", 4)
    for seed in range(1000):
        chance = random.Random(seed)
        feed, tail = Feed(), Tail()
        for _ in range(chance.randint(0, 3)):
            feed.change(chance)
        tail.begin(feed.head)
        subscriber = Subscriber(feed, tag, from_start=from_start)
        for _ in range(15):
            feed.change(chance)
            if chance.random() < 0.5:
                tail.add(feed.after(tail.end, chance.randint(1, 3)))
            for _ in range(chance.randint(0, 2)):
                subscriber.read(feed, tail, chance.randint(1, 3), taken=chance.choice([None, None, 0, 1, 2]))
                subscriber.check(feed)
        while not tail.to_end or tail.end < feed.head:
            tail.add(feed.after(tail.end, 2))
        while subscriber.reader.place.seq < feed.head or not subscriber.reader.place.caught_up:
            subscriber.read(feed, tail, 2)
        subscriber.check(feed)
