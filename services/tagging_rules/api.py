"""HTTP: rules with their versions, and the tags of contacts."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response

from services.kit import commands, envelope, errors, ids, web
from services.kit.application import Context
from services.kit.database import Connection
from services.tagging_rules import messages, store
from services.tagging_rules.domain import conditions, rules, tags
from services.tagging_rules.domain.rules import Definition, Rule, WhileRule
from services.tagging_rules.store import KeptRule

PATH = "/tagging-rules"
MAX_BODY_BYTES = 64 * 1024

_anything: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
MAX_RULES = 1000

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=200)]
IfMatch = Annotated[str | None, Header()]
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]
VersionNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Reader = Annotated[web.Principal, Depends(web.require("tagging-rules:read"))]
Writer = Annotated[web.Principal, Depends(web.require("tagging-rules:write"))]
Admin = Annotated[web.Principal, Depends(web.require("tagging-rules:admin"))]


class RuleChanged(errors.Conflict):
    """Somebody has changed the rule since you looked (version {yours}, now {now}). Look again and repeat."""


class TooManyRules(errors.Conflict):
    """There are {maximum} rules already, which is the most that are allowed."""


class VersionMissing(errors.InvalidInput):
    """Say which version you change: an If-Match header with the ETag that you got, or `version` in the body."""


class ChangedTags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tags to add and to remove by hand; `clear` withdraws what was said by hand, so that rules decide again."""

    add: list[str] = []
    remove: list[str] = []
    clear: list[str] = []
    reason: Annotated[str, msgspec.Meta(max_length=2000)] | None = None


_changed_tags = msgspec.json.Decoder(ChangedTags)


def router(context: Context) -> APIRouter:
    """The routes below /tagging-rules."""
    routes = APIRouter()
    _add_rule_routes(routes, context)
    _add_tag_routes(routes, context)
    return routes


# -- rules


def _add_rule_routes(routes: APIRouter, context: Context) -> None:
    @routes.get("/rules")
    async def list_rules(_: Reader) -> Response:
        """All rules, switched off ones too, at their newest versions. `recomputing` while a change of a while-rule is
        still being applied to contacts."""
        async with context.pool.acquire() as connection, connection.transaction():
            await store.share_book(connection)
            kept = await store.newest_rules(connection)
            todo = await store.find_recompute(connection)
        return web.Json({"rules": [_shown(one) for one in kept], "recomputing": todo is not None})

    @routes.post("/rules", status_code=201, openapi_extra=_body_of(_rule_schema()))
    async def create_rule(request: Request, admin: Admin, idempotency_key: IdempotencyKey = None) -> Response:
        """Write a new rule. An on-rule answers events from now on; a while-rule is applied to all contacts at once.

        A repeat with the same Idempotency-Key, which may be left out, makes no second rule.
        """
        definition = rules.parse(await web.read_json(request, _anything, MAX_BODY_BYTES))
        rule_id = ids.derived("rule", admin.name, idempotency_key) if idempotency_key else uuid.uuid4()
        kept = _version_of(rule_id, 1, definition, admin, context.clock())

        async def change(connection: Connection, stamp: int) -> KeptRule:
            now = await store.newest_rules(connection)
            if repeated := next((one for one in now if one.rule.id == rule_id), None):
                return repeated
            if len(now) >= MAX_RULES:
                raise TooManyRules(maximum=MAX_RULES)
            rules.in_order([*(one.rule for one in now), kept.rule])
            return await _save(connection, stamp, None, kept)

        return _answer(await _changing(context, change), 201)

    @routes.get("/rules/{rule_id}")
    async def rule(rule_id: UUID, _: Reader) -> Response:
        """A rule at its newest version, which the ETag names."""
        return _answer(await _newest(context, rule_id))

    @routes.put("/rules/{rule_id}", openapi_extra=_body_of(_rule_schema()))
    async def change_rule(rule_id: UUID, request: Request, admin: Admin, if_match: IfMatch = None) -> Response:
        """Write a new version of a rule, whole."""
        raw = await web.read_json(request, _anything, MAX_BODY_BYTES)
        in_body = raw.pop("version", None) if isinstance(raw, dict) else None
        yours = _version_seen(if_match, in_body)
        if yours is None:
            raise VersionMissing(field="version")
        return await _replace(rule_id, yours, admin, lambda _: rules.parse(raw))

    @routes.delete("/rules/{rule_id}")
    async def switch_off(rule_id: UUID, admin: Admin, if_match: IfMatch = None) -> Response:
        """Switch a rule off. It stays readable, because tags name it as their reason; PUT switches it on again. What an
        on-rule has said stays said; the tag or phase of a while-rule goes."""

        def off(definition: Definition) -> Definition:
            return msgspec.structs.replace(definition, enabled=False)

        return await _replace(rule_id, _version_seen(if_match, None), admin, off)

    @routes.get("/rules/{rule_id}/versions")
    async def versions(rule_id: UUID, _: Reader, limit: Limit = 50, cursor: str | None = None) -> Response:
        """What a rule was, the newest version first."""
        await _newest(context, rule_id)
        before = web.decode_cursor(cursor, tuple[VersionNumber])[0] if cursor is not None else None
        kept = await store.rule_versions(context.pool, rule_id, before, limit + 1)
        after = web.encode_cursor(kept[limit - 1].rule.version) if len(kept) > limit else None
        return web.Json({"versions": [_shown(one) for one in kept[:limit]], "next": after})

    async def _replace(
        rule_id: UUID, yours: int | None, admin: web.Principal, new: Callable[[Definition], Definition]
    ) -> Response:
        async def change(connection: Connection, stamp: int) -> KeptRule:
            now = {one.rule.id: one for one in await store.newest_rules(connection)}
            before = now.get(rule_id)
            if before is None:
                raise errors.NotFound(what="rule", id=rule_id)
            if yours is not None and yours != before.rule.version:
                raise RuleChanged(yours=yours, now=before.rule.version)
            definition = new(before.rule.definition)
            if definition == before.rule.definition:
                return before
            kept = _version_of(rule_id, before.rule.version + 1, definition, admin, context.clock())
            rules.in_order([*(one.rule for one in now.values() if one.rule.id != rule_id), kept.rule])
            return await _save(connection, stamp, before, kept)

        return _answer(await _changing(context, change))


def _version_of(rule_id: UUID, version: int, definition: Definition, who: web.Principal, now: datetime) -> KeptRule:
    return KeptRule(rule=Rule(rule_id, version, definition), author=who.author, changed_at=envelope.utc(now))


async def _changing(context: Context, change: Callable[[Connection, int], Awaitable[T]]) -> T:
    """Run a change of rules alone: batches under way end first, the next ones begin with the new rules."""
    try:
        async with context.pool.acquire() as connection, connection.transaction():
            return await change(connection, await store.turn_book(connection))
    except asyncpg.LockNotAvailableError as error:
        raise errors.Unavailable(part="tagging-rules") from error


async def _save(connection: Connection, stamp: int, before: KeptRule | None, kept: KeptRule) -> KeptRule:
    await store.save_rule(connection, kept)
    if any(one is not None and _decides_now(one.rule.definition) for one in (before, kept)):
        await store.start_recompute(connection, stamp)
    return kept


def _decides_now(definition: Definition) -> bool:
    return isinstance(definition, WhileRule) and definition.enabled


async def _newest(context: Context, rule_id: UUID) -> KeptRule:
    async with context.pool.acquire() as connection, connection.transaction():
        await store.share_book(connection)
        found = await store.rule_versions(connection, rule_id, None, 1)
    if not found:
        raise errors.NotFound(what="rule", id=rule_id)
    return found[0]


def _version_seen(if_match: str | None, in_body: object) -> int | None:
    """The version that the asker saw; None when it does not say."""
    if if_match is not None:
        match = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', if_match.strip())
        if match is None:
            raise errors.InvalidInput(reason='If-Match is the ETag of a rule, as "3"', field="If-Match")
        return int(match[1])
    if in_body is None:
        return None
    if not isinstance(in_body, int) or isinstance(in_body, bool):
        raise errors.InvalidInput(reason="version is a whole number", field="version")
    return in_body


def _shown(kept: KeptRule) -> dict[str, Any]:
    return {
        "id": kept.rule.id,
        "version": kept.rule.version,
        **rules.to_json(kept.rule.definition),
        "author": kept.author,
        "changed_at": kept.changed_at,
    }


def _answer(kept: KeptRule, status: int = 200) -> Response:
    headers = {"ETag": f'"{kept.rule.version}"'}
    if status == 201:
        headers["Location"] = f"{PATH}/rules/{kept.rule.id}"
    return web.Json(_shown(kept), status, headers)


# -- tags


def _add_tag_routes(routes: APIRouter, context: Context) -> None:
    @routes.get("/tags")
    async def list_tags(_: Reader, limit: Limit = 50, cursor: str | None = None) -> Response:
        """The tags in use, in alphabetical order, each with the number of contacts that have it."""
        after = tags.clean(web.decode_cursor(cursor, tuple[str])[0], "cursor") if cursor is not None else None
        found = await store.list_tags(context.pool, after, limit + 1)
        return web.Json(
            {
                "tags": [{"tag": tag, "contacts": contacts} for tag, contacts in found[:limit]],
                "next": web.encode_cursor(found[limit - 1][0]) if len(found) > limit else None,
            }
        )

    @routes.get("/contacts/{contact_id}/tags")
    async def contact_tags(contact_id: UUID, _: Reader) -> Response:
        """What a contact is, and why. An absorbed contact's tags are those of its survivor, whom the answer names."""
        return web.Json(await _contact(context, contact_id))

    @routes.post("/contacts/{contact_id}/tags", openapi_extra=web.body_of(ChangedTags))
    async def change_tags(
        contact_id: UUID, request: Request, writer: Writer, idempotency_key: web.IdempotencyKey
    ) -> Response:
        """Add, remove and clear tags by hand."""
        changed = await web.read_json(request, _changed_tags, MAX_BODY_BYTES)
        said = tags.by_hand(changed.add, changed.remove, changed.clear)
        contact = await _contact(context, contact_id)
        command = messages.ChangeTags(
            contact_id=contact_id,
            add=[tag for tag, present in said.items() if present is True],
            remove=[tag for tag, present in said.items() if present is False],
            clear=[tag for tag, present in said.items() if present is None],
            author=writer.author,
            reason=changed.reason,
        )
        command_id = commands.id_of(writer, idempotency_key)
        outcome = await context.commands.send(
            "tag-commands",
            str(contact.contact_id),
            type=messages.CHANGE_TAGS,
            subject=str(contact_id),
            data=command,
            command_id=command_id,
        )
        return commands.response(outcome, command_id, PATH)


async def _contact(context: Context, contact_id: UUID) -> messages.ContactTags:
    found = await store.find_contact(context.pool, contact_id)
    if found is None:
        raise errors.NotFound(what="contact", id=contact_id)
    return found


# -- bodies


def _body_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _rule_schema() -> dict[str, Any]:
    shapes = msgspec.json.schema_components([rules.OnRule, rules.WhileRule])[1]
    for shape in shapes.values():
        shape["properties"]["when"] = {"type": ["object", "null"], "description": conditions.__doc__}
    return {"oneOf": list(shapes.values())}
