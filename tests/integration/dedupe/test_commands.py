"""Merge and unmerge in a real store."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from services.dedupe import messages
from tests.integration.dedupe.register import Register
from tests.unit.dedupe.world import claim, event, ref

MAIJA = {"given_name": "Maija", "family_name": "Meikäläinen", "email": "maija@example.fi"}
MATTI = {"given_name": "Matti", "family_name": "Virtanen", "email": "matti@example.fi"}
LEFT, RIGHT, THIRD = ref("external_id", "1"), ref("external_id", "2"), ref("external_id", "3")
SIGNUP = claim("matti@example.fi", "matti virtanen")


def merge(*, left: list[UUID], right: list[UUID], versions: dict[UUID, int] | None = None) -> messages.MergeContacts:
    return messages.MergeContacts(left=left, right=right, versions=versions or {}, author="key:liisa")


def unmerge(*, left: list[UUID], right: list[UUID], versions: dict[UUID, int] | None = None) -> messages.UnmergeContact:
    return messages.UnmergeContact(left=left, right=right, versions=versions or {}, author="key:liisa", reason="eri")


@pytest.fixture
async def two(register: Register) -> Register:
    """A register of two customers, one of them with a claim."""
    await register.hear(event(LEFT, MAIJA), event(RIGHT, MATTI, at=1), event(SIGNUP, MATTI, at=2))
    return register


async def test_a_merge_makes_one_contact_and_tells_its_version(two: Register) -> None:
    [outcome] = await two.decide(merge(left=[LEFT.id], right=[RIGHT.id, SIGNUP.id], versions={LEFT.id: 1, RIGHT.id: 1}))
    assert (outcome.status, outcome.result["contact_id"], outcome.result["version"]) == ("done", str(LEFT.id), 2)
    states = await two.states()
    assert {member.record_id for member in states[LEFT.id].members} == {LEFT.id, RIGHT.id, SIGNUP.id}
    assert states[RIGHT.id].merged_into == LEFT.id


async def test_an_unmerge_gives_the_state_before(two: Register) -> None:
    before = await two.contacts()
    await two.decide(merge(left=[LEFT.id], right=[RIGHT.id, SIGNUP.id]))
    [outcome] = await two.decide(unmerge(left=[LEFT.id], right=[RIGHT.id, SIGNUP.id]))
    assert (outcome.status, outcome.result["contact_id"], outcome.result["parted"]) == (
        "done",
        str(LEFT.id),
        str(RIGHT.id),
    )
    assert await two.contacts() == before
    assert await two.versions() == {LEFT.id: 3, RIGHT.id: 3}


async def test_a_merge_of_what_is_one_already_is_done(two: Register) -> None:
    await two.decide(merge(left=[LEFT.id], right=[RIGHT.id]))
    before = await two.versions()
    [outcome] = await two.decide(merge(left=[LEFT.id], right=[RIGHT.id]))
    assert outcome.status == "done"
    assert await two.versions() == before


async def test_a_decision_on_what_has_changed_since_is_refused_with_both_versions(two: Register) -> None:
    await two.hear(event(LEFT, MAIJA, at=3))
    [outcome] = await two.decide(merge(left=[LEFT.id], right=[RIGHT.id], versions={LEFT.id: 1, RIGHT.id: 1}))
    assert outcome.status == "refused"
    assert "version 1, now 2" in (outcome.detail or "")
    assert await two.connection.fetchval("SELECT count(*) FROM assertion") == 0
    assert (await two.contact_of())[RIGHT.id] == RIGHT.id


async def test_what_cannot_be_decided_is_refused_with_the_reason(two: Register) -> None:
    nobody = uuid4()
    outcomes = await two.decide(
        merge(left=[LEFT.id], right=[nobody]),
        merge(left=[LEFT.id], right=[LEFT.id]),
        merge(left=[LEFT.id], right=[RIGHT.id], versions={nobody: 1}),
    )
    assert [outcome.status for outcome in outcomes] == ["refused"] * 3
    assert [str(nobody) in (outcome.detail or "") for outcome in outcomes] == [True, False, True]


async def test_a_command_on_an_absorbed_contact_follows_its_record(two: Register) -> None:
    await two.hear(event(THIRD, full_name="Kolmas Ihminen", at=4))
    await two.decide(merge(left=[LEFT.id], right=[RIGHT.id]))
    [outcome] = await two.decide(merge(left=[RIGHT.id], right=[THIRD.id]))
    assert outcome.result["contact_id"] == str(LEFT.id)
    contact_of = await two.contact_of()
    assert {contact_of[one.id] for one in (LEFT, RIGHT, THIRD)} == {LEFT.id}


async def test_a_repeated_command_is_not_carried_out_again(two: Register) -> None:
    command_id = uuid4()
    await two.decide(merge(left=[LEFT.id], right=[RIGHT.id]), ids=[command_id])
    await two.decide(unmerge(left=[LEFT.id], right=[RIGHT.id]))
    [outcome] = await two.decide(merge(left=[LEFT.id], right=[RIGHT.id]), ids=[command_id])
    assert outcome.status == "done"
    assert (await two.contact_of())[RIGHT.id] == RIGHT.id


async def test_commands_of_one_batch_are_carried_out_in_the_order_given(two: Register) -> None:
    outcomes = await two.decide(
        merge(left=[LEFT.id], right=[RIGHT.id], versions={LEFT.id: 1}),
        unmerge(left=[LEFT.id], right=[RIGHT.id], versions={LEFT.id: 2}),
        merge(left=[LEFT.id], right=[RIGHT.id], versions={LEFT.id: 2}),
    )
    assert [outcome.status for outcome in outcomes] == ["done", "done", "refused"]
    assert (await two.contact_of())[RIGHT.id] == RIGHT.id


async def test_many_commands_of_one_batch_are_carried_out_together(register: Register) -> None:
    pairs = [(ref("external_id", f"l{number}"), ref("external_id", f"r{number}")) for number in range(100)]
    await register.hear(*(event(one, at=number) for number, pair in enumerate(pairs) for one in pair))
    outcomes = await register.decide(*(merge(left=[left.id], right=[right.id]) for left, right in pairs))
    assert {outcome.status for outcome in outcomes} == {"done"}
    contact_of = await register.contact_of()
    assert all(contact_of[left.id] == contact_of[right.id] for left, right in pairs)


async def test_later_events_do_not_part_what_was_merged_nor_join_what_was_parted(two: Register) -> None:
    await two.decide(merge(left=[LEFT.id], right=[RIGHT.id]))
    await two.hear(event(RIGHT, MATTI, at=5, city="Oulu"))
    assert (await two.contact_of())[RIGHT.id] == LEFT.id
    await two.decide(unmerge(left=[LEFT.id], right=[RIGHT.id]))
    await two.hear(event(RIGHT, MAIJA, at=6))
    assert (await two.contact_of())[RIGHT.id] == RIGHT.id
