"""What an operator does with rejections: correct and replay, or discard."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from services.intake import messages, store
from services.intake.domain import LARGEST_EVENT_BYTES, Refusal, Source, SourceKind
from services.intake.doors import forms, postmark, reading, segment, shopify
from services.intake.doors.reading import Reading
from services.intake.gate import Arrival, Gate
from services.intake.handlers import DOOR
from services.intake.register import Register
from services.kit import envelope, errors
from services.kit.database import Pool

_LARGEST_VALUE_BYTES = 8 * LARGEST_EVENT_BYTES

_cloud_events = msgspec.json.Decoder(envelope.CloudEvent[Any])
_events = msgspec.json.Decoder(envelope.CloudEvent[messages.Event])


class NotOpen(errors.Conflict):
    """This rejection is {status} already; see its trail."""


class StillInvalid(errors.InvalidInput):
    """Still not acceptable: {reason}. The rejection stays open; correct the body and replay it again."""


class Cut(errors.InvalidInput):
    """Only the first {kept} of {all} bytes were kept: send the whole body with the replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Reads a kept body through its door again; its sender need not prove again who it is."""

    gate: Gate
    register: Register
    pool: Pool
    clock: Callable[[], datetime]
    region: str
    currency: str

    async def replay(
        self, id: UUID, *, by: str, body: bytes | None = None, content_type: str | None = None
    ) -> list[str]:
        """Publish what the body (the kept one, or the corrected one) holds; returns the ids of the events.

        The events keep the original time of arrival, and ids that make a second replay the same events. Raises
        `NotFound`, `NotOpen`, `StillInvalid` (the rejection stays open), `Cut` or `Unavailable`.
        """
        rejection = await self._open(id)
        if body is None:
            body = rejection.body
            if rejection.body_bytes > len(body):
                raise Cut(kept=len(body), all=rejection.body_bytes, field="body")
        try:
            if rejection.door.startswith(DOOR):
                found = [_letter(rejection, body)]
            else:
                found = await self._through_door(rejection, body, content_type or rejection.content_type)
        except Refusal as refusal:
            await self._note(rejection, by, refusal)
            raise StillInvalid(reason=refusal.detail, field=refusal.field) from None
        await self.gate.producer.publish([message for _, message in found])
        event_ids = [event_id for event_id, _ in found]
        await self._settle(
            id,
            "replayed",
            store.Step(at=self.clock(), by=by, action="replayed", event_ids=tuple(event_ids)),
        )
        return event_ids

    async def discard(self, id: UUID, *, by: str, reason: str) -> None:
        """Close a rejection that shall not become an event. Raises `NotFound` or `NotOpen`."""
        await self._open(id)
        await self._settle(id, "discarded", store.Step(at=self.clock(), by=by, action="discarded", detail=reason))

    async def _open(self, id: UUID) -> store.Rejection:
        async with self.pool.acquire(timeout=3) as connection:
            rejection = await store.rejection(connection, id)
        if rejection is None:
            raise errors.NotFound(what="rejection", id=id)
        if rejection.status != "open":
            raise NotOpen(status=rejection.status)
        return rejection

    async def _settle(self, id: UUID, status: store.Status, step: store.Step) -> None:
        async with self.pool.acquire(timeout=3) as connection:
            # Whoever closed it meanwhile published the same events under the same ids.
            if not await store.settle_rejection(connection, id, status, step):
                raise NotOpen(status="settled")

    async def _note(self, rejection: store.Rejection, by: str, refusal: Refusal) -> None:
        step = store.Step(at=self.clock(), by=by, action="failed", detail=refusal.detail)
        async with self.pool.acquire(timeout=3) as connection:
            await store.note_on_rejection(connection, rejection.id, step)

    async def _through_door(
        self, rejection: store.Rejection, body: bytes, content_type: str | None
    ) -> list[tuple[str, envelope.Message]]:
        source = await self.register.source(rejection.source or "", cast("SourceKind", rejection.door))
        read = await self._read(rejection, body, content_type, source)
        if read.refused:
            raise read.refused[0].refusal
        for draft in read.drafts:
            draft.properties = {**draft.properties, "rejection_id": str(rejection.id)}
        arrival = Arrival(
            door=rejection.door,
            source=source.name,
            received=rejection.received_at,
            body=body,
            headers=rejection.headers,
            context=rejection.context,
        )
        found, refused = await self.gate.events(arrival, source, read)
        if refused:
            raise refused[0]
        return found

    async def _read(self, rejection: store.Rejection, body: bytes, content_type: str | None, source: Source) -> Reading:
        context = rejection.context
        numbers = itertools.count()

        def new_id() -> str:
            return f"rejection:{rejection.id}:{next(numbers)}"

        match rejection.door:
            case "segment":
                terms = segment.Terms(source, self.region, self.currency, new_id)
                if context.get("item"):
                    return segment.read_item(
                        body, terms, context=context.get("context"), sent_at=context.get("sent_at")
                    )
                if context.get("call") == "batch":
                    return segment.read_batch(body, terms)
                return segment.read_call(context["call"], body, terms)
            case "shopify":
                return shopify.read(context.get("topic"), body, shopify.Terms(source, self.region, self.currency))
            case "postmark":
                return postmark.read(body, postmark.Terms(source, self.region))
            case _:
                form, _ = await self.register.form(context["form"])
                post = forms.parse(body, content_type, idempotency_key=rejection.headers.get("idempotency-key"))
                if form.honeypot:  # an operator says that a person wrote it
                    post.values.pop(form.honeypot, None)
                return forms.read(post, forms.Terms(form, source, self.region), new_id=new_id)


def _letter(rejection: store.Rejection, body: bytes) -> tuple[str, envelope.Message]:
    """A dead letter for its own topic again, with its own key. It must at least be what that topic carries."""
    if len(body) > _LARGEST_VALUE_BYTES:
        raise Refusal("too_large", f"the value has more than {_LARGEST_VALUE_BYTES} bytes")
    topic = rejection.context["topic"]
    event = reading.decode(_events if topic == messages.EVENTS else _cloud_events, body)
    if event.time.tzinfo is None:
        raise Refusal("invalid", "time must have a zone, as 2026-11-22T08:15:00Z", field="time")
    version = rejection.headers.get("version", "")
    return event.id, envelope.Message(
        topic=topic,
        key=rejection.context.get("key") or event.subject or "",
        value=body,
        version=int(version) if version.isascii() and version.isdigit() else None,
    )
