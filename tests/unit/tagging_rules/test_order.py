"""Tags are a pure function: any order of events, merges, unmerges and words of people gives the same tags.

Here the evidence is kept in memory, merged by the same functions that the handlers use; the integration tests say the
same of the real store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.envelope import Received
from services.tagging_rules import messages
from services.tagging_rules.domain import evidence, standing, tags
from services.tagging_rules.domain.evidence import Assertion, Fact, FactKey, HandTag, MarkKey, Marks, Membership
from services.tagging_rules.domain.standing import Evidence, Standing
from tests.unit.tagging_rules import histories
from tests.unit.tagging_rules.factories import book, record_id
from tests.unit.tagging_rules.histories import RECORDS, RULES, History

BOOK = book(*RULES)


class Register:
    """What tagging-rules keeps, in memory."""

    def __init__(self) -> None:
        self.memberships: dict[UUID, Membership] = {}
        self.seen: set[UUID] = set()
        self.facts: dict[FactKey, Fact] = {}
        self.marks: dict[MarkKey, Marks] = {}
        self.hand: dict[MarkKey, HandTag] = {}
        self.contacts: dict[UUID, messages.ContactState] = {}

    def take(self, batch: Iterable[Received[Any]]) -> None:
        for one in batch:
            match one.data:
                case messages.ContactState() as state:
                    for member in state.members:
                        self._place(member.record_id, Membership(state.contact_id, member.membership))
                    before = self.contacts.get(state.contact_id)
                    if before is None or before.version < state.version:
                        self.contacts[state.contact_id] = state
                case messages.EventResolved() as resolved:
                    self._place(resolved.event.data.record.id, Membership(resolved.contact_id, resolved.membership))
                    if resolved.event.id not in self.seen:
                        self.seen.add(resolved.event.id)
                        for key, fact in evidence.facts_of([resolved.event]).items():
                            self.facts[key] = self.facts[key] + fact if key in self.facts else fact
                        self.marks.update(evidence.merged(self.marks, BOOK.said_by(resolved.event)))
                case messages.ChangeTags() as change:
                    self._place(change.contact_id, Membership(change.contact_id, 0))
                    said = Assertion(one.event.time, UUID(one.event.id), change.contact_id, author=change.author)
                    for tag, present in tags.by_hand(change.add, change.remove, change.clear).items():
                        place, hand = (change.contact_id, tag), HandTag(present, said)
                        self.hand[place] = evidence.latest(self.hand[place], hand) if place in self.hand else hand

    def _place(self, record: UUID, membership: Membership) -> None:
        before = self.memberships.get(record)
        if before is None or before.number < membership.number:
            self.memberships[record] = membership

    def standing_of(self, contact_id: UUID) -> Standing:
        state = self.contacts[contact_id]
        records = {record for record, membership in self.memberships.items() if membership.contact_id == contact_id}
        if state.merged_into is not None or not records:
            return Standing()
        known = Evidence({name: field.value for name, field in state.fields.items()})
        for (record, tag), marks in self.marks.items():
            if record in records:
                known.add_marks(tag, marks)
        for (record, tag), hand in self.hand.items():
            if record in records:
                known.add_hand(tag, hand)
        for (record, name, currency), fact in self.facts.items():
            if record in records:
                known.add_fact(name, currency, fact)
        return standing.standing_of(known, BOOK)

    def all(self) -> dict[int, Standing]:
        return {number: self.standing_of(record_id(number)) for number in RECORDS}


def in_order(history: History) -> dict[int, Standing]:
    register = Register()
    register.take(history.messages)
    return register.all()


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_order_and_batching_with_repeats_gives_the_same_tags(data: st.DataObject) -> None:
    history = data.draw(histories.histories())
    register = Register()
    for batch in data.draw(histories.deliveries(history)):
        register.take(batch)
    assert register.all() == in_order(history)


@given(history=histories.histories())
@settings(max_examples=200, deadline=None)
def test_a_tag_that_no_while_rule_gives_is_there_when_the_last_word_about_it_adds_it(history: History) -> None:
    """The same said another way: sort all words about a tag on the contact's records, look at the last one."""
    found = in_order(history)
    for number in RECORDS:
        members = {record_id(record) for record, holder in history.contact_of.items() if holder == number}
        there = {held.tag for held in found[number].tags}
        assert ("asiakas" in there) == _last_word("asiakas", members, history.messages)


def _last_word(tag: str, members: set[UUID], given: Iterable[Received[Any]]) -> bool:
    words = []
    by_hand = []
    for one in given:
        if isinstance(one.data, messages.EventResolved) and one.data.event.data.record.id in members:
            event = one.data.event
            for (_, named), marks in BOOK.said_by(event).items():
                if named == tag:
                    words.append((event.time, event.id, marks.last is not None))
        elif isinstance(one.data, messages.ChangeTags) and one.data.contact_id in members:
            by_hand += [
                (one.event.time, UUID(one.event.id), present)
                for named, present in tags.by_hand(one.data.add, one.data.remove, one.data.clear).items()
                if named == tag
            ]
    if by_hand and (last := max(by_hand))[2] is not None:
        words.append((last[0], last[1], bool(last[2])))
    return bool(words) and max(words)[2]


@given(history=histories.histories())
@settings(max_examples=100, deadline=None)
def test_an_absorbed_contact_is_nothing(history: History) -> None:
    found = in_order(history)
    for number in set(RECORDS) - set(history.contact_of.values()):
        assert found[number] == Standing()
