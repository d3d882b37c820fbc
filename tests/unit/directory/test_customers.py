"""What directory says of a customer."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from services.directory import messages
from services.directory.domain import customers
from services.directory.messages import Customer
from tests.unit.directory.factories import MAIJA, NOON, TEPPO, activity, contact, parts, tags

EXAMPLES = Path(__file__).parents[3] / "schemas/examples"
NEW = customers.Published(0, None)


def changed(published: customers.Published, now: customers.Parts) -> customers.Change:
    change = customers.change(published, now)
    assert change is not None
    return change


def after(change: customers.Change) -> customers.Published:
    return customers.Published(change.customer.version, change.customer)


def kind_of(*steps: customers.Parts) -> str:
    """The kind of the last of these states."""
    published = NEW
    for step in steps:
        change = changed(published, step)
        published = after(change)
    return change.kind


def test_the_examples_of_the_three_topics_make_the_example_of_a_customer() -> None:
    def state(path: str, kind: type[msgspec.Struct]) -> msgspec.Struct:
        return msgspec.convert(json.loads((EXAMPLES / path).read_text())["data"], kind)

    made = customers.customer(
        customers.Parts(
            state("contacts/person.json", messages.Contact),  # type: ignore[arg-type]  # convert to the kind given
            state("contact-tags/customer.json", messages.ContactTags),  # type: ignore[arg-type]
            state("contact-activity/customer.json", messages.ContactActivity),  # type: ignore[arg-type]
            NOON,
        )
    )
    shown = state("customers/changed.json", Customer)
    assert msgspec.structs.replace(made, version=5, changed=("tags",)) == shown


def test_the_first_state_creates_and_names_what_there_is() -> None:
    change = changed(NEW, parts(contact()))
    assert (change.kind, change.customer.version, change.before) == ("created", 1, None)
    assert change.customer.changed == ("name", "fields", "identifiers")


def test_what_is_said_again_is_no_change() -> None:
    first = after(changed(NEW, parts(contact(), tags(), activity())))
    assert customers.change(first, parts(contact(version=9), tags(version=9), activity(version=9))) is None


def test_a_change_names_the_parts_that_differ() -> None:
    first = after(changed(NEW, parts(contact(), tags())))
    change = changed(first, parts(contact(), tags(version=2, names=["asiakas", "vip"]), activity()))
    assert (change.kind, change.customer.version) == ("changed", 2)
    assert change.customer.changed == ("tags", "activity")


def test_tags_are_sorted_so_that_their_order_is_no_change() -> None:
    first = after(changed(NEW, parts(contact(), tags(names=["vip", "asiakas"]))))
    assert first.customer is not None and first.customer.tags == ("asiakas", "vip")
    assert customers.change(first, parts(contact(), tags(names=["asiakas", "vip"]))) is None


def test_a_merged_customer_says_where_it_went_and_nothing_else() -> None:
    first = after(changed(NEW, parts(contact(), tags(), activity())))
    change = changed(first, parts(contact(version=2, merged_into=TEPPO), tags(), activity()))
    assert (change.kind, change.customer.changed) == ("merged", ("merged_into",))
    shown = json.loads((EXAMPLES / "customers/merged.json").read_text())["data"]
    assert json.loads(msgspec.json.encode(change.customer)) == {
        **shown,
        "customer_id": str(MAIJA),
        "merged_into": str(TEPPO),
    }


def test_what_comes_of_an_absorbed_customer_is_no_change() -> None:
    absorbed = after(changed(NEW, parts(contact(merged_into=TEPPO))))
    assert customers.change(absorbed, parts(contact(merged_into=TEPPO), tags(version=3), activity(version=3))) is None


def test_an_erased_customer_keeps_no_personal_data() -> None:
    first = after(changed(NEW, parts(contact(), tags(), activity())))
    change = changed(first, parts(contact(version=2, erased_at=NOON), tags(), activity()))
    assert (change.kind, change.customer.changed, change.customer.erased_at) == ("erased", ("erased_at",), NOON)
    assert b"Maija" not in msgspec.json.encode(change.customer)
    assert (change.customer.tags, change.customer.activity) == ((), None)


def test_kinds() -> None:
    here, gone, erased = parts(contact()), parts(contact(merged_into=TEPPO)), parts(contact(erased_at=NOON))
    assert kind_of(gone) == "merged"
    assert kind_of(gone, here) == "split"
    assert kind_of(gone, parts(contact(merged_into=MAIJA))) == "merged"
    assert kind_of(here, gone, here, parts(contact(), tags())) == "changed"
    assert kind_of(gone, erased) == "erased"
    assert kind_of(here, erased, here) == "created"


def test_a_split_customer_is_whole_again() -> None:
    absorbed = after(changed(NEW, parts(contact(merged_into=TEPPO), tags())))
    change = changed(absorbed, parts(contact(version=2), tags()))
    assert change.customer.changed == ("merged_into", "name", "fields", "identifiers", "tags", "phase")
    assert change.customer.tags == ("asiakas",)


def test_a_customer_after_a_repaired_row_continues_above_it() -> None:
    change = changed(customers.Published(17, None), parts(contact()))
    assert (change.customer.version, change.kind) == (18, "created")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"given_name": "Maija", "family_name": "Meikäläinen", "full_name": "M. M."}, "Maija Meikäläinen"),
        ({"given_name": "Maija", "full_name": "Maija M."}, "Maija M."),
        ({"family_name": "Meikäläinen", "given_name": " "}, "Meikäläinen"),
        ({"organisation": "Kauppa Oy", "email": "info@kauppa.example"}, "Kauppa Oy"),
        ({"email": "info@kauppa.example"}, None),
        ({}, None),
    ],
)
def test_a_name_is_what_people_call_the_customer(fields: dict[str, str], expected: str | None) -> None:
    assert customers.name(contact(fields=fields).data.fields) == expected
