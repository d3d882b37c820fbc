"""What a person's decision says of pairs of records."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple
from uuid import UUID


class Pairs(NamedTuple):
    """Pairs (a < b) of which something holds from now on, and those of which at most the contrary is forgotten."""

    must: bool
    held: list[tuple[UUID, UUID]]
    lifted: list[tuple[UUID, UUID]]


def decide(*, must: bool, left: Sequence[UUID], right: Sequence[UUID]) -> Pairs:
    """A merge ties each record to the first of the other side; an unmerge parts every pair across.

    So what was merged stays whole whatever else is known of its parts. Either forgets the contrary across, so that
    unmerging what was merged leaves what was there before.
    """
    across = [_ordered(a, b) for a, b in product(left, right)]
    if not must:
        return Pairs(must, across, across)
    ties = {_ordered(left[0], other) for other in right} | {_ordered(one, right[0]) for one in left}
    return Pairs(must, sorted(ties), across)


def _ordered(a: UUID, b: UUID) -> tuple[UUID, UUID]:
    return (a, b) if a < b else (b, a)
