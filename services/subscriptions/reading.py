"""How the feed is read: what of it is kept in memory, and where one subscriber stands and reads on. No I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.subscriptions import domain
from services.subscriptions.domain import Place

TAIL_ENTRIES = 1000
TAIL_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the feed: its entries, and up to which seq nothing is missing.

    `to_end` is whether that was the end of the feed at one moment.
    """

    entries: Sequence[domain.Entry]
    seq: int
    to_end: bool


@dataclass(slots=True)
class Tail:
    """The newest entries, read once for all subscribers: who has read up to `start` can go on here."""

    start: int = 0
    end: int = 0
    to_end: bool = False
    entries: list[domain.Entry] = field(default_factory=list)
    size_bytes: int = 0

    def begin(self, seq: int) -> None:
        """Forget everything and go on from `seq`, the end of the feed."""
        self.start, self.end, self.to_end, self.size_bytes = seq, seq, True, 0
        self.entries = []

    def add(self, read: Read) -> None:
        """Keep what was read after `end`, and no more than fits."""
        self.entries += read.entries
        self.size_bytes += sum(len(entry.frame) for entry in read.entries)
        self.end, self.to_end = read.seq, read.to_end
        over = max(0, len(self.entries) - TAIL_ENTRIES)
        excess = self.size_bytes - TAIL_BYTES - sum(len(entry.frame) for entry in self.entries[:over])
        while excess > 0:
            excess -= len(self.entries[over].frame)
            over += 1
        if over:
            self.start = self.entries[over - 1].seq
            self.size_bytes -= sum(len(entry.frame) for entry in self.entries[:over])
            self.entries = self.entries[over:]

    def after(self, seq: int) -> Read:
        """All entries after `seq`, which is not before `start`."""
        first = bisect_right(self.entries, seq, key=lambda entry: entry.seq)
        return Read(self.entries[first:], self.end, self.to_end)


class Reader:
    """One subscriber: where it stands, and where it may read on."""

    def __init__(self, place: Place, tag: str | None) -> None:
        self.tag = tag
        self.place = place if tag is not None else Place(place.seq, place.seq)
        # A subscriber to a tag that catches up must come to the end of the store before it goes on in memory: what was
        # read into memory earlier does not have the moves that it must not miss. See Place.
        self._in_step = tag is None or place.caught_up

    def remembered(self, tail: Tail) -> Read | None:
        """What comes next in memory, or None where it must be read in the store."""
        return tail.after(self.place.seq) if self._in_step and tail.start <= self.place.seq else None

    def take(self, read: Read, *, stored: bool) -> list[bytes]:
        """Move on past what was read, in the store or in memory; the events that are to be sent."""
        before = self.place
        # Memory may be behind the store, where this subscriber came from.
        seq = max(before.seq, read.seq)
        self.place = Place(seq, seq if self.tag is None or read.to_end else before.whole)
        if stored:
            self._in_step = self.tag is None or read.to_end
        return domain.framed(read.entries, self.tag, before, self.place)
