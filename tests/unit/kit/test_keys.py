"""API keys and what they open."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import keys
from services.kit.keys import Principal


def test_a_new_key_is_found_by_its_short_part_and_proved_by_its_long_part() -> None:
    new = keys.generate()
    prefix, short, long = new.text.split("_")
    assert (prefix, short) == ("tuttu", new.short)
    assert new.hash == hashlib.sha256(long.encode()).digest()
    parsed = keys.parse(new.text)
    assert parsed is not None
    assert parsed[0] == new.short
    assert keys.proves(parsed[1], new.hash)
    assert keys.generate().text != new.text


@pytest.mark.parametrize("text", ["", "tuttu", "tuttu_", "tuttu_a", "tuttu_a_", "other_a_b", "tuttu_ä_b", "tuttu_a_\0"])
def test_what_is_no_key_is_not_taken_for_one(text: str) -> None:
    assert keys.parse(text) is None


@given(st.text())
def test_no_text_raises_anything(text: str) -> None:
    keys.parse(text)


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        ("dedupe:read", {"read"}),
        ("dedupe:write", {"read", "write"}),
        ("dedupe:admin", {"read", "write", "admin"}),
        ("activity:admin", set()),
        ("dedupe", set()),
    ],
)
def test_a_stronger_scope_implies_the_weaker_ones_of_its_service(scope: str, opens: set[str]) -> None:
    principal = Principal("test", frozenset({scope}))
    assert {level for level in ("read", "write", "admin") if principal.may(f"dedupe:{level}")} == opens


def test_only_scopes_that_some_service_asks_for_can_be_given() -> None:
    keys.check_scopes(["dedupe:read", "activity:admin"], ["dedupe", "activity"])
    for scope in ("dedupe:own", "nobody:read", "dedupe", ":read"):
        with pytest.raises(keys.UnknownScope, match=f"There is no scope {scope};"):
            keys.check_scopes([scope], ["dedupe", "activity"])
