"""Commands: published to Kafka, handled by the batch path, their outcome a row that the asker waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec
import structlog
from fastapi import APIRouter, Depends
from fastapi.responses import Response

from services.kit import envelope, errors, ids, web
from services.kit.database import Connection, Pool, load_queries
from services.kit.envelope import Message, Received
from services.kit.runtime import Emit, Producer

_QUERIES = load_queries("services.kit")
_CHANNEL = "command_outcome"
_LOOK_AGAIN_S = 0.5

log = structlog.get_logger(__name__)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command."""

    command_id: UUID
    status: Literal["done", "refused"]
    detail: str | None = None
    result: Any = None


class OutcomeMessage(Outcome, frozen=True, kw_only=True):
    """An outcome as `command-outcomes` carries it."""

    service: str


class Refused(errors.Conflict):
    """{reason}"""


def id_of(principal: web.Principal, idempotency_key: str) -> UUID:
    """The id of a command: the same for the same key of the same asker."""
    return ids.derived("command", principal.name, idempotency_key)


# -- for handlers


async def new_only(connection: Connection, received: Sequence[Received[Any]]) -> list[Received[Any]]:
    """Those whose command was not handled before; of equal ids the first."""
    by_id: dict[UUID, Received[Any]] = {}
    for one in received:
        by_id.setdefault(_command_id(one), one)
    rows = await connection.fetch(_QUERIES["known_outcomes"], list(by_id))
    known = {row["command_id"] for row in rows}
    return [one for command_id, one in by_id.items() if command_id not in known]


async def save(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Keep outcomes in the batch's transaction; whoever waits is woken by one NOTIFY at its commit."""
    if outcomes:
        await connection.execute(
            _QUERIES["insert_outcomes"],
            [outcome.command_id for outcome in outcomes],
            [outcome.status for outcome in outcomes],
            [outcome.detail for outcome in outcomes],
            [msgspec.json.encode(outcome.result).decode() for outcome in outcomes],
        )


def emit(service: str) -> Emit:
    """The `emit` of an input of commands: publishes the outcome rows."""

    async def outcomes_of(connection: Connection, received: Sequence[Received[Any]]) -> Sequence[Message]:
        by_id = {_command_id(one): one for one in received}
        return [
            envelope.message(
                "command-outcomes",
                str(outcome.command_id),
                envelope.CloudEvent(
                    id=str(outcome.command_id),
                    source=f"/{service}",
                    type="tuttu.command-outcome",
                    subject=str(outcome.command_id),
                    time=by_id[outcome.command_id].event.time,
                    data=OutcomeMessage(service=service, **msgspec.structs.asdict(outcome)),
                ),
            )
            for outcome in await _load(connection, list(by_id))
        ]

    return outcomes_of


def decoder(data_by_type: dict[str, Any]) -> envelope.Decode:
    """As `envelope.decoder_by_type`, and the id must be a UUID, for it is the command's."""
    inner = envelope.decoder_by_type(data_by_type)

    def decode(value: bytes) -> envelope.CloudEvent[Any]:
        event = inner(value)
        try:
            UUID(event.id)
        except ValueError:
            raise envelope.Unreadable(reason="the id of a command must be a UUID", field="id") from None
        return event

    return decode


def _command_id(received: Received[Any]) -> UUID:
    return UUID(received.event.id)


async def _load(connection: Connection | Pool, command_ids: Sequence[UUID]) -> list[Outcome]:
    rows = await connection.fetch(_QUERIES["outcomes"], list(command_ids))
    return [
        Outcome(
            command_id=row["command_id"],
            status=row["status"],
            detail=row["detail"],
            result=msgspec.json.decode(row["result"]) if row["result"] is not None else None,
        )
        for row in rows
    ]


# -- for those who ask


class Commands:
    """Publishes commands of one service's API and waits for their outcomes on one listening connection."""

    def __init__(
        self,
        service: str,
        pool: Pool,
        producer: Producer,
        *,
        dsn: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: timedelta = timedelta(seconds=2),
    ) -> None:
        self._service = service
        self._pool = pool
        self._producer = producer
        self._dsn = dsn
        self._clock = clock
        self._patience_s = patience.total_seconds()
        self._listener: asyncpg.Connection[Any] | None = None
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()

    async def send(
        self, topic: str, key: str, *, type: str, subject: str, data: Any, command_id: UUID
    ) -> Outcome | None:
        """Publish a command; its outcome if it comes within two seconds, else None.

        Raises `errors.Unavailable` when Kafka does not take it. A command that was handled before gives its outcome.
        """
        await self._listen()
        event = envelope.CloudEvent(
            id=str(command_id),
            source=f"/{self._service}/api",
            type=type,
            subject=subject,
            time=self._clock(),
            data=data,
        )
        await self._producer.publish([envelope.message(topic, key, event)])
        try:
            async with asyncio.timeout(self._patience_s):
                while True:
                    news = self._news
                    if found := await self.find(command_id):
                        return found
                    # The news may be lost with the connection that listens: look again now and then.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_AGAIN_S):
                            await news.wait()
        except TimeoutError:
            return None

    async def find(self, command_id: UUID) -> Outcome | None:
        """The outcome of a command, or None while there is none."""
        found = await _load(self._pool, [command_id])
        return found[0] if found else None

    async def _listen(self) -> None:
        """LISTEN before publishing, or the news could pass between."""
        async with self._lock:
            if self._listener is None or self._listener.is_closed():
                self._listener = await asyncpg.connect(self._dsn)
                await self._listener.add_listener(_CHANNEL, self._on_news)

    def _on_news(self, *_: Any) -> None:
        # Who waits holds the old event; who comes next finds a new one.
        self._news.set()
        self._news = asyncio.Event()

    async def close(self) -> None:
        if self._listener is not None and not self._listener.is_closed():
            await self._listener.close()


def response(outcome: Outcome | None, command_id: UUID, service_path: str) -> Response:
    """200 with the result; 409 with the reason of a refusal; 202 with the address where the outcome will be."""
    if outcome is None:
        address = f"{service_path}/command-outcomes/{command_id}"
        return web.Json(
            {"command_id": command_id, "status": "accepted", "outcome": address}, 202, {"Location": address}
        )
    if outcome.status == "refused":
        return web.problem(Refused(outcome.detail))
    return web.Json(outcome)


def router(service: str, commands: Commands) -> APIRouter:
    """GET /command-outcomes/{id}, which every service has."""
    routes = APIRouter()

    @routes.get("/command-outcomes/{command_id}", dependencies=[Depends(web.require(f"{service}:read"))])
    async def command_outcome(command_id: UUID) -> Response:
        found = await commands.find(command_id)
        if found is None:
            raise errors.NotFound(what="outcome yet of the command", id=command_id)
        return web.Json(found)

    return routes
