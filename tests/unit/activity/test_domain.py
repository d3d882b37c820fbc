"""What activity says of a contact, as a specification."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.activity import domain
from services.activity.domain import Event, Membership, Sales, Summary, Total

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECORDS = [UUID(int=number) for number in range(1, 5)]


def event(
    name: str = "purchase",
    minor: int | None = None,
    currency: str | None = None,
    *,
    minutes: int = 0,
    record: UUID = RECORDS[0],
) -> Event:
    moment = NOON + timedelta(minutes=minutes)
    return Event(UUID(int=0), record, moment, name, "shop", minor, currency, b"{}")


def summary_of(events: Iterable[Event]) -> Summary:
    return domain.summarise(total for totals in domain.totals(events).values() for total in totals)


# -- sales and counts


def test_sales_are_purchases_minus_refunds_in_each_currency() -> None:
    summary = summary_of(
        [
            event("purchase", 12990, "EUR"),
            event("purchase", 5000, "EUR", minutes=1),
            event("refund", -3000, "EUR", minutes=2),
            event("purchase", 70000, "SEK", minutes=3),
        ]
    )
    assert [(sales.currency, sales.amount_minor, sales.purchases) for sales in summary.sales] == [
        ("EUR", 14990, 2),
        ("SEK", 70000, 1),
    ]


def test_a_refund_does_not_move_the_time_of_the_last_purchase() -> None:
    summary = summary_of([event("purchase", 100, "EUR"), event("refund", -100, "EUR", minutes=9)])
    assert summary.sales == [Sales(currency="EUR", amount_minor=0, purchases=1, first_time=NOON, last_time=NOON)]
    assert summary.last_time == NOON + timedelta(minutes=9)


def test_refunds_whose_purchase_is_unknown_have_their_own_times() -> None:
    summary = summary_of([event("refund", -100, "EUR"), event("refund", -50, "EUR", minutes=5)])
    assert summary.sales == [
        Sales(
            currency="EUR",
            amount_minor=-150,
            purchases=0,
            first_time=NOON,
            last_time=NOON + timedelta(minutes=5),
        )
    ]


def test_an_amount_of_anything_but_a_purchase_or_a_refund_is_no_sale() -> None:
    assert summary_of([event("quote", 100000, "EUR")]).sales == []


def test_a_purchase_without_an_amount_counts_but_sells_nothing() -> None:
    summary = summary_of([event("purchase")])
    assert (summary.counts, summary.sales) == ({"purchase": 1}, [])


def test_counts_are_by_name_whatever_the_currency() -> None:
    summary = summary_of([event("purchase", 1, "EUR"), event("purchase", 1, "SEK"), event("signup")])
    assert summary.counts == {"purchase": 2, "signup": 1}


def test_the_rarest_names_are_counted_together_when_there_are_too_many() -> None:
    often = [event(f"common {number}") for number in range(domain.MAX_COUNTED_NAMES) for _ in range(2)]
    summary = summary_of([*often, event("rare 1"), event("rare 2"), event("rare 3")])
    assert summary.counts[domain.OTHER_NAMES] == 3
    assert len(summary.counts) == domain.MAX_COUNTED_NAMES + 1
    assert sum(summary.counts.values()) == len(often) + 3


def test_the_last_name_of_a_shared_moment_is_the_one_that_sorts_last() -> None:
    assert summary_of([event("signup"), event("purchase")]).last_name == "signup"
    assert summary_of([event("purchase"), event("signup")]).last_name == "signup"


def test_a_contact_without_events_has_an_empty_summary() -> None:
    assert summary_of([]) == domain.NOTHING


def test_an_empty_summary_is_published_only_where_something_was_before() -> None:
    something = summary_of([event()])
    assert not domain.changed(None, domain.NOTHING)
    assert not domain.changed(something, something)
    assert domain.changed(None, something)
    assert domain.changed(something, domain.NOTHING)


events = st.lists(
    st.builds(
        event,
        st.sampled_from(["purchase", "refund", "page_view"]),
        st.integers(-500, 500),
        st.sampled_from(["EUR", "SEK"]),
        minutes=st.integers(0, 5),
        record=st.sampled_from(RECORDS),
    ),
    max_size=20,
)


@given(events, st.data())
def test_any_order_and_any_batches_of_the_same_events_give_the_same_summary(
    happened: list[Event], data: st.DataObject
) -> None:
    arrived = data.draw(st.permutations(happened))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrived)), max_size=4)))
    batches = [arrived[low:high] for low, high in zip([0, *cuts], [*cuts, len(arrived)], strict=True)]
    totals: list[Total] = [total for batch in batches for added in domain.totals(batch).values() for total in added]
    assert domain.summarise(totals) == summary_of(happened)


@given(events)
def test_the_summary_of_merged_contacts_is_that_of_all_their_records_events(happened: list[Event]) -> None:
    by_record = domain.totals(happened)
    merged = [total for record in RECORDS for total in by_record.get(record, [])]
    assert domain.summarise(merged) == summary_of(happened)


# -- memberships

memberships = st.lists(
    st.builds(
        lambda record, number: Membership(record, UUID(int=1000 + number), number),
        st.sampled_from(RECORDS),
        st.integers(0, 6),
    ),
    max_size=15,
)


@given(memberships, st.data())
def test_any_order_and_any_batches_of_memberships_put_records_where_the_largest_number_says(
    heard: list[Membership], data: st.DataObject
) -> None:
    arrived = data.draw(st.permutations(heard))
    cut = data.draw(st.integers(0, len(arrived)))
    held: dict[UUID, Membership] = {}
    for batch in (arrived[:cut], arrived[cut:], arrived):
        held |= {move.record_id: move for move in domain.moves(held, domain.largest(batch))}
    assert held == domain.largest(heard)


def test_a_membership_that_is_not_larger_moves_nothing() -> None:
    held = {RECORDS[0]: Membership(RECORDS[0], UUID(int=7), 3)}
    repeated = {RECORDS[0]: Membership(RECORDS[0], UUID(int=7), 3)}
    older = {RECORDS[0]: Membership(RECORDS[0], UUID(int=8), 2)}
    assert domain.moves(held, repeated) == []
    assert domain.moves(held, older) == []


# -- what people write down


def fault(
    name: str = "call",
    occurred_at: datetime = NOON,
    text: str | None = "Kysyi toimituksesta",
    properties_bytes: int = 2,
) -> domain.Fault | None:
    return domain.fault(
        name=name,
        occurred_at=occurred_at,
        text=text,
        properties_bytes=properties_bytes,
        said_at=NOON,
        future_tolerance=timedelta(hours=24),
    )


@pytest.mark.parametrize("name", domain.WRITTEN_NAMES)
def test_calls_meetings_sessions_and_notes_are_written_down(name: str) -> None:
    assert fault(name) is None


def test_an_unknown_name_is_refused_with_the_names_that_are_known() -> None:
    refused = fault("purchase")
    assert refused is not None
    assert refused.field == "name"
    assert "call, meeting, session, note" in refused.reason


def test_what_lies_in_the_far_future_is_refused() -> None:
    assert fault(occurred_at=NOON + timedelta(hours=23)) is None
    refused = fault(occurred_at=NOON + timedelta(hours=25))
    assert refused is not None
    assert refused.field == "occurred_at"


def test_a_year_that_is_a_slip_of_the_hand_is_refused() -> None:
    refused = fault(occurred_at=NOON.replace(year=206))
    assert refused is not None
    assert refused.field == "occurred_at"


def test_a_text_is_refused_by_its_bytes_with_both_figures() -> None:
    assert fault(text="ä" * (domain.MAX_TEXT_BYTES // 2)) is None
    refused = fault(text="ä" * (domain.MAX_TEXT_BYTES // 2 + 1))
    assert refused is not None
    assert refused.field == "text"
    assert "65,538" in refused.reason
    assert "65,536" in refused.reason


def test_properties_are_bounded_too() -> None:
    refused = fault(properties_bytes=domain.MAX_PROPERTIES_BYTES + 1)
    assert refused is not None
    assert refused.field == "properties"
