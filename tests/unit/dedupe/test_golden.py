"""What is known of a contact, and where it is from."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import msgspec

from services.dedupe import messages
from services.dedupe.domain.golden import Golden
from services.dedupe.settings import Settings
from services.kit import envelope
from tests.unit.dedupe.world import Event, World, claim, event, ref

EXAMPLES = Path(__file__).resolve().parents[3] / "schemas" / "examples"
EMAIL = "maija@example.fi"
NAME = {"given_name": "Maija", "family_name": "Meikäläinen"}
SHOP, SITE, TILL = ref("external_id", "1", "shop"), ref("external_id", "u1", "site"), ref("external_id", "9", "till")
SIGNUP = claim(EMAIL, "maija meikäläinen")
VISITOR = ref("anonymous_id", "a", "site")


def known(*events: Event, ranks: dict[str, int] | None = None) -> Golden:
    """The only contact of these events."""
    [state] = World().hear(events).contacts(ranks).values()
    return state


def person(record: messages.SourceRecord, at: float = 0, **fields: str) -> Event:
    return event(record, NAME | fields, at=at, email=EMAIL)


def consent(record: messages.SourceRecord, at: float, granted: bool, text: str | None = None) -> Event:
    said = messages.Consent(purpose="marketing", channel="email", granted=granted, text_version=text)
    return event(record, NAME, at=at, consents=[said], email=EMAIL)


def test_the_examples_of_events_make_the_example_of_a_contact() -> None:
    events = [
        messages.decode_event((EXAMPLES / "events" / name).read_bytes())
        for name in ("purchase.json", "signup-claimed.json")
    ]
    example = json.loads((EXAMPLES / "contacts" / "person.json").read_text())["data"]
    state = msgspec.to_builtins(known(*events))
    for member in example["members"]:
        member["membership"] = 0
    assert {name: state["fields"][name] for name in example["fields"]} == example["fields"]
    for part in ("members", "identifiers", "consents", "merged_into"):
        assert state[part] == example[part]


def test_a_field_says_where_it_is_from_and_when_it_was_confirmed_last() -> None:
    state = known(person(SHOP, city="Oulu"), person(SITE, at=3, city="Oulu"), person(TILL, at=1))
    city = state.fields["city"]
    assert (city.value, city.record_id, city.source) == ("Oulu", SITE.id, "site")
    assert city.confirmed == date(2026, 11, 25)


def test_verified_values_come_first_then_the_sources_rank_then_votes_then_the_latest() -> None:
    verified = event(SHOP, NAME, at=0, verified=["city"], city="Oulu", email=EMAIL)
    later, others = person(SITE, at=2, city="Turku"), person(TILL, at=1, city="Turku")
    assert known(verified, later, others).fields["city"].value == "Oulu"
    plain = person(SHOP, at=3, city="Oulu")
    assert known(plain, later, others, ranks={"shop": 0}).fields["city"].value == "Oulu"
    assert known(plain, later, others).fields["city"].value == "Turku"
    assert known(plain, later).fields["city"].value == "Oulu"


def test_sources_that_are_named_are_trusted_in_their_order() -> None:
    assert Settings(database="", trusted_sources=" erp, shop,").ranks == {"erp": 0, "shop": 1}
    assert Settings(database="").ranks == {}


def test_claims_fill_only_what_is_missing() -> None:
    state = known(person(SHOP, city="Oulu"), person(SIGNUP, at=5, city="Turku", phone="+358401234567"))
    assert state.fields["city"].value == "Oulu"
    assert state.fields["phone"].value == "+358401234567"


def test_identifiers_are_those_of_all_members_and_say_which_are_only_claimed() -> None:
    state = known(person(SHOP), person(SIGNUP, at=1, phone="+358401234567"), event(VISITOR, links=[SHOP]))
    found = {(one.kind, one.source, one.value): one.claimed for one in state.identifiers}
    assert found == {
        ("external_id", "shop", "1"): False,
        ("email", None, EMAIL): False,
        ("phone", None, "+358401234567"): True,
    }


def test_a_record_that_was_only_named_is_known_by_its_address_alone() -> None:
    biller, former = ref("email", "laskut@example.fi"), ref("external_id", "0")
    state = known(event(SHOP, NAME, links=[biller, former], email=EMAIL))
    assert [member.record_id for member in state.members] == [SHOP.id]
    assert {one.value for one in state.identifiers} == {"1", EMAIL, "laskut@example.fi"}


def test_a_withdrawal_anywhere_wins() -> None:
    state = known(consent(SHOP, 3, True), consent(SITE, 1, False))
    assert [(one.granted, one.confirmed) for one in state.consents] == [(False, date(2026, 11, 23))]


def test_a_claim_grants_nothing_but_may_withdraw() -> None:
    assert known(person(SHOP), consent(SIGNUP, 1, True)).consents == []
    assert [one.granted for one in known(consent(SHOP, 0, True), consent(SIGNUP, 1, False)).consents] == [False]


def test_the_text_of_a_consent_is_that_which_a_source_vouches_for() -> None:
    [both] = known(consent(SHOP, 0, True, "1"), consent(SITE, 1, True), consent(SIGNUP, 2, True, "2")).consents
    assert (both.granted, both.text_version, both.confirmed) == (True, "1", date(2026, 11, 23))


def test_a_visitor_of_whom_nothing_is_known_is_not_published() -> None:
    assert World().hear([event(VISITOR)]).contacts() == {}
    assert known(event(VISITOR, city="Oulu")).fields["city"].value == "Oulu"


def test_the_first_member_is_the_one_that_gives_the_contact_its_id() -> None:
    state = known(person(SIGNUP, at=0), person(SHOP, at=2), person(SITE, at=1))
    assert [member.record_id for member in state.members] == [SITE.id, SHOP.id, SIGNUP.id]


def test_an_event_whose_id_or_time_cannot_be_kept_is_unreadable() -> None:
    good = (EXAMPLES / "events" / "purchase.json").read_text()
    for old, new, field in (
        ("019ab4f0-3a20-8c1d-9f3b-6a0e5d2c7b11", "820982911", "id"),
        ('"time": "2026-11-22T08:15:00.000Z"', '"time": "0001-01-01T00:00:00+02:00"', "time"),
    ):
        assert old in good
        try:
            messages.decode_event(good.replace(old, new).encode())
        except envelope.Unreadable as error:
            assert error.field == field
        else:
            raise AssertionError("it was read")
