"""Which records speak of the same customer, and how strongly: pairs of records with match weights in bits.

Evidence is deterministic for now: equal addresses, weighed by how many people own them, and what names say. A model
that scores more fields adds weights to the same pairs; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

from services.dedupe.domain import names
from services.dedupe.domain.names import Relation
from services.dedupe.domain.records import Record, Standing, blocking_key

MODEL = "deterministic-1"
BOUND = 50
"""An address that more records hold joins nobody; counted for verified records and for claims by themselves."""

# log2 of (share of one person's records that agree / share of others' that do), by the owners of the address.
_BITS_BY_OWNERS = ((1, 17.0), (2, 13.0), (4, 12.0), (9, 11.0))
_BITS_OF_MANY = 10.0
_BITS_BY_NAMES = {Relation.COMPATIBLE: 15.0, Relation.OTHER_FAMILY_NAME: 2.0, Relation.UNKNOWN: 0.0}
LINK_BITS = 12.0
"""Of a link that an event names. Less than an address of one's own: a shop's biller may be somebody else."""


class Link(NamedTuple):
    """An event of `parent` said that `child` is the same customer. `time` is that of the first event that said so."""

    child: UUID
    parent: UUID
    time: datetime
    claimed: bool
    """Whether all that said so are claims."""
    anonymous: bool
    """Whether the child is a visitor."""


class Assertion(NamedTuple):
    """A person said that two records are (`must`) or are not one customer; of two assertions the later counts."""

    a: UUID
    b: UUID
    must: bool
    number: int


class Holders(NamedTuple):
    """Who holds a blocking key: ids in any order, of each standing more than BOUND if there are more."""

    verified: Collection[UUID] = ()
    claims: Collection[UUID] = ()


class Pair(NamedTuple):
    """Two verified records that may be the same customer, a < b. `levels` says why: field → level of agreement.

    Worked out whenever it is needed: to store what follows from the records at once would be pure cost.
    """

    a: UUID
    b: UUID
    bits: float
    levels: Mapping[str, str]
    model: str = MODEL


class Neighbourhood:
    """Records with all that bears on which of them are one customer; `decided` are those that the answer is for.

    Of every decided record it has the holders of its keys, its links and assertions, and the records that these name.
    The others' place is as it is stored.
    """

    def __init__(
        self,
        records: Mapping[UUID, Record],
        decided: Collection[UUID],
        holders: Mapping[int, Holders],
        links: Iterable[Link],
        assertions: Iterable[Assertion],
        *,
        bound: int = BOUND,
    ) -> None:
        self.bound = bound
        self.records = records
        self.decided = decided
        self.holders = holders
        self.links_as_child: dict[UUID, list[Link]] = {}
        self.links_as_parent: dict[UUID, list[Link]] = {}
        for link in set(links):
            self.links_as_child.setdefault(link.child, []).append(link)
            self.links_as_parent.setdefault(link.parent, []).append(link)
        self.assertions: dict[UUID, dict[UUID, Assertion]] = {}
        for one in assertions:
            self.assertions.setdefault(one.a, {})[one.b] = one
            self.assertions.setdefault(one.b, {})[one.a] = one
        self._owners: dict[int, int] = {}

    def verified(self, key: int) -> Collection[UUID]:
        """The verified records that hold a key, none where there are too many."""
        ids = self.holders[key].verified if key in self.holders else ()
        return ids if len(ids) <= self.bound else ()

    def claims(self, key: int) -> Collection[UUID]:
        """The claims that hold a key, none where there are too many."""
        ids = self.holders[key].claims if key in self.holders else ()
        return ids if len(ids) <= self.bound else ()

    def owners(self, key: int) -> int:
        """How many people the verified records that hold a key are of, as far as their names say."""
        if (known := self._owners.get(key)) is None:
            known = self._owners[key] = names.owners(self.records[id].name for id in self.verified(key))
        return known

    # -- evidence

    def pair(self, a: Record, b: Record) -> Pair | None:
        """The evidence of equal addresses for two verified records to be one customer; None if it is not enough."""
        shared = [
            (identifier.kind, key)
            for identifier in a.identifiers
            if (key := blocking_key(*identifier)) in b.keys and self.verified(key)
        ]
        if not shared:
            return None
        said = names.relation(a.name, b.name)
        if said is Relation.DIFFERENT:
            return None
        # Married, or two of one given name behind info@: a second address in common decides.
        if said is Relation.OTHER_FAMILY_NAME and len(shared) < 2:
            return None
        # Whoever has no name is the owner only of what has one owner.
        if said is Relation.UNKNOWN and all(self.owners(key) > 1 for _, key in shared):
            return None
        bits = sum(_bits(self.owners(key)) for _, key in shared) + _BITS_BY_NAMES[said]
        levels = {kind: f"equal, {self.owners(key)} owners" for kind, key in shared} | {"name": said.value}
        low, high = (a, b) if a.id < b.id else (b, a)
        return Pair(low.id, high.id, bits, levels)

    def pairs(self) -> list[Pair]:
        """The pairs among decided records: those of equal addresses, then each linked record with whom it follows."""
        verified = {id for id in self.decided if self.records[id].standing is Standing.VERIFIED}
        keys = {key for id in verified for key in self.records[id].keys}
        candidates = {
            (min(a, b), max(a, b))
            for key in keys
            for a, b in combinations([id for id in self.verified(key) if id in verified], 2)
        }
        found = [pair for a, b in candidates if (pair := self.pair(self.records[a], self.records[b]))]
        for id in verified:
            parent = self.parent(id)
            if parent is not None:
                found.append(Pair(min(id, parent), max(id, parent), LINK_BITS, {"link": "named"}))
        return found

    def parent(self, child: UUID) -> UUID | None:
        """The verified record that a linked one follows: the first that named it. So no link joins two others.

        What people asserted does not lead it to the next, or an unmerge would do more than undo a merge.
        """
        best = min(
            (
                (link.time, link.parent)
                for link in self.verified_links(self.records[child])
                if link.child == child
                and names.relation(self.records[child].name, self.records[link.parent].name) is not Relation.DIFFERENT
            ),
            default=None,
        )
        return best[1] if best else None

    def verified_links(self, record: Record) -> list[Link]:
        """The links of a verified record with others, as child and as parent; none where an end is named too often."""
        found = self.links_as_child.get(record.id, []) if record.named_by <= self.bound else []
        if record.naming <= self.bound:
            found = found + self.links_as_parent.get(record.id, [])
        return [link for link in found if not link.claimed and not link.anonymous and self._between_verified(link)]

    def _between_verified(self, link: Link) -> bool:
        child, parent = self.records.get(link.child), self.records.get(link.parent)
        return (
            child is not None
            and parent is not None
            and child.standing is parent.standing is Standing.VERIFIED
            and child.named_by <= self.bound
            and parent.naming <= self.bound
        )


def _bits(owners: int) -> float:
    for most, bits in _BITS_BY_OWNERS:
        if owners <= most:
            return bits
    return _BITS_OF_MANY
