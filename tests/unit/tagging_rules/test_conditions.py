"""The condition tree: what fits, and what is refused where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import errors
from services.tagging_rules.domain import conditions, matching
from services.tagging_rules.domain.evidence import Fact
from services.tagging_rules.domain.matching import Profile
from tests.unit.tagging_rules.factories import at, event

ORDER = event(
    "purchase",
    amount=(12990, "EUR"),
    source="Verkkokauppa",
    fields={"city": "Helsinki", "birth_date": "1980-02-29"},
    properties={
        "form": "Uutiskirje",
        "total": 129.9,
        "quantity": "12",
        "gift": True,
        "nothing": None,
        "tags": ["kahvi", "tee"],
        "lines": [
            {"sku": "KAHVI-500", "quantity": 2, "options": [{"grind": "fine"}]},
            {"sku": "TEE-100", "quantity": 1},
        ],
        "shipping": {"method": "posti", "ordered": "2026-11-22T08:15:00+02:00"},
    },
)


def fits(raw: Any) -> bool:
    return matching.of_event(conditions.parse(raw, "when", of_event=True))(ORDER.data)


def holds(
    raw: Any,
    *,
    fields: dict[str, str] | None = None,
    facts: dict[str, list[tuple[str, Fact]]] | None = None,
    tags: set[str] | None = None,
) -> bool:
    profile = Profile(fields or {}, facts or {}, tags or set())
    return matching.of_contact(conditions.parse(raw, "when", of_event=False))(profile)


def compare(field: str, op: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (compare("name", "is", "purchase"), True),
        (compare("source", "is", "verkkokauppa"), True),  # case does not count
        (compare("source", "is_not", "kassa"), True),
        (compare("record.kind", "in", ["email", "external_id"]), True),
        (compare("record.claimed", "is", False), True),
        (compare("record.claimed", "is", 0), False),
        (compare("amount.minor", "gte", 12990), True),
        (compare("amount.minor", "gt", 12990), False),
        (compare("amount.currency", "is", "eur"), True),
        (compare("fields.city", "is", "HELSINKI"), True),
        (compare("fields.city", "starts_with", "hel"), True),
        (compare("fields.city", "contains", "SINK"), True),
        (compare("fields.phone", "exists"), False),
        (compare("fields.phone", "exists", False), True),
        (compare("fields.phone", "is_not", "1"), True),
        (compare("fields.birth_date", "lt", "1990-01-01"), True),
        (compare("fields.city", "lt", "1990-01-01"), False),
        (compare("properties.form", "is", "uutiskirje"), True),
        (compare("properties.total", "lte", 129.9), True),
        (compare("properties.quantity", "is", 12), True),  # text that states a number
        (compare("properties.quantity", "is", "12.0"), False),  # as text it is other text
        (compare("properties.gift", "is", True), True),
        (compare("properties.gift", "is", 1), False),
        (compare("properties.gift", "gte", 1), False),
        (compare("properties.nothing", "exists"), False),
        (compare("properties.missing.deeper", "is", "x"), False),
        (compare("properties.form.deeper", "exists"), False),
        (compare("properties.tags", "is", "tee"), True),  # a list stands for each of its elements
        (compare("properties.tags", "is_not", "tee"), False),
        (compare("properties.lines.sku", "is", "kahvi-500"), True),
        (compare("properties.lines.quantity", "gt", 1), True),
        (compare("properties.lines.quantity", "gt", 2), False),
        (compare("properties.lines.options.grind", "is", "fine"), True),
        (compare("properties.shipping", "exists"), True),
        (compare("properties.shipping.ordered", "gte", "2026-11-22T06:15:00Z"), True),
        (compare("properties.shipping.ordered", "gt", "2026-11-22T06:15:00Z"), False),
        ({"not": compare("name", "is", "refund")}, True),
        ({"all": [compare("name", "is", "purchase"), compare("fields.city", "is", "Turku")]}, False),
        ({"any": [compare("name", "is", "refund"), compare("fields.city", "is", "Helsinki")]}, True),
    ],
)
def test_a_condition_about_an_event_fits_or_not(condition: Any, expected: bool) -> None:
    assert fits(condition) is expected


FACTS = {
    "purchase": [
        ("EUR", Fact(3, 30_000, at(1), at(9))),
        ("SEK", Fact(2, 90_000, at(2), at(12))),
        ("EUR", Fact(1, 5_000, at(0), at(0))),
    ]
}


def measure(fact: str, op: str, *value: Any, currency: str | None = None) -> dict[str, Any]:
    raw = {"fact": fact, "event": "purchase", "op": op, **({"value": value[0]} if value else {})}
    return raw | ({"currency": currency} if currency else {})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (measure("count", "is", 6), True),
        (measure("count", "gte", 7), False),
        (measure("sum", "is", 35_000, currency="EUR"), True),
        (measure("sum", "gt", 90_000, currency="SEK"), False),
        (measure("sum", "is", 0, currency="USD"), True),
        (measure("first", "lt", "2026-11-01T00:00:01Z"), True),
        (measure("first", "lt", "2026-11-02", currency="SEK"), False),
        (measure("last", "gte", "2026-11-13"), True),
        (measure("last", "exists"), True),
        (measure("last", "exists", currency="USD"), False),
        ({"fact": "count", "event": "signup", "op": "is", "value": 0}, True),
        ({"fact": "last", "event": "signup", "op": "gt", "value": "1970-01-01"}, False),
        ({"fact": "last", "event": "signup", "op": "exists", "value": False}, True),
        ({"tag": "asiakas"}, True),
        ({"not": {"tag": "vip"}}, True),
        (compare("fields.city", "is", "turku"), True),
        (compare("fields.staff", "gte", 25), True),  # fields are text; a number is compared as a number
        (compare("fields.email", "exists"), False),
    ],
)
def test_a_condition_about_a_contact_holds_or_not(condition: Any, expected: bool) -> None:
    assert holds(condition, fields={"city": "Turku", "staff": "120"}, facts=FACTS, tags={"asiakas"}) is expected


def test_lists_within_lists_of_an_event_are_no_danger_however_deep() -> None:
    deep: Any = "tee"
    for _ in range(5_000):
        deep = [deep]
    condition = conditions.parse(compare("properties.deep", "is", "tee"), "when", of_event=True)
    assert matching.of_event(condition)(event(properties={"deep": deep}).data)


OK = compare("name", "is", "x")


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ("text", "when"),
        ([], "when"),
        (None, "when"),
        ({}, "when"),
        ({"all": []}, "when.all"),
        ({"all": OK}, "when.all"),
        ({"all": [OK], "any": [OK]}, "when.any"),
        ({"all": [OK, {"field": "name", "op": "is", "value": ["x"]}]}, "when.all[1].value"),
        ({"any": [{"not": {"field": "name", "op": "like", "value": "x"}}]}, "when.any[0].not.op"),
        ({"field": "name", "op": "is"}, "when.value"),
        ({"field": "name", "op": "is", "value": None}, "when.value"),
        ({"field": "name", "op": "is", "value": {"a": 1}}, "when.value"),
        ({"field": "name", "op": "is", "value": "x" * 201}, "when.value"),
        ({"field": "name", "op": "is", "value": "x", "extra": 1}, "when.extra"),
        ({"field": "name", "value": "x"}, "when.op"),
        ({"field": 5, "op": "exists"}, "when.field"),
        ({"field": "names", "op": "exists"}, "when.field"),
        ({"field": "fields.", "op": "exists"}, "when.field"),
        ({"field": "properties", "op": "exists"}, "when.field"),
        ({"field": "properties.a..b", "op": "exists"}, "when.field"),
        ({"field": "properties.__class__.__mro__", "op": "matches", "value": ".*"}, "when.op"),
        ({"field": "name", "op": "exists", "value": "yes"}, "when.value"),
        ({"field": "name", "op": "in", "value": []}, "when.value"),
        ({"field": "name", "op": "in", "value": "x"}, "when.value"),
        ({"field": "name", "op": "in", "value": ["x", {"y": 1}]}, "when.value[1]"),
        ({"field": "name", "op": "in", "value": ["x"] * 101}, "when.value"),
        ({"field": "name", "op": "contains", "value": 5}, "when.value"),
        ({"field": "name", "op": "starts_with", "value": ""}, "when.value"),
        ({"field": "amount.minor", "op": "gt", "value": "many"}, "when.value"),
        ({"field": "amount.minor", "op": "gt", "value": True}, "when.value"),
        ({"tag": "asiakas"}, "when"),
        ({"fact": "count", "event": "purchase", "op": "gte", "value": 5}, "when"),
    ],
)
def test_a_condition_about_an_event_is_refused_with_the_faulty_place(condition: Any, place: str) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        conditions.parse(condition, "when", of_event=True)
    assert refusal.value.field == place
    assert refusal.value.detail.startswith(place)


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        (compare("name", "is", "x"), "when.field"),
        (compare("properties.form", "is", "x"), "when.field"),
        ({"tag": ""}, "when.tag"),
        ({"tag": "a", "op": "is"}, "when.op"),
        ({"fact": "average", "event": "purchase", "op": "gte", "value": 5}, "when.fact"),
        ({"fact": "count", "op": "gte", "value": 5}, "when.event"),
        ({"fact": "count", "event": "", "op": "gte", "value": 5}, "when.event"),
        (measure("count", "gte", "5"), "when.value"),
        (measure("count", "gte", 1.5), "when.value"),
        (measure("count", "contains", 5), "when.op"),
        (measure("count", "exists"), "when.op"),
        (measure("count", "gte", 5, currency="EUR"), "when.currency"),
        (measure("sum", "gte", 5), "when.currency"),
        (measure("first", "gte", 5), "when.value"),
        (measure("first", "gte", "yesterday"), "when.value"),
        (measure("last", "is", "2026-01-01"), "when.op"),
        (measure("last", "exists", 1), "when.value"),
    ],
)
def test_a_condition_about_a_contact_is_refused_with_the_faulty_place(condition: Any, place: str) -> None:
    with pytest.raises(errors.InvalidInput) as refusal:
        conditions.parse(condition, "when", of_event=False)
    assert refusal.value.field == place


def test_a_condition_is_at_most_eight_levels_deep() -> None:
    raw: Any = OK
    for _ in range(7):
        raw = {"not": raw}
    conditions.parse(raw, "when", of_event=True)
    with pytest.raises(conditions.InvalidCondition, match="8 levels"):
        conditions.parse({"not": raw}, "when", of_event=True)


def test_a_condition_has_at_most_a_hundred_parts() -> None:
    conditions.parse({"all": [OK] * 99}, "when", of_event=True)
    with pytest.raises(conditions.InvalidCondition, match="100 parts"):
        conditions.parse({"all": [OK] * 100}, "when", of_event=True)


scalars = st.one_of(st.text(max_size=5), st.integers(-5, 5), st.booleans(), st.floats(-5, 5))
json_values = st.recursive(
    st.one_of(scalars, st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    max_leaves=8,
)
leaves = st.one_of(
    st.builds(compare, st.sampled_from(["properties.a", "properties.a.b", "name"]), st.just("is"), scalars),
    st.builds(
        compare, st.sampled_from(["properties.a", "properties.b.a"]), st.just("in"), st.lists(scalars, min_size=1)
    ),
    st.builds(compare, st.just("properties.a"), st.sampled_from(["lt", "gte"]), st.integers(-5, 5)),
    st.builds(compare, st.just("properties.b"), st.just("exists")),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda some: {"all": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"any": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"not": one}, inner),
    ),
    max_leaves=6,
).filter(lambda tree: str(tree).count("{") < 30)


@given(tree=trees, properties=st.dictionaries(st.sampled_from("ab"), json_values, max_size=2))
def test_a_condition_answers_any_event_and_its_opposite_answers_the_opposite(tree: Any, properties: Any) -> None:
    try:
        condition = conditions.parse(tree, "when", of_event=True)
    except conditions.InvalidCondition as refusal:
        assert "levels deep" in refusal.detail
        return
    data = event(properties=properties).data
    answer = matching.of_event(condition)(data)
    assert matching.of_event(conditions.Not(inner=condition))(data) is not answer


@given(tree=trees)
def test_a_condition_survives_being_written_and_read(tree: Any) -> None:
    try:
        condition = conditions.parse(tree, "when", of_event=True)
    except conditions.InvalidCondition:
        return
    assert conditions.parse(conditions.to_json(condition), "when", of_event=True) == condition
