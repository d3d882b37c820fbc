"""Where versions of customers go in the feed, and what of it a subscriber is sent."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from services.subscriptions import domain, messages
from services.subscriptions.domain import Place
from tests.unit.subscriptions.factories import MAIJA, TEPPO, entry, known, record, state


def appended(
    *states: domain.State, head: int = 0, held: dict[UUID, domain.Known] | None = None
) -> list[tuple[int, UUID, int]]:
    return [(one.seq, one.state.customer_id, one.state.version) for one in domain.append(head, 0, held or {}, states)]


# -- the feed


def test_versions_are_appended_in_order_after_the_head() -> None:
    assert appended(state(MAIJA), state(TEPPO), head=7) == [(8, MAIJA, 1), (9, TEPPO, 1)]


def test_of_a_customer_the_newest_version_is_appended_at_its_own_place() -> None:
    states = [state(MAIJA, 1), state(TEPPO, 1), state(MAIJA, 3), state(MAIJA, 2)]
    assert appended(*states) == [(1, TEPPO, 1), (2, MAIJA, 3)]


def test_what_is_not_newer_is_not_appended() -> None:
    held = {MAIJA: domain.Known(3, frozenset(), {})}
    assert appended(state(MAIJA, 2), state(MAIJA, 3), held=held) == []
    assert appended(state(MAIJA, 4), held=held) == [(1, MAIJA, 4)]


def test_a_seq_is_never_below_the_time_so_that_a_rebuilt_feed_goes_on_above_the_old_one() -> None:
    assert [one.seq for one in domain.append(7, 1000, {}, [state(MAIJA), state(TEPPO)])] == [1001, 1002]
    assert [one.seq for one in domain.append(2000, 1000, {}, [state(MAIJA)])] == [2001]


def test_a_tag_that_went_is_kept_with_the_place_where_it_went_until_it_is_back() -> None:
    [first] = domain.append(0, 0, {}, [state(MAIJA, 1, "vip", "asiakas")])
    assert first.left == {}
    [second] = domain.append(10, 0, {MAIJA: known(first)}, [state(MAIJA, 2, "asiakas")])
    [third] = domain.append(20, 0, {MAIJA: known(second)}, [state(MAIJA, 3)])
    assert (second.left, third.left) == ({"vip": 11}, {"vip": 11, "asiakas": 21})
    [fourth] = domain.append(30, 0, {MAIJA: known(third)}, [state(MAIJA, 4, "vip")])
    assert fourth.left == {"asiakas": 21}


# -- what a subscriber is sent


def test_a_subscriber_to_a_tag_gets_who_has_it_and_who_lost_it_since() -> None:
    [has] = domain.append(0, 0, {}, [state(MAIJA, 1, "vip")])
    [lost] = domain.append(10, 0, {MAIJA: known(has)}, [state(MAIJA, 2)])
    [other] = domain.append(20, 0, {}, [state(TEPPO, 1, "asiakas")])
    assert domain.concerns(entry(has), "vip", 0)
    assert domain.concerns(entry(lost), "vip", 10)
    assert not domain.concerns(entry(lost), "vip", 11)
    assert not domain.concerns(entry(other), "vip", 0)
    assert domain.concerns(entry(other), None, 20)


def test_an_event_has_an_id_a_kind_and_the_customer() -> None:
    [one] = domain.append(0, 0, {}, [state(MAIJA, 5)])
    assert domain.framed([entry(one)], None, Place(0, 0), Place(1, 1)) == [
        b'id: 1\nevent: changed\ndata: {"version":5}\n\n'
    ]


def test_ids_say_where_everything_had_been_sent_as_long_as_not_everything_is() -> None:
    entries = [entry(one) for one in domain.append(0, 0, {}, [state(UUID(int=n), 1, "vip") for n in range(3)])]

    def ids(tag: str | None, before: Place, after: Place) -> list[bytes]:
        return [frame.splitlines()[0] for frame in domain.framed(entries, tag, before, after)]

    assert ids("vip", Place(0, 0), Place(3, 3)) == [b"id: 1-0", b"id: 2-0", b"id: 3"]
    assert ids("vip", Place(0, 0), Place(3, 0)) == [b"id: 1-0", b"id: 2-0", b"id: 3-0"]
    assert ids("vip", Place(0, 9), Place(9, 9)) == [b"id: 1-9", b"id: 2-9", b"id: 3-9"], "a replay"
    assert ids(None, Place(0, 0), Place(3, 3)) == [b"id: 1", b"id: 2", b"id: 3"]


@pytest.mark.parametrize("place", [Place(0, 0), Place(7, 7), Place(7, 3), Place(0, 9)])
def test_a_place_is_read_back_from_its_id(place: Place) -> None:
    assert domain.parse_place(str(place)) == place


@pytest.mark.parametrize("text", ["", "x", "-1", "1-", "1-2-3", "1.5", "9" * 19, "٣"])
def test_what_is_no_id_is_no_place(text: str) -> None:
    assert domain.parse_place(text) is None


# -- messages


def test_a_customer_is_passed_on_as_it_came_on_one_line() -> None:
    pretty, plain = record(name="Äijä\nÖ", indent=2), record(name="Äijä\nÖ")
    for one in (pretty, plain):
        body = messages.body_of(one.record.value or b"")
        assert "\n" not in body
        assert json.loads(body)["name"] == "Äijä\nÖ"
    assert messages.kind_of(pretty.event.type) == "changed"
