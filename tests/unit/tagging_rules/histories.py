"""Histories of a few records: what happened to them, and how they were merged and split, as dedupe would tell it.

A history is a set of messages. Every order of them, in whatever batches, must lead to the same tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from services.kit.envelope import Received
from services.tagging_rules.domain.rules import Rule
from tests.unit.tagging_rules.factories import change_tags, contact, event, on, resolved, while_

RECORDS = range(4)

RULES: tuple[Rule, ...] = (
    on(1, event="purchase", add=["asiakas"], remove=["liidi"]),
    on(2, event="signup", add=["liidi"], when={"field": "properties.form", "op": "is", "value": "uutiskirje"}),
    on(3, event=["refund", "signup"], remove=["asiakas"], priority=1),
    while_(4, when={"fact": "count", "event": "purchase", "op": "gte", "value": 2}, tag="kanta-asiakas"),
    while_(
        5,
        when={"all": [{"fact": "last", "event": "signup", "op": "exists"}, {"not": {"tag": "asiakas"}}]},
        tag="potentiaalinen asiakas",
    ),
    while_(6, when={"fact": "sum", "event": "purchase", "currency": "EUR", "op": "gte", "value": 300}, tag="vip"),
    while_(11, when={"fact": "first", "event": "purchase", "op": "lt", "value": "2026-11-03"}, tag="varhainen"),
    while_(12, when={"fact": "last", "event": "purchase", "op": "gte", "value": "2026-11-04"}, tag="tuore"),
    while_(7, when={"field": "fields.city", "op": "is", "value": "Turku"}, tag="turkulainen"),
    while_(8, when={"tag": "asiakas"}, phase="customer", priority=1),
    while_(9, when={"tag": "kanta-asiakas"}, phase="loyal", priority=2),
    while_(10, when={"any": [{"tag": "liidi"}, {"tag": "potentiaalinen asiakas"}]}, phase="lead"),
)


@dataclass(frozen=True)
class History:
    """All messages, and the last partition: record → contact."""

    messages: tuple[Received[Any], ...]
    contact_of: dict[int, int]


def _states(partitions: Sequence[Sequence[int]], cities: Sequence[str]) -> tuple[list[Received[Any]], list[Any]]:
    """The contacts' states over a sequence of partitions (a list of the group of each record), and after each of them
    the membership of each record: (contact, number)."""
    messages: list[Received[Any]] = []
    versions = dict.fromkeys(RECORDS, 0)
    memberships = {record: (record, 1) for record in RECORDS}
    told: dict[int, dict[int, int]] = {}
    steps = []
    for partition, city in zip(([*RECORDS], *partitions), cities, strict=True):
        groups: dict[int, list[int]] = {}
        for record in RECORDS:
            groups.setdefault(partition[record], []).append(record)
        first = {record: min(group) for group in groups.values() for record in group}
        for record, (before, number) in list(memberships.items()):
            if before != first[record]:
                memberships[record] = (first[record], number + 1)
        for number in RECORDS:
            members = {record: membership for record, (holder, membership) in memberships.items() if holder == number}
            if told.get(number) != members or city:
                told[number] = members
                versions[number] += 1
                gone = None if members else first[number]
                fields = {"city": city} if members else {}
                messages.append(
                    contact(number, version=versions[number], members=members, merged_into=gone, fields=fields)
                )
        steps.append(dict(memberships))
    return messages, steps


@st.composite
def histories(draw: st.DrawFn, least: int = 0, most: int = 9) -> History:
    """Events and commands on four records that are merged and split up to three times."""
    groups = st.lists(st.integers(0, 2), min_size=len(RECORDS), max_size=len(RECORDS))
    partitions = draw(st.lists(groups, max_size=3))
    cities = draw(st.lists(st.sampled_from(["", "Turku"]), min_size=len(partitions) + 1, max_size=len(partitions) + 1))
    messages, steps = _states(partitions, cities)
    for index in range(draw(st.integers(least, most))):
        record = draw(st.sampled_from(RECORDS))
        happened = event(
            draw(st.sampled_from(["purchase", "signup", "refund", "page_view"])),
            record=record,
            day=draw(st.integers(0, 4)),
            id=str(index),
            amount=draw(st.sampled_from([None, (100, "EUR"), (250, "EUR"), (9, "SEK")])),
            add=draw(st.sampled_from([(), (), ("liidi",), ("vip", "asiakas")])),
            remove=draw(st.sampled_from([(), (), ("vip",), ("asiakas",)])),
            properties={"form": draw(st.sampled_from(["uutiskirje", "yhteydenotto"]))},
        )
        # dedupe resolves an event at some step, and again at another when it comes twice.
        for holder, number in draw(st.lists(st.sampled_from([step[record] for step in steps]), min_size=1, max_size=2)):
            messages.append(resolved(happened, contact=holder, membership=number))
    for index in range(draw(st.integers(0, 3))):
        tag = draw(st.sampled_from(["vip", "asiakas", "potentiaalinen asiakas"]))
        words: dict[str, Any] = {draw(st.sampled_from(["add", "remove", "clear"])): [tag]}
        messages.append(
            change_tags(draw(st.sampled_from(RECORDS)), day=draw(st.integers(0, 4)), id=str(index), **words)
        )
    return History(tuple(messages), {record: holder for record, (holder, _) in steps[-1].items()})


@st.composite
def deliveries(draw: st.DrawFn, history: History) -> list[list[Received[Any]]]:
    """The messages of a history in some order, some of them twice, in some batches."""
    repeated = draw(st.lists(st.sampled_from(history.messages), max_size=3))
    order = draw(st.permutations([*history.messages, *repeated]))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=5)))
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True) if start < end]
