"""Keys for machines: one key may hold scopes of several services; each keeps the hash in its own store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from services.kit import application, database, errors, keys
from services.ops.process import NAMES

_QUERIES = database.load_queries("services.kit")

EVERYTHING = tuple(f"{name}:admin" for name in NAMES)


async def create_key(
    environment: Mapping[str, str], *, name: str, scopes: Sequence[str], valid: timedelta | None = None
) -> str:
    """Make a key with these scopes; returns its text, which is kept nowhere.

    Raises `keys.UnknownScope`, or `MissingSetting` where the address of a service's database is not known.
    """
    keys.check_scopes(scopes, NAMES)
    by_service: dict[str, list[str]] = defaultdict(list)
    for scope in scopes:
        by_service[scope.partition(":")[0]].append(scope)
    key = keys.generate()
    expires_at = datetime.now(UTC) + valid if valid is not None else None
    for service, its in by_service.items():
        connection = await _connect(environment, service)
        try:
            await keys.create(connection, key, name=name, scopes=its, expires_at=expires_at)
        finally:
            await connection.close()
    return key.text


async def revoke_key(environment: Mapping[str, str], short: str) -> int:
    """End a key in every service that has it; returns in how many."""
    short = (keys.parse(short) or (short,))[0]
    count = 0
    for service in NAMES:
        connection = await _connect(environment, service)
        try:
            count += await connection.execute(_QUERIES["revoke_key"], short) == "UPDATE 1"
        finally:
            await connection.close()
    if not count:
        raise errors.NotFound(what="key in use with the short part", id=short)
    return count


async def list_keys(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The keys of all services, by short part, with the union of their scopes."""
    found: dict[str, dict[str, Any]] = {}
    for service in NAMES:
        connection = await _connect(environment, service)
        try:
            for row in await connection.fetch(_QUERIES["list_keys"]):
                known = found.setdefault(row["short"], {**dict(row), "scopes": []})
                known["scopes"] += row["scopes"]
                used = [time for time in (known["last_used_at"], row["last_used_at"]) if time is not None]
                known["last_used_at"] = max(used, default=None)
        finally:
            await connection.close()
    return sorted(found.values(), key=lambda key: key["created_at"])


async def _connect(environment: Mapping[str, str], service: str) -> asyncpg.Connection[Any]:
    return await asyncpg.connect(application.database_of(service, environment))
