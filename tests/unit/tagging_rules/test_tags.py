"""What may be a tag, and what a person may say about tags."""

from __future__ import annotations

import pytest

from services.tagging_rules.domain import tags


def test_a_tag_is_trimmed_and_composed() -> None:
    assert tags.clean("  pa\u0308iva\u0308kirja ", "add[0]") == "päiväkirja"


def test_spaces_and_symbols_inside_a_tag_stay() -> None:
    assert tags.clean("kanta-asiakas 2026 ☕", "tag") == "kanta-asiakas 2026 ☕"


@pytest.mark.parametrize("text", ["", "   ", "a\tb", "a\nb", "a\x00b", "a\x7fb", "a\u2028b", "\ud800", "x" * 81])
def test_what_is_no_tag_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(tags.InvalidTag) as refusal:
        tags.clean(text, "add[3]")
    assert refusal.value.field == "add[3]"
    assert refusal.value.status == 422


def test_a_tag_of_80_characters_is_the_longest() -> None:
    assert tags.clean("ä" * 80, "tag") == "ä" * 80


def test_of_several_tags_each_counts_once_and_the_faulty_one_is_named() -> None:
    assert tags.clean_all(["b", "a ", "b"], "add") == ("b", "a")
    with pytest.raises(tags.InvalidTag) as refusal:
        tags.clean_all(["a", ""], "remove")
    assert refusal.value.field == "remove[1]"


def test_a_person_says_of_each_tag_that_it_be_there_or_not_or_as_rules_say() -> None:
    assert tags.by_hand(["vip"], ["liidi"], ["asiakas"]) == {"vip": True, "liidi": False, "asiakas": None}


def test_a_person_cannot_say_two_things_of_one_tag_at_once() -> None:
    with pytest.raises(tags.Contradiction) as refusal:
        tags.by_hand(["vip"], [" vip "], [])
    assert refusal.value.field == "remove"


def test_a_person_must_say_something_but_not_everything() -> None:
    with pytest.raises(tags.WrongNumber):
        tags.by_hand([], [], [])
    with pytest.raises(tags.WrongNumber):
        tags.by_hand([f"tagi {number}" for number in range(101)], [], [])
