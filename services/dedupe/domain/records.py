"""What one source says of one customer, the same whatever the order in which its events arrive.

A record is a join of last-writer-wins registers: each field keeps the value of its latest event, by the event's own
time, so that events may come late, twice or in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from services.dedupe.domain import names

Kind = Literal["external_id", "email", "phone", "anonymous_id", "claim"]


class Standing(IntEnum):
    """How much a record counts; also the order in which the first record of a contact is chosen."""

    VERIFIED = 0
    """Said by a source that we know."""
    CLAIM = 1
    """Said by somebody who may be anybody: a public form, an e-mail's From."""
    ANONYMOUS = 2
    """A visitor of whom nothing is known but a cookie."""


class Attribute(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The latest value of a field. `verified` is the latest value that its source verified, whichever that was."""

    value: str
    time: datetime
    claimed: bool = False
    verified: str | None = None
    verified_time: datetime | None = None

    @property
    def is_verified(self) -> bool:
        return self.verified == self.value


class ConsentSaid(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The latest statement on one purpose and channel."""

    purpose: str
    channel: str
    granted: bool
    time: datetime
    text_version: str | None = None
    claimed: bool = False


class Ref(NamedTuple):
    """A source record as an event names it."""

    id: UUID
    source: str
    kind: Kind
    key: str
    claimed: bool


class Statement(NamedTuple):
    """What an event says of the record that it belongs to."""

    record: Ref
    time: datetime
    fields: Mapping[str, str]
    verified: Iterable[str]
    consents: Iterable[ConsentSaid]


class Identifier(NamedTuple):
    """An address at which one can be reached, in its canonical form."""

    kind: Literal["email", "phone"]
    value: str


Consents = tuple[ConsentSaid, ...]


class Record(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A source record with its present place in the register (`contact_id`, `membership`).

    `seen` says whether it has events of its own, or was only named by others. `named_by` and `naming` count the
    distinct records that name it in links, and those other than visitors that it names; claims do not count.
    """

    id: UUID
    source: str
    kind: Kind
    key: str
    claimed: bool
    seen: bool
    first_time: datetime
    last_time: datetime
    attributes: dict[str, Attribute]
    consents: Consents = ()
    named_by: int = 0
    naming: int = 0
    contact_id: UUID | None = None
    membership: int = 0

    @cached_property
    def standing(self) -> Standing:
        if self.kind == "anonymous_id":
            return Standing.ANONYMOUS
        return Standing.CLAIM if self.claimed else Standing.VERIFIED

    @cached_property
    def order(self) -> tuple[int, datetime, UUID]:
        """The first record of a contact gives it its id; one without events of its own only where there is no other."""
        return self.standing if self.seen else len(Standing), self.first_time, self.id

    @cached_property
    def name(self) -> names.Name:
        said = self._evident
        return names.name(said("given_name"), said("family_name"), said("full_name"), said("organisation"))

    @cached_property
    def identifiers(self) -> tuple[Identifier, ...]:
        """Where this customer is reached; of what is vouched for only what is vouched for."""
        found = [Identifier("email", self.key)] if self.kind == "email" and not self.claimed else []
        found += [Identifier("phone", self.key)] if self.kind == "phone" and not self.claimed else []
        if email := self._evident("email"):
            found.append(Identifier("email", email))
        if phone := self._evident("phone"):
            found.append(Identifier("phone", phone))
        return tuple(dict.fromkeys(one for one in found if _reaches(one)))

    @cached_property
    def keys(self) -> frozenset[int]:
        """The blocking keys under which records that may be the same customer are found."""
        if self.standing is Standing.ANONYMOUS:
            return frozenset()
        found = {blocking_key(*identifier) for identifier in self.identifiers}
        if self.standing is Standing.CLAIM:
            found.add(self.claim_key)
        return frozenset(found)

    @cached_property
    def claim_key(self) -> int:
        """Claims with equal keys, whatever their form or mailbox, are one customer's."""
        return blocking_key("claim", self.kind, self.key)

    @property
    def is_known(self) -> bool:
        """Whether there is anything to say of this customer besides that somebody was there."""
        return bool(self.attributes) or (self.seen and self.standing is not Standing.ANONYMOUS)

    def _evident(self, field: str) -> str | None:
        attribute = self.attributes.get(field)
        if attribute is None or (attribute.claimed and self.standing is Standing.VERIFIED):
            return None
        return attribute.value


def _reaches(identifier: Identifier) -> bool:
    """Whether this is an address at all: fields carry what could not be read as they found it."""
    if identifier.kind == "email":
        return "@" in identifier.value
    digits = identifier.value[1:]
    return identifier.value.startswith("+") and digits.isascii() and digits.isdigit() and len(digits) >= 7


@lru_cache(maxsize=131_072)
def blocking_key(*parts: str) -> int:
    """A key of 64 bits, as PostgreSQL's bigint."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


# -- what events add


def named(before: Record | None, ref: Ref, time: datetime) -> Record:
    """The record after an event that names it in a link."""
    if before is None:
        return _new(ref, time, seen=False)
    claimed = before.claimed and ref.claimed
    first = min(before.first_time, time)
    last = before.last_time if before.seen else max(before.last_time, time)
    if (claimed, first, last) == (before.claimed, before.first_time, before.last_time):
        return before
    return msgspec.structs.replace(before, claimed=claimed, first_time=first, last_time=last)


def told(before: Record | None, said: Statement) -> Record:
    """The record after an event of its own."""
    ref, time = said.record, said.time
    old = before or _new(ref, time, seen=True)
    claimed = ref.claimed
    attributes = old.attributes
    if said.fields:
        attributes = dict(attributes)
        verified = () if claimed else said.verified
        for name, value in said.fields.items():
            if value:
                new = Attribute(value, time, claimed, *((value, time) if name in verified else (None, None)))
                known = attributes.get(name)
                attributes[name] = new if known is None else _later(known, new)
    consents = old.consents
    for consent in said.consents:
        consents = _with_consent(consents, consent)
    return msgspec.structs.replace(
        old,
        # One event that somebody vouches for is enough, whenever it comes.
        claimed=old.claimed and claimed,
        seen=True,
        first_time=min(old.first_time, time),
        last_time=max(old.last_time, time) if old.seen else time,
        attributes=attributes,
        consents=consents,
    )


def _new(ref: Ref, time: datetime, *, seen: bool) -> Record:
    return Record(
        id=ref.id,
        source=ref.source,
        kind=ref.kind,
        key=ref.key,
        claimed=ref.claimed,
        seen=seen,
        first_time=time,
        last_time=time,
        attributes={},
    )


def _later(a: Attribute, b: Attribute) -> Attribute:
    """The join of two registers: commutative, associative, idempotent. A claim never outranks."""
    last = b if (not b.claimed, b.time, b.value) > (not a.claimed, a.time, a.value) else a
    if a.verified is None or b.verified is None:
        proof = a if b.verified is None else b
    else:
        proof = b if (b.verified_time, b.verified) > (a.verified_time, a.verified) else a
    if last.verified == proof.verified and last.verified_time == proof.verified_time:
        return last
    return Attribute(last.value, last.time, last.claimed, proof.verified, proof.verified_time)


def _weight(said: ConsentSaid) -> tuple[bool, datetime, bool, str, bool]:
    # A claim may withdraw, as anybody may for whom a message was not meant, but what it grants outranks nothing.
    return not (said.claimed and said.granted), said.time, not said.granted, said.text_version or "", not said.claimed


def _with_consent(before: Consents, said: ConsentSaid) -> Consents:
    by_place = {(one.purpose, one.channel): one for one in before}
    place = said.purpose, said.channel
    known = by_place.get(place)
    if known is not None and _weight(known) >= _weight(said):
        return before
    by_place[place] = said
    return tuple(by_place[place] for place in sorted(by_place))
