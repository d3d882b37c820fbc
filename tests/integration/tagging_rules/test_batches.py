"""The batch path over the real store: what is kept, what is published, what is not."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from services.kit import ids
from services.kit.database import Pool
from services.kit.runtime import State
from services.tagging_rules import handlers, messages
from tests.integration.tagging_rules.conftest import Worker, state_of
from tests.unit.tagging_rules.factories import change_tags, contact, event, received, record_id, resolved


async def outcomes(pool: Pool) -> list[tuple[str, str | None, Any]]:
    rows = await pool.fetch("SELECT status, detail, result FROM command_outcome ORDER BY at, command_id")
    return [(row["status"], row["detail"], msgspec.json.decode(row["result"])) for row in rows]


async def test_a_purchase_makes_a_customer_and_says_why(worker: Worker) -> None:
    purchase = event("purchase", amount=(12990, "EUR"))
    (message,) = await worker.run(contact(), resolved(purchase))
    state = state_of(message)
    assert (message.topic, message.key, message.version) == ("contact-tags", str(record_id(1)), 1)
    (held,) = state.tags
    assert (held.tag, held.since, held.by.rule_name, held.by.event_id) == (
        "asiakas",
        purchase.time,
        "Osto tekee asiakkaan",
        purchase.id,
    )
    assert state.phase is not None
    assert state.phase.phase == "customer"


async def test_a_repeated_event_counts_once_in_one_batch_and_in_two(worker: Worker, pool: Pool) -> None:
    purchase = resolved(event("purchase", amount=(100, "EUR")))
    await worker.run(contact(), purchase, purchase)
    await worker.run(purchase)
    fact = await pool.fetchrow("SELECT count, sum_minor FROM fact")
    assert fact is not None
    assert tuple(fact) == (1, 100)


async def test_a_second_purchase_changes_nothing_about_the_tag_and_publishes_nothing(worker: Worker) -> None:
    await worker.run(contact(), resolved(event("purchase", day=1)))
    assert await worker.run(resolved(event("purchase", day=2, id="second"))) == []


async def test_an_earlier_purchase_that_arrives_late_is_the_one_to_which_the_tag_is_owed(worker: Worker) -> None:
    await worker.run(contact(), resolved(event("purchase", day=2)))
    (message,) = await worker.run(resolved(event("purchase", day=1, id="earlier")))
    assert state_of(message).tags[0].since == event("purchase", day=1).time
    assert message.version == 2


async def test_of_an_anonymous_visitor_nothing_is_published_until_the_contact_is_seen(worker: Worker) -> None:
    view = resolved(event("page_view", add=["kiinnostunut kahvista"], kind="anonymous_id"))
    assert await worker.run(view) == []
    assert await worker.standings() == {}
    (message,) = await worker.run(contact())
    assert [held.tag for held in state_of(message).tags] == ["kiinnostunut kahvista"]


async def test_of_a_contact_that_never_was_anything_nothing_is_published(worker: Worker) -> None:
    assert await worker.run(contact(), resolved(event("page_view"))) == []


async def test_an_older_state_of_a_contact_is_ignored(worker: Worker, pool: Pool) -> None:
    await worker.run(contact(version=3, fields={"city": "Turku"}))
    await worker.run(contact(version=2, fields={"city": "Oulu"}))
    assert await pool.fetchval("SELECT fields ->> 'city' FROM contact_seen") == "Turku"


async def test_tags_follow_their_records_through_merge_and_unmerge(worker: Worker) -> None:
    await worker.run(contact(1), contact(2), resolved(event("purchase", record=1)), resolved(event("signup", record=2)))
    assert await worker.tags_of(record_id(1)) == ["asiakas"]
    assert await worker.tags_of(record_id(2)) == ["potentiaalinen asiakas"]

    await worker.run(contact(1, version=2, members={1: 1, 2: 2}), contact(2, version=2, merged_into=1))
    assert await worker.tags_of(record_id(1)) == ["asiakas"]
    assert await worker.tags_of(record_id(2)) == []

    await worker.run(contact(1, version=3, members={1: 1}), contact(2, version=3, members={2: 3}))
    assert await worker.tags_of(record_id(1)) == ["asiakas"]
    assert await worker.tags_of(record_id(2)) == ["potentiaalinen asiakas"]


async def test_an_event_that_arrives_under_an_absorbed_contact_counts_for_its_survivor(worker: Worker) -> None:
    await worker.run(contact(1, version=2, members={1: 1, 2: 2}), contact(2, version=2, merged_into=1))
    await worker.run(resolved(event("purchase", record=2), contact=2, membership=1))
    assert await worker.tags_of(record_id(1)) == ["asiakas"]


async def test_an_erased_contact_is_nothing(worker: Worker) -> None:
    await worker.run(contact(1), resolved(event("purchase")))
    (message,) = await worker.run(contact(1, version=2, erased=True))
    state = state_of(message)
    assert (state.tags, state.phase, state.version) == ((), None, 2)


async def test_a_person_tags_a_contact_and_gets_an_outcome(worker: Worker, pool: Pool) -> None:
    await worker.run(contact())
    (message,) = await worker.run(change_tags(add=["vip"]))
    (held,) = state_of(message).tags
    assert (held.tag, held.by.kind, held.by.author) == ("vip", "hand", "key:liisa")
    assert await outcomes(pool) == [("done", None, {"contact_id": str(record_id(1))})]


async def test_a_command_that_is_delivered_again_has_one_outcome(worker: Worker, pool: Pool) -> None:
    await worker.run(contact())
    command = change_tags(add=["vip"])
    await worker.run(command, command)
    assert await worker.run(command) == []
    assert len(await outcomes(pool)) == 1


async def test_a_command_that_contradicts_itself_is_refused_and_the_others_are_done(worker: Worker, pool: Pool) -> None:
    await worker.run(contact())
    bad = change_tags(add=["vip", "uusi"], remove=["vip"], id="bad")
    await worker.run(bad, change_tags(add=["vip"], id="good"), change_tags(add=["\x00"], id="worse"))
    assert await worker.tags_of(record_id(1)) == ["vip"]
    assert sorted(status for status, _, _ in await outcomes(pool)) == ["done", "refused", "refused"]


async def test_of_two_commands_in_one_batch_the_later_has_its_way_whatever_their_order(worker: Worker) -> None:
    await worker.run(contact())
    await worker.run(change_tags(remove=["vip"], day=2), change_tags(add=["vip"], day=1))
    assert await worker.tags_of(record_id(1)) == []


async def test_what_a_person_said_follows_the_contacts_first_record(worker: Worker) -> None:
    await worker.run(contact(1), contact(2), change_tags(2, add=["vip"]))
    await worker.run(contact(1, version=2, members={1: 1, 2: 2}), contact(2, version=2, merged_into=1))
    assert await worker.tags_of(record_id(1)) == ["vip"]
    # Said of the absorbed contact's id, it reaches the survivor too.
    await worker.run(change_tags(2, add=["kahvi"]))
    assert await worker.tags_of(record_id(1)) == ["kahvi", "vip"]
    await worker.run(contact(1, version=3, members={1: 1}), contact(2, version=3, members={2: 3}))
    assert await worker.tags_of(record_id(1)) == []
    assert await worker.tags_of(record_id(2)) == ["kahvi", "vip"]


async def test_a_command_may_come_before_the_contact_is_seen(worker: Worker) -> None:
    assert await worker.run(change_tags(add=["vip"])) == []
    await worker.run(contact(1, version=4, members={1: 1}))
    assert await worker.tags_of(record_id(1)) == ["vip"]


async def test_a_command_to_work_out_contacts_publishes_only_what_changed(worker: Worker, pool: Pool) -> None:
    await worker.run(contact(1), contact(2), resolved(event("purchase")))
    await pool.execute("UPDATE contact_tags SET state = '{}' WHERE contact_id = $1", record_id(1))
    data = messages.RecomputeTags(contact_ids=[record_id(1), record_id(2), record_id(77)])
    command = received("tag-commands", messages.RECOMPUTE_TAGS, str(ids.derived("command")), data)
    (message,) = await worker.run(command)
    assert message.key == str(record_id(1))
    assert await outcomes(pool) == [("done", None, {"contacts": 3})]


async def test_an_amount_that_adds_up_beyond_bounds_is_refused_by_the_store(worker: Worker, pool: Pool) -> None:
    await worker.run(contact(), resolved(event("purchase", amount=(10**13, "EUR"))))
    await pool.execute("UPDATE fact SET sum_minor = 9223372036854775807")
    with pytest.raises(Exception, match="bigint out of range"):
        await worker.run(resolved(event("purchase", amount=(1, "EUR"), id="last straw")))


async def test_two_workers_with_two_records_of_one_contact_lose_nothing(pool: Pool) -> None:
    """The second waits for the first's lock on the contact, then sees what the first has kept."""
    one, other = Worker(pool), Worker(pool)
    await one.run(contact(1, members={1: 1, 2: 1}))
    async with pool.acquire() as mine, pool.acquire() as yours:
        my_work, your_work = mine.transaction(), yours.transaction()
        await my_work.start()
        await your_work.start()
        await one.apply(mine, [resolved(event("purchase", record=1, day=1), contact=1)])
        waiting = asyncio.create_task(
            other.apply(yours, [resolved(event("signup", record=2, add=["uutiskirje"]), contact=1)])
        )
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await my_work.commit()
        await waiting
        await your_work.commit()
    assert await one.tags_of(record_id(1)) == ["asiakas", "uutiskirje"]


async def test_a_record_that_moves_while_another_worker_counts_its_event_loses_nothing(pool: Pool) -> None:
    """The lock of the record makes the two take turns: the move is worked out with the event."""
    one, other = Worker(pool), Worker(pool)
    await one.run(contact(1), contact(2))
    async with pool.acquire() as mine, pool.acquire() as yours:
        my_work, your_work = mine.transaction(), yours.transaction()
        await my_work.start()
        await your_work.start()
        await one.apply(mine, [resolved(event("purchase", record=2))])
        waiting = asyncio.create_task(
            other.apply(yours, [contact(1, version=2, members={1: 1, 2: 2}), contact(2, version=2, merged_into=1)])
        )
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await my_work.commit()
        await waiting
        await your_work.commit()
    assert await one.tags_of(record_id(1)) == ["asiakas"]
    assert await one.tags_of(record_id(2)) == []


async def test_a_record_that_two_workers_place_at_once_leaves_the_contact_of_the_smaller_number(pool: Pool) -> None:
    one, other = Worker(pool), Worker(pool)
    await one.run(contact(1), contact(2))
    async with pool.acquire() as mine, pool.acquire() as yours:
        my_work, your_work = mine.transaction(), yours.transaction()
        await my_work.start()
        await your_work.start()
        await one.apply(mine, [resolved(event("purchase", record=3), contact=1, membership=1)])
        waiting = asyncio.create_task(other.apply(yours, [contact(2, version=2, members={2: 1, 3: 2})]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await my_work.commit()
        await waiting
        await your_work.commit()
    assert await one.tags_of(record_id(1)) == []
    assert await one.tags_of(record_id(2)) == ["asiakas"]


async def test_a_row_that_a_restored_backup_left_below_its_topic_says_again_what_it_says(
    worker: Worker, pool: Pool
) -> None:
    """The guard lifts a row above the versions on the topic, also one that never said anything."""
    await worker.run(contact())
    state = State("contact-tags", "contact_tags", "contact_id", handlers.contact_tags)
    async with pool.acquire() as connection:
        lifted = await state.lift(connection, {record_id(1): 5})
        (message,) = await state.load(connection, list(lifted))
    assert message.version == 6
    assert (state_of(message).tags, state_of(message).phase) == ((), None)
    (message,) = await worker.run(resolved(event("purchase")))
    assert message.version == 7
