"""Problems, cursors and errors, as callers see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import errors, web
from services.kit.runtime.positions import LogStartsAfterPosition


def body_of(error: errors.TuttuError) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(web.problem(error).body)
    return body


def test_a_problem_names_its_type_title_status_detail_and_field() -> None:
    assert body_of(errors.InvalidInput(reason="it is too long", field="data.name")) == {
        "type": "urn:tuttu:problem:invalid-input",
        "title": "Invalid input",
        "status": 422,
        "detail": "The input does not fit: it is too long",
        "field": "data.name",
    }
    assert "field" not in body_of(errors.NotFound(what="contact", id="1"))


def test_who_comes_too_often_or_too_early_is_told_when_to_come_again() -> None:
    assert web.problem(errors.Unavailable(part="Kafka", retry_after_s=7)).headers["retry-after"] == "7"
    assert web.problem(errors.TooMany(retry_after_s=3)).headers["retry-after"] == "3"
    assert web.problem(errors.Unauthorized()).headers["www-authenticate"] == "Bearer"


def test_a_message_has_no_line_ends_of_its_source() -> None:
    error = LogStartsAfterPosition(service="dedupe", topic="events", partition=3, start=9, position=7, missing=2)
    assert "\n" not in error.detail
    assert "`tuttu skip dedupe events 3 --to 9`" in error.detail


def test_what_an_error_says_is_not_taken_for_a_place_to_fill() -> None:
    assert errors.InvalidInput(reason="{braces} and %s").detail == "The input does not fit: {braces} and %s"
    assert errors.Conflict("given {as it is}").detail == "given {as it is}"


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.text())
def test_a_cursor_gives_back_what_was_put_in(time: datetime, key: UUID, name: str) -> None:
    cursor = web.encode_cursor(time, key, name)
    assert web.decode_cursor(cursor, tuple[datetime, UUID, str]) == (time, key, name)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")


@given(st.text())
def test_what_is_no_cursor_is_said_to_be_none(text: str) -> None:
    with pytest.raises(web.InvalidCursor) as caught:
        web.decode_cursor(text, tuple[datetime, UUID])
    assert caught.value.field == "cursor"


def test_a_cursor_of_another_list_is_none_of_this() -> None:
    with pytest.raises(web.InvalidCursor):
        web.decode_cursor(web.encode_cursor("anna", "x"), tuple[datetime, UUID])
