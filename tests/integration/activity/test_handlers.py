"""Events, contacts and commands on the real store."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.activity import domain, handlers, messages, store
from services.kit.database import Connection, Pool
from services.kit.envelope import Received
from tests.integration.activity.factories import (
    NOON,
    apply,
    command,
    contact_state,
    original,
    published,
    resolved,
)

MAIJA, TEPPO = uuid4(), uuid4()


async def timeline(connection: Connection, contact: UUID) -> list[domain.Event]:
    events, _ = await store.timeline(connection, contact, limit=100, limit_bytes=1_000_000)
    return events


async def outcome(connection: Connection, command_id: str) -> tuple[str, str | None, dict[str, str] | None]:
    row = await connection.fetchrow(
        "SELECT status, detail, result FROM command_outcome WHERE command_id = $1", UUID(command_id)
    )
    assert row is not None
    return row["status"], row["detail"], json.loads(row["result"])


# -- events


async def test_an_event_of_a_published_contact_changes_its_summary(connection: Connection) -> None:
    changed = await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1}),
        resolved(original("purchase", record=MAIJA, minor=12990), contact=MAIJA),
    )
    assert changed == {MAIJA}
    assert (await published(connection, MAIJA))[MAIJA] == {
        "contact_id": str(MAIJA),
        "version": 1,
        "first_time": "2026-11-22T12:00:00Z",
        "last_time": "2026-11-22T12:00:00Z",
        "last_name": "purchase",
        "counts": {"purchase": 1},
        "sales": [
            {
                "currency": "EUR",
                "amount_minor": 12990,
                "purchases": 1,
                "first_time": "2026-11-22T12:00:00Z",
                "last_time": "2026-11-22T12:00:00Z",
            }
        ],
    }


async def test_the_state_message_carries_its_version_and_follows_from_the_row(connection: Connection) -> None:
    await apply(connection, contact_state(MAIJA, 1, {}), resolved(original(record=MAIJA), contact=MAIJA))
    [message] = await handlers.load(connection, [MAIJA])
    event = json.loads(message.value)
    assert (message.topic, message.key, message.version) == ("contact-activity", str(MAIJA), 1)
    assert (event["id"], event["type"], event["subject"]) == (
        f"a-{MAIJA}-1",
        "tuttu.contact-activity",
        str(MAIJA),
    )
    assert await handlers.load(connection, [MAIJA]) == [message]


async def test_an_event_that_comes_again_changes_nothing(connection: Connection) -> None:
    purchase = original("purchase", record=MAIJA, minor=100)
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1}),
        resolved(purchase, contact=MAIJA),
        resolved(purchase, contact=MAIJA),
    )
    assert await apply(connection, resolved(purchase, contact=MAIJA)) == set()
    state = (await published(connection, MAIJA))[MAIJA]
    assert (state["version"], state["counts"]) == (1, {"purchase": 1})


async def test_the_event_is_kept_byte_for_byte(connection: Connection) -> None:
    one = resolved(original(record=MAIJA, properties={"teksti": 'ä"\u0000\n', "luku": 1.50}), contact=MAIJA)
    await apply(connection, one)
    stored = await store.event(connection, one.data.event.id)
    assert stored is not None
    assert one.record.value is not None
    assert stored.body in one.record.value
    assert json.loads(stored.body)["data"]["properties"] == {"teksti": 'ä"\u0000\n', "luku": 1.5}


async def test_an_event_outside_the_prepared_months_is_kept_too(connection: Connection) -> None:
    for years in (-30, 30):
        event = original("signup", record=MAIJA, time=NOON.replace(year=NOON.year + years))
        await apply(connection, resolved(event, contact=MAIJA))
    assert len(await timeline(connection, MAIJA)) == 2


async def test_a_value_that_the_store_cannot_hold_is_refused_as_data(connection: Connection) -> None:
    with pytest.raises(asyncpg.DataError):
        await apply(connection, resolved(original("na\u0000me", record=MAIJA), contact=MAIJA))


# -- who is whom


async def test_nothing_is_published_of_an_anonymous_visitor_but_the_history_waits(
    connection: Connection,
) -> None:
    visit = original("page_view", record=TEPPO)
    assert await apply(connection, resolved(visit, contact=TEPPO)) == set()
    assert await published(connection, TEPPO) == {}
    assert len(await timeline(connection, TEPPO)) == 1
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1, TEPPO: 2}))
    assert (await published(connection, MAIJA))[MAIJA]["counts"] == {"page_view": 1}


async def test_a_contact_without_events_is_not_published(connection: Connection) -> None:
    assert await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1})) == set()


async def test_merge_moves_the_history_and_unmerge_brings_it_back_exactly(connection: Connection) -> None:
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1}),
        contact_state(TEPPO, 1, {TEPPO: 1}),
        resolved(original("purchase", record=MAIJA, minor=100), contact=MAIJA),
        resolved(original("purchase", record=TEPPO, minor=50), contact=TEPPO),
        resolved(original("signup", record=TEPPO, time=NOON + timedelta(hours=1)), contact=TEPPO),
    )
    before = await published(connection, MAIJA, TEPPO)
    timelines = [await timeline(connection, contact) for contact in (MAIJA, TEPPO)]

    merged = await apply(
        connection,
        contact_state(MAIJA, 2, {MAIJA: 1, TEPPO: 2}),
        contact_state(TEPPO, 2, {}, merged_into=MAIJA),
    )
    assert merged == {MAIJA, TEPPO}
    states = await published(connection, MAIJA, TEPPO)
    assert states[MAIJA]["counts"] == {"purchase": 2, "signup": 1}
    assert states[MAIJA]["sales"][0]["amount_minor"] == 150
    assert (states[TEPPO]["counts"], states[TEPPO]["sales"], states[TEPPO]["last_name"]) == ({}, [], None)
    assert len(await timeline(connection, MAIJA)) == 3
    assert await timeline(connection, TEPPO) == []
    assert await store.survivor(connection, TEPPO) == MAIJA

    await apply(connection, contact_state(MAIJA, 3, {MAIJA: 1}), contact_state(TEPPO, 3, {TEPPO: 3}))
    after = await published(connection, MAIJA, TEPPO)
    assert {contact: state | {"version": 1} for contact, state in after.items()} == before
    assert {state["version"] for state in after.values()} == {3}
    assert [await timeline(connection, contact) for contact in (MAIJA, TEPPO)] == timelines
    assert await store.survivor(connection, TEPPO) == TEPPO


async def test_an_absorbed_contact_is_empty_even_before_its_survivor_is_heard(connection: Connection) -> None:
    await apply(
        connection,
        contact_state(TEPPO, 1, {TEPPO: 1}),
        resolved(original("signup", record=TEPPO), contact=TEPPO),
    )
    assert await apply(connection, contact_state(TEPPO, 2, {}, merged_into=MAIJA)) == {TEPPO}
    assert (await published(connection, TEPPO))[TEPPO]["counts"] == {}


async def test_a_record_cannot_leave_while_another_worker_adds_to_it(connection: Connection, pool: Pool) -> None:
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1}),
        contact_state(TEPPO, 1, {TEPPO: 1}),
        resolved(original("signup", record=TEPPO), contact=TEPPO),
    )
    purchase = resolved(original("purchase", record=TEPPO, minor=5), contact=TEPPO)
    async with pool.acquire() as other:
        async with connection.transaction():
            affected = set(await handlers.add_events(connection, [purchase]))
            moving = asyncio.create_task(apply(other, contact_state(MAIJA, 2, {MAIJA: 1, TEPPO: 2})))
            await asyncio.wait([moving], timeout=0.2)
            assert not moving.done()
            await handlers.settle(connection, affected)
        await moving
    states = await published(connection, MAIJA, TEPPO)
    assert states[MAIJA]["counts"] == {"purchase": 1, "signup": 1}
    assert states[TEPPO]["counts"] == {}


async def test_workers_that_add_to_one_contact_both_count(connection: Connection, pool: Pool) -> None:
    visitor = uuid4()
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1, visitor: 1}),
        resolved(original("signup", record=MAIJA), contact=MAIJA),
    )
    visit = resolved(original("page_view", record=visitor), contact=MAIJA)
    purchase = resolved(original("purchase", record=MAIJA, minor=5), contact=MAIJA)
    async with pool.acquire() as other:
        async with connection.transaction():
            affected = set(await handlers.add_events(connection, [purchase]))
            await store.lock_summaries(connection, affected)
            adding = asyncio.create_task(apply(other, visit))
            await asyncio.wait([adding], timeout=0.2)
            assert not adding.done()
            await handlers.settle(connection, affected)
        await adding
    counts = (await published(connection, MAIJA))[MAIJA]["counts"]
    assert counts == {"page_view": 1, "purchase": 1, "signup": 1}


async def test_a_resolved_event_moves_its_record_before_the_contacts_are_heard(connection: Connection) -> None:
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1}),
        contact_state(TEPPO, 1, {TEPPO: 1}),
        resolved(original("signup", record=TEPPO), contact=TEPPO),
    )
    purchase = original("purchase", record=TEPPO, minor=50)
    assert await apply(connection, resolved(purchase, contact=MAIJA, number=2)) == {MAIJA, TEPPO}
    states = await published(connection, MAIJA, TEPPO)
    assert states[MAIJA]["counts"] == {"purchase": 1, "signup": 1}
    assert states[TEPPO]["counts"] == {}


async def test_a_smaller_number_and_an_older_state_move_nothing(connection: Connection) -> None:
    await apply(
        connection,
        contact_state(MAIJA, 5, {MAIJA: 1, TEPPO: 4}),
        resolved(original("signup", record=TEPPO), contact=MAIJA, number=4),
    )
    await apply(connection, contact_state(MAIJA, 4, {MAIJA: 1}, merged_into=TEPPO))
    await apply(
        connection,
        resolved(original("purchase", record=TEPPO, minor=5), contact=TEPPO, number=2),
        contact_state(TEPPO, 1, {TEPPO: 2}),
    )
    states = await published(connection, MAIJA, TEPPO)
    assert {contact: state["counts"] for contact, state in states.items()} == {MAIJA: {"purchase": 1, "signup": 1}}
    assert await store.survivor(connection, MAIJA) == MAIJA


async def test_a_record_leads_to_its_contact_and_redirects_are_followed_to_their_end(
    connection: Connection,
) -> None:
    anna, visitor = uuid4(), uuid4()
    await apply(
        connection,
        contact_state(MAIJA, 2, {}, merged_into=TEPPO),
        contact_state(TEPPO, 2, {}, merged_into=anna),
        contact_state(anna, 1, {anna: 1, MAIJA: 2, TEPPO: 2, visitor: 1}),
    )
    assert [await store.survivor(connection, one) for one in (MAIJA, TEPPO, anna, visitor)] == [anna] * 4
    assert await store.survivor(connection, uuid4()) is None


async def test_redirects_that_form_a_ring_end(connection: Connection) -> None:
    await apply(
        connection,
        contact_state(MAIJA, 2, {}, merged_into=TEPPO),
        contact_state(TEPPO, 2, {}, merged_into=MAIJA),
    )
    assert await store.survivor(connection, MAIJA) in (MAIJA, TEPPO)


async def test_a_row_that_was_lifted_before_it_was_ever_published_says_that_nothing_happened(
    connection: Connection,
) -> None:
    await apply(connection, resolved(original("page_view", record=MAIJA), contact=MAIJA))
    await connection.execute("UPDATE contact_activity SET version = 9 WHERE contact_id = $1", MAIJA)
    assert (await published(connection, MAIJA))[MAIJA]["counts"] == {}
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1}))
    state = (await published(connection, MAIJA))[MAIJA]
    assert (state["version"], state["counts"]) == (10, {"page_view": 1})


# -- what people write down


async def test_a_call_that_a_person_logged_joins_the_history_and_the_counts(connection: Connection) -> None:
    logged = command(MAIJA, "call")
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1}))
    assert await apply(connection, logged) == {MAIJA}
    [event] = await timeline(connection, MAIJA)
    assert (event.name, event.source, event.time, event.record_id) == ("call", "activity", NOON, MAIJA)
    assert event.body == logged.record.value
    assert (await published(connection, MAIJA))[MAIJA]["counts"] == {"call": 1}
    assert await outcome(connection, logged.event.id) == (
        "done",
        None,
        {"event_id": str(event.event_id), "contact_id": str(MAIJA)},
    )


async def test_a_command_that_comes_again_is_logged_once(connection: Connection) -> None:
    logged = command(MAIJA)
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1}), logged, logged)
    assert await apply(connection, logged) == set()
    assert len(await timeline(connection, MAIJA)) == 1


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (command(MAIJA, "purchase"), "call, meeting, session, note"),
        (command(MAIJA, occurred_at=NOON + timedelta(days=30)), "future"),
        (command(MAIJA, text="x" * 70_000), "65,536"),
        (command(TEPPO), f"There is no contact {TEPPO}"),
    ],
    ids=["unknown name", "far future", "long text", "unknown contact"],
)
async def test_what_cannot_be_logged_is_refused_in_words(
    connection: Connection, refused: Received[messages.LogActivity], words: str
) -> None:
    await apply(connection, contact_state(MAIJA, 1, {MAIJA: 1}), refused)
    status, detail, result = await outcome(connection, refused.event.id)
    assert (status, result) == ("refused", None)
    assert detail is not None
    assert words in detail
    assert await timeline(connection, MAIJA) == []


async def test_a_note_on_an_absorbed_contact_goes_to_its_survivor_and_comes_back_with_it(
    connection: Connection,
) -> None:
    note = command(TEPPO, "note")
    await apply(
        connection,
        contact_state(MAIJA, 1, {MAIJA: 1, TEPPO: 2}),
        contact_state(TEPPO, 2, {}, merged_into=MAIJA),
        note,
    )
    _, _, result = await outcome(connection, note.event.id)
    assert result is not None
    assert result["contact_id"] == str(MAIJA)
    assert [event.name for event in await timeline(connection, MAIJA)] == ["note"]
    await apply(connection, contact_state(MAIJA, 2, {MAIJA: 1}), contact_state(TEPPO, 3, {TEPPO: 3}))
    assert await timeline(connection, MAIJA) == []
    assert [event.name for event in await timeline(connection, TEPPO)] == ["note"]
