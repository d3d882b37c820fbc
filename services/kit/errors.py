"""One base for every error that a person or another program may see.

A class's docstring is its message; attributes fill the braces. `status` is the HTTP status at the edge, where
`web` turns the error into problem+json (RFC 9457).
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class TuttuError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500

    def __init__(self, detail: str | None = None, **attributes: Any) -> None:
        self.attributes = attributes
        # The docstring's own line ends are where the source wraps: no part of the message, least of a command in it.
        self.detail = detail or " ".join((inspect.getdoc(type(self)) or "").split()).format(**attributes)
        super().__init__(self.detail)


class InvalidInput(TuttuError):
    """The input does not fit: {reason}"""

    status = 422

    def __init__(self, detail: str | None = None, *, field: str | None = None, **attributes: Any) -> None:
        """`field` is the path of the faulty place, as `data.email` or `rules[0].when`."""
        super().__init__(detail, field=field, **attributes)
        self.field = field


class BadRequest(InvalidInput):
    """The request cannot be read: {reason}"""

    status = 400


class Unauthorized(TuttuError):
    """Send a key of this installation as `Authorization: Bearer KEY` (make one with `tuttu key create`)."""

    status = 401


class Forbidden(TuttuError):
    """This key lacks the scope {scope}; make one that has it with `tuttu key create --scope {scope}`."""

    status = 403


class NotFound(TuttuError):
    """There is no {what} {id}."""

    status = 404


class Conflict(TuttuError):
    """{reason}"""

    status = 409


class TooLarge(TuttuError):
    """The body is larger than {limit_bytes} bytes."""

    status = 413


class TooMany(TuttuError):
    """Too many requests; wait {retry_after_s} s."""

    status = 429


class Unavailable(TuttuError):
    """{part} does not answer; nothing was accepted. Send again in {retry_after_s} s."""

    status = 503

    def __init__(self, *, part: str, retry_after_s: int = 2) -> None:
        super().__init__(part=part, retry_after_s=retry_after_s)


def place_of(error: Exception) -> tuple[str, str]:
    """(reason, place) of msgspec's message, which ends with the faulty place, as "… - at `$.value`"."""
    reason, separator, place = str(error).rpartition(" - at `$")
    if not separator:
        reason, place = str(error), ""
    place = place.rstrip("`").lstrip(".")
    # What is missing or unknown is named in the reason; the place is only the object around it.
    for phrase in ("missing required field `", "contains unknown field `"):
        if phrase in reason:
            name = reason.partition(phrase)[2].rstrip("`")
            place = f"{place}.{name}" if place else name
    return reason, place
