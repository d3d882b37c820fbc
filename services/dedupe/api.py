"""HTTP: a contact with where each value is from, what people decided on it, merge and unmerge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from services.dedupe import messages, store
from services.dedupe.domain import golden
from services.dedupe.domain.records import Consents, Record
from services.kit import commands, errors, web
from services.kit.application import Context
from services.kit.database import Connection

PATH = "/dedupe"
_BEFORE_ALL = 2**63 - 1

Reader = Annotated[web.Principal, Depends(web.require("dedupe:read"))]
Writer = Annotated[web.Principal, Depends(web.require("dedupe:write"))]


class SameRecord(errors.InvalidInput):
    """A contact cannot be merged with itself."""


class NotAMember(errors.InvalidInput):
    """{record} is no record of the contact {contact}; GET /dedupe/contacts/{contact} lists its records."""


class NothingLeft(errors.InvalidInput):
    """These are all records of the contact; name those that are to part from the others."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says of a field, and when it last did; `claimed` where nobody vouches for it."""

    value: str
    time: datetime
    claimed: bool
    verified: bool


class MemberShown(golden.Member, frozen=True, kw_only=True):
    """A record of the contact with what its source says."""

    key: str
    first_time: datetime
    last_time: datetime
    fields: dict[str, Said]
    consents: Consents


class ContactShown(msgspec.Struct, frozen=True, kw_only=True):
    """A contact. `redirected_from` is the id that was asked for, where that is another's record by now."""

    contact_id: UUID
    redirected_from: UUID | None
    version: int
    """As published on `contacts`; 0 for a visitor of whom nothing is published."""
    fields: dict[str, golden.Field]
    identifiers: list[golden.Identifier]
    consents: list[golden.Consent]
    members: list[MemberShown]


class DecisionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A merge or an unmerge: the records of both sides, who decided it, when and why."""

    number: int
    command_id: UUID
    kind: str
    left: Sequence[UUID]
    right: Sequence[UUID]
    author: str
    reason: str | None
    at: datetime


class Merge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"other": "with"}):
    """Join this contact with another. `versions` are those of the contacts as the person saw them, if they matter."""

    other: UUID
    versions: dict[UUID, int] = {}
    reason: messages.Reason | None = None


class Unmerge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part `records` from the others of this contact."""

    records: messages.Records
    versions: dict[UUID, int] = {}
    reason: messages.Reason | None = None


_merges = msgspec.json.Decoder(Merge)
_unmerges = msgspec.json.Decoder(Unmerge)


def router(context: Context, ranks: Mapping[str, int]) -> APIRouter:
    """The routes below /dedupe."""
    routes = APIRouter()
    pool = context.pool

    @routes.get("/contacts/{contact_id}")
    async def contact(contact_id: UUID, _: Reader) -> Response:
        """The golden record, each value with where it is from, and what each source record says.

        An absorbed contact's id, and that of any of its records, leads to the contact that holds the record now.
        """
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            members = await _members(connection, contact_id)
            holder = _contact_of(members)
            versions = await store.versions(connection, [holder])
        return web.Json(_shown(contact_id, holder, versions.get(holder, 0), golden.golden(members, ranks), members))

    @routes.get("/contacts/{contact_id}/history")
    async def history(
        contact_id: UUID,
        _: Reader,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> Response:
        """What people decided on records of this contact, the latest first; also on those that have parted since."""
        before = web.decode_cursor(cursor, tuple[int])[0] if cursor is not None else _BEFORE_ALL
        async with pool.acquire() as connection:
            ids = {record.id for record in await _members(connection, contact_id)} | {contact_id}
            found = await store.history(connection, list(ids), before=before, limit=limit + 1)
        page = found[:limit]
        after = web.encode_cursor(page[-1].number) if len(found) > limit else None
        return web.Json({"decisions": [_decision_shown(one) for one in page], "next": after})

    @routes.post("/contacts/{contact_id}/merge", openapi_extra=web.body_of(Merge))
    async def merge(contact_id: UUID, request: Request, writer: Writer, key: web.IdempotencyKey) -> Response:
        """Join two contacts, whatever matching says; `unmerge` takes it back.

        What is one contact already stays so from now on, whatever is learned.
        """
        asked = await web.read_json(request, _merges)
        command_id = commands.id_of(writer, key)
        # A repeat asks again what became of it; by now the two are one.
        if (outcome := await context.commands.find(command_id)) is not None:
            return commands.response(outcome, command_id, PATH)
        async with pool.acquire() as connection:
            left = await _members(connection, contact_id)
            right = await _members(connection, asked.other)
        if contact_id == asked.other:
            raise SameRecord(field="with")
        if _contact_of(left) == _contact_of(right):
            left, right = _chosen(left, [contact_id]), _chosen(right, [asked.other])
        return await _send(messages.MERGE_CONTACTS, messages.MergeContacts, left, right, asked, writer, command_id)

    @routes.post("/contacts/{contact_id}/unmerge", openapi_extra=web.body_of(Unmerge))
    async def unmerge(contact_id: UUID, request: Request, writer: Writer, key: web.IdempotencyKey) -> Response:
        """Part records from the others of a contact, whatever matching says; history and tags go with their records."""
        asked = await web.read_json(request, _unmerges)
        command_id = commands.id_of(writer, key)
        if (outcome := await context.commands.find(command_id)) is not None:
            return commands.response(outcome, command_id, PATH)
        async with pool.acquire() as connection:
            members = await _members(connection, contact_id)
        parted = _chosen(members, asked.records)
        kept = [record for record in members if record not in parted]
        if not kept:
            raise NothingLeft(field="records")
        return await _send(messages.UNMERGE_CONTACT, messages.UnmergeContact, kept, parted, asked, writer, command_id)

    async def _send(
        type: str,
        kind: type[messages.Decision],
        left: Sequence[Record],
        right: Sequence[Record],
        asked: Merge | Unmerge,
        writer: web.Principal,
        command_id: UUID,
    ) -> Response:
        subject = str(_contact_of(left))
        data = kind(
            left=[record.id for record in left],
            right=[record.id for record in right],
            versions=asked.versions,
            author=writer.author,
            reason=asked.reason,
        )
        outcome = await context.commands.send(
            "contact-commands", subject, type=type, subject=subject, data=data, command_id=command_id
        )
        return commands.response(outcome, command_id, PATH)

    return routes


async def _members(connection: Connection, contact_id: UUID) -> list[Record]:
    """All records of the contact that holds the record of this id, the first first. Raises `NotFound`."""
    found = await store.memberships(connection, [contact_id])
    if contact_id not in found:
        raise errors.NotFound(what="contact", id=contact_id)
    records = await store.records_of_contacts(connection, [found[contact_id].contact_id])
    return sorted(records.values(), key=lambda record: record.order)


def _contact_of(members: Sequence[Record]) -> UUID:
    contact_id = members[0].contact_id
    assert contact_id is not None  # every record that is stored has one
    return contact_id


def _chosen(members: Sequence[Record], ids: Sequence[UUID]) -> list[Record]:
    """The members with these ids. Raises `NotAMember`, which names the place in the request."""
    by_id = {record.id: record for record in members}
    for index, id in enumerate(ids):
        if id not in by_id:
            raise NotAMember(record=id, contact=_contact_of(members), field=f"records[{index}]")
    return [by_id[id] for id in dict.fromkeys(ids)]


def _shown(asked: UUID, holder: UUID, version: int, state: golden.Golden, members: Sequence[Record]) -> ContactShown:
    by_id = {record.id: record for record in members}
    return ContactShown(
        contact_id=holder,
        redirected_from=asked if asked != holder else None,
        version=version,
        fields=state.fields,
        identifiers=state.identifiers,
        consents=state.consents,
        members=[_member_shown(member, by_id[member.record_id]) for member in state.members],
    )


def _member_shown(member: golden.Member, record: Record) -> MemberShown:
    return MemberShown(
        **msgspec.structs.asdict(member),
        key=record.key,
        first_time=record.first_time,
        last_time=record.last_time,
        fields={
            name: Said(value=said.value, time=said.time, claimed=said.claimed, verified=said.is_verified)
            for name, said in record.attributes.items()
        },
        consents=record.consents,
    )


def _decision_shown(decision: store.Decision) -> DecisionShown:
    return DecisionShown(
        number=decision.number,
        command_id=decision.command_id,
        kind="merge" if decision.verdict == "must" else "unmerge",
        left=decision.left,
        right=decision.right,
        author=decision.author,
        reason=decision.reason,
        at=decision.at,
    )
