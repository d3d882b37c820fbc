"""The only module that speaks SQL. Rows become structs here; batches go in and come out whole."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from services.intake.domain import Form, Source
from services.intake.plain import without_nul
from services.kit import database
from services.kit.database import Connection

_QUERIES = database.load_queries(__package__)
_form = msgspec.json.Decoder(Form)

Status = Literal["open", "replayed", "discarded"]


class ValidKey(NamedTuple):
    short: str
    source: str
    hash: bytes
    expires_at: datetime | None


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A write key as it is listed."""

    short: str
    source: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did with a rejection."""

    at: datetime
    by: str
    action: Literal["replayed", "discarded", "failed"]
    detail: str | None = None
    event_ids: tuple[str, ...] = ()


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """What became no event, to be kept."""

    id: UUID
    door: str
    source: str | None
    reason: str
    detail: str
    field: str | None
    received_at: datetime
    content_type: str | None
    headers: dict[str, str]
    context: dict[str, Any]
    body: bytes
    body_bytes: int

    def fingerprint(self) -> bytes:
        """Equal for the same thing sent again; when, and by which connection, does not count."""
        parts = (self.door, self.source, self.reason, self.field, self.context, self.body_bytes)
        return hashlib.sha256(msgspec.json.encode(parts) + self.body).digest()


class RejectionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A rejection as it is listed."""

    id: UUID
    door: str
    source: str | None
    reason: str
    detail: str
    field: str | None
    received_at: datetime
    times: int
    last_at: datetime
    status: Status
    content_type: str | None
    context: dict[str, Any]
    body_bytes: int


class Rejection(RejectionLine, frozen=True, kw_only=True):
    """A rejection whole. `body_bytes` is more than the body's length where only its beginning was kept."""

    headers: dict[str, str]
    body: bytes
    trail: list[Step]


# -- sources, keys, forms


async def sources(connection: Connection) -> list[Source]:
    return [
        Source(
            name=row["name"],
            kind=row["kind"],
            trusted=row["trusted"],
            requires=tuple(row["requires"]),
            tags_add=tuple(row["tags_add"]),
            tags_remove=tuple(row["tags_remove"]),
            events_per_s=row["events_per_s"],
            trust_mail_authentication=row["trust_mail_authentication"],
            created_at=row["created_at"],
        )
        for row in await connection.fetch(_QUERIES["sources"])
    ]


async def insert_source(connection: Connection, source: Source) -> datetime | None:
    """When it was made; None where the name is taken."""
    made: datetime | None = await connection.fetchval(
        _QUERIES["insert_source"],
        source.name,
        source.kind,
        source.trusted,
        source.requires,
        source.tags_add,
        source.tags_remove,
        source.events_per_s,
        source.trust_mail_authentication,
    )
    return made


async def update_source(connection: Connection, source: Source) -> None:
    await connection.execute(
        _QUERIES["update_source"],
        source.name,
        source.trusted,
        source.requires,
        source.tags_add,
        source.tags_remove,
        source.events_per_s,
        source.trust_mail_authentication,
    )


async def valid_secrets(connection: Connection, now: datetime) -> dict[str, list[str]]:
    """Source → the secrets that may sign now, the newest first."""
    found: dict[str, list[str]] = {}
    for row in await connection.fetch(_QUERIES["valid_secrets"], now):
        found.setdefault(row["source"], []).append(row["secret"])
    return found


async def rotate_secret(
    connection: Connection, source: str, secret: str, *, now: datetime, others_end_at: datetime
) -> None:
    async with connection.transaction():
        await connection.execute(_QUERIES["insert_secret"], source, secret, now)
        await connection.execute(_QUERIES["end_other_secrets"], source, secret, others_end_at)


async def valid_keys(connection: Connection, now: datetime) -> list[ValidKey]:
    return [ValidKey(*row) for row in await connection.fetch(_QUERIES["valid_keys"], now)]


async def keys(connection: Connection, source: str) -> list[KeyRow]:
    return [KeyRow(**row) for row in await connection.fetch(_QUERIES["keys"], source)]


async def insert_key(connection: Connection, *, short: str, source: str, name: str, hash: bytes, now: datetime) -> None:
    await connection.execute(_QUERIES["insert_key"], short, source, name, hash, now)


async def end_key(connection: Connection, short: str, at: datetime, now: datetime) -> tuple[str, str] | None:
    """(source, name) of a key that is valid now and ends at `at` at the latest; None where there is no such key."""
    row = await connection.fetchrow(_QUERIES["end_key"], short, at, now)
    return (row["source"], row["name"]) if row else None


async def revoke_key(connection: Connection, short: str, now: datetime) -> str | None:
    """The source of the key; None where there is no such key that is not revoked."""
    source: str | None = await connection.fetchval(_QUERIES["revoke_key"], short, now)
    return source


async def touch_keys(connection: Connection, shorts: Collection[str], now: datetime) -> None:
    await connection.execute(_QUERIES["touch_keys"], list(shorts), now)


async def forms(connection: Connection) -> list[Form]:
    return [_form.decode(row["definition"]) for row in await connection.fetch(_QUERIES["forms"])]


async def insert_form(connection: Connection, form: Form) -> bool:
    """False where the name is taken."""
    definition = msgspec.json.encode(form).decode()
    return await connection.fetchval(_QUERIES["insert_form"], form.name, form.source, definition) is not None


async def update_form(connection: Connection, form: Form) -> bool:
    """False where there is no such form."""
    definition = msgspec.json.encode(form).decode()
    return await connection.fetchval(_QUERIES["update_form"], form.name, form.source, definition) is not None


async def delete_form(connection: Connection, name: str) -> bool:
    return await connection.fetchval(_QUERIES["delete_form"], name) is not None


# -- ids without a time of their own


async def first_seen(
    connection: Connection, ids: Sequence[UUID], digests: Sequence[bytes | None], now: datetime
) -> dict[UUID, tuple[datetime, bytes | None]]:
    """When each id was first received, and the digest of its body then."""
    given = dict(zip(ids, digests, strict=True))
    rows = await connection.fetch(_QUERIES["first_seen"], list(given), list(given.values()), now)
    return {row["id"]: (row["at"], row["digest"]) for row in rows}


# -- rejections


async def insert_rejections(connection: Connection, rejected: Sequence[Rejected]) -> list[UUID]:
    """The ids under which these are kept, in their order: that of an equal one that is open, where there is one."""
    prints = [each.fingerprint() for each in rejected]
    by_print = dict(zip(prints, rejected, strict=True))
    times = Counter(prints)
    rows = list(by_print.items())
    kept = await connection.fetch(
        _QUERIES["insert_rejections"],
        [each.id for _, each in rows],
        [each.door for _, each in rows],
        [each.source for _, each in rows],
        [each.reason for _, each in rows],
        [each.detail for _, each in rows],
        [each.field for _, each in rows],
        [each.received_at for _, each in rows],
        [times[fingerprint] for fingerprint, _ in rows],
        [each.content_type for _, each in rows],
        [_json(each.headers) for _, each in rows],
        [_json(each.context) for _, each in rows],
        [each.body for _, each in rows],
        [each.body_bytes for _, each in rows],
        [fingerprint for fingerprint, _ in rows],
    )
    ids = {row["fingerprint"]: row["id"] for row in kept}
    return [ids[fingerprint] for fingerprint in prints]


async def insert_dead_letters(connection: Connection, letters: Sequence[Rejected]) -> None:
    await connection.execute(
        _QUERIES["insert_dead_letters"],
        [each.id for each in letters],
        [each.door for each in letters],
        [each.source for each in letters],
        [each.detail for each in letters],
        [each.field for each in letters],
        [each.received_at for each in letters],
        [each.content_type for each in letters],
        [_json(each.headers) for each in letters],
        [_json(each.context) for each in letters],
        [each.body for each in letters],
        [each.id.bytes for each in letters],
    )


async def rejections(
    connection: Connection,
    *,
    source: str | None,
    reason: str | None,
    status: str | None,
    before: UUID | None,
    limit: int,
) -> list[RejectionLine]:
    """A page, the newest first; `before` is the last id of the page before."""
    rows = await connection.fetch(_QUERIES["rejections"], source, reason, status, before, limit)
    return [RejectionLine(**{**row, "context": msgspec.json.decode(row["context"])}) for row in rows]


async def rejection(connection: Connection, id: UUID) -> Rejection | None:
    row = await connection.fetchrow(_QUERIES["rejection"], id)
    return _rejection(row) if row else None


def _rejection(row: asyncpg.Record) -> Rejection:
    return Rejection(
        **{
            **row,
            "headers": msgspec.json.decode(row["headers"]),
            "context": msgspec.json.decode(row["context"]),
            "trail": msgspec.json.decode(row["trail"], type=list[Step]),
        }
    )


async def settle_rejection(connection: Connection, id: UUID, status: Status, step: Step) -> bool:
    """Close it; False where it was not open."""
    return await connection.fetchval(_QUERIES["settle_rejection"], id, status, _json([step])) is not None


async def note_on_rejection(connection: Connection, id: UUID, step: Step) -> None:
    await connection.execute(_QUERIES["note_on_rejection"], id, _json([step]))


async def forget(
    connection: Connection, *, settled_before: datetime, unsigned_before: datetime, seen_before: datetime
) -> None:
    """Delete what was kept long enough."""
    await connection.execute(_QUERIES["forget_rejections"], settled_before, unsigned_before)
    await connection.execute(_QUERIES["forget_first_seen"], seen_before)


def _json(value: Any) -> str:
    """JSON that PostgreSQL takes: it has no NUL character."""
    return msgspec.json.encode(without_nul(msgspec.to_builtins(value))).decode()
