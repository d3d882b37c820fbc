"""How customers are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from services.directory.domain import customers, finding
from services.directory.messages import Customer
from tests.unit.directory.factories import NOON, TEPPO, activity, contact, parts, tags

LETTERS = st.text("abcdeimnorst", min_size=4, max_size=12)


def customer(**fields: str) -> Customer:
    return customers.customer(parts(contact(fields=fields, external_id=None)))


def entry(**fields: str) -> finding.Entry:
    found = finding.entry(customer(**fields))
    assert found is not None
    return found


def test_words_are_folded() -> None:
    assert finding.words("Åke  MEIKÄLÄINEN-Öhman, Oy") == ["ake", "meikalainen", "ohman", "oy"]
    assert finding.words("Straße Łódź Ольга O’Brien") == ["strasse", "lodz", "olga", "obrien"]


def test_a_customer_is_found_by_names_by_tags_and_by_the_words_of_the_address() -> None:
    fields = {"given_name": "Maija", "organisation": "Kauppa Oy", "email": "m.meika87@example.fi"}
    found = finding.entry(customers.customer(parts(contact(fields=fields), tags(names=["kanta-asiakas"]))))
    assert found is not None
    assert found.words == ("asiakas", "kanta", "kauppa", "maija", "meika", "oy")
    assert found.names == ("maija", "kauppa", "oy"), "a typing error is not corrected to a tag or an address"


def test_who_was_merged_or_erased_or_is_unknown_is_not_found() -> None:
    unknown = contact(fields={}, external_id=None)
    for state in (contact(merged_into=TEPPO), contact(erased_at=NOON), unknown):
        gone = customers.customer(parts(state, tags()))
        assert finding.entry(gone) is None
        assert finding.handles(gone) == frozenset()


def test_the_order_is_that_of_a_finnish_phone_book() -> None:
    names = [("Ylva", "Zetterberg"), ("Anna", "Åberg"), ("Antti", "Äijälä"), ("Eva", "Öhman"), ("Aino", "Aalto")]
    by_sort_name = sorted(names, key=lambda name: entry(given_name=name[0], family_name=name[1]).sort_name)
    assert [family for _, family in by_sort_name] == ["Aalto", "Zetterberg", "Åberg", "Äijälä", "Öhman"]


def test_one_field_with_the_whole_name_is_ordered_by_its_last_word() -> None:
    assert entry(full_name="Maija Liisa Virtanen").sort_name == "virtanen maija liisa"
    assert entry(organisation="Virtasen Sorvi Oy").sort_name == "virtasen sorvi oy"
    assert entry(email="maija@example.fi").sort_name == "maija@example.fi"


def test_too_long_a_name_is_found_by_its_beginning() -> None:
    found = entry(given_name="a" * 5000, family_name=" ".join(f"nimi{number}" for number in range(500)))
    assert len(found.sort_name) <= 100 and len(found.words) <= 60 and max(map(len, found.words)) <= 40


def test_handles_are_exact_and_what_is_claimed_says_so() -> None:
    state = contact(fields={"email": "Maija@Example.fi", "phone": "+358 40 1234567"}, claimed=True, verified=True)
    assert finding.handles(customers.customer(parts(state))) == {
        finding.Handle("email", "", "maija@example.fi", False),
        finding.Handle("phone", "", "+358401234567", False),
        finding.Handle("external_id", "verkkokauppa", "7345", False),
    }
    claimed = contact(fields={"email": "maija@example.fi"}, claimed=True, external_id=None)
    assert [handle.claimed for handle in finding.handles(customers.customer(parts(claimed)))] == [True]


def test_only_what_matters_to_finding_makes_a_difference_to_it() -> None:
    def looked_at(state: customers.Parts) -> tuple[tuple[object, ...], tuple[object, ...]]:
        made = customers.customer(state)
        return finding.of_entry(made), finding.of_handles(made)

    entry_before, handles_before = looked_at(parts(contact()))
    assert looked_at(parts(contact(confirmed="2026-12-24"), activity_state=activity())) == (
        entry_before,
        handles_before,
    )
    with_tags = looked_at(parts(contact(), tags()))
    assert with_tags[0] != entry_before and with_tags[1] == handles_before
    verified = looked_at(parts(contact(verified=True)))
    assert verified[0] == entry_before and verified[1] != handles_before
    for state in (contact(external_id="1"), contact(fields={"email": "other@example.fi"}), contact(merged_into=TEPPO)):
        other = looked_at(parts(state))
        assert other[0] != entry_before and other[1] != handles_before


# -- what a person types


def test_an_address_is_taken_as_its_beginning() -> None:
    assert finding.parse(" Maija.M@ ", "FI") == finding.Query(email_start="maija.m@")


@pytest.mark.parametrize(
    ("typed", "start"),
    [
        ("040 123 45", "+3584012345"),
        ("+358 (40) 123", "+35840123"),
        ("0035840123", "+35840123"),
        ("35840-123", "+35840123"),
        ("4012345", None),
    ],
)
def test_a_number_is_taken_as_the_beginning_or_the_end_of_a_phone_number(typed: str, start: str | None) -> None:
    query = finding.parse(typed, "FI")
    assert query.phone_start == start
    assert query.phone_end == (None if typed.startswith("+") else "".join(filter(str.isdigit, typed)))


def test_the_region_says_what_a_leading_zero_means() -> None:
    assert finding.parse("070 123", "SE").phone_start == "+4670123"


def test_what_might_be_an_external_id_is_also_sought_as_one() -> None:
    assert finding.parse("SH-7345", "FI") == finding.Query(words=("sh", "7345"), external_id="SH-7345")
    assert finding.parse("Maija Meik", "FI") == finding.Query(words=("maija", "meik"))


def test_nothing_typed_and_nothing_readable_mean_nothing() -> None:
    assert finding.parse("", "FI") == finding.parse("a\x00b", "FI") == finding.Query()


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("040 123 4567", "+358401234567"),
        ("+358 40 123 4567", "+358401234567"),
        ("00358401234567", "+358401234567"),
        ("12", "12"),
        ("soita!", ""),
    ],
)
def test_a_phone_number_is_looked_up_as_e164(typed: str, number: str) -> None:
    assert finding.phone(typed, "FI") == number


# -- typing errors


@pytest.mark.parametrize(
    ("typed", "meant", "errors"),
    [
        ("virtanne", "virtanen", 1),
        ("meikalinen", "meikalainen", 1),
        ("psai", "pasi", 1),
        ("meikl", "meikalainen", 1),
        ("korhosenn", "korhonen", 2),
        ("heikkilen", "heikkinen", 1),
    ],
)
def test_a_word_with_typing_errors_finds_what_it_stands_for(typed: str, meant: str, errors: int) -> None:
    assert finding.spelling_keys(meant) & finding.typed_keys(typed)
    assert finding.spellings(typed, [meant]) == {meant: errors}


@given(LETTERS, st.integers(0, 11), st.sampled_from("abcdeimnorst"), st.sampled_from(["drop", "add", "swap", "other"]))
def test_one_error_anywhere_leaves_a_common_key(word: str, at: int, letter: str, error: str) -> None:
    at %= len(word)
    typed = {
        "drop": word[:at] + word[at + 1 :],
        "add": word[:at] + letter + word[at:],
        "swap": word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
        "other": word[:at] + letter + word[at + 1 :],
    }[error]
    if finding.errors_allowed(typed):
        assert finding.spelling_keys(word) & finding.typed_keys(typed)


@given(LETTERS, st.lists(LETTERS, max_size=30))
def test_spellings_are_near_and_do_not_repeat_what_was_typed(typed: str, candidates: list[str]) -> None:
    for word, errors in finding.spellings(typed, candidates).items():
        assert not word.startswith(typed)
        assert errors == min(OSA.distance(typed, word[:length]) for length in range(len(word) + 1))
        assert errors <= finding.errors_allowed(typed)


def test_short_words_are_taken_as_typed() -> None:
    assert finding.spellings("ami", ["emi", "aino"]) == {}


def test_all_words_must_fit() -> None:
    meant = [{}, {"virtanen": 1, "virta": 2}]
    assert finding.text_query(["maija", "virtanne"], meant, 0) == "(maija:*) & (virtanne:*)"
    assert finding.text_query(["maija", "virtanne"], meant, 1) == "(maija:*) & (virtanne:* | virtanen)"
    assert finding.text_query([], [], 0) is None
