"""Batches of events in a real store."""

from __future__ import annotations

import json

import asyncpg
import msgspec
import pytest

from services.dedupe import handlers, messages
from tests.integration.dedupe.register import Register
from tests.unit.dedupe.world import Event, World, claim, event, received, ref

MAIJA = {"given_name": "Maija", "family_name": "Meikäläinen", "email": "maija@example.fi"}
MATTI = {"given_name": "Matti", "family_name": "Virtanen", "email": "matti@example.fi"}
SHOP, SITE, VISITOR = ref("external_id", "1"), ref("external_id", "u1", "site"), ref("anonymous_id", "a", "site")
SIGNUP = claim("maija@example.fi", "maija meikäläinen")


async def test_a_batch_makes_contacts_and_says_which_changed(register: Register) -> None:
    changed = await register.hear(
        event(SHOP, MAIJA), event(SIGNUP, MAIJA, at=1), event(ref("external_id", "2"), MATTI), event(VISITOR)
    )
    assert changed == {SHOP.id, ref("external_id", "2").id}
    assert (await register.contact_of())[SIGNUP.id] == SHOP.id
    assert await register.versions() == dict.fromkeys(changed, 1)


async def test_a_repeated_delivery_changes_nothing(register: Register) -> None:
    events = [event(SHOP, MAIJA), event(SITE, MAIJA, at=1, links=[VISITOR]), event(SIGNUP, MAIJA, at=2)]
    await register.hear(*events)
    before = await register.states(), await register.versions()
    assert await register.hear(*events) == set()
    assert (await register.states(), await register.versions()) == before


async def test_one_event_that_comes_twice_in_a_batch_counts_once(register: Register) -> None:
    await register.hear(event(SHOP, MAIJA), event(SHOP, MAIJA), event(SHOP, MAIJA))
    assert await register.connection.fetchval("SELECT count(*) FROM event_inbox") == 1
    assert (await register.versions())[SHOP.id] == 1


async def test_an_event_that_says_nothing_new_today_leaves_the_contact_as_it_is(register: Register) -> None:
    await register.hear(event(SHOP, MAIJA))
    assert await register.hear(event(SHOP, MAIJA, at=0.3)) == set()
    assert await register.hear(event(SHOP, MAIJA, at=1)) == {SHOP.id}, "confirmed on another day"


async def test_a_known_value_that_comes_again_is_newer_than_what_comes_late(register: Register) -> None:
    await register.hear(event(SHOP, MAIJA, city="Oulu"))
    await register.hear(event(SHOP, MAIJA, at=0.3, city="Oulu"))
    await register.hear(event(SHOP, MAIJA, at=0.2, city="Turku"))
    assert (await register.states())[SHOP.id].fields["city"].value == "Oulu"


async def test_a_contact_that_joins_another_keeps_its_row_and_says_where_it_went(register: Register) -> None:
    await register.hear(event(SHOP, MAIJA), event(SITE, at=1, email="other@example.fi"))
    changed = await register.hear(event(SITE, MAIJA, at=2))
    assert changed == {SHOP.id, SITE.id}
    absorbed = (await register.states())[SITE.id]
    assert absorbed.merged_into == SHOP.id
    assert not (absorbed.members or absorbed.fields or absorbed.identifiers or absorbed.consents)
    assert (await register.versions())[SITE.id] == 2


async def test_an_absorbed_contact_that_parts_again_has_its_id_and_growing_numbers(register: Register) -> None:
    await register.hear(event(SHOP, MAIJA), event(SITE, MAIJA, at=1))
    await register.hear(event(SITE, MATTI, at=2))
    states = await register.states()
    assert states[SITE.id].merged_into is None
    [member] = states[SITE.id].members
    assert member.membership == 2
    assert await register.versions() == {SHOP.id: 2, SITE.id: 1}


async def test_redirects_lead_to_where_the_record_lives_now(register: Register) -> None:
    third = ref("external_id", "9", "till")
    await register.hear(event(SHOP, MATTI, at=2), event(SITE, MAIJA, at=1), event(third, MAIJA, at=3))
    await register.hear(event(third, phone="+358401234567"), event(SHOP, MAIJA, at=4))
    await register.hear(event(third, at=-5))
    states = await register.states()
    assert {id: state.merged_into for id, state in states.items()} == {
        SHOP.id: third.id,
        SITE.id: third.id,
        third.id: None,
    }


async def test_a_visitor_has_no_state_until_it_is_somebody(register: Register) -> None:
    assert await register.hear(event(VISITOR)) == set()
    assert await register.hear(event(VISITOR, at=1)) == set()
    changed = await register.hear(event(SITE, MAIJA, at=2, links=[VISITOR]))
    assert changed == {SITE.id}
    assert [member.record_id for member in (await register.states())[SITE.id].members] == [SITE.id, VISITOR.id]


async def test_a_state_that_was_published_of_a_visitor_is_taken_back(register: Register) -> None:
    other = ref("anonymous_id", "b", "site")
    await register.hear(event(VISITOR), event(other, at=1, city="Oulu", links=[VISITOR]))
    assert [id for id, state in (await register.states()).items() if state.fields] == [VISITOR.id]
    await register.hear(event(SITE, MAIJA, at=0.5, links=[other]))
    states = await register.states()
    assert states[SITE.id].fields["city"].value == "Oulu"
    assert states[VISITOR.id].merged_into == SITE.id


async def test_the_rank_of_sources_decides_between_equals(register: Register) -> None:
    register.ranks = {"site": 0}
    await register.hear(event(SITE, MAIJA, city="Turku"), event(SHOP, MAIJA, at=1, city="Oulu"))
    assert (await register.states())[SITE.id].fields["city"].value == "Turku"


async def test_a_large_batch_is_as_good_as_small_ones(register: Register) -> None:
    events: list[Event] = []
    for number in range(250):
        who = {"full_name": f"Nimi{number % 100} Suku", "email": f"{number % 200}@example.fi"}
        shop, site = ref("external_id", str(number)), ref("external_id", f"u{number}", "site")
        visitor = ref("anonymous_id", str(number % 150), "site")
        events += [
            event(shop, who, at=number / 100),
            event(site, who, at=number / 50, links=[visitor]),
            event(visitor, at=number / 70),
            event(claim(who["email"], who["full_name"]), who, at=number / 40),
        ]
    await register.hear(*events)
    expected = World().hear(events)
    assert await register.contact_of() == expected.contact_of()
    assert await register.contacts() == expected.contacts()
    assert await register.hear(*events) == set()


async def test_resolved_events_carry_the_event_as_it_came(register: Register) -> None:
    events = [event(SHOP, MAIJA), event(SIGNUP, MAIJA, at=1)]
    await register.hear(events[0])
    await register.hear(events[1])
    batch = received(events)
    for one, message in zip(batch, await handlers.resolved_events(register.connection, batch), strict=True):
        assert message.topic == "resolved-events"
        assert message.key == str(SHOP.id)
        assert one.record.value is not None and one.record.value in message.value
        whole = json.loads(message.value)
        assert (whole["id"], whole["type"], whole["subject"]) == (one.event.id, "tuttu.event-resolved", str(SHOP.id))
        assert whole["data"]["contact_id"] == str(SHOP.id)
        assert whole["data"]["membership"] == 1


async def test_contacts_are_published_with_their_version(register: Register) -> None:
    await register.hear(event(SHOP, MAIJA))
    await register.hear(event(SHOP, MAIJA, at=1))
    [message] = await handlers.contacts(register.connection, [SHOP.id, VISITOR.id])
    assert (message.topic, message.key, message.version) == ("contacts", str(SHOP.id), 2)
    whole = json.loads(message.value)
    assert (whole["type"], whole["id"], whole["data"]["version"]) == ("tuttu.contact", f"c-{SHOP.id}-2", 2)


async def test_known_records_need_the_matching_lock_only_shared(dsn: str, register: Register) -> None:
    await register.hear(event(SHOP, MAIJA), event(SITE, MATTI))
    async with (
        asyncpg.create_pool(dsn, min_size=0, max_size=3) as pool,
        pool.acquire() as one,
        pool.acquire() as other,
        pool.acquire() as third,
    ):
        await third.execute("SET lock_timeout = '100ms'")
        async with one.transaction(), other.transaction():
            await handlers.add_events(one, received([event(SHOP, MAIJA, at=1)]), ranks={})
            await handlers.add_events(other, received([event(SITE, MATTI, at=1)]), ranks={})
            with pytest.raises(asyncpg.LockNotAvailableError):
                await handlers.add_events(third, received([event(ref("external_id", "new"))]), ranks={})
    assert (await register.versions()) == {SHOP.id: 2, SITE.id: 2}


async def test_a_known_record_that_matches_anew_takes_the_lock_alone(dsn: str, register: Register) -> None:
    await register.hear(event(SHOP, MAIJA), event(SITE, MATTI))
    async with asyncpg.create_pool(dsn, min_size=0, max_size=2) as pool, pool.acquire() as one, pool.acquire() as other:
        await other.execute("SET lock_timeout = '100ms'")
        async with one.transaction():
            await handlers.add_events(one, received([event(SHOP, MATTI, at=1)]), ranks={})
            with pytest.raises(asyncpg.LockNotAvailableError):
                await handlers.add_events(other, received([event(SITE, MATTI, at=1)]), ranks={})


async def test_a_value_that_the_store_refuses_is_an_error_of_data(register: Register) -> None:
    for bad in (event(SHOP, city="O\x00ulu"), event(ref("external_id", "\x00"), MAIJA)):
        with pytest.raises(asyncpg.DataError):
            await register.hear(bad)
    assert await register.contact_of() == {}


async def test_claims_of_one_event_vouch_for_nothing_that_they_name(register: Register) -> None:
    address = ref("email", "matti@example.fi")
    await register.hear(event(SIGNUP, MAIJA, links=[address]))
    assert await register.connection.fetchval("SELECT claimed FROM record WHERE id = $1", address.id)


async def test_a_published_contact_is_just_what_its_type_says(register: Register) -> None:
    await register.hear(event(SHOP, MAIJA), event(SITE, MATTI, at=1))
    await register.hear(event(SITE, MAIJA, at=2))
    for message in await handlers.contacts(register.connection, [SHOP.id, SITE.id]):
        whole = json.loads(message.value)["data"]
        assert msgspec.to_builtins(msgspec.convert(whole, messages.Contact)) == whole
