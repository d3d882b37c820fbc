"""From changed records to contacts: what has to be decided anew is found in the store, decided, and written.

Everything here happens under the matching lock. What a change can reach is followed step by step, each step in a few
queries for all records of the batch; the decision itself is `domain.partition`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

import msgspec

from services.dedupe import store
from services.dedupe.domain import golden
from services.dedupe.domain.evidence import Assertion, Holders, Link, Neighbourhood
from services.dedupe.domain.partition import partition, reach
from services.dedupe.domain.records import Record, Standing
from services.dedupe.store import Key
from services.kit.database import Connection


class Matching:
    """One batch's view of the register: what it has read, what it has changed, what must be decided anew."""

    def __init__(self, connection: Connection, *, bound: int, ranks: Mapping[str, int]) -> None:
        self._connection = connection
        self._bound = bound
        self._ranks = ranks
        self.records: dict[UUID, Record] = {}
        """Records as they are after this batch, those that were read or changed so far."""
        self._stored: dict[UUID, Record] = {}
        self._holders: dict[int, Holders] = {}
        self._links: set[Link] = set()
        self._assertions: set[Assertion] = set()
        self._seeds: set[UUID] = set()
        self._said: set[UUID] = set()

    # -- what has changed

    async def read(self, ids: Iterable[UUID]) -> None:
        """Read records that are not read yet."""
        found = await store.records(self._connection, [id for id in ids if id not in self.records])
        self.records.update(found)
        self._stored.update(found)

    def decide_anew(self, ids: Iterable[UUID]) -> None:
        """The place of these records may change."""
        self._seeds.update(ids)

    async def change_records(self, changed: Mapping[UUID, Record]) -> None:
        """Take over what has been said of records; those who hold what they held or hold now are decided anew."""
        old_keys: set[Key] = set()
        new_keys: set[Key] = set()
        touched: set[int] = set()
        self._said.update(changed)
        for id, record in changed.items():
            before = self.records.get(id)
            self.records[id] = record
            if before is not None and identity(before) == identity(record):
                continue
            self._seeds.add(id)
            held, holds = _keys(before), _keys(record)
            old_keys |= held - holds
            new_keys |= holds - held
            touched.update(key for key, claimed, _ in held ^ holds if not claimed)
            if before is None or (before.name, before.standing) != (record.name, record.standing):
                touched.update(key for key, claimed, _ in held | holds if not claimed)
            if before is not None and before.standing is Standing.CLAIM and record.standing is not Standing.CLAIM:
                touched.add(before.claim_key)
        await store.change_keys(self._connection, old_keys, new_keys)
        await self._seed_holders(touched, old_keys, new_keys)

    async def _seed_holders(self, touched: set[int], old_keys: set[Key], new_keys: set[Key]) -> None:
        """Whoever holds a key that changes in a way that matters to others is decided anew.

        That is where a verified record comes, goes or has another name (`touched`), and where a key becomes, or ceases
        to be, too common. A claim that comes or goes changes nothing for others.
        """
        came, went = _ids_by_key(new_keys), _ids_by_key(old_keys)
        # So many that the holders before this batch are seen as far as the bound.
        limit = self._bound + 1 + max(map(len, came.values()), default=0)
        found = await store.holders(self._connection, touched | {key for key, _ in came.keys() | went.keys()}, limit)

        def crossed(key: int, claimed: bool, now: Collection[UUID]) -> bool:
            before = set(now) - came.get((key, claimed), set()) | went.get((key, claimed), set())
            return (len(before) > self._bound) != (len(now) > self._bound)

        for key, (verified, claims) in found.items():
            crossed_by_verified = crossed(key, False, verified)
            if crossed_by_verified or (key in touched and len(verified) <= self._bound):
                self._seeds.update(verified)
            # Which claims fit depends on the verified holders.
            touches_claims = (crossed_by_verified or key in touched) and len(claims) <= self._bound
            if touches_claims or crossed(key, True, claims):
                self._seeds.update(claims)
        self._holders.update(found)

    async def change_links(self, new: Iterable[Link], *, crossed: Collection[UUID]) -> None:
        """Take over links that are new or earlier; `crossed` are records whose links have become too many."""
        links = list(new)
        await store.save_links(self._connection, links)
        for link in links:
            self._seeds.add(link.child)
            # A visitor and a claim follow; what they follow stays as it is.
            if not link.anonymous:
                self._seeds.add(link.parent)
        if crossed:
            found = await store.links(self._connection, named=crossed, naming=(), naming_others=crossed)
            self._seeds.update(end for link in found for end in (link.child, link.parent))

    # -- the decision

    async def settle(self, *, besides: Iterable[UUID] = ()) -> set[UUID]:
        """Decide, write, and return the contacts whose state has changed. `besides` are records with new values."""
        decided = await self._neighbourhood()
        moved = self._place(decided) if decided else {}
        affected = {record.contact_id for record in moved.values()}
        affected |= {self._stored[id].contact_id for id in moved if id in self._stored}
        affected |= {self.records[id].contact_id for id in besides}
        self.records.update(moved)
        changed = {id: record for id, record in self.records.items() if record is not self._stored.get(id)}
        await store.save_records(self._connection, [record for id, record in changed.items() if id in self._said])
        await store.move_records(self._connection, [record for id, record in changed.items() if id not in self._said])
        return await self._publish({id for id in affected if id is not None}, moved.keys())

    async def _neighbourhood(self) -> Neighbourhood | None:
        """Everything that the place of the seeds may depend on, or that may depend on it."""
        decided: set[UUID] = set()
        frontier = set(self._seeds)
        while frontier:
            await self.read(frontier)
            decided |= frontier
            await self._read_relations(frontier)
            near = Neighbourhood(self.records, decided, self._holders, self._links, self._assertions, bound=self._bound)
            frontier = reach(near, frontier) - decided
            if not frontier:
                return near
        return None

    async def _read_relations(self, ids: Collection[UUID]) -> None:
        """Links, assertions and holders of keys of these records, and the records that these name."""
        records = [self.records[id] for id in ids]
        links = await store.links(
            self._connection,
            named=[record.id for record in records if 0 < record.named_by <= self._bound],
            naming=[record.id for record in records],
            naming_others=[record.id for record in records if 0 < record.naming <= self._bound],
        )
        assertions = await store.assertions(self._connection, ids)
        self._links.update(links)
        self._assertions.update(assertions)
        keys = {key for record in records for key in record.keys if key not in self._holders}
        self._holders.update(await store.holders(self._connection, keys, self._bound + 1))
        ends = {end for link in links for end in (link.child, link.parent)}
        ends.update(end for one in assertions for end in (one.a, one.b))
        for record in records:
            for key in record.keys:
                of_key = self._holders[key]
                ends.update(of_key.verified if len(of_key.verified) <= self._bound else ())
                ends.update(of_key.claims if len(of_key.claims) <= self._bound else ())
        await self.read(ends)

    def _place(self, near: Neighbourhood) -> dict[UUID, Record]:
        """The records whose contact is another than before, with the next membership number."""
        return {
            id: msgspec.structs.replace(
                self.records[id], contact_id=contact_id, membership=self.records[id].membership + 1
            )
            for id, contact_id in partition(near).items()
            if self.records[id].contact_id != contact_id
        }

    # -- what is known of contacts

    async def _publish(self, affected: set[UUID], moved: Iterable[UUID]) -> set[UUID]:
        others = await store.records_of_contacts(self._connection, affected, but=self.records.keys())
        members: dict[UUID, list[Record]] = {id: [] for id in affected}
        for record in (*self.records.values(), *others.values()):
            if record.contact_id in members:
                members[record.contact_id].append(record)
        # Contacts that were published before go where their first records have gone.
        ended = {id for id in (*affected, *moved) if not members.get(id)}
        await self.read(ended)
        return await publish(self._connection, members, ended, self.records, self._ranks)


async def publish(
    connection: Connection,
    members: Mapping[UUID, Collection[Record]],
    ended: Iterable[UUID],
    records: Mapping[UUID, Record],
    ranks: Mapping[str, int],
) -> set[UUID]:
    """Write the states of contacts from their members, and of those that have ended; returns those that changed."""
    states: dict[UUID, golden.Golden] = {}
    once_published: dict[UUID, golden.Golden] = {}
    for id, of_contact in members.items():
        if of_contact:
            known = golden.is_known(of_contact)
            (states if known else once_published)[id] = golden.golden(list(of_contact), ranks)
    for id in ended:
        into = records[id].contact_id
        assert into is not None
        once_published[id] = golden.absorbed(into)
    return await store.save_contacts(connection, states, once_published=once_published)


_BASIS = ("given_name", "family_name", "full_name", "organisation", "email", "phone")


def identity(record: Record) -> tuple[object, ...]:
    """All of a record that the place of any record may depend on, cheaply: equal ones have equal names and keys."""
    attributes = record.attributes
    said = [(found.value, found.claimed) if (found := attributes.get(name)) else None for name in _BASIS]
    return record.claimed, record.seen, record.first_time, bool(attributes), *said


def _keys(record: Record | None) -> set[Key]:
    if record is None:
        return set()
    return {Key(key, record.standing is Standing.CLAIM, record.id) for key in record.keys}


def _ids_by_key(keys: Iterable[Key]) -> dict[tuple[int, bool], set[UUID]]:
    found: dict[tuple[int, bool], set[UUID]] = {}
    for key, claimed, id in keys:
        found.setdefault((key, claimed), set()).add(id)
    return found
