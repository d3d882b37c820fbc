"""What is read from topics, and what is refused where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.kit import errors
from services.tagging_rules import messages

EXAMPLES = Path(__file__).resolve().parents[3] / "schemas/examples"


def example(name: str) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return raw


def test_the_examples_of_what_it_reads_are_read() -> None:
    resolved = messages.decode_resolved_event(json.dumps(example("resolved-events/purchase")).encode()).data
    assert (resolved.event.data.name, resolved.membership) == ("purchase", 1)
    contact = messages.decode_contact(json.dumps(example("contacts/person")).encode()).data
    assert [member.membership for member in contact.members] == [1, 2]
    assert contact.fields["email"].value == "maija.meikalainen@example.fi"
    assert messages.decode_contact(json.dumps(example("contacts/absorbed")).encode()).data.merged_into is not None
    change = messages.decode_command(json.dumps(example("tag-commands/change")).encode()).data
    assert isinstance(change, messages.ChangeTags)
    recompute = messages.decode_command(json.dumps(example("tag-commands/recompute")).encode()).data
    assert isinstance(recompute, messages.RecomputeTags)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("data", "event", "data", "name"), "", "data.event.data.name"),
        (("data", "event", "data", "name"), "x" * 201, "data.event.data.name"),
        (("data", "event", "data", "tags", "add"), ["vip", ""], "data.event.data.tags.add[1]"),
        (("data", "event", "data", "tags", "remove"), ["a\x00b"], "data.event.data.tags.remove[0]"),
        (("data", "event", "data", "amount", "minor"), 10**14, "data.event.data.amount.minor"),
        (("data", "event", "data", "amount", "minor"), 9.5, "data.event.data.amount.minor"),
        (("data", "event", "data", "record", "id"), "7345", "data.event.data.record.id"),
        (("data", "event", "id"), "order-1", "data.event.id"),
        (("data", "event", "time"), "2026-11-22T08:15:00", "data.event.time"),
        (("data", "event", "time"), "0001-01-01T00:00:00Z", "data.event.time"),
        (("data", "contact_id"), None, "data.contact_id"),
    ],
)
def test_an_event_that_cannot_be_kept_is_refused_with_its_field(path: tuple[str, ...], value: Any, field: str) -> None:
    raw = place = example("resolved-events/purchase")
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(errors.InvalidInput) as refusal:
        messages.decode_resolved_event(json.dumps(raw).encode())
    assert refusal.value.field == field
