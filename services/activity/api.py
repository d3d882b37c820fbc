"""HTTP: the timeline, the summary, one event whole, and what people write down."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from services.activity import domain, store
from services.activity.messages import Amount, ContactActivity, LogActivity, Moment
from services.activity.settings import Settings
from services.kit import commands, envelope, errors, web
from services.kit.application import Context
from services.kit.database import Connection

PATH = "/activity"
# A page of whole events would otherwise be 50 MB at worst.
MAX_PAGE_BYTES = 1024 * 1024

Limit = Annotated[int, Query(ge=1, le=200)]
Name = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]+$")]
Reader = Annotated[web.Principal, Depends(web.require("activity:read"))]
Writer = Annotated[web.Principal, Depends(web.require("activity:write"))]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a timeline; `author` and `text` where a person wrote it down."""

    id: UUID
    time: datetime
    name: str
    source: str
    record_id: UUID
    amount: Amount | None
    properties: msgspec.Raw
    text: str | None
    author: str | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a timeline. `contact_id` is who holds the history now; `next` is the cursor of the next page."""

    contact_id: UUID
    events: list[Entry]
    next: str | None


class WholeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it came, and the contact that it belongs to now."""

    event_id: UUID
    record_id: UUID
    contact_id: UUID | None
    event: msgspec.Raw


class NewActivity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened with a contact: a call, a meeting, a session, a note."""

    name: str
    occurred_at: Moment | None = None
    text: str | None = None
    properties: dict[str, Any] = {}


class _Said(msgspec.Struct, frozen=True):
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    text: str | None = None
    author: str | None = None


class _Body(msgspec.Struct, frozen=True):
    data: _Said


_body = msgspec.json.Decoder(_Body)
_new_activity = msgspec.json.Decoder(NewActivity)


def router(context: Context, settings: Settings) -> APIRouter:
    """The routes below /activity."""
    routes = APIRouter()

    @routes.get("/contacts/{contact_id}/timeline")
    async def timeline(
        contact_id: UUID, _: Reader, limit: Limit = 50, cursor: str | None = None, name: Name = None
    ) -> Response:
        """What happened with a contact, the latest first; of one `name` or all.

        An absorbed contact's history is that of its survivor, whom the answer names.
        """
        before = web.decode_cursor(cursor, tuple[datetime, UUID]) if cursor is not None else None
        async with context.pool.acquire() as connection:
            holder = await _holder(connection, contact_id)
            events, more = await store.timeline(
                connection, holder, name=name, before=before, limit=limit, limit_bytes=MAX_PAGE_BYTES
            )
        after = web.encode_cursor(events[-1].time, events[-1].event_id) if more else None
        return web.Json(Page(contact_id=holder, events=[_entry(event) for event in events], next=after))

    @routes.get("/contacts/{contact_id}/summary")
    async def summary(contact_id: UUID, _: Reader) -> Response:
        """A contact's history in figures, and the version under which `contact-activity` has them (0 for none)."""
        async with context.pool.acquire() as connection:
            holder = await _holder(connection, contact_id)
            totals = await store.totals_of(connection, holder)
            published = await store.published(connection, [holder])
        figures = msgspec.structs.asdict(domain.summarise(totals))
        version = published[0].version if published else 0
        return web.Json(ContactActivity(contact_id=holder, version=version, **figures))

    @routes.get("/events/{event_id}")
    async def event(event_id: UUID, _: Reader) -> Response:
        """One event whole, as it came."""
        async with context.pool.acquire() as connection:
            stored = await store.event(connection, event_id)
        if stored is None:
            raise errors.NotFound(what="event", id=event_id)
        return web.Json(
            WholeEvent(
                event_id=stored.event_id,
                record_id=stored.record_id,
                contact_id=stored.contact_id,
                event=msgspec.Raw(stored.body),
            )
        )

    @routes.post(
        "/contacts/{contact_id}/activities",
        openapi_extra=web.body_of(NewActivity),
    )
    async def log_activity(
        contact_id: UUID, request: Request, writer: Writer, idempotency_key: web.IdempotencyKey
    ) -> Response:
        """Write down a call, a meeting, a session or a note; it joins the contact's history."""
        now = envelope.utc(context.clock())
        command = _command(contact_id, await web.read_json(request, _new_activity), writer, now, settings)
        async with context.pool.acquire() as connection:
            await _holder(connection, contact_id)
        command_id = commands.id_of(writer, idempotency_key)
        outcome = await context.commands.send(
            "activity-commands",
            str(contact_id),
            type="tuttu.log-activity",
            subject=str(contact_id),
            data=command,
            command_id=command_id,
        )
        return commands.response(outcome, command_id, PATH)

    return routes


async def _holder(connection: Connection, contact_id: UUID) -> UUID:
    """The contact that holds this one's history now."""
    holder = await store.survivor(connection, contact_id)
    if holder is None:
        raise errors.NotFound(what="contact", id=contact_id)
    return holder


def _entry(event: domain.Event) -> Entry:
    said = _body.decode(event.body).data
    amount = None
    if event.amount_minor is not None and event.currency is not None:
        amount = Amount(minor=event.amount_minor, currency=event.currency)
    return Entry(
        id=event.event_id,
        time=event.time,
        name=event.name,
        source=event.source,
        record_id=event.record_id,
        amount=amount,
        properties=said.properties,
        text=said.text,
        author=said.author,
    )


def _command(
    contact_id: UUID, new: NewActivity, writer: web.Principal, now: datetime, settings: Settings
) -> LogActivity:
    """The command, or `errors.InvalidInput` where its handler would refuse it."""
    command = LogActivity(
        contact_id=contact_id,
        name=new.name,
        occurred_at=new.occurred_at or now,
        author=writer.author,
        text=new.text,
        properties=new.properties,
    )
    fault = domain.fault(
        name=command.name,
        occurred_at=command.occurred_at,
        text=command.text,
        properties_bytes=len(msgspec.json.encode(command.properties)),
        said_at=now,
        future_tolerance=settings.future_tolerance,
    )
    if fault is not None:
        raise errors.InvalidInput(fault.reason, field=fault.field)
    return command
