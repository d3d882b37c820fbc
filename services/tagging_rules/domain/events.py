"""An event, as far as rules can ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

# Bounds that keep one record from breaking sums and indexes for all others; intake's own are narrower.
_MAX_MINOR = 10**13

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
EventName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Currency = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class Amount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`minor` counts the currency's smallest unit; a refund's is negative."""

    minor: Annotated[int, msgspec.Meta(ge=-_MAX_MINOR, le=_MAX_MINOR)]
    currency: Currency


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The source record which the event belongs to; `claimed` when an unauthenticated party said so."""

    id: UUID
    source: str
    kind: str
    claimed: bool = False


class EventTags(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tags which the event itself names."""

    add: list[str] = []
    remove: list[str] = []


class EventData(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event says."""

    name: EventName
    record: SourceRecord
    fields: dict[str, str] = {}
    tags: EventTags = EventTags()
    amount: Amount | None = None
    properties: dict[str, Any] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The CloudEvent of an event, as intake made it."""

    id: UUID
    time: Moment
    data: EventData
