"""What holds of every history, whatever the order in which it arrives."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, reject
from hypothesis import strategies as st

from services.dedupe import messages
from services.dedupe.domain.records import Standing
from tests.unit.dedupe.strategies import batches, histories, orders
from tests.unit.dedupe.world import Event, World

BOUNDS = st.sampled_from((1, 2, 3, 50))


@given(history=histories, bound=BOUNDS, data=st.data())
def test_any_order_of_the_same_events_gives_the_same_contacts(
    history: list[Event], bound: int, data: st.DataObject
) -> None:
    expected = World(bound).hear(history)
    other = World(bound)
    for batch in data.draw(batches(data.draw(orders(history)))):
        other.hear(batch)
    assert other.contact_of() == expected.contact_of()
    assert other.contacts() == expected.contacts()


@given(history=histories, bound=BOUNDS, data=st.data())
def test_to_merge_and_then_unmerge_gives_the_contacts_before(
    history: list[Event], bound: int, data: st.DataObject
) -> None:
    world = World(bound).hear(history)
    for _ in range(data.draw(st.integers(0, 2))):
        world.decide(data.draw(decisions(world)))
    contact_of = world.contact_of()
    ids = sorted(set(contact_of.values()))
    if len(ids) < 2:
        return
    left, right = data.draw(st.lists(st.sampled_from(ids), min_size=2, max_size=2, unique=True))
    sides = [[id for id in contact_of if contact_of[id] == side] for side in (left, right)]
    merge = messages.MergeContacts(left=sides[0], right=sides[1], author="key:liisa")
    unmerge = messages.UnmergeContact(left=sides[0], right=sides[1], author="key:liisa")

    merged = world.decide(merge).contact_of()
    assert len({merged[id] for side in sides for id in side}) == 1
    parted = world.decide(unmerge).contact_of()

    assert parted == contact_of


@given(history=histories, bound=BOUNDS, data=st.data())
def test_whoever_was_parted_by_hand_is_parted(history: list[Event], bound: int, data: st.DataObject) -> None:
    world = World(bound).hear(history)
    decision = data.draw(decisions(world))
    after = world.decide(decision).contact_of()
    if isinstance(decision, messages.UnmergeContact):
        assert {after[id] for id in decision.left}.isdisjoint({after[id] for id in decision.right})
    else:
        assert after[decision.left[0]] == after[decision.right[0]]


@given(history=histories, bound=BOUNDS)
def test_claims_and_visitors_change_nothing_for_verified_records(history: list[Event], bound: int) -> None:
    world = World(bound).hear(history)
    verified = {id for id, record in world.records.items() if record.standing is Standing.VERIFIED}
    alone = World(bound)
    alone.records = {id: world.records[id] for id in verified}
    alone.links = {key: link for key, link in world.links.items() if {link.child, link.parent} <= verified}
    assert _groups(alone.contact_of(), verified) == _groups(world.contact_of(), verified)


@given(history=histories)
def test_a_contact_has_the_id_of_its_first_record(history: list[Event]) -> None:
    world = World().hear(history)
    contact_of = world.contact_of()
    for contact_id in set(contact_of.values()):
        members = [world.records[id] for id, its in contact_of.items() if its == contact_id]
        assert min(record.order for record in members) == world.records[contact_id].order


def _groups(contact_of: dict[UUID, UUID], ids: set[UUID]) -> set[frozenset[UUID]]:
    return {frozenset(id for id in ids if contact_of[id] == contact_of[one]) for one in ids}


@st.composite
def decisions(draw: st.DrawFn, world: World) -> messages.Decision:
    ids = sorted(world.records)
    left = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True))
    others = [id for id in ids if id not in left]
    if not others:
        reject()
    right = draw(st.lists(st.sampled_from(others), min_size=1, max_size=2, unique=True))
    if draw(st.booleans()):
        return messages.MergeContacts(left=left, right=right, author="key:liisa")
    return messages.UnmergeContact(left=left, right=right, author="key:liisa")
