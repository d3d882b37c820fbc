"""The people of the demo."""

from __future__ import annotations

import itertools

from services.ops.demo import names, people


def test_the_same_number_is_the_same_person() -> None:
    assert people.person(17) == people.person(17)


def test_no_two_people_share_an_address_a_phone_or_an_account() -> None:
    row = [people.person(number) for number in range(10_000)]
    for attribute in ("email", "phone", "shop_id", "user_id", "browser_id"):
        assert len({getattr(person, attribute) for person in row}) == len(row)


def test_every_address_is_of_example_fi_and_every_phone_of_the_range_0400() -> None:
    for number in range(0, 20_000, 37):
        person = people.person(number)
        assert person.email.isascii()
        assert person.email.endswith("@example.fi")
        assert len(person.phone) == 10
        assert person.phone.startswith("0400")


def test_the_phone_is_the_same_number_however_it_is_written() -> None:
    person = people.person(3)
    digits = {"".join(filter(str.isdigit, text)) for text in (person.phone, person.phone_at_home)}
    assert digits == {person.phone}
    assert "".join(filter(str.isdigit, person.phone_abroad)) == "358" + person.phone[1:]


def test_a_housemate_shares_the_home_and_nothing_that_is_one_s_own() -> None:
    one, other = people.person(1), people.person(2)
    mate = people.housemate(one, other)
    assert (mate.family, mate.phone, mate.street) == (one.family, one.phone, one.street)
    assert mate.given == other.given
    assert mate.email not in (one.email, other.email)


def test_names_are_typed_without_their_dots_in_two_ways() -> None:
    assert people.without_dots("Päivi Mäkinen-Öhman") == "Paivi Makinen-Ohman"
    assert people.written_out("Päivi Mäkinen-Öhman") == "Paeivi Maekinen-Oehman"


def test_lists_name_nobody_twice() -> None:
    for row in (names.GIVEN, names.FAMILY):
        assert not [a for a, b in itertools.pairwise(sorted(row)) if a == b]
