"""What the demo expects of the register."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.ops.demo.doors import Delivery, Refused, Told
from services.ops.demo.tracker import Life, Tracker, differences

ORDER = Told("verkkokauppa", "order:1", "purchase", 1, minor=1790)
VIEW = Told("sivusto", "m-1", "page_view", visitor="selain-1", id=UUID(int=7))
LOGIN = Told("sivusto", "m-2", "identify", 1, visitor="selain-1")


def _delivery(*told: Told, status: int = 200, refused: tuple[Refused, ...] = ()) -> Delivery:
    return Delivery("a door", "/intake/somewhere", {}, b"", told, status, refused)


def test_an_event_told_twice_is_one_event_and_one_repeat() -> None:
    tracker = Tracker()
    tracker.answered(_delivery(ORDER), 200)
    tracker.answered(_delivery(ORDER), 202)
    assert (tracker.accepted, tracker.repeats) == (1, 1)
    assert tracker.expected().lives[1].minor == 1790


def test_a_repeat_that_gets_another_id_is_a_surprise() -> None:
    tracker = Tracker()
    tracker.answered(_delivery(ORDER), 200, [UUID(int=1)])
    tracker.answered(_delivery(ORDER), 200, [UUID(int=1)])
    assert not tracker.surprises
    tracker.answered(_delivery(ORDER), 200, [UUID(int=2)])
    assert tracker.surprises


def test_what_a_door_refused_is_not_expected() -> None:
    tracker = Tracker()
    tracker.answered(_delivery(ORDER), 503)
    assert tracker.expected().lives == {}
    assert tracker.surprises == ["a door answered 503 at /intake/somewhere, expected 200"]


def test_bad_input_that_is_taken_is_a_surprise() -> None:
    tracker = Tracker()
    tracker.answered(_delivery(status=422), 200)
    assert tracker.surprises


def test_the_form_s_redirect_counts_as_taken() -> None:
    tracker = Tracker()
    tracker.answered(_delivery(ORDER, status=202), 303)
    assert not tracker.surprises


def test_a_visit_is_nobody_s_until_its_visitor_logs_in() -> None:
    tracker = Tracker()
    tracker.answered(_delivery(VIEW), 200)
    assert tracker.expected().visits == {UUID(int=7)}
    tracker.answered(_delivery(LOGIN), 200)
    expected = tracker.expected()
    assert expected.visits == set()
    assert expected.lives[1].counts == {"page_view": 1, "identify": 1}


def test_who_buys_is_a_customer_and_who_buys_five_times_a_regular_one() -> None:
    tracker = Tracker()
    for number in range(5):
        tracker.answered(_delivery(Told("verkkokauppa", f"order:{number}", "purchase", 1, minor=100)), 200)
        assert ("kanta-asiakas" in tracker.expected().lives[1].tags) == (number == 4)
    assert "asiakas" in tracker.expected().lives[1].tags


def test_rejections_are_counted_by_source_and_reason_and_strangers_apart() -> None:
    tracker = Tracker()
    tracker.answered(_delivery(status=401, refused=(Refused("verkkokauppa", "unsigned"),)), 401)
    tracker.answered(_delivery(status=401), 401)
    assert (tracker.rejections, tracker.turned_away) == (1, 1)


def test_what_is_logged_and_tagged_by_hand_is_expected_too() -> None:
    tracker = Tracker()
    tracker.logged(1, "call")
    tracker.tagged(1, "vip")
    life = tracker.expected().lives[1]
    assert (life.counts, life.tags) == ({"call": 1}, {"vip"})


def _customer(**other: Any) -> dict[str, Any]:
    sales = [{"currency": "EUR", "amount_minor": 1790, "purchases": 1}]
    return {"tags": ["asiakas"], "activity": {"counts": {"purchase": 1}, "sales": sales}, **other}


def _life() -> Life:
    tracker = Tracker()
    tracker.answered(_delivery(ORDER), 200)
    return tracker.expected().lives[1]


def test_a_customer_as_expected_has_no_differences() -> None:
    assert differences(_customer(), _life()) == []


def test_a_cent_too_much_is_a_difference() -> None:
    customer = _customer()
    customer["activity"]["sales"][0]["amount_minor"] += 1
    assert differences(customer, _life()) == ["sales {'EUR': 1791}, expected 1790 cents"]


def test_an_event_too_many_a_missing_tag_and_a_missing_history_are_differences() -> None:
    customer = _customer()
    customer["activity"]["counts"]["purchase"] = 2
    assert differences(customer, _life())
    assert differences(_customer(tags=[]), _life()) == ["lacks the tags asiakas"]
    assert differences(_customer(activity=None), _life())
