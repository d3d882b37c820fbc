"""The feed as a pure function: where the versions of customers go, whom they concern, and where a subscriber stands.

The feed holds the newest version of each customer only, so no point in it is ever too old to go on from. The price is
that a customer moves on while somebody reads: who reads with a tag must learn of those that lost it even when they
changed again since, and once only. So a subscriber stands at two numbers (`Place`), and a customer keeps where it lost
each tag.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

_PLACE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


@dataclass(frozen=True, slots=True)
class State:
    """A version of a customer, as its topic has it; `body` is its JSON on one line."""

    customer_id: UUID
    version: int
    kind: str
    tags: frozenset[str]
    body: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the feed holds of a customer; `left` says of each tag that it lost at which seq that was."""

    version: int
    tags: frozenset[str]
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Appended:
    """A version of a customer with its place in the feed."""

    seq: int
    state: State
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """What readers need of a version of a customer; `frame` is all of its event but the id."""

    seq: int
    tags: Collection[str]
    left: Mapping[str, int]
    frame: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subscriber stands: it was sent everything up to `seq` that is still there.

    `whole` is the last point at which it had been sent everything, with nothing moved on meanwhile: who lost a tag
    after that is news to it. Equal to `seq` except while it catches up; beyond it at the start of a replay, for who
    lost a tag before the replay was never in it.
    """

    seq: int
    whole: int

    @property
    def caught_up(self) -> bool:
        return self.seq == self.whole

    def __str__(self) -> str:
        return f"{self.seq}" if self.caught_up else f"{self.seq}-{self.whole}"


def parse_place(text: str) -> Place | None:
    """The place that a `Last-Event-ID` names; None for what is none."""
    found = _PLACE.fullmatch(text.strip())
    return Place(int(found[1]), int(found[2] or found[1])) if found else None


def append(head: int, now_us: int, known: Mapping[UUID, Known], states: Sequence[State]) -> list[Appended]:
    """Where those versions go that are newer than what the feed holds, in their order; one of each customer.

    `head` is the last seq given, `now_us` the microseconds since 1970: a seq is no smaller, so that a feed that was
    rebuilt or restored goes on above all that its subscribers have seen.
    """
    newest: dict[UUID, State] = {}
    for state in states:
        held = newest.get(state.customer_id)
        if held is None or state.version > held.version:
            # Taken out first, so that its place is that of its newest version.
            newest.pop(state.customer_id, None)
            newest[state.customer_id] = state
    seq = max(head, now_us)
    appended = []
    for state in newest.values():
        before = known.get(state.customer_id)
        if before is not None and before.version >= state.version:
            continue
        seq += 1
        left = {tag: at for tag, at in before.left.items() if tag not in state.tags} if before else {}
        if before is not None:
            left.update(dict.fromkeys(before.tags - state.tags, seq))
        appended.append(Appended(seq, state, left))
    return appended


def concerns(entry: Entry, tag: str | None, whole: int) -> bool:
    """Whether a subscriber to `tag` (None: to all) gets an entry: it has the tag, or lost it after `whole`."""
    return tag is None or tag in entry.tags or entry.left.get(tag, 0) > whole


def frame(kind: str, body: str) -> bytes:
    """An event but for its id: what happened, and the customer, which is one line of JSON."""
    return f"event: {kind}\ndata: {body}\n\n".encode()


def framed(entries: Iterable[Entry], tag: str | None, before: Place, after: Place) -> list[bytes]:
    """The events of those entries that concern a subscriber which goes from place to place.

    Until the last one it is not known to have everything, so each carries where it had.
    """
    concerned = [entry for entry in entries if concerns(entry, tag, before.whole)]
    frames = []
    for entry in concerned:
        everything = tag is None or (entry is concerned[-1] and after.caught_up)
        place = Place(entry.seq, max(entry.seq, before.whole) if everything else before.whole)
        frames.append(b"id: %s\n%s" % (str(place).encode(), entry.frame))
    return frames
