"""Which records are one contact: a pure function of records, evidence, links and what people asserted.

In this order: what people said must be one; verified records, strongest evidence first, under guards; claims, each by
itself, to the one contact that it fits; the other claims by equal keys; visitors to whom first named them. Claims and
visitors are leaves: they join a contact and never join two.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from services.dedupe.domain import names
from services.dedupe.domain.evidence import Neighbourhood
from services.dedupe.domain.names import Relation
from services.dedupe.domain.records import Record, Standing

VETO_SHARE = 0.2
"""Two clusters are kept apart when more of the pairs of their names than this are different people's."""


class Place(NamedTuple):
    """Where a record is: in a cluster of those that are being decided, or in a contact that is not."""

    root: UUID | None
    contact_id: UUID | None


def partition(near: Neighbourhood) -> dict[UUID, UUID]:
    """The contact of each decided record. A contact's id is that of its first record."""
    clusters = _Clusters(near)
    _join_asserted(near, clusters)
    _join_verified(near, clusters)
    _place_claims(near, clusters)
    _place_visitors(near, clusters)
    return clusters.contacts()


class _Clusters:
    """Disjoint sets of the decided records, each with a root; some are attached to contacts that are as they are."""

    def __init__(self, near: Neighbourhood) -> None:
        self._near = near
        self._root = {id: id for id in near.decided}
        self._members = {id: [id] for id in near.decided}
        self._attached: dict[UUID, UUID] = {}

    def place(self, id: UUID) -> Place:
        root = self._root.get(id)
        if root is None:
            return Place(None, self._near.records[id].contact_id)
        attached = self._attached.get(root)
        return Place(root, None) if attached is None else Place(None, attached)

    def members(self, id: UUID) -> list[UUID]:
        return self._members[self._root[id]]

    def join(self, id: UUID, place: Place) -> None:
        """Put the cluster of `id` into `place`."""
        root = self._root[id]
        if place.root is None:
            assert place.contact_id is not None
            self._attached[root] = place.contact_id
            return
        if place.root == root:
            return
        move, keep = sorted((root, place.root), key=lambda root: len(self._members[root]))
        for member in self._members.pop(move):
            self._root[member] = keep
            self._members[keep].append(member)

    def cannot(self, id: UUID, place: Place, *, since: int = 0) -> bool:
        """Whether somebody said, after assertion `since`, that the cluster of `id` and what is in `place` are two."""
        asserted = self._near.assertions
        if not asserted:
            return False
        return any(
            not one.must and one.number > since and other in self._near.records and self.place(other) == place
            for member in self.members(id)
            for other, one in asserted.get(member, {}).items()
        )

    def contacts(self) -> dict[UUID, UUID]:
        found = {}
        for root, members in self._members.items():
            contact_id = self._attached.get(root) or min(self._near.records[id].order for id in members)[-1]
            found.update(dict.fromkeys(members, contact_id))
        return found


def _join_asserted(near: Neighbourhood, clusters: _Clusters) -> None:
    """What people said, in the order in which they said it: the later outranks the earlier."""
    musts = {one for those in near.assertions.values() for one in those.values() if one.must}
    for one in sorted(musts, key=lambda one: (one.number, one.a, one.b)):
        if one.a in near.decided and one.b in near.decided:
            place = clusters.place(one.b)
            if clusters.place(one.a) != place and not clusters.cannot(one.a, place, since=one.number):
                clusters.join(one.a, place)


def _join_verified(near: Neighbourhood, clusters: _Clusters) -> None:
    for pair in sorted(near.pairs(), key=lambda pair: (-round(pair.bits, 3), pair.a, pair.b)):
        place = clusters.place(pair.b)
        if clusters.place(pair.a) == place or clusters.cannot(pair.a, place):
            continue
        if not _vetoed(near, clusters.members(pair.a), clusters.members(pair.b)):
            clusters.join(pair.a, place)


def _vetoed(near: Neighbourhood, left: Iterable[UUID], right: Iterable[UUID]) -> bool:
    """Whether too many names of the two clusters are different people's; claims have no say."""
    one, other = (list(_verified_names(near, ids)) for ids in (left, right))
    different = sum(names.relation(a, b) is Relation.DIFFERENT for a in one for b in other)
    return different > VETO_SHARE * len(one) * len(other)


def _verified_names(near: Neighbourhood, ids: Iterable[UUID]) -> Iterator[names.Name]:
    for id in ids:
        record = near.records[id]
        if record.standing is Standing.VERIFIED and record.name != names.NAMELESS:
            yield record.name


# -- leaves


def _leaf_groups(near: Neighbourhood, clusters: _Clusters, standing: Standing) -> list[list[Record]]:
    """The records of a standing that are in no cluster with a better one, by cluster, in the order of the first."""
    groups: dict[Place, list[Record]] = {}
    for record in sorted((near.records[id] for id in near.decided), key=lambda record: record.order):
        if record.standing is standing and _standing(near, clusters.members(record.id)) is standing:
            groups.setdefault(clusters.place(record.id), []).append(record)
    return list(groups.values())


def _standing(near: Neighbourhood, ids: Iterable[UUID]) -> Standing:
    return min(near.records[id].standing for id in ids)


def _place_claims(near: Neighbourhood, clusters: _Clusters) -> None:
    left: list[Record] = []
    for group in _leaf_groups(near, clusters, Standing.CLAIM):
        place = _only({*_vouched_places(near, clusters, group)}) or _only({*_fitting_places(near, clusters, group)})
        if place is not None and not clusters.cannot(group[0].id, place):
            clusters.join(group[0].id, place)
        else:
            left += group
    for claim in left:
        for mate in sorted(near.claims(claim.claim_key)):
            place = clusters.place(mate)
            if (
                place.root is not None
                and clusters.place(claim.id) != place
                and _standing(near, clusters.members(mate)) is Standing.CLAIM
                and not clusters.cannot(claim.id, place)
            ):
                clusters.join(claim.id, place)


def _vouched_places(near: Neighbourhood, clusters: _Clusters, group: Iterable[Record]) -> Iterator[Place]:
    """The contacts of verified records whose events named these claims: somebody clicked on a signed link."""
    for claim in group:
        for link in near.links_as_child.get(claim.id, ()) if claim.named_by <= near.bound else ():
            parent = near.records[link.parent]
            if not link.claimed and parent.standing is Standing.VERIFIED and parent.naming <= near.bound:
                yield clusters.place(parent.id)


def _fitting_places(near: Neighbourhood, clusters: _Clusters, group: Iterable[Record]) -> Iterator[Place]:
    """The contacts that own an address of these claims alone, under a name that can be theirs."""
    for claim in group:
        for key in claim.keys:
            if near.owners(key) > 1 or claim.id not in near.claims(key):
                continue
            for holder in near.verified(key):
                said = names.relation(claim.name, near.records[holder].name)
                if said in (Relation.COMPATIBLE, Relation.UNKNOWN):
                    yield clusters.place(holder)


def _only(places: set[Place]) -> Place | None:
    return places.pop() if len(places) == 1 else None


def _place_visitors(near: Neighbourhood, clusters: _Clusters) -> None:
    """Each visitor follows whoever named it first: a verified record before a claim, these before another visitor."""
    left = [
        group
        for group in _leaf_groups(near, clusters, Standing.ANONYMOUS)
        if not _follow(near, clusters, group, (Standing.VERIFIED, Standing.CLAIM))
    ]
    for group in left:
        _follow(near, clusters, group, (Standing.ANONYMOUS,))


def _follow(near: Neighbourhood, clusters: _Clusters, group: Iterable[Record], whom: Container[Standing]) -> bool:
    leaders = sorted(
        (parent.standing, link.time, parent.id)
        for visitor in group
        if visitor.named_by <= near.bound
        for link in near.links_as_child.get(visitor.id, ())
        if (parent := near.records[link.parent]).standing in whom
    )
    own = next(iter(group)).id
    for _, _, leader in leaders:
        place = clusters.place(leader)
        if clusters.place(own) == place:
            return True
        if not clusters.cannot(own, place):
            clusters.join(own, place)
            return True
    return False


def reach(near: Neighbourhood, ids: Iterable[UUID]) -> set[UUID]:
    """The records whose place may depend on that of these, one step away.

    A claim does not lead from one contact to another, and a visitor neither: what they follow stays as it is stored.
    """
    found: set[UUID] = set()
    for id in ids:
        record = near.records[id]
        parents = [near.records[link.parent] for link in near.links_as_child.get(id, ())]
        children = [(near.records[link.child], link) for link in near.links_as_parent.get(id, ())]
        found.update(other for other, one in near.assertions.get(id, {}).items() if one.must)
        found.update(child.id for child, _ in children if child.standing is Standing.ANONYMOUS)
        leaders: list[Record] = []
        if record.standing is Standing.VERIFIED:
            found.update(
                other
                for key in record.keys
                for other in near.verified(key)
                if other != id and near.pair(record, near.records[other]) is not None
            )
            found.update(claim for key in record.keys for claim in near.claims(key))
            found.update(end for link in near.verified_links(record) for end in (link.child, link.parent))
            found.update(child.id for child, link in children if child.standing is Standing.CLAIM and not link.claimed)
        elif record.standing is Standing.CLAIM:
            found.update(near.claims(record.claim_key))
            leaders = [near.records[holder] for key in record.keys for holder in near.verified(key)] + parents
        else:
            found.update(parent.id for parent in parents if parent.standing is Standing.ANONYMOUS)
            leaders = parents
        # A contact without any events of its own takes the id of a leaf that joins it.
        found.update(leader.id for leader in leaders if not leader.seen)
    return found
