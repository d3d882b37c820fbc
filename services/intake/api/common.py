"""What the routes share: the parts they work with, and refusals as answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from fastapi import Request
from fastapi.responses import Response

from services.intake import bodies
from services.intake.domain import Refusal, Source
from services.intake.doors import reading
from services.intake.gate import Arrival, Gate
from services.intake.limits import Limits
from services.intake.masking import mask
from services.intake.register import Register
from services.intake.replay import Operator
from services.intake.settings import Settings
from services.kit import errors
from services.kit.database import Pool

T = TypeVar("T")
_LARGEST_DEFINITION_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The parts of the service, as app.py puts them together."""

    settings: Settings
    pool: Pool
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    region: str
    register: Register
    limits: Limits
    gate: Gate
    operator: Operator

    def check_rate(self, source: Source) -> None:
        """Raises `TooFast`."""
        self.limits.check(source.name, self._rate(source))

    def pay(self, source: Source, events: int) -> None:
        self.limits.pay(source.name, self._rate(source), events)

    def _rate(self, source: Source) -> float:
        usual = self.settings.form_posts_per_s if source.kind == "forms" else self.settings.events_per_s
        return source.events_per_s or usual

    def masked(self, body: bytes) -> bytes:
        """The body without personal identity codes, unless the installation wants them."""
        return mask(body) if self.settings.mask_identity_codes else body

    def arrival(
        self, request: Request, door: str, source: str, body: bytes, context: Mapping[str, Any], **more: Any
    ) -> Arrival:
        return Arrival(
            door=door,
            source=source,
            received=self.clock(),
            body=body,
            headers=bodies.kept_headers(request),
            context=context,
            **more,
        )

    async def refused(self, arrival: Arrival, refusal: Refusal, *, status: int | None = None) -> errors.TuttuError:
        """Keep what was refused; the error to raise, which says under which id it is kept."""
        rejection_id = await self.gate.refuse(arrival, refusal)
        return as_error(refusal, rejection_id, status=status)


class Unreadable(errors.BadRequest):
    """The request cannot be read."""


class Unacceptable(errors.InvalidInput):
    """The input does not fit."""


class Oversized(errors.InvalidInput):
    """There is too much of it."""

    status = 413


class Unsigned(errors.InvalidInput):
    """The signature does not fit."""

    status = 401


class OriginNotAllowed(errors.InvalidInput):
    """This page may not post here."""

    status = 403


_ERRORS: Mapping[int, type[errors.InvalidInput]] = {
    400: Unreadable,
    401: Unsigned,
    403: OriginNotAllowed,
    413: Oversized,
    422: Unacceptable,
}


def as_error(refusal: Refusal, rejection_id: UUID | None, *, status: int | None = None) -> errors.TuttuError:
    """A refusal as a problem: what is wrong, where, and where it is kept."""
    detail = refusal.detail.rstrip(".")
    if rejection_id:
        detail += f". Kept as rejection {rejection_id}"
    return _ERRORS[status or refusal.status](f"{detail}.", field=refusal.field)


async def definition(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The body of an operator's request, as a struct. Raises `BadRequest` or `InvalidInput`, which name the field."""
    body = await bodies.read(request, _LARGEST_DEFINITION_BYTES)
    try:
        return reading.decode(decoder, body)
    except Refusal as refusal:
        raise as_error(refusal, None) from None


def schema_of(kind: Any) -> dict[str, Any]:
    """What a route says of its body in OpenAPI."""
    (root,), _ = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    components = msgspec.json.schema(kind).get("$defs", {})
    name = root.get("$ref", "").rpartition("/")[2]
    body = components.get(name, {"type": "object"})
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(body, components)}}}}


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(components[schema["$ref"].rpartition("/")[2]], components)
        return {key: _inlined(value, components) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(each, components) for each in schema]
    return schema


def any_page_may_read(response: Response) -> Response:
    """Browsers hide an answer from a page of another origin that is not told so; there is nothing secret in these."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
