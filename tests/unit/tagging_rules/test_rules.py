"""Rules: what is accepted, what an event says through them, in what order they are worked out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.kit import errors
from services.tagging_rules import starting_rules
from services.tagging_rules.domain import rules
from services.tagging_rules.domain.rules import OnRule, RuleBook, WhileRule
from tests.unit.tagging_rules.factories import book, event, on, record_id, rule_id, while_

ON: dict[str, Any] = {"kind": "on", "name": "Osto", "event": "purchase", "add": ["asiakas"]}
WHILE: dict[str, Any] = {"kind": "while", "name": "Asiakas", "when": {"tag": "asiakas"}, "phase": "customer"}


def said(book: RuleBook, *, add: list[str] | None = None, remove: list[str] | None = None) -> dict[str, bool]:
    """What a purchase that names these tags says about tags."""
    words = book.said_by(event("purchase", add=add or (), remove=remove or ()))
    return {tag: marks.present is not None for (_, tag), marks in words.items()}


def test_an_on_rule_is_read_with_its_tags_cleaned() -> None:
    rule = rules.parse(ON | {"name": " Osto ", "add": [" asiakas", "asiakas "], "remove": ["potentiaalinen asiakas"]})
    assert isinstance(rule, OnRule)
    assert (rule.name, rule.event, rule.add) == ("Osto", ["purchase"], ["asiakas"])
    assert (rule.priority, rule.enabled) == (0, True)


def test_a_while_rule_gives_a_tag_or_a_phase() -> None:
    rule = rules.parse(WHILE)
    assert isinstance(rule, WhileRule)
    assert (rule.tag, rule.phase) == (None, "customer")


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ([], None),
        ({}, "kind"),
        ({"kind": "when"}, "kind"),
        ({"kind": "on", "name": "x", "add": ["a"]}, "event"),
        (ON | {"name": ""}, "name"),
        (ON | {"name": "  "}, "name"),
        (ON | {"name": "a\x00b"}, "name"),
        (ON | {"name": "x" * 121}, "name"),
        (ON | {"priority": "high"}, "priority"),
        (ON | {"priority": 1001}, "priority"),
        (ON | {"enabled": 1}, "enabled"),
        (ON | {"event": []}, "event"),
        (ON | {"event": ["purchase", ""]}, "event[1]"),
        (ON | {"add": []}, "add"),
        (ON | {"add": ["asiakas", "\n"]}, "add[1]"),
        (ON | {"add": [f"tagi {number}" for number in range(21)]}, "add"),
        (ON | {"remove": ["asiakas"]}, "remove"),
        (ON | {"when": {"all": [{"tag": "vip"}]}}, "when.all[0]"),
        (
            ON | {"when": {"all": [{"field": "name", "op": "exists"}, {"field": "x", "op": "exists"}]}},
            "when.all[1].field",
        ),
        (ON | {"phase": "customer"}, "phase"),
        (WHILE | {"tag": "asiakas"}, "phase"),
        ({"kind": "while", "name": "x", "when": {"tag": "a"}}, "tag"),
        ({"kind": "while", "name": "x", "tag": "a"}, "when"),
        (WHILE | {"when": None}, "when"),
        (WHILE | {"phase": "best"}, "phase"),
        (WHILE | {"when": {"fact": "count", "event": "purchase", "op": "gte", "value": "five"}}, "when.value"),
    ],
)
def test_a_rule_that_does_not_validate_is_refused_with_the_faulty_place(raw: Any, place: str | None) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        rules.parse(raw)
    assert refusal.value.field == place
    assert refusal.value.status == 422


@pytest.mark.parametrize("rule", starting_rules.RULES, ids=lambda rule: rule.definition.name)
def test_a_rule_survives_being_written_and_read(rule: rules.Rule) -> None:
    written = msgspec.json.encode(rules.to_json(rule.definition))
    assert rules.parse(msgspec.json.decode(written)) == rule.definition


def test_an_event_that_fits_adds_and_removes_tags() -> None:
    assert said(book(on(add=["asiakas"], remove=["liidi"]))) == {"asiakas": True, "liidi": False}


def test_an_event_of_another_name_or_that_does_not_fit_says_nothing() -> None:
    does_not_fit = on(2, when={"field": "amount.minor", "op": "gt", "value": 0}, add=["maksanut"])
    assert said(book(on(event=["refund", "signup"], add=["asiakas"]), does_not_fit)) == {}


def test_a_rule_that_is_switched_off_says_nothing() -> None:
    assert said(book(on(add=["asiakas"], enabled=False))) == {}


def test_what_the_event_itself_names_outranks_rules() -> None:
    rules_of_shop = book(on(add=["asiakas"], remove=["liidi"], priority=1000))
    assert said(rules_of_shop, add=["liidi"], remove=["asiakas"]) == {"asiakas": False, "liidi": True}


def test_an_event_that_adds_and_removes_one_tag_removes_it() -> None:
    assert said(RuleBook.EMPTY, add=["vip"], remove=["vip"]) == {"vip": False}


def test_of_rules_that_contradict_each_other_the_higher_priority_then_the_smaller_id_has_its_way() -> None:
    assert said(book(on(1, add=["a"]), on(2, remove=["a"], priority=1))) == {"a": False}
    assert said(book(on(1, add=["a"]), on(2, remove=["a"]))) == {"a": True}


def test_what_is_said_names_the_event_the_record_and_the_rule_at_its_version() -> None:
    purchase = event("purchase", record=7)
    (((record, tag), marks),) = book(on(3, add=["asiakas"], version=5)).said_by(purchase).items()
    assert (record, tag) == (record_id(7), "asiakas")
    assert marks.first == marks.last
    assert marks.last is not None
    assert (marks.last.cause, marks.last.time) == (purchase.id, purchase.time)
    assert (marks.last.rule_id, marks.last.rule_version) == (rule_id(3), 5)


def test_while_rules_are_worked_out_after_those_whose_tags_they_ask_for() -> None:
    ordered = rules.in_order(
        [
            while_(1, when={"all": [{"tag": "b"}, {"not": {"tag": "c"}}]}, tag="a"),
            while_(2, when={"tag": "c"}, tag="b"),
            while_(3, when={"fact": "count", "event": "purchase", "op": "gte", "value": 1}, tag="c"),
        ]
    )
    assert [rule.id for rule, _ in ordered] == [rule_id(3), rule_id(2), rule_id(1)]


def test_while_rules_that_wait_for_each_other_are_refused_by_name() -> None:
    circle = [
        while_(1, when={"tag": "b"}, tag="a", name="Ensimmäinen"),
        while_(2, when={"any": [{"not": {"tag": "a"}}]}, tag="b", name="Toinen"),
        while_(3, when={"tag": "a"}, phase="customer", name="Sivussa"),
    ]
    with pytest.raises(rules.RulesInACycle) as refusal:
        rules.in_order(circle)
    assert "Ensimmäinen" in refusal.value.detail
    assert "Toinen" in refusal.value.detail
    assert "Sivussa" not in refusal.value.detail
    assert (refusal.value.status, refusal.value.field) == (422, "when")


def test_a_while_rule_that_waits_for_its_own_tag_is_refused() -> None:
    with pytest.raises(rules.RulesInACycle):
        rules.in_order([while_(1, when={"not": {"tag": "a"}}, tag="a")])


def test_a_circle_with_a_rule_that_is_switched_off_is_none() -> None:
    assert rules.in_order([while_(1, when={"tag": "a"}, tag="a", enabled=False)]) == []


def test_the_book_knows_which_facts_and_fields_its_rules_ask_for() -> None:
    asks = book(
        while_(1, when={"fact": "count", "event": "purchase", "op": "gte", "value": 5}, tag="a"),
        while_(2, when={"field": "fields.city", "op": "is", "value": "Turku"}, tag="b"),
        while_(3, when={"fact": "count", "event": "signup", "op": "gte", "value": 1}, tag="c", enabled=False),
    )
    assert asks.facts == {"purchase"}
    assert asks.fields
    assert not book(on(add=["asiakas"])).fields


def test_the_starting_rules_fit_together() -> None:
    book(*starting_rules.RULES)
    assert str(starting_rules.RULES[0].id) == "0b7d9a40-0000-8000-8000-000000000001"
    assert starting_rules.RULES[0].definition.name == "Osto tekee asiakkaan"
