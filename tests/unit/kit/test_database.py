"""Named queries."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from services.kit.database import load_queries

PACKAGES = ["activity", "dedupe", "directory", "intake", "kit", "subscriptions", "tagging_rules"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_query_has_a_name_and_a_sentence(package: str) -> None:
    queries = load_queries(f"services.{package}")
    assert queries
    for name, query in queries.items():
        assert re.match(r"-- [A-Z].*", query), f"{name} does not begin with a sentence"
        assert re.search(r"^(?!--)\S", query, re.MULTILINE), f"{name} is empty"
        assert not query.endswith(";")


def test_names_are_not_given_twice() -> None:
    for package in PACKAGES:
        text = resources.files(f"services.{package}").joinpath("sql/queries.sql").read_text()
        names = re.findall(r"^-- (\w+) --$", text, re.MULTILINE)
        assert len(names) == len(set(names))
