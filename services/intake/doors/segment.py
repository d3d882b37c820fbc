"""The Segment HTTP API: identify, track, page, screen, group, alias, and batches of them.

Source: Segment's documentation, "HTTP API", "Spec: Common Fields", "Spec: V2 Ecommerce Events".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.intake import normalise
from services.intake.domain import LONGEST_KEY, LONGEST_NAME, Draft, RecordKey, Refusal, Source, claim
from services.intake.doors import reading, segment_orders, traits
from services.intake.doors.reading import Reading, Refused
from services.intake.fields import check_requirements
from services.intake.plain import storable

LARGEST_CALL_BYTES = 32 * 1024
LARGEST_BATCH_BYTES = 500 * 1024
LARGEST_BATCH_EVENTS = 2_500

Call = Literal["identify", "track", "page", "screen", "group", "alias"]
CALLS: tuple[Call, ...] = ("identify", "track", "page", "screen", "group", "alias")

Id = str | int | None

# What SDKs and pages send where they know nobody: thousands of people would become one.
_JUNK_ID = re.compile(
    r"[0-]*|-1|null|nil|none|nan|undefined|anonymous|guest|unknown|true|false|\[object object\]", re.IGNORECASE
)
# Of the context, what says how a customer came; the rest describes the library and the network.
_KEPT_CONTEXT = ("page", "campaign", "referrer", "app", "locale", "timezone", "screen", "device", "os", "userAgent")


class Item(msgspec.Struct, rename="camel", kw_only=True):
    type: str | None = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    group_id: Id = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    traits: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    message_id: Id = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None


class Batch(msgspec.Struct, rename="camel", kw_only=True):
    batch: list[msgspec.Raw]
    context: dict[str, Any] | None = None
    sent_at: str | int | float | None = None


class _Keyed(msgspec.Struct, rename="camel"):
    write_key: str | None = None


_items = msgspec.json.Decoder(Item)
_batches = msgspec.json.Decoder(Batch)
_keyed = msgspec.json.Decoder(_Keyed)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Terms:
    """What reading depends on besides the body. `new_id` makes ids for events that have none of their own."""

    source: Source
    region: str
    currency: str
    new_id: Callable[[], str]


def write_key(body: bytes) -> str | None:
    """The key inside a body, where SDKs in browsers put it."""
    return reading.decode(_keyed, body).write_key


def read_call(call: Call, body: bytes, terms: Terms) -> Reading:
    """One call of its own address."""
    if len(body) > LARGEST_CALL_BYTES:
        raise Refusal("too_large", f"the body is larger than {LARGEST_CALL_BYTES} bytes")
    item = reading.decode(_items, body)
    item.type = call
    return Reading([_draft(item, body, terms, normalise.moment(item.sent_at))])


def read_batch(body: bytes, terms: Terms) -> Reading:
    """Many calls. An item that cannot be taken is refused alone, the others go on."""
    batch = reading.decode(_batches, body)
    if len(batch.batch) > LARGEST_BATCH_EVENTS:
        raise Refusal(
            "too_large", f"batch has {len(batch.batch)} events, at most {LARGEST_BATCH_EVENTS} are taken", field="batch"
        )
    context = storable(batch.context, body) if batch.context else None
    sent = normalise.moment(batch.sent_at)
    found = Reading(item_context={"sent_at": batch.sent_at, "context": context})
    for index, raw in enumerate(batch.batch):
        try:
            found.drafts.append(_read(raw, terms, context, sent))
        except Refusal as refusal:
            found.refused.append(Refused(index, refusal, bytes(raw)))
    return found


def read_item(raw: bytes, terms: Terms, *, context: dict[str, Any] | None, sent_at: Any) -> Reading:
    """One item of a batch again, with what the batch said for all of them (`Reading.item_context`)."""
    return Reading([_read(raw, terms, context, normalise.moment(sent_at))])


def _read(raw: bytes | msgspec.Raw, terms: Terms, context: dict[str, Any] | None, sent: datetime | None) -> Draft:
    view = memoryview(raw)
    if len(view) > LARGEST_CALL_BYTES:
        raise Refusal("too_large", f"the event is larger than {LARGEST_CALL_BYTES} bytes")
    item = reading.decode(_items, raw)
    if context:
        item.context = {**context, **item.context} if item.context else context
    return _draft(item, view, terms, sent)


def _draft(item: Item, raw: bytes | memoryview, terms: Terms, sent: datetime | None) -> Draft:
    if item.type not in CALLS:
        raise Refusal(
            "missing" if item.type is None else "invalid", f"type must be one of {', '.join(CALLS)}", field="type"
        )
    given = storable([item.traits, item.properties, item.context], raw)
    own_traits: dict[str, Any] = given[0] or {}
    properties: dict[str, Any] = given[1] or {}
    context: dict[str, Any] = given[2] or {}

    original = _time(item)
    message_id = normalise.identifier(item.message_id)
    made_id = message_id is None and original is None
    if message_id is None:
        message_id = terms.new_id() if made_id else _digest(item)
    draft = Draft(
        name=item.type,
        record=_NOBODY,
        source_event_id=message_id[:LONGEST_KEY],
        original=original,
        made_id=made_id,
        sent=sent,
        properties=properties,
    )
    said = own_traits if item.type == "identify" else context.get("traits")
    if isinstance(said, dict):
        draft.fields, rest = traits.read(said, terms.region)
        if item.type == "identify":
            check_requirements(terms.source, draft.fields, _TRAITS_AT)
            draft.properties = rest | properties
        elif "unread" in rest:
            draft.properties = {**properties, "unread": rest["unread"]}
    elif item.type == "identify":
        check_requirements(terms.source, {}, _TRAITS_AT)

    match item.type:
        case "track":
            _track(draft, item, terms)
        case "page" | "screen":
            draft.name = f"{item.type}_view"
            draft.properties = _with(draft.properties, name=item.name, category=item.category)
        case "group":
            _group(draft, item, own_traits)
        case _:
            pass
    _identify_record(draft, item, terms.source)
    kept = {name: context[name] for name in _KEPT_CONTEXT if name in context} if context else None
    if kept:
        draft.properties = {**draft.properties, "context": kept}
    return draft


_NOBODY = RecordKey("anonymous_id", "", True)
_TRAITS_AT = {
    "name": "traits.name",
    "given_name": "traits.firstName",
    "family_name": "traits.lastName",
    "full_name": "traits.name",
    "email": "traits.email",
    "phone": "traits.phone",
    "organisation": "traits.company.name",
    "title": "traits.title",
    "street": "traits.address.street",
    "postcode": "traits.address.postalCode",
    "city": "traits.address.city",
    "country": "traits.address.country",
    "birth_date": "traits.birthday",
    "language": "traits.language",
}


def _time(item: Item) -> datetime | None:
    for at, value in (("originalTimestamp", item.original_timestamp), ("timestamp", item.timestamp)):
        if value is not None:
            time = normalise.moment(value)
            if time is None:
                raise Refusal("invalid", f"{at} must be a time, for example 2026-11-22T08:15:00.000Z", field=at)
            return time
    return None


def _digest(item: Item) -> str:
    """An id that follows from what was said; when it was sent says nothing of it."""
    item.sent_at = None
    return "sha256:" + hashlib.sha256(_encoder.encode(item)).hexdigest()[:32]


def _id(value: Id, at: str) -> str | None:
    key = normalise.identifier(value)
    if key is None or _JUNK_ID.fullmatch(key):
        return None
    if len(key) > LONGEST_KEY:
        raise Refusal("invalid", f"{at} is longer than {LONGEST_KEY} characters", field=at)
    return key


def _identify_record(draft: Draft, item: Item, source: Source) -> None:
    """Whose event it is, and which records it says are the same customer.

    A trusted source's user id is an external id. Of an untrusted one nobody knows who wrote it, so that a customer's
    e-mail address or phone number in it is a claim, the browser is an anonymous visitor, and the user id only noted.
    """
    user = _id(item.user_id, "userId")
    anonymous = _id(item.anonymous_id, "anonymousId")
    if item.type == "alias":
        _alias(draft, item, source, user)
        return
    if user is None and anonymous is None:
        given = normalise.identifier(item.user_id)
        detail = f"userId is {given!r}, which is nobody's" if given else "userId or anonymousId is missing"
        raise Refusal("invalid" if given else "missing", f"{detail}: expected one, for example user-88", field="userId")
    visitor = RecordKey("anonymous_id", anonymous, not source.trusted) if anonymous else None
    if source.trusted:
        if user:
            draft.record = RecordKey("external_id", user, False)
            draft.links = (visitor,) if visitor else ()
        elif visitor:
            draft.record = visitor
        return
    if user:
        draft.properties = {**draft.properties, "user_id": user}
    if "email" in draft.fields or "phone" in draft.fields:
        draft.record = claim(draft.fields, otherwise="")
        draft.links = (visitor,) if visitor else ()
    else:
        draft.record = visitor or RecordKey("claim", f"user_id:{user}|", True)


def _alias(draft: Draft, item: Item, source: Source, user: str | None) -> None:
    previous = _id(item.previous_id, "previousId")
    if previous is None:
        raise Refusal(
            "missing", "previousId is missing: expected the former id, for example a1b2c3", field="previousId"
        )
    if user is None:
        raise Refusal("missing", "userId is missing: expected the new id, for example user-88", field="userId")
    if source.trusted:
        draft.record = RecordKey("external_id", user, False)
        # Segment does not say which kind the former id is of.
        former = (RecordKey("external_id", previous, False), RecordKey("anonymous_id", previous, False))
        draft.links = tuple(key for key in former if key != draft.record)
    else:
        draft.record = RecordKey("anonymous_id", previous, True)
        draft.properties = {**draft.properties, "user_id": user, "previous_id": previous}


def _track(draft: Draft, item: Item, terms: Terms) -> None:
    name = normalise.text(item.event)
    if name is None:
        raise Refusal("missing", "event is missing: expected what happened, for example Order Completed", field="event")
    if len(name) > LONGEST_NAME:
        raise Refusal("invalid", f"event is longer than {LONGEST_NAME} characters", field="event")
    draft.name = segment_orders.NAMES.get(name.lower().replace(" ", "").replace("_", ""), name)
    if draft.name in ("purchase", "refund"):
        segment_orders.read(draft, terms.currency)


def _group(draft: Draft, item: Item, group_traits: dict[str, Any]) -> None:
    group = normalise.identifier(item.group_id)
    if group is None:
        raise Refusal(
            "missing", "groupId is missing: expected the id of a company, for example 0123456-7", field="groupId"
        )
    name = normalise.text(group_traits.get("name"))
    if name:
        draft.fields = {**draft.fields, "organisation": name}
    draft.properties = _with(draft.properties, group_id=group, traits=group_traits or None)


def _with(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        **properties,
        **{name: value for name, value in more.items() if value is not None and name not in properties},
    }
