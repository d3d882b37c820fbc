"""Decisions about histories: values in, decisions out.

Everything that is said of a contact follows from three things that do not depend on the order of arrival: which record
belongs to which contact (the largest membership number), the totals of each record's events, and whether the contact is
absorbed. Totals merge, so that any split of the events into batches, and any merge of records into contacts, adds up to
the same summary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

WRITTEN_NAMES = ("call", "meeting", "session", "note")
"""What people write down by hand."""
WRITTEN_SOURCE = "activity"
"""The source of what people write down."""
MAX_TEXT_BYTES = 64 * 1024
MAX_PROPERTIES_BYTES = 64 * 1024
MAX_COUNTED_NAMES = 100
OTHER_NAMES = "other"
"""Under this name the rarest are counted together, where a contact has more than MAX_COUNTED_NAMES names of events."""


class Membership(msgspec.Struct, frozen=True):
    """The record belongs to the contact since dedupe's `number`-th decision about the record."""

    record_id: UUID
    contact_id: UUID
    number: int


class Event(msgspec.Struct, frozen=True):
    """Something that happened. `body` is the CloudEvent as it came, byte for byte."""

    event_id: UUID
    record_id: UUID
    time: datetime
    name: str
    source: str
    amount_minor: int | None
    currency: str | None
    body: bytes


class Total(msgspec.Struct, frozen=True):
    """What the events of one name and currency add up to; `currency` is empty for events without an amount."""

    name: str
    currency: str
    count: int
    sum_minor: int
    first_time: datetime
    last_time: datetime

    def plus(self, other: Total) -> Total:
        """The total of both sets of events; commutative and associative."""
        return Total(
            self.name,
            self.currency,
            self.count + other.count,
            self.sum_minor + other.sum_minor,
            min(self.first_time, other.first_time),
            max(self.last_time, other.last_time),
        )


class Sales(msgspec.Struct, frozen=True, kw_only=True):
    """Sales in one currency. `amount_minor` is purchases minus refunds, in the currency's smallest unit.

    `purchases` counts the purchases alone. The times are those of the first and the last purchase, or of the refunds
    where there are only refunds.
    """

    currency: str
    amount_minor: int
    purchases: int
    first_time: datetime
    last_time: datetime


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A contact's history in figures. `counts` is by name of event, `sales` by currency; both are sorted."""

    first_time: datetime | None
    last_time: datetime | None
    last_name: str | None
    counts: dict[str, int]
    sales: list[Sales]


NOTHING = Summary(first_time=None, last_time=None, last_name=None, counts={}, sales=[])
"""The summary of a contact without events, and of an absorbed one."""


# -- memberships


def largest(memberships: Iterable[Membership]) -> dict[UUID, Membership]:
    """The membership with the largest number of each record."""
    found: dict[UUID, Membership] = {}
    for membership in memberships:
        held = found.get(membership.record_id)
        if held is None or membership.number > held.number:
            found[membership.record_id] = membership
    return found


def moves(held: Mapping[UUID, Membership], given: Mapping[UUID, Membership]) -> list[Membership]:
    """Those of `given` that outnumber what is held of their record."""
    return [
        membership
        for record_id, membership in given.items()
        if record_id not in held or membership.number > held[record_id].number
    ]


# -- totals and summaries


def totals(events: Iterable[Event]) -> dict[UUID, list[Total]]:
    """What these events add to each record's totals."""
    found: dict[tuple[UUID, str, str], Total] = {}
    for event in events:
        currency = event.currency or ""
        one = Total(event.name, currency, 1, event.amount_minor or 0, event.time, event.time)
        key = event.record_id, event.name, currency
        held = found.get(key)
        found[key] = one if held is None else held.plus(one)
    by_record: dict[UUID, list[Total]] = {}
    for (record_id, _, _), total in found.items():
        by_record.setdefault(record_id, []).append(total)
    return by_record


def summarise(contact: Iterable[Total]) -> Summary:
    """The summary of a contact, from the totals of all its records' events in any order and any split.

    Where two names share the last moment, `last_name` is the one that sorts last.
    """
    by_name_and_currency: dict[tuple[str, str], Total] = {}
    for total in contact:
        key = total.name, total.currency
        held = by_name_and_currency.get(key)
        by_name_and_currency[key] = total if held is None else held.plus(total)
    merged = by_name_and_currency.values()
    if not merged:
        return NOTHING
    last_time, last_name = max((total.last_time, total.name) for total in merged)
    currencies = {total.currency for total in merged if total.currency and total.name in ("purchase", "refund")}
    return Summary(
        first_time=min(total.first_time for total in merged),
        last_time=last_time,
        last_name=last_name,
        counts=_counts(merged),
        sales=[
            _sales(
                currency,
                by_name_and_currency.get(("purchase", currency)),
                by_name_and_currency.get(("refund", currency)),
            )
            for currency in sorted(currencies)
        ],
    )


def _counts(merged: Iterable[Total]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for total in merged:
        counts[total.name] = counts.get(total.name, 0) + total.count
    if len(counts) > MAX_COUNTED_NAMES:
        # A shop that puts product numbers into its events' names must not make a state of megabytes.
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        rest = sum(counts.pop(name) for name in ranked[MAX_COUNTED_NAMES:])
        counts[OTHER_NAMES] = counts.get(OTHER_NAMES, 0) + rest
    return dict(sorted(counts.items()))


def _sales(currency: str, purchases: Total | None, refunds: Total | None) -> Sales:
    dated = purchases or refunds
    assert dated is not None  # a currency is there because one of them is
    return Sales(
        currency=currency,
        amount_minor=sum(total.sum_minor for total in (purchases, refunds) if total is not None),
        purchases=purchases.count if purchases else 0,
        first_time=dated.first_time,
        last_time=dated.last_time,
    )


def changed(before: Summary | None, after: Summary) -> bool:
    """Whether this summary must be published; `before` is None where nothing was published yet."""
    return after != (before or NOTHING)


# -- what people write down


class Fault(msgspec.Struct, frozen=True):
    """Why something that a person wrote down is not accepted, and in which field."""

    field: str
    reason: str


def fault(
    *,
    name: str,
    occurred_at: datetime,
    text: str | None,
    properties_bytes: int,
    said_at: datetime,
    future_tolerance: timedelta,
) -> Fault | None:
    """What is wrong with an activity that a person logged at `said_at`; None when nothing is."""
    if name not in WRITTEN_NAMES:
        return Fault("name", f"The name must be one of {', '.join(WRITTEN_NAMES)}, not {name[:100]!r}.")
    if occurred_at > said_at + future_tolerance:
        return Fault(
            "occurred_at",
            f"{occurred_at.isoformat()} lies in the future. The history holds what has happened.",
        )
    if occurred_at.year < 1900:
        return Fault("occurred_at", f"{occurred_at.isoformat()} is before 1900; check the year.")
    text_bytes = len((text or "").encode())
    if text_bytes > MAX_TEXT_BYTES:
        return Fault(
            "text",
            f"The text has {text_bytes:,} bytes; at most {MAX_TEXT_BYTES:,} fit. Put long texts into a document.",
        )
    if properties_bytes > MAX_PROPERTIES_BYTES:
        return Fault(
            "properties",
            f"The properties have {properties_bytes:,} bytes as JSON; at most {MAX_PROPERTIES_BYTES:,} fit.",
        )
    return None
