"""What the demo remembers, compares and shows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ops.demo import checks, screen
from services.ops.demo.doors import Delivery, Told
from services.ops.demo.notes import Notes, NotesUnreadable
from services.ops.demo.tracker import Tracker
from services.ops.demo.watcher import Watcher

BY_EMAIL = {"maija@example.fi": 1, "matti@example.fi": 2}


def _watcher(*customers: dict[str, Any]) -> Watcher:
    watcher = Watcher(httpx.AsyncClient())
    watcher.latest = {each["customer_id"]: each for each in customers}
    return watcher


def _customer(customer_id: str, *emails: str, purchases: int = 1, merged_into: str | None = None) -> dict[str, Any]:
    sales = [{"currency": "EUR", "amount_minor": 100 * purchases, "purchases": purchases}]
    return {
        "customer_id": customer_id,
        "merged_into": merged_into,
        "identifiers": [{"kind": "email", "value": email, "claimed": False} for email in emails],
        "tags": ["asiakas"],
        "activity": {"counts": {"purchase": purchases}, "sales": sales},
    }


def _tracker(*persons: int) -> Tracker:
    tracker = Tracker()
    for number, person in enumerate(persons):
        told = Told("verkkokauppa", f"order:{number}", "purchase", person, minor=100)
        tracker.answered(Delivery("Shopify", "/intake", {}, b"", (told,)), 200)
    return tracker


def _wrong(watcher: Watcher, tracker: Tracker) -> list[str]:
    return checks.by_stream(watcher, tracker.expected(), BY_EMAIL)


def test_one_contact_for_each_person_with_all_that_was_sent_adds_up() -> None:
    both = _watcher(_customer("a", "maija@example.fi"), _customer("b", "matti@example.fi"))
    assert _wrong(both, _tracker(1, 2)) == []


def test_a_person_without_a_contact_or_with_two_does_not_add_up() -> None:
    assert _wrong(_watcher(), _tracker(1)) == ["person 1 has 0 contacts"]
    twice = _watcher(_customer("a", "maija@example.fi"), _customer("b", "maija@example.fi"))
    assert _wrong(twice, _tracker(1)) == ["person 1 has 2 contacts"]


def test_a_contact_of_two_people_does_not_add_up() -> None:
    one = _watcher(_customer("a", "maija@example.fi", "matti@example.fi", purchases=2))
    assert _wrong(one, _tracker(1, 2)) == ["contact a is of several people: [1, 2]"]


def test_an_absorbed_contact_and_people_of_other_days_count_for_nothing() -> None:
    watcher = _watcher(
        _customer("a", "maija@example.fi"),
        _customer("b", "maija@example.fi", merged_into="a"),
        _customer("c", "joku@example.fi"),
    )
    assert _wrong(watcher, _tracker(1)) == []


def test_nobody_s_number_is_given_twice_not_even_after_a_kill(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    deliveries, staff = notes.numbers(), notes.numbers()
    given = [deliveries() for _ in range(600)] + [staff() for _ in range(10)]
    later = Notes(tmp_path).numbers()
    given += [later() for _ in range(600)]
    assert len(set(given)) == len(given)


def test_notes_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{")
    with pytest.raises(NotesUnreadable, match=r"demo\.json.*--data"):
        Notes(tmp_path)


def test_notes_hold_keys_and_are_for_their_owner_only(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.save()
    assert (tmp_path / "demo.json").stat().st_mode & 0o077 == 0


def test_lines_to_copy_survive_a_shell_whatever_the_folder_is_called() -> None:
    lines = screen.doors_to_open("http://127.0.0.1:8080", Path("/home/Maija M/admin.key"), "c-1", "makinen")
    curls = [line for _, line in lines if line.startswith("curl")]
    assert len(curls) == 7
    for line in curls:
        words = shlex.split(line.replace("$(cat '/home/Maija M/admin.key')", "KEY"))
        assert "Authorization: Bearer KEY" in words
        assert words[-1].startswith("http://127.0.0.1:8080/")
