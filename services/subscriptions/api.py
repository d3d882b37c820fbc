"""HTTP: customer updates as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from services.kit import errors, web
from services.subscriptions import domain
from services.subscriptions.stream import Feed

PATH = "/subscriptions"

Tag = Annotated[str | None, Query(min_length=1, max_length=300, pattern=r"^[^\x00]+$")]
Begin = Annotated[Literal["start", "now"], Query(alias="from")]


class UnknownEventId(errors.InvalidInput):
    """{id} is no id of this stream; send the last `id` that you got, or leave it out to begin."""


def router(feed: Feed) -> APIRouter:
    routes = APIRouter(dependencies=[Depends(web.require("subscriptions:read"))])

    @routes.get("/customers", response_class=StreamingResponse)
    async def customers(
        tag: Tag = None,
        begin: Begin = "now",
        last_event_id: Annotated[str | None, Header()] = None,
        resume: Annotated[str | None, Query(alias="last_event_id")] = None,
    ) -> StreamingResponse:
        """Customer updates as they come: after `Last-Event-ID`, from the start of the register, or from now on.

        `tag` narrows to customers that have it, and tells of those that lose it.
        """
        # What a client adds when it reconnects outranks the address that it keeps using.
        resumed = _place(last_event_id, "Last-Event-ID") or _place(resume, "last_event_id")
        place = await feed.place(resumed, from_start=begin == "start")
        return StreamingResponse(
            feed.events(place, tag),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return routes


def _place(text: str | None, field: str) -> domain.Place | None:
    if not text:
        return None
    place = domain.parse_place(text)
    if place is None:
        raise UnknownEventId(field=field, id=text[:100])
    return place
