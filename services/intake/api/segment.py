"""Segment's addresses, for its stock SDKs."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import bodies
from services.intake.api.common import Intake, any_page_may_read, as_error
from services.intake.domain import Refusal
from services.intake.doors import segment
from services.intake.doors.reading import Reading
from services.intake.doors.segment import Call
from services.intake.limits import TooFast
from services.kit import errors, web

_DOOR = "segment"
# SDKs in browsers use the first letter.
_CALLS: dict[str, Call | Literal["batch"]] = {
    "b": "batch",
    "batch": "batch",
    **{name: name for name in segment.CALLS},
    **{name[0]: name for name in segment.CALLS},
}


def router(intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["Segment"])

    @routes.options("/v1/{call}", include_in_schema=False)
    async def preflight(call: str) -> Response:
        """Asked by browsers before a page of another origin may send."""
        return any_page_may_read(
            Response(
                status_code=204,
                headers={
                    "Access-Control-Allow-Methods": "POST",
                    "Access-Control-Allow-Headers": "authorization, content-type, content-encoding",
                    "Access-Control-Max-Age": "86400",
                },
            )
        )

    @routes.post("/v1/{call}")
    async def receive(call: str, request: Request) -> Response:
        """identify, track, page, screen, group, alias or batch, as Segment's HTTP API takes them.

        The write key is the user name of Basic authentication, a bearer token, or `writeKey` in the body. Answers 200
        when every event is safe, with what was refused of a batch; 400 names the field where nothing could be taken.
        """
        name = _CALLS.get(call)
        if name is None:
            raise errors.NotFound(what="call", id=call)
        try:
            return any_page_may_read(await _take(intake, name, request))
        except errors.TuttuError as error:
            response = web.problem(error)
            if isinstance(error, TooFast):
                response.headers["X-RateLimit-Reset"] = response.headers["Retry-After"]
            return any_page_may_read(response)

    return routes


async def _take(intake: Intake, call: Call | Literal["batch"], request: Request) -> Response:
    # More than a single call may have, so that one that is too long can be kept as a rejection.
    body = await bodies.read(request, segment.LARGEST_BATCH_BYTES)
    key = web.presented_key(request) or _key_inside(body)
    source = await intake.register.key(key, "segment")
    intake.check_rate(source)
    if key:
        # Before anything is kept: the key is a secret.
        body = body.replace(key.encode(), f"{key[:17]}***".encode()) if key.encode() in body else body
    body = intake.masked(body)
    arrival = intake.arrival(request, _DOOR, source.name, body, {"call": call})
    terms = segment.Terms(source, intake.region, intake.settings.default_currency, intake.new_id)
    try:
        found = _read(call, body, terms)
    except Refusal as refusal:
        raise await intake.refused(arrival, refusal, status=_status(refusal)) from None
    intake.pay(source, len(found.drafts) + len(found.refused))
    accepted = await intake.gate.accept(arrival, source, found)
    if accepted.kept and not accepted.event_ids:
        first = accepted.kept[0]
        at = _at(call, first.index, first.refusal.field)
        whole = Refusal(first.refusal.reason, first.refusal.detail, field=at)
        raise as_error(whole, first.rejection_id, status=_status(whole))
    answer: dict[str, Any] = {"success": not accepted.kept, "accepted": len(accepted.event_ids)}
    if accepted.kept:
        answer["rejected"] = [
            {
                "index": each.index,
                "field": _at(call, each.index, each.refusal.field),
                "detail": each.refusal.detail,
                "rejection_id": str(each.rejection_id),
            }
            for each in accepted.kept
        ]
    return web.Json(answer)


def _read(call: Call | Literal["batch"], body: bytes, terms: segment.Terms) -> Reading:
    return segment.read_batch(body, terms) if call == "batch" else segment.read_call(call, body, terms)


def _key_inside(body: bytes) -> str | None:
    """The key in the body; a body that cannot be read holds none, and unasked for is not kept."""
    try:
        return segment.write_key(body)
    except Refusal as refusal:
        raise as_error(refusal, None, status=_status(refusal)) from None


def _status(refusal: Refusal) -> int:
    """Segment's API knows no 422."""
    return 400 if refusal.status == 422 else refusal.status


def _at(call: str, index: int, field: str | None) -> str | None:
    if call != "batch":
        return field
    return f"batch[{index}].{field}" if field else f"batch[{index}]"
