"""Rejections and dead letters, for operators: see, correct, replay, discard."""

from __future__ import annotations

import base64
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from services.intake import store
from services.intake.api.common import Intake, definition, schema_of
from services.kit import errors, web

Reader = Annotated[web.Principal, Depends(web.require("intake:read"))]
Writer = Annotated[web.Principal, Depends(web.require("intake:write"))]
Text = Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]+$")]


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The corrected body, as text or (where it is not text) base64; without one, the body as it was kept."""

    body: str | None = None
    body_base64: str | None = None
    content_type: str | None = None


class Discard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it shall not become an event."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class NotBase64(errors.InvalidInput):
    """body_base64 is not base64."""


_replays = msgspec.json.Decoder(Replay)
_discards = msgspec.json.Decoder(Discard)


def router(intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["Rejections"])

    @routes.get("/rejections")
    async def list_rejections(
        reader: Reader,
        source: Text = None,
        reason: Text = None,
        status: Text = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Rejections and dead letters without their bodies, the newest first; `next` is the cursor of the next page."""
        before = web.decode_cursor(cursor, tuple[UUID])[0] if cursor else None
        async with intake.pool.acquire(timeout=3) as connection:
            found = await store.rejections(
                connection, source=source, reason=reason, status=status, before=before, limit=limit + 1
            )
        page = found[:limit]
        following = web.encode_cursor(page[-1].id) if len(found) > limit else None
        return web.Json({"rejections": page, "next": following})

    @routes.get("/rejections/{rejection_id}")
    async def get_rejection(rejection_id: UUID, reader: Reader) -> Response:
        """One rejection whole, with its body and what was done with it."""
        async with intake.pool.acquire(timeout=3) as connection:
            rejection = await store.rejection(connection, rejection_id)
        if rejection is None:
            raise errors.NotFound(what="rejection", id=rejection_id)
        return web.Json(_shown(rejection))

    @routes.post("/rejections/{rejection_id}/replay", openapi_extra=schema_of(Replay))
    async def replay(rejection_id: UUID, request: Request, writer: Writer) -> Response:
        """Let it through its door again, corrected if need be. 422 names the field that is still wrong."""
        asked = await definition(request, _replays)
        event_ids = await intake.operator.replay(
            rejection_id, by=writer.author, body=_body(asked), content_type=asked.content_type
        )
        return web.Json({"status": "replayed", "event_ids": event_ids})

    @routes.post("/rejections/{rejection_id}/discard", openapi_extra=schema_of(Discard))
    async def discard(rejection_id: UUID, request: Request, writer: Writer) -> Response:
        """Close it: it shall not become an event."""
        asked = await definition(request, _discards)
        await intake.operator.discard(rejection_id, by=writer.author, reason=asked.reason)
        return web.Json({"status": "discarded"})

    return routes


def _body(asked: Replay) -> bytes | None:
    if asked.body is not None:
        return asked.body.encode()
    if asked.body_base64 is None:
        return None
    try:
        return base64.b64decode(asked.body_base64, validate=True)
    except ValueError:
        raise NotBase64(field="body_base64") from None


def _shown(rejection: store.Rejection) -> dict[str, Any]:
    """The body as text, or as base64 where it is not UTF-8."""
    shown = {name: getattr(rejection, name) for name in rejection.__struct_fields__ if name != "body"}
    try:
        return {**shown, "body": rejection.body.decode(), "body_base64": None}
    except UnicodeDecodeError:
        return {**shown, "body": None, "body_base64": base64.b64encode(rejection.body).decode()}
