"""What this process knows of sources, keys and forms: read whole and held for seconds; a request costs no query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake import store
from services.intake.domain import Form, Source, SourceKind
from services.kit import errors, keys
from services.kit.database import Pool


class UnknownKey(errors.Unauthorized):
    """This is no valid write key; make one with `tuttu source create-key NAME` or POST /intake/sources/NAME/keys."""


class WrongDoor(errors.Forbidden):
    """This key is of {source}, a source of kind {kind}, which does not use this address."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All configuration as of `read_at`."""

    read_at: datetime
    sources: Mapping[str, Source]
    secrets: Mapping[str, list[str]]
    keys: Mapping[str, store.ValidKey]
    forms: Mapping[str, Form]


class Register:
    """Answers from a snapshot that is at most `max_age` old. What it does not know it looks up anew, within limits."""

    # A key made by another process works at once, and guesses of keys do not become queries.
    _RETRY_AFTER = timedelta(milliseconds=250)

    def __init__(self, pool: Pool, clock: Callable[[], datetime], max_age: timedelta) -> None:
        self._pool = pool
        self._clock = clock
        self._max_age = max_age
        self._snapshot: Snapshot | None = None
        self._reading = asyncio.Lock()
        self.used: set[str] = set()
        """Short parts of keys that were used since somebody emptied this."""

    def forget(self) -> None:
        """The next question reads anew: something was changed here."""
        self._snapshot = None

    async def key(self, text: str | None, kind: SourceKind) -> Source:
        """The source of a write key. Raises `UnknownKey`, or `WrongDoor` for a key of another kind of source."""
        parsed = keys.parse(text) if text else None
        if parsed is None:
            raise UnknownKey()
        short, presented = parsed
        snapshot = await self._fresh(lambda known: short in known.keys)
        row = snapshot.keys.get(short)
        ended = row is not None and row.expires_at is not None and row.expires_at <= self._clock()
        if row is None or ended or not keys.proves(presented, row.hash):
            raise UnknownKey()
        source = snapshot.sources[row.source]
        if source.kind != kind:
            raise WrongDoor(source=source.name, kind=source.kind)
        self.used.add(short)
        return source

    async def source(self, name: str, kind: SourceKind) -> Source:
        """Raises `NotFound` where there is no such source of this kind."""
        snapshot = await self._fresh(lambda known: name in known.sources)
        source = snapshot.sources.get(name)
        if source is None or source.kind != kind:
            raise errors.NotFound(what=f"source of kind {kind}", id=name)
        return source

    async def secrets(self, source: str) -> list[str]:
        """The secrets that a vendor may sign with now."""
        return (await self._fresh(lambda known: source in known.secrets)).secrets.get(source, [])

    async def form(self, name: str) -> tuple[Form, Source]:
        """Raises `NotFound`."""
        snapshot = await self._fresh(lambda known: name in known.forms)
        form = snapshot.forms.get(name)
        if form is None:
            raise errors.NotFound(what="form", id=name)
        return form, snapshot.sources[form.source]

    async def _fresh(self, knows: Callable[[Snapshot], bool]) -> Snapshot:
        known = self._snapshot
        if known is not None and self._age(known) < self._max_age and knows(known):
            return known
        async with self._reading:
            known = self._snapshot
            if known is not None:
                age = self._age(known)
                if age < self._RETRY_AFTER or (age < self._max_age and knows(known)):
                    return known
            self._snapshot = await self._read()
            return self._snapshot

    def _age(self, snapshot: Snapshot) -> timedelta:
        return self._clock() - snapshot.read_at

    async def _read(self) -> Snapshot:
        now = self._clock()
        async with self._pool.acquire(timeout=3) as connection, connection.transaction(readonly=True):
            return Snapshot(
                read_at=now,
                sources={source.name: source for source in await store.sources(connection)},
                secrets=await store.valid_secrets(connection, now),
                keys={key.short: key for key in await store.valid_keys(connection, now)},
                forms={form.name: form for form in await store.forms(connection)},
            )
