"""What names say of whether they are one person's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dedupe.domain.names import NAMELESS, Name, Relation, fold, name, owners, relation


def full(text: str) -> Name:
    return name(None, None, text, None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mäkinen", "MAKINEN"),
        ("Mäkinen", "Maekinen"),
        ("Virtanen", "Wirtanen"),
        ("Öberg", "Oeberg"),
        ("Anna-Maija", "anna maija"),
        ("Елена", "Elena"),
        ("Jelena", "Yelena"),
        ("Хельга", "Helga"),
        ("Đặng", "Dang"),
    ],
)
def test_ways_of_writing_one_name_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_a_full_name_is_split_where_its_parts_are_not_given() -> None:
    assert full("Maija Meikäläinen") == name("Maija", "Meikäläinen", None, None)
    assert full("Meikäläinen, Maija") == name("Maija", "Meikäläinen", None, None)
    assert name("Maija", "Meikäläinen", "Joku Muu", None) == name("Maija", "Meikäläinen", None, None)
    assert full("Maija") == name("Maija", None, None, None)


def test_an_organisation_is_a_name_only_without_a_person() -> None:
    assert name("Maija", None, None, "Kahvila Aalto Oy").organisation == ()
    assert name(None, None, None, "Kahvila Aalto Oy").organisation == ("kahvila", "alto", "oi")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Maija Meikäläinen", "maija meikalainen", Relation.COMPATIBLE),
        ("Maija Meikäläinen", "Meikäläinen Maija", Relation.COMPATIBLE),
        ("Maija Meikäläinen", "M. Meikäläinen", Relation.COMPATIBLE),
        ("Maija Meikäläinen", "Maiija Meikäläinen", Relation.COMPATIBLE),
        ("Anna-Maija Meikäläinen", "Maija Meikäläinen", Relation.COMPATIBLE),
        ("Maija Meikäläinen", "Maija Virtanen-Meikäläinen", Relation.COMPATIBLE),
        ("Maija", "Maija Meikäläinen", Relation.COMPATIBLE),
        ("Maija Meikäläinen", "Maija Virtanen", Relation.OTHER_FAMILY_NAME),
        ("Maija Meikäläinen", "Matti Meikäläinen", Relation.DIFFERENT),
        # Both are common names, however alike.
        ("Matti Virtanen", "Martti Virtanen", Relation.DIFFERENT),
        ("Mari Virtanen", "Marko Virtanen", Relation.DIFFERENT),
        ("Maija Meikäläinen", "P. Meikäläinen", Relation.DIFFERENT),
        ("", "Maija Meikäläinen", Relation.UNKNOWN),
        ("", "", Relation.UNKNOWN),
    ],
)
def test_names_stand_to_each_other(one: str, other: str, expected: Relation) -> None:
    assert relation(full(one), full(other)) is expected


def test_a_family_name_alone_says_nothing_of_who_it_is() -> None:
    family = name(None, "Virtanen", None, None)
    assert relation(family, full("Matti Virtanen")) is Relation.UNKNOWN
    assert relation(family, family) is Relation.UNKNOWN
    assert relation(family, name(None, "Korhonen", None, None)) is Relation.DIFFERENT


def test_organisations_are_compared_with_organisations_alone() -> None:
    cafe, garage = name(None, None, None, "Kahvila Aalto Oy"), name(None, None, None, "Autokorjaamo Oy")
    assert relation(cafe, name(None, None, None, "KAHVILA AALTO OY")) is Relation.COMPATIBLE
    assert relation(cafe, garage) is Relation.DIFFERENT
    assert relation(cafe, full("Maija Meikäläinen")) is Relation.UNKNOWN


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], 0),
        ([""], 0),
        (["Maija Meikäläinen", "maija meikäläinen", "M. Meikäläinen", ""], 1),
        (["Maija Virtanen", "Matti Virtanen", "M. Virtanen"], 2),
        (["Maija Meikäläinen", "Maija Virtanen"], 2),
    ],
)
def test_owners_are_counted_by_their_names(names: list[str], expected: int) -> None:
    assert owners(map(full, names)) == expected


def test_a_person_and_an_organisation_are_two_owners() -> None:
    assert owners([full("Maija Meikäläinen"), name(None, None, None, "Kahvila Aalto Oy")]) == 2


words = st.sampled_from(("Maija", "Matti", "M.", "Virtanen", "Wirtanen", "Meikäläinen", "Анна", "X", "", "-"))


@given(a=st.tuples(words, words, words), b=st.tuples(words, words, words))
def test_how_two_names_stand_is_the_same_from_both_sides(a: tuple[str, str, str], b: tuple[str, str, str]) -> None:
    one, other = name(a[0], a[1], None, a[2]), name(b[0], b[1], None, b[2])
    assert relation(one, other) is relation(other, one)
    assert relation(one, NAMELESS) is Relation.UNKNOWN


@given(st.text(max_size=40))
def test_anything_can_be_folded(text: str) -> None:
    assert all(word.isascii() and word.isalnum() and word == word.lower() for word in fold(text))
