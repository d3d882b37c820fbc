"""Ids follow from what they name: the same for the same, and for nothing else."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from services.kit import ids

TEXTS = st.text(max_size=20)
PARTS = st.lists(TEXTS, max_size=4)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # as hypothesis wants them
SECRETS = st.binary(min_size=1, max_size=40)
MILLISECOND = timedelta(milliseconds=1)


def is_custom(made: uuid.UUID) -> bool:
    """A UUID of version 8 (RFC 9562)."""
    return made.version == 8 and made.variant == uuid.RFC_4122


@given(PARTS, PARTS)
def test_derived_ids_are_equal_just_when_all_parts_are(one: list[str], other: list[str]) -> None:
    assert (ids.derived(*one) == ids.derived(*other)) == (one == other)


@given(st.text(min_size=1), st.text(min_size=1))
def test_where_a_part_ends_matters(one: str, other: str) -> None:
    assert ids.derived(one + other) != ids.derived(one, other)


@given(SECRETS, TEXTS, TEXTS, TEXTS)
def test_a_records_id_is_stable_and_needs_the_secret(secret: bytes, source: str, kind: str, key: str) -> None:
    made = ids.record_id(secret, source, kind, key)
    assert made == ids.record_id(secret, source, kind, key)
    assert made != ids.record_id(secret + b"x", source, kind, key)
    assert is_custom(made)


@given(SECRETS, st.tuples(TEXTS, TEXTS, TEXTS), st.tuples(TEXTS, TEXTS, TEXTS))
def test_records_of_other_sources_kinds_or_keys_have_other_ids(
    secret: bytes, one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (ids.record_id(secret, *one) == ids.record_id(secret, *other)) == (one == other)


@given(TIMES, TEXTS, TEXTS)
def test_an_events_id_holds_its_time(time: datetime, source: str, source_event_id: str) -> None:
    made = ids.event_id(time, source, source_event_id)
    assert is_custom(made)
    assert abs(ids.time_of(made) - time) <= MILLISECOND


@given(TIMES, TEXTS, TEXTS, st.integers(-12, 12))
def test_an_events_id_is_the_same_in_every_time_zone(time: datetime, source: str, key: str, hours: int) -> None:
    elsewhere = time.astimezone(timezone(timedelta(hours=hours)))
    assert ids.event_id(time, source, key) == ids.event_id(elsewhere, source, key)


@given(TIMES, TIMES, TEXTS, TEXTS)
def test_ids_of_events_are_in_the_order_of_time(one: datetime, other: datetime, first: str, second: str) -> None:
    if other - one > MILLISECOND:
        assert ids.event_id(one, "shop", first).int < ids.event_id(other, "shop", second).int


@given(TIMES, TEXTS)
def test_the_first_id_at_a_time_bounds_all_of_it(time: datetime, key: str) -> None:
    made = ids.event_id(time, "shop", key)
    assert ids.first_id_at(time).int <= made.int < ids.first_id_at(time + 2 * MILLISECOND).int


@given(TIMES, TEXTS, TEXTS, TEXTS)
def test_events_of_one_moment_differ_by_source_and_by_its_id(time: datetime, source: str, one: str, other: str) -> None:
    assert (ids.event_id(time, source, one) == ids.event_id(time, source, other)) == (one == other)
    assert ids.event_id(time, source, one) != ids.event_id(time, source + "x", one)


def test_a_time_before_1970_counts_as_its_beginning() -> None:
    made = ids.event_id(datetime(1950, 1, 1, tzinfo=UTC), "shop", "1")
    assert ids.time_of(made) == datetime(1970, 1, 1, tzinfo=UTC)
