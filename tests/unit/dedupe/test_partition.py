"""Who is one contact, and who is not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from services.dedupe import messages
from services.dedupe.domain.evidence import BOUND
from tests.unit.dedupe.world import Event, World, claim, event, ref

MAIJA = "Maija Meikäläinen"
MATTI = "Matti Virtanen"
EMAIL, OTHER_EMAIL = "maija@example.fi", "matti@example.fi"
PHONE = "+358401234567"

SHOP, SITE, TILL = ref("external_id", "1", "shop"), ref("external_id", "u1", "site"), ref("external_id", "9", "till")
VISITOR, OTHER_VISITOR = ref("anonymous_id", "a", "site"), ref("anonymous_id", "b", "site")
SIGNUP = claim(EMAIL, MAIJA)

Record = messages.SourceRecord


def together(events: Iterable[Event], *records: Record) -> bool:
    contact_of = World().hear(events).contact_of()
    return len({contact_of[record.id] for record in records}) == 1


def person(record: Record, name: str = "", at: float = 0, links: Iterable[Record] = (), **fields: str) -> Event:
    return event(record, fields | ({"full_name": name} if name else {}), at=at, links=list(links))


# -- verified records


def test_equal_addresses_under_names_that_agree_are_one() -> None:
    assert together([person(SHOP, MAIJA, email=EMAIL), person(SITE, "m. meikalainen", email=EMAIL)], SHOP, SITE)
    assert together([person(SHOP, MAIJA, phone=PHONE), person(SITE, "Meikäläinen Maija", phone=PHONE)], SHOP, SITE)


def test_equal_addresses_under_other_names_are_two() -> None:
    assert not together([person(SHOP, MAIJA, email=EMAIL), person(SITE, MATTI, email=EMAIL)], SHOP, SITE)


def test_nothing_in_common_is_two_however_equal_the_names() -> None:
    assert not together([person(SHOP, MAIJA, email=EMAIL), person(SITE, MAIJA, email=OTHER_EMAIL)], SHOP, SITE)


def test_another_family_name_wants_a_second_address_in_common() -> None:
    married = "Maija Virtanen"
    assert not together([person(SHOP, MAIJA, email=EMAIL), person(SITE, married, email=EMAIL)], SHOP, SITE)
    assert together(
        [person(SHOP, MAIJA, email=EMAIL, phone=PHONE), person(SITE, married, email=EMAIL, phone=PHONE)], SHOP, SITE
    )


def test_whoever_has_no_name_joins_the_single_owner_of_an_address() -> None:
    assert together([person(SHOP, MAIJA, email=EMAIL), person(SITE, email=EMAIL)], SHOP, SITE)


def test_whoever_has_no_name_joins_nobody_on_a_shared_address() -> None:
    shared = [person(SHOP, MAIJA, email=EMAIL), person(TILL, MATTI, email=EMAIL), person(SITE, email=EMAIL)]
    contact_of = World().hear(shared).contact_of()
    assert len(set(contact_of.values())) == 3


def test_a_shared_address_still_joins_those_of_one_name() -> None:
    shared = [
        person(SHOP, MAIJA, email=EMAIL),
        person(TILL, MATTI, email=EMAIL),
        person(SITE, MAIJA, email=EMAIL),
    ]
    assert together(shared, SHOP, SITE)
    assert not together(shared, SHOP, TILL)


def test_nobody_without_a_name_joins_two_of_different_names() -> None:
    bridge = [
        person(SHOP, MAIJA, email=EMAIL),
        person(TILL, MATTI, phone=PHONE),
        person(SITE, email=EMAIL, phone=PHONE),
    ]
    assert not together(bridge, SHOP, TILL)


def test_two_organisations_of_one_bookkeeper_are_two() -> None:
    one = event(SHOP, email="laskut@example.fi", organisation="Kahvila Aalto Oy")
    other = event(SITE, email="laskut@example.fi", organisation="Autokorjaamo Oy")
    assert not together([one, other], SHOP, SITE)


@pytest.mark.parametrize(("count", "joined"), [(BOUND, True), (BOUND + 1, False)])
def test_an_address_that_too_many_hold_joins_nobody(count: int, joined: bool) -> None:
    records = [ref("external_id", str(number)) for number in range(count)]
    assert together([person(record, MAIJA, email=EMAIL) for record in records], *records) is joined


def test_who_leaves_a_shared_address_lets_the_others_join_again() -> None:
    records = [ref("external_id", str(number)) for number in range(BOUND + 1)]
    history = [person(record, MAIJA, email=EMAIL) for record in records]
    moved = person(records[-1], MAIJA, at=1, email=OTHER_EMAIL)
    assert together([*history, moved], *records[:-1])


# -- links


def test_an_alias_joins_the_former_record() -> None:
    former = ref("external_id", "u0", "site")
    assert together([person(SITE, links=[former]), person(former, at=-1)], SITE, former)


def test_a_former_id_that_several_name_joins_only_the_first() -> None:
    hard_coded = ref("external_id", "guest-user", "site")
    aliases = [person(SITE, links=[hard_coded], at=1), person(TILL, links=[hard_coded], at=2)]
    assert together(aliases, SITE, hard_coded)
    assert not together(aliases, SITE, TILL)


def test_a_record_that_names_too_many_others_joins_none_of_them() -> None:
    others = [ref("external_id", f"old{number}", "site") for number in range(BOUND + 1)]
    contact_of = World().hear([person(SITE, links=[other], at=number) for number, other in enumerate(others)])
    assert len(set(contact_of.contact_of().values())) == len(others) + 1


def test_a_link_does_not_join_people_of_different_names() -> None:
    assert not together([person(SHOP, MAIJA, links=[SITE]), person(SITE, MATTI)], SHOP, SITE)


def test_an_address_of_ones_own_counts_more_than_a_link() -> None:
    biller = ref("email", OTHER_EMAIL)
    history = [person(SHOP, MAIJA, email=EMAIL, links=[biller]), person(TILL, MATTI, email=OTHER_EMAIL)]
    assert together(history, biller, TILL)
    assert not together(history, biller, SHOP)


# -- claims


def test_a_claim_joins_the_one_contact_that_it_fits() -> None:
    assert together([person(SHOP, MAIJA, email=EMAIL), person(SIGNUP, MAIJA, email=EMAIL)], SHOP, SIGNUP)
    nameless = claim(EMAIL)
    assert together([person(SHOP, MAIJA, email=EMAIL), person(nameless, email=EMAIL)], SHOP, nameless)


def test_a_claim_under_another_name_is_a_contact_of_its_own() -> None:
    other = claim(EMAIL, MATTI)
    assert not together([person(SHOP, MAIJA, email=EMAIL), person(other, MATTI, email=EMAIL)], SHOP, other)


def test_a_claim_on_an_address_of_two_owners_joins_neither() -> None:
    history = [
        person(SHOP, MAIJA, email=EMAIL),
        person(TILL, MATTI, email=EMAIL),
        person(SIGNUP, MAIJA, email=EMAIL),
    ]
    assert not together(history, SHOP, SIGNUP)


def test_a_claim_that_fits_two_contacts_joins_neither_and_never_joins_them() -> None:
    nameless = claim(EMAIL)
    history = [
        person(SHOP, MAIJA, email=EMAIL),
        person(TILL, MATTI, phone=PHONE),
        person(nameless, email=EMAIL, phone=PHONE),
    ]
    contact_of = World().hear(history).contact_of()
    assert len(set(contact_of.values())) == 3


def test_a_flood_of_claims_parts_nobody_and_joins_nobody() -> None:
    verified = [person(SHOP, MAIJA, email=EMAIL), person(SITE, MAIJA, email=EMAIL)]
    names = [f"Nimi{chr(ord('a') + number // 26)}{chr(ord('a') + number % 26)}" for number in range(2 * BOUND)]
    flood = [person(claim(EMAIL, name), name, email=EMAIL) for name in names]
    contact_of = World().hear([*verified, *flood]).contact_of()
    assert contact_of[SHOP.id] == contact_of[SITE.id]
    assert len(set(contact_of.values())) == 1 + len(flood)


def test_claims_that_fit_nobody_are_one_only_with_equal_keys() -> None:
    same, other = claim(EMAIL, MAIJA, "news"), claim(EMAIL, "", "news")
    history = [person(SIGNUP, MAIJA, email=EMAIL), person(same, MAIJA, email=EMAIL), person(other, email=EMAIL)]
    assert together(history, SIGNUP, same)
    assert not together(history, SIGNUP, other)


def test_a_claim_joins_whoever_vouches_for_it() -> None:
    other = claim(OTHER_EMAIL, MAIJA)
    history = [person(SHOP, MAIJA, email=EMAIL, links=[other]), person(other, MAIJA, email=OTHER_EMAIL)]
    assert together(history, SHOP, other)


def test_what_a_claim_names_is_not_joined_to_it() -> None:
    assert not together([person(SIGNUP, MAIJA, email=EMAIL, links=[SHOP]), person(SHOP)], SIGNUP, SHOP)


# -- visitors


def test_a_visitor_joins_whoever_named_it() -> None:
    assert together([person(VISITOR), person(SITE, at=1, links=[VISITOR])], VISITOR, SITE)
    assert together([person(VISITOR), person(SIGNUP, at=1, links=[VISITOR])], VISITOR, SIGNUP)


def test_a_browser_that_two_people_use_is_the_firsts_and_joins_them_not() -> None:
    history = [person(SITE, at=2, links=[VISITOR]), person(SHOP, at=1, links=[VISITOR])]
    assert together(history, SHOP, VISITOR)
    assert not together(history, SHOP, SITE)


def test_a_visitor_follows_a_verified_record_before_a_claim() -> None:
    history = [person(SIGNUP, MAIJA, at=1, email=EMAIL, links=[VISITOR]), person(SITE, at=2, links=[VISITOR])]
    assert together(history, SITE, VISITOR)


def test_visitors_that_are_named_by_visitors_come_along() -> None:
    history = [person(VISITOR, links=[OTHER_VISITOR]), person(SITE, at=1, links=[VISITOR])]
    assert together(history, SITE, VISITOR, OTHER_VISITOR)


def test_visitors_join_by_links_only() -> None:
    history = [person(VISITOR, MAIJA, email=EMAIL), person(SHOP, MAIJA, email=EMAIL)]
    assert not together(history, VISITOR, SHOP)


# -- ids


def test_a_contact_has_the_id_of_its_first_verified_record() -> None:
    history = [
        person(VISITOR, at=0),
        person(SIGNUP, MAIJA, at=1, email=EMAIL),
        person(SITE, MAIJA, at=3, email=EMAIL, links=[VISITOR]),
        person(SHOP, MAIJA, at=2, email=EMAIL),
    ]
    assert set(World().hear(history).contact_of().values()) == {SHOP.id}


def test_an_earlier_event_that_comes_late_moves_the_id() -> None:
    world = World().hear([person(SHOP, MAIJA, at=2, email=EMAIL), person(SITE, MAIJA, at=3, email=EMAIL)])
    assert set(world.contact_of().values()) == {SHOP.id}
    world.hear([person(SITE, at=1)])
    assert set(world.contact_of().values()) == {SITE.id}


# -- what people decide


def merge(left: Record, right: Record) -> messages.MergeContacts:
    return messages.MergeContacts(left=[left.id], right=[right.id], author="key:liisa")


def unmerge(left: Record, right: Record) -> messages.UnmergeContact:
    return messages.UnmergeContact(left=[left.id], right=[right.id], author="key:liisa")


def test_a_merge_outranks_names_and_whatever_else() -> None:
    world = World().hear([person(SHOP, MAIJA, email=EMAIL), person(SITE, MATTI, email=EMAIL)])
    contact_of = world.decide(merge(SHOP, SITE)).contact_of()
    assert contact_of[SHOP.id] == contact_of[SITE.id]


def test_an_unmerge_outranks_evidence_and_links() -> None:
    world = World().hear([person(SHOP, MAIJA, email=EMAIL), person(SITE, MAIJA, email=EMAIL, links=[SHOP])])
    contact_of = world.decide(unmerge(SHOP, SITE)).contact_of()
    assert contact_of[SHOP.id] != contact_of[SITE.id]


def test_of_two_decisions_the_later_counts() -> None:
    world = World().hear([person(SHOP), person(SITE)])
    for decision, joined in ((merge(SHOP, SITE), True), (unmerge(SHOP, SITE), False), (merge(SHOP, SITE), True)):
        contact_of = world.decide(decision).contact_of()
        assert (contact_of[SHOP.id] == contact_of[SITE.id]) is joined


def test_a_visitor_that_was_parted_does_not_come_back_by_its_link() -> None:
    world = World().hear([person(VISITOR), person(SITE, at=1, links=[VISITOR])])
    contact_of = world.decide(unmerge(SITE, VISITOR)).contact_of()
    assert contact_of[SITE.id] != contact_of[VISITOR.id]
    assert world.contacts().keys() == {SITE.id}


def test_a_record_that_names_too_many_others_vouches_for_no_claim() -> None:
    confirmed = [claim(f"{number}@example.fi") for number in range(BOUND + 1)]
    history = [person(SHOP, MAIJA, at=number, links=[one]) for number, one in enumerate(confirmed)]
    assert len(set(World().hear(history).contact_of().values())) == len(confirmed) + 1


def test_ties_of_one_decision_are_read_in_one_order() -> None:
    history = [person(SHOP), person(SITE), person(TILL), person(VISITOR)]
    both = messages.MergeContacts(left=[VISITOR.id, SHOP.id], right=[SITE.id, TILL.id], author="key:liisa")
    results = set()
    for _ in range(5):
        world = World().hear(history).decide(both).decide(unmerge(SHOP, TILL))
        results.add(tuple(sorted(world.contact_of().items())))
    assert len(results) == 1
