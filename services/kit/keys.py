"""API keys `prefix_short_long`: the short part finds the row, the SHA-256 of the long part proves it, shown once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.kit import errors
from services.kit.database import Connection, Pool, load_queries

_QUERIES = load_queries("services.kit")
_PREFIX = "tuttu"
_CACHE_S = 5.0
_CACHED = 10_000


class NewKey(NamedTuple):
    """A key just made. `text` is shown once and kept nowhere."""

    text: str
    short: str
    hash: bytes


class UnknownScope(errors.InvalidInput):
    """There is no scope {scope}; scopes are SERVICE:read, SERVICE:write and SERVICE:admin, as directory:read."""


def generate() -> NewKey:
    short, long = secrets.token_hex(5), secrets.token_urlsafe(32).replace("_", "-")
    return NewKey(f"{_PREFIX}_{short}_{long}", short, hashlib.sha256(long.encode()).digest())


def parse(text: str) -> tuple[str, bytes] | None:
    """(short, hash of the long part) of a key; None for what is none."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != _PREFIX or not parts[1].isascii() or not parts[2] or "\0" in text:
        return None
    return parts[1], hashlib.sha256(parts[2].encode(errors="replace")).digest()


def proves(presented: bytes, kept: bytes) -> bool:
    """Whether two hashes of long parts are equal, in constant time."""
    return hmac.compare_digest(presented, kept)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the key's name, and what it may do."""

    name: str
    scopes: frozenset[str]

    @property
    def author(self) -> str:
        return f"key:{self.name}"

    def may(self, scope: str) -> bool:
        """admin implies write, write implies read."""
        service, _, level = scope.partition(":")
        stronger = {"read": ("read", "write", "admin"), "write": ("write", "admin"), "admin": ("admin",)}[level]
        return any(f"{service}:{name}" in self.scopes for name in stronger)


class KeyStore:
    """The API keys of one service, with a short memory so that a busy key costs one query every few seconds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[float, bytes, Principal]] = {}

    async def find(self, text: str) -> Principal | None:
        """The principal of a key, or None. A revoked key is refused after five seconds at the latest."""
        parsed = parse(text)
        if parsed is None:
            return None
        short, presented = parsed
        known = self._known.get(short)
        if known is None or known[0] < time.monotonic():
            row = await self._pool.fetchrow(_QUERIES["find_key"], short)
            if row is None:
                self._known.pop(short, None)
                return None
            await self._pool.execute(_QUERIES["touch_keys"], [short])
            if len(self._known) > _CACHED:
                self._known.clear()
            known = (time.monotonic() + _CACHE_S, row["hash"], Principal(row["name"], frozenset(row["scopes"])))
            self._known[short] = known
        return known[2] if proves(presented, known[1]) else None


async def create(
    connection: Connection, key: NewKey, *, name: str, scopes: Sequence[str], expires_at: datetime | None = None
) -> None:
    """Keep a new key in one service's store; the same key may stand in several, each with that service's scopes."""
    await connection.execute(_QUERIES["insert_key"], key.short, key.hash, name, list(scopes), expires_at)


def check_scopes(scopes: Sequence[str], services: Sequence[str]) -> None:
    """Raises `UnknownScope` for a scope that no service asks for."""
    for scope in scopes:
        service, _, level = scope.partition(":")
        if service not in services or level not in ("read", "write", "admin"):
            raise UnknownScope(scope=scope, field="scope")
