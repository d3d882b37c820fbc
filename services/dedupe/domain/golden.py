"""The golden record: what is known of a contact, each value with where it is from. A pure function of its records.

Per field survives: vouched for before claimed > verified by its source > the source's rank > most votes > the latest >
the smallest value. Of consents the most restrictive.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from services.dedupe.domain.records import Attribute, ConsentSaid, Kind, Record, Standing

_ORDER = (
    *("given_name", "family_name", "full_name", "email", "phone", "organisation", "title"),
    *("street", "postcode", "city", "country", "birth_date", "language"),
)
_PLACE = {name: place for place, name in enumerate(_ORDER)}


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A source record of the contact; of two states with this record the one with the larger number is newer."""

    record_id: UUID
    membership: int
    source: str
    kind: Kind
    claimed: bool


class Field(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The surviving value, the record that it is from, and the day on which it was last confirmed."""

    value: str
    record_id: UUID
    source: str
    confirmed: date
    verified: bool


class Identifier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key or an address by which the customer can be found, of any of the members."""

    kind: Literal["external_id", "email", "phone"]
    source: str | None
    value: str
    claimed: bool


class Consent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The consent that holds for a purpose and channel: the most restrictive of what the members' sources say."""

    purpose: str
    channel: str
    granted: bool
    text_version: str | None
    confirmed: date


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """What a contact is; an absorbed one has `merged_into` and nothing else."""

    merged_into: UUID | None = None
    erased_at: datetime | None = None
    members: list[Member] = []
    fields: dict[str, Field] = {}
    identifiers: list[Identifier] = []
    consents: list[Consent] = []


class _Candidate(NamedTuple):
    attribute: Attribute
    record: Record


def is_known(records: Iterable[Record]) -> bool:
    """Whether there is anything to publish of the contact of these records: not of one that is only a visitor."""
    return any(record.is_known for record in records)


def golden(records: Sequence[Record], ranks: Mapping[str, int] | None = None) -> Golden:
    """What is known of the contact of these records.

    `ranks` are those of the sources, small ones first; without them all sources are equal.
    """
    members = sorted((record for record in records if record.seen), key=lambda record: record.order)
    return Golden(
        members=[
            Member(
                record_id=record.id,
                membership=record.membership,
                source=record.source,
                kind=record.kind,
                claimed=record.claimed,
            )
            for record in members
        ],
        fields=_fields(members, ranks or {}),
        identifiers=_identifiers(records),
        consents=_consents(records),
    )


def absorbed(into: UUID) -> Golden:
    """The state of a contact whose first record belongs to another."""
    return Golden(merged_into=into)


# -- fields


def _fields(members: Sequence[Record], ranks: Mapping[str, int]) -> dict[str, Field]:
    if len(members) == 1:
        record = members[0]
        attributes = record.attributes
        return {name: _field(attributes[name], record, attributes[name].time) for name in _in_order(attributes)}
    candidates: dict[str, list[_Candidate]] = defaultdict(list)
    for record in members:
        for name, attribute in record.attributes.items():
            candidates[name].append(_Candidate(attribute, record))
    return {name: _survivor(candidates[name], ranks) for name in _in_order(candidates)}


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (_PLACE.get(name, len(_PLACE)), name))


def _survivor(candidates: list[_Candidate], ranks: Mapping[str, int]) -> Field:
    """Claims fill only what is missing."""
    field = [one for one in candidates if not _is_claim(one)] or candidates
    if len(field) == 1:
        return _field(*field[0], field[0].attribute.time)
    votes = Counter(one.attribute.value.casefold() for one in field)
    last = len(ranks)

    def place(one: _Candidate) -> tuple[bool, int, int, float, str, UUID]:
        attribute, record = one
        return (
            not attribute.is_verified,
            ranks.get(record.source, last),
            -votes[attribute.value.casefold()],
            -attribute.time.timestamp(),
            attribute.value,
            record.id,
        )

    attribute, record = min(field, key=place)
    confirmed = max(one.attribute.time for one in field if one.attribute.value == attribute.value)
    return _field(attribute, record, confirmed)


def _is_claim(candidate: _Candidate) -> bool:
    return candidate.attribute.claimed or candidate.record.standing is Standing.CLAIM


def _field(attribute: Attribute, record: Record, confirmed: datetime) -> Field:
    return Field(
        value=attribute.value,
        record_id=record.id,
        source=record.source,
        confirmed=confirmed.date(),
        verified=attribute.is_verified,
    )


# -- identifiers


def _identifiers(records: Iterable[Record]) -> list[Identifier]:
    """A record that was only named by others is known by its address alone: of its key nobody may ever have heard."""
    claimed: dict[tuple[int, str, str], bool] = {}
    kinds: tuple[Literal["external_id", "email", "phone"], ...] = ("external_id", "email", "phone")
    for record in records:
        is_claim = record.claimed or record.standing is not Standing.VERIFIED
        if record.kind == "external_id" and record.seen:
            place = (0, record.source, record.key)
            claimed[place] = claimed.get(place, True) and is_claim
        for identifier in record.identifiers:
            place = (kinds.index(identifier.kind), "", identifier.value)
            claimed[place] = claimed.get(place, True) and is_claim
    return [
        Identifier(kind=kinds[kind], source=source or None, value=value, claimed=claimed[kind, source, value])
        for kind, source, value in sorted(claimed)
    ]


# -- consents


def _consents(records: Iterable[Record]) -> list[Consent]:
    said: dict[tuple[str, str], list[ConsentSaid]] = defaultdict(list)
    for record in records:
        for one in record.consents:
            said[one.purpose, one.channel].append(one)
    return [found for place in sorted(said) if (found := _consent(*place, said[place])) is not None]


def _consent(purpose: str, channel: str, said: list[ConsentSaid]) -> Consent | None:
    """A withdrawal anywhere wins. What only claims grant is not granted, and not said to be withdrawn."""
    counted = [one for one in said if not (one.claimed and one.granted)]
    withdrawals = [one for one in counted if not one.granted]
    agreeing = withdrawals or counted
    if not agreeing:
        return None
    texts = [(one.time, one.text_version) for one in agreeing if one.text_version is not None]
    return Consent(
        purpose=purpose,
        channel=channel,
        granted=not withdrawals,
        text_version=max(texts)[1] if texts else None,
        confirmed=max(one.time for one in agreeing).date(),
    )
