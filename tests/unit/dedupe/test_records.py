"""What a source says of a customer, put together from its events."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.dedupe import handlers, messages
from services.dedupe.domain.records import Record, Standing, named, told
from tests.unit.dedupe.strategies import consents
from tests.unit.dedupe.world import START, Event, claim, event, ref

MAIJA = ref("external_id", "7345")


def after(*events: Event) -> Record:
    record: Record | None = None
    for one in events:
        record = told(record, handlers.said(one).statement)
    assert record is not None
    return record


def claimed(record: messages.SourceRecord) -> messages.SourceRecord:
    return msgspec.structs.replace(record, claimed=True)


def test_of_each_field_the_latest_value_counts_however_late_the_others_come() -> None:
    moved = event(MAIJA, at=2, city="Oulu")
    before = event(MAIJA, at=1, city="Helsinki", street="Mannerheimintie 12")
    record = after(moved, before)
    assert record.attributes["city"].value == "Oulu"
    assert record.attributes["street"].value == "Mannerheimintie 12"
    assert (record.first_time, record.last_time) == (START + timedelta(days=1), START + timedelta(days=2))


def test_a_repeated_value_is_confirmed_later() -> None:
    record = after(event(MAIJA, at=1, city="Oulu"), event(MAIJA, at=3, city="Oulu"))
    assert record.attributes["city"].time == START + timedelta(days=3)


def test_a_value_stays_verified_when_it_is_repeated_and_not_when_it_changes() -> None:
    verified = event(MAIJA, at=1, verified=["email"], email="maija@example.fi")
    repeated = event(MAIJA, at=2, email="maija@example.fi")
    changed = event(MAIJA, at=3, email="m@example.fi")
    assert after(verified, repeated).attributes["email"].is_verified
    assert not after(verified, changed).attributes["email"].is_verified
    assert after(verified, changed, event(MAIJA, at=4, email="maija@example.fi")).attributes["email"].is_verified


def test_an_empty_value_says_nothing() -> None:
    assert after(event(MAIJA, at=1, city="Oulu"), event(MAIJA, at=2, city="")).attributes["city"].value == "Oulu"


def test_a_claim_never_outranks_what_is_vouched_for() -> None:
    address = ref("email", "maija@example.fi")
    record = after(event(address, at=1, city="Oulu"), event(claimed(address), at=2, city="Helsinki", phone="+3584011"))
    assert record.attributes["city"].value == "Oulu"
    assert record.attributes["phone"].value == "+3584011"
    assert record.standing is Standing.VERIFIED


def test_one_event_that_is_vouched_for_makes_a_claim_verified() -> None:
    claims = claim("maija@example.fi", "Maija")
    confirmed = msgspec.structs.replace(claims, claimed=False)
    assert after(event(claims, at=1)).standing is Standing.CLAIM
    assert after(event(confirmed, at=2), event(claims, at=3)).standing is Standing.VERIFIED


def test_a_claim_verifies_nothing() -> None:
    record = after(event(claim("maija@example.fi"), verified=["email"], email="maija@example.fi"))
    assert not record.attributes["email"].is_verified


def test_a_record_is_reached_at_its_addresses_only_where_they_are_some() -> None:
    record = after(event(MAIJA, email="maija@example.fi", phone="alanumero 12"))
    assert record.identifiers == (("email", "maija@example.fi"),)
    assert after(event(ref("phone", "+358401234567"))).identifiers == (("phone", "+358401234567"),)


def test_verified_records_are_not_matched_by_what_somebody_claimed_of_them() -> None:
    address = ref("email", "maija@example.fi")
    record = after(event(address), event(claimed(address), at=1, phone="+358401234567", full_name="Joku Muu"))
    assert record.identifiers == (("email", "maija@example.fi"),)
    assert not record.name.is_person


def test_visitors_are_matched_by_nothing() -> None:
    assert after(event(ref("anonymous_id", "a"), email="maija@example.fi")).keys == frozenset()


def test_claims_with_equal_keys_share_a_blocking_key_whatever_their_source() -> None:
    one = after(event(claim("maija@example.fi", "Maija", "form")))
    other = after(event(claim("maija@example.fi", "Maija", "news")))
    another = after(event(claim("maija@example.fi", "Matti", "form")))
    assert one.claim_key == other.claim_key != another.claim_key


def test_of_consents_the_latest_counts_and_at_one_moment_the_withdrawal() -> None:
    def said(granted: bool) -> messages.Consent:
        return messages.Consent(purpose="marketing", channel="email", granted=granted)

    granted, withdrawn = event(MAIJA, at=2, consents=[said(True)]), event(MAIJA, at=1, consents=[said(False)])
    assert after(granted, withdrawn).consents[0].granted
    together = event(MAIJA, at=2, consents=[said(False)])
    assert not after(granted, together).consents[0].granted


def test_a_claim_can_withdraw_a_consent_and_never_grant_one_again() -> None:
    address = ref("email", "maija@example.fi")

    def said(at: int, granted: bool, *, by_claim: bool) -> Event:
        consent = messages.Consent(purpose="marketing", channel="email", granted=granted)
        return event(claimed(address) if by_claim else address, at=at, consents=[consent])

    assert not after(said(1, True, by_claim=False), said(2, False, by_claim=True)).consents[0].granted
    assert not after(said(1, False, by_claim=False), said(2, True, by_claim=True)).consents[0].granted


@st.composite
def of_one_record(draw: st.DrawFn) -> Event:
    record = ref("email", "maija@example.fi")
    chosen = st.sampled_from(("Oulu", "Helsinki", "Turku"))
    return event(
        claimed(record) if draw(st.booleans()) else record,
        at=draw(st.integers(0, 3)),
        verified=["city"] if draw(st.booleans()) else [],
        consents=draw(st.lists(consents, max_size=2)),
        city=draw(chosen),
        street=draw(chosen),
    )


@given(events=st.lists(of_one_record(), min_size=1, max_size=6), data=st.data())
def test_a_record_is_the_same_for_any_order_of_its_events_and_their_repeats(
    events: list[Event], data: st.DataObject
) -> None:
    other = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=3))))
    assert after(*other) == after(*events)


def test_a_record_that_is_only_named_is_not_seen_until_it_has_an_event() -> None:
    said = handlers.said(event(MAIJA, at=3, city="Oulu"))
    stub = named(None, said.statement.record, START)
    assert not stub.seen and not stub.is_known
    seen = told(stub, said.statement)
    assert seen.seen and seen.first_time == START and seen.last_time == said.statement.time
