"""What a contact is, and why: the semantics of on-rules, while-rules and people together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.kit.envelope import Received
from services.tagging_rules import messages, starting_rules
from services.tagging_rules.domain import evidence, standing
from services.tagging_rules.domain import tags as tag_words
from services.tagging_rules.domain.events import Event
from services.tagging_rules.domain.evidence import Assertion, HandTag
from services.tagging_rules.domain.rules import RuleBook
from services.tagging_rules.domain.standing import Evidence, PhaseHeld, Standing, TagHeld, Why
from tests.unit.tagging_rules.factories import at, book, change_tags, event, on, record_id, rule_id, while_

SHOP = book(*starting_rules.RULES)
COUNT_5: dict[str, Any] = {"fact": "count", "event": "purchase", "op": "gte", "value": 5}


def known(
    rules: RuleBook,
    events: Sequence[Event] = (),
    commands: Sequence[Received[messages.ChangeTags]] = (),
    fields: dict[str, str] | None = None,
) -> Evidence:
    """The evidence of a contact to which all these records belong."""
    found = Evidence(fields or {})
    for one in events:
        for (_, tag), marks in rules.said_by(one).items():
            found.add_marks(tag, marks)
    for (_, name, currency), fact in evidence.facts_of(events).items():
        found.add_fact(name, currency, fact)
    for command in commands:
        data = command.data
        said = Assertion(command.event.time, record_id(99), data.contact_id, author=data.author)
        for tag, present in tag_words.by_hand(data.add, data.remove, data.clear).items():
            found.add_hand(tag, HandTag(present, said))
    return found


def standing_after(
    rules: RuleBook, *events: Event, by_hand: Sequence[Received[messages.ChangeTags]] = (), **fields: str
) -> Standing:
    return standing.standing_of(known(rules, events, by_hand, fields), rules)


def tags(found: Standing) -> list[str]:
    return [held.tag for held in found.tags]


def the_tag(found: Standing) -> TagHeld:
    (held,) = found.tags
    return held


def test_the_latest_event_has_its_way_whatever_came_first() -> None:
    rules = book(on(1, event="signup", add=["liidi"]), on(2, event="purchase", remove=["liidi"]))
    signup, purchase = event("signup", day=1), event("purchase", day=2)
    assert tags(standing_after(rules, signup, purchase)) == []
    assert tags(standing_after(rules, purchase, signup)) == []
    assert tags(standing_after(rules, purchase, event("signup", day=3))) == ["liidi"]


def test_of_events_at_the_same_time_the_larger_id_has_its_way() -> None:
    rules = book(on(1, event="signup", add=["liidi"]), on(2, event="purchase", remove=["liidi"]))
    signup, purchase = event("signup", day=1), event("purchase", day=1)
    expected = ["liidi"] if signup.id > purchase.id else []
    assert tags(standing_after(rules, signup, purchase)) == expected
    assert tags(standing_after(rules, purchase, signup)) == expected


def test_records_of_one_contact_speak_about_the_same_tags() -> None:
    rules = book(on(add=["asiakas"]))
    found = standing_after(
        rules, event("purchase", record=1, day=2), event("note", record=2, day=3, remove=["asiakas"])
    )
    assert tags(found) == []


def test_a_tag_is_owed_to_the_event_that_first_gave_it_as_long_as_nothing_took_it_away() -> None:
    rules = book(on(4, add=["asiakas"], name="Osto", version=2))
    first, second = event("purchase", day=1), event("purchase", day=2, id="second", record=2)
    for order in ((first, second), (second, first)):
        assert the_tag(standing_after(rules, *order)) == TagHeld(
            tag="asiakas",
            since=at(1),
            by=Why(
                kind="rule",
                rule_id=rule_id(4),
                rule_name="Osto",
                rule_version=2,
                event_id=first.id,
                record_id=record_id(1),
            ),
        )


def test_a_tag_that_was_taken_away_and_given_again_is_owed_to_the_last_event_that_gave_it() -> None:
    events = [event("a", day=1, add=["vip"]), event("b", day=2, remove=["vip"]), event("c", day=3, add=["vip"])]
    assert the_tag(standing_after(RuleBook.EMPTY, *events)).since == at(3)


def test_a_tag_that_the_event_itself_names_says_so() -> None:
    signup = event("signup", record=5, add=["uutiskirjeen tilaaja"])
    assert the_tag(standing_after(RuleBook.EMPTY, signup)).by == Why(
        kind="event", event_id=signup.id, record_id=record_id(5)
    )


def test_a_person_adds_a_tag_and_is_named() -> None:
    found = standing_after(RuleBook.EMPTY, by_hand=[change_tags(add=["vip"], day=4, author="key:liisa")])
    assert the_tag(found) == TagHeld(
        tag="vip", since=at(4), by=Why(kind="hand", record_id=record_id(1), author="key:liisa")
    )


def test_between_a_person_and_events_the_latest_has_its_way() -> None:
    rules = book(on(add=["asiakas"]))
    early, late = event("purchase", day=1), event("purchase", day=3, id="late")
    remove = change_tags(remove=["asiakas"], day=2)
    assert tags(standing_after(rules, early, by_hand=[remove])) == []
    assert tags(standing_after(rules, early, late, by_hand=[remove])) == ["asiakas"]


def test_what_a_person_added_stays_owed_to_the_person_though_an_event_says_it_again() -> None:
    found = standing_after(
        book(on(add=["asiakas"])), event("purchase", day=3), by_hand=[change_tags(add=["asiakas"], day=2)]
    )
    assert the_tag(found).by.kind == "hand"


def test_what_a_person_added_goes_when_a_later_event_removes_it() -> None:
    assert tags(standing_after(SHOP, by_hand=[change_tags(add=["potentiaalinen asiakas"], day=1)])) == [
        "potentiaalinen asiakas"
    ]
    found = standing_after(SHOP, event("purchase", day=2), by_hand=[change_tags(add=["potentiaalinen asiakas"], day=1)])
    assert tags(found) == ["asiakas"]


def test_a_while_tag_is_there_while_its_condition_holds_and_has_no_since() -> None:
    rules = book(while_(1, when=COUNT_5, tag="kanta-asiakas", name="Viisi ostoa"))
    four = [event("purchase", day=day, id=str(day)) for day in range(4)]
    assert tags(standing_after(rules, *four)) == []
    assert the_tag(standing_after(rules, *four, event("purchase", day=9))) == TagHeld(
        tag="kanta-asiakas",
        since=None,
        by=Why(kind="rule", rule_id=rule_id(1), rule_name="Viisi ostoa", rule_version=1),
    )


def test_facts_of_all_records_of_a_contact_count_together() -> None:
    rules = book(while_(1, when=COUNT_5, tag="kanta-asiakas"))
    assert tags(standing_after(rules, *(event("purchase", record=record) for record in range(5)))) == ["kanta-asiakas"]


def test_a_while_tag_outlives_an_event_that_removes_it_for_only_its_condition_counts() -> None:
    rules = book(while_(1, when={"field": "fields.city", "op": "exists"}, tag="osoite tiedossa"))
    found = standing_after(rules, event("note", remove=["osoite tiedossa"]), city="Turku")
    assert tags(found) == ["osoite tiedossa"]


def test_what_a_person_removed_no_while_rule_gives_until_it_is_cleared() -> None:
    rules = book(
        while_(1, when={"field": "fields.city", "op": "exists"}, tag="a"), while_(2, when={"tag": "a"}, tag="b")
    )
    remove, clear = change_tags(remove=["a"], day=1), change_tags(clear=["a"], day=2)
    assert tags(standing_after(rules, by_hand=[remove], city="Turku")) == []
    assert tags(standing_after(rules, by_hand=[remove, clear], city="Turku")) == ["a", "b"]
    assert tags(standing_after(rules, by_hand=[clear, remove], city="Turku")) == ["a", "b"]


def test_what_a_person_added_is_there_though_the_condition_of_the_while_rule_does_not_hold() -> None:
    rules = book(while_(1, when={"field": "fields.city", "op": "exists"}, tag="a"))
    found = standing_after(rules, by_hand=[change_tags(add=["a"])])
    assert the_tag(found).by.kind == "hand"


def test_a_tag_that_an_event_and_a_while_rule_give_is_owed_to_the_event() -> None:
    rules = book(on(1, add=["a"]), while_(2, when={"fact": "last", "event": "purchase", "op": "exists"}, tag="a"))
    assert the_tag(standing_after(rules, event("purchase"))).since == at(1)


def test_while_rules_see_tags_from_everywhere_also_from_each_other() -> None:
    rules = book(
        while_(1, when={"all": [{"tag": "hand"}, {"tag": "event"}, {"tag": "while"}]}, tag="all"),
        while_(2, when={"not": {"tag": "missing"}}, tag="while"),
    )
    found = standing_after(rules, event("x", add=["event"]), by_hand=[change_tags(add=["hand"])])
    assert tags(found) == ["all", "event", "hand", "while"]


def test_of_several_phases_that_hold_the_highest_priority_then_the_smallest_id_has_its_way() -> None:
    anything = {"not": {"tag": "missing"}}
    rules = book(
        while_(1, when=anything, phase="lead", priority=1),
        while_(3, when=anything, phase="customer", priority=2),
        while_(2, when=anything, phase="loyal", priority=2, name="Kanta-asiakas"),
        while_(4, when={"tag": "missing"}, phase="key", priority=9),
    )
    assert standing_after(rules).phase == PhaseHeld(
        phase="loyal", by=Why(kind="rule", rule_id=rule_id(2), rule_name="Kanta-asiakas", rule_version=1)
    )


def test_of_several_while_rules_for_one_tag_the_highest_is_named() -> None:
    anything = {"not": {"tag": "missing"}}
    rules = book(while_(1, when=anything, tag="a"), while_(2, when=anything, tag="a", priority=1))
    assert the_tag(standing_after(rules)).by.rule_id == rule_id(2)


def test_a_tag_names_its_rule_as_it_was_called_at_that_version() -> None:
    rules = book(on(1, add=["a"], name="Vanha nimi", version=1))
    words = rules.said_by(event("purchase"))
    renamed = book(on(1, add=["a"], name="Vanha nimi", version=1), on(1, add=["a"], name="Uusi nimi", version=2))
    found = Evidence()
    for (_, tag), marks in words.items():
        found.add_marks(tag, marks)
    assert the_tag(standing.standing_of(found, renamed)).by.rule_name == "Vanha nimi"


# -- the starting rules of a Finnish shop


def phase(found: Standing) -> str | None:
    return found.phase.phase if found.phase else None


def test_who_signs_up_is_a_prospect() -> None:
    found = standing_after(SHOP, event("signup", add=["uutiskirjeen tilaaja"]))
    assert tags(found) == ["potentiaalinen asiakas", "uutiskirjeen tilaaja"]
    assert phase(found) == "prospect"


def test_who_buys_is_a_customer_and_no_prospect_whenever_the_signup_was() -> None:
    signup, purchase, later = event("signup", day=1), event("purchase", day=2), event("signup", day=3, id="later")
    for events in ((signup, purchase), (purchase, later), (signup, purchase, later)):
        found = standing_after(SHOP, *events)
        assert tags(found) == ["asiakas"]
        assert phase(found) == "customer"


def test_who_buys_five_times_is_a_loyal_customer() -> None:
    found = standing_after(SHOP, *(event("purchase", day=day, id=str(day)) for day in range(5)))
    assert tags(found) == ["asiakas", "kanta-asiakas"]
    assert phase(found) == "loyal"


def test_who_writes_is_a_lead_and_who_only_looks_is_nothing() -> None:
    assert phase(standing_after(SHOP, event("email_received"))) == "lead"
    assert standing_after(SHOP, event("page_view")) == Standing()


def test_a_person_who_takes_the_customer_away_leaves_no_customer() -> None:
    found = standing_after(SHOP, event("purchase", day=1), by_hand=[change_tags(remove=["asiakas"], day=2)])
    assert tags(found) == []
    assert phase(found) is None
