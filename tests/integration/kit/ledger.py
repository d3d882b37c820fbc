"""A small service of its own for the runtime's tests: it adds amounts to accounts and publishes their balances.

A counter shows doubles and losses that a table of events would hide. Faults strike at named steps of a batch:
`before-apply`, `before-commit`, `before-produce`, `after-produce`. Run as a module it is a worker process, so that
tests can kill it; FAULTS then says what happens where, as `before-commit:SIGKILL`, each once however often it starts.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from services.kit import application, commands, envelope, errors, logs, settings, web
from services.kit.database import Connection
from services.kit.envelope import CloudEvent, Message, Received
from services.kit.runtime import Apply, Input, State
from services.kit.settings import Platform

SCHEMA = """
CREATE TABLE account (
    account_id uuid PRIMARY KEY, balance bigint NOT NULL CHECK (balance < 1000000), count bigint NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE owner (account_id uuid PRIMARY KEY, name text NOT NULL);
-- Amounts that came before their account's owner was known.
CREATE TABLE orphan (account_id uuid NOT NULL);
CREATE TABLE closing (account_id uuid NOT NULL);
"""

Fault = Callable[[str, Connection], Awaitable[None]]


class Amount(msgspec.Struct, frozen=True):
    account_id: UUID
    cents: int
    note: str = ""


class Balance(msgspec.Struct, frozen=True):
    account_id: UUID
    balance: int
    count: int
    version: int


class Owner(msgspec.Struct, frozen=True):
    account_id: UUID
    name: str


class Close(msgspec.Struct, frozen=True):
    account_id: UUID


class WatchedState(State):
    """Its versions are looked at once the states are in Kafka."""

    async def versions(self, connection: Connection, keys: Collection[UUID]) -> Mapping[UUID, int]:
        await die_at("after-produce", connection)
        return await super().versions(connection, keys)


# -- handlers


def adder(fault: Fault) -> Apply:
    async def add(connection: Connection, received: Sequence[Received[Amount]]) -> Collection[UUID]:
        await fault("before-apply", connection)
        if any(one.data.note == "defect" for one in received):
            raise ZeroDivisionError("a defect in the handler")
        sums: dict[UUID, tuple[int, int]] = {}
        for one in received:
            if one.data.note == "unwanted":
                raise errors.InvalidInput(reason="it is unwanted", field="data.note")
            cents, count = sums.get(one.data.account_id, (0, 0))
            sums[one.data.account_id] = cents + one.data.cents, count + 1
        keys = sorted(sums)
        await connection.execute(
            """
            INSERT INTO account SELECT *, 1 FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
            ON CONFLICT (account_id) DO UPDATE SET balance = account.balance + excluded.balance,
                count = account.count + excluded.count, version = account.version + 1
            """,
            keys,
            [sums[key][0] for key in keys],
            [sums[key][1] for key in keys],
        )
        await connection.execute(
            "INSERT INTO orphan SELECT unnest($1::uuid[]) EXCEPT SELECT account_id FROM owner", keys
        )
        # What the database refuses: a zero byte in a text.
        await connection.fetch("SELECT unnest($1::text[])", [one.data.note for one in received])
        await fault("before-commit", connection)
        return keys

    return add


async def know_owners(connection: Connection, received: Sequence[Received[Owner]]) -> Collection[UUID]:
    names = {one.data.account_id: one.data.name for one in received}
    await connection.execute(
        """
        INSERT INTO owner SELECT * FROM unnest($1::uuid[], $2::text[])
        ON CONFLICT (account_id) DO UPDATE SET name = excluded.name
        """,
        list(names.keys()),
        list(names.values()),
    )
    return ()


def closer(fault: Fault) -> Apply:
    async def close(connection: Connection, received: Sequence[Received[Close]]) -> Collection[UUID]:
        await fault("before-close", connection)
        new = await commands.new_only(connection, received)
        rows = await connection.fetch(
            "SELECT account_id FROM account WHERE account_id = ANY($1::uuid[])", [one.data.account_id for one in new]
        )
        there = {row["account_id"] for row in rows}
        await connection.execute("INSERT INTO closing SELECT unnest($1::uuid[])", list(there))
        await commands.save(connection, [_outcome(one, there) for one in new])
        return ()

    return close


def _outcome(received: Received[Close], there: set[UUID]) -> commands.Outcome:
    if received.data.account_id in there:
        return commands.Outcome(command_id=UUID(received.event.id), status="done", result={"closed": True})
    return commands.Outcome(command_id=UUID(received.event.id), status="refused", detail="There is no such account.")


def loader(fault: Fault) -> Callable[[Connection, Sequence[UUID]], Awaitable[Sequence[Message]]]:
    async def balances(connection: Connection, keys: Sequence[UUID]) -> Sequence[Message]:
        rows = await connection.fetch("SELECT * FROM account WHERE account_id = ANY($1::uuid[])", list(keys))
        messages = [balance_message(Balance(**dict(row))) for row in rows]
        await fault("before-produce", connection)
        return messages

    return balances


async def receipts(connection: Connection, received: Sequence[Received[Amount]]) -> Sequence[Message]:
    return [
        Message("receipts", str(one.data.account_id), f"{one.record.partition}/{one.record.offset}".encode())
        for one in received
    ]


# -- messages


def balance_message(balance: Balance) -> Message:
    key = str(balance.account_id)
    return envelope.message("balances", key, event("test.balance", key, balance), version=balance.version)


def amount_message(account: UUID, cents: int, note: str = "") -> Message:
    return envelope.message("amounts", str(account), event("test.amount", str(account), Amount(account, cents, note)))


def owner_message(account: UUID, name: str) -> Message:
    return envelope.message("owners", str(account), event("test.owner", str(account), Owner(account, name)), version=1)


def event(type: str, subject: str, data: object) -> CloudEvent[object]:
    return CloudEvent(
        id=f"{type}-{subject}", source="/test", type=type, subject=subject, time=datetime.now(UTC), data=data
    )


# -- faults


async def die_at(step: str, connection: Connection) -> None:
    """At the step that FAULTS names: kill or stop this process. A stopped one goes on from here when it is woken."""
    faults = dict(fault.split(":") for fault in os.environ.get("FAULTS", "").split())
    if step not in faults:
        return
    done = Path(os.environ["FAULTS_DONE"]) / step
    if done.exists():
        return
    done.touch()
    if connection.is_in_transaction():
        # That the fence holds must not depend on the server's patience with idle transactions.
        limit = os.environ.get("IDLE_IN_TRANSACTION", "4s")
        await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{limit}'")
    os.kill(os.getpid(), getattr(signal, faults[step]))


# -- the service


def routes(context: application.Context) -> APIRouter:
    router = APIRouter()

    @router.get("/accounts", dependencies=[Depends(web.require("ledger:read"))])
    async def accounts(
        limit: Annotated[int, Query(ge=1, le=200)] = 50, after: str | None = None, name: str | None = None
    ) -> Response:
        last = web.decode_cursor(after, tuple[UUID])[0] if after else None
        rows = await context.pool.fetch(
            """
            SELECT account.* FROM account LEFT JOIN owner USING (account_id)
            WHERE ($1::uuid IS NULL OR account_id > $1) AND ($2::text IS NULL OR name = $2)
            ORDER BY account_id LIMIT $3
            """,
            last,
            name,
            limit,
        )
        found = [Balance(**dict(row)) for row in rows]
        cursor = web.encode_cursor(found[-1].account_id) if len(found) == limit else None
        return web.Json({"accounts": found, "next": cursor})

    @router.post("/accounts/{account_id}/close")
    async def close(
        account_id: UUID,
        principal: Annotated[web.Principal, Depends(web.require("ledger:write"))],
        idempotency_key: web.IdempotencyKey,
    ) -> Response:
        command_id = commands.id_of(principal, idempotency_key)
        outcome = await context.commands.send(
            "closings",
            str(account_id),
            type="test.close",
            subject=str(account_id),
            data=Close(account_id),
            command_id=command_id,
        )
        return commands.response(outcome, command_id, "/ledger")

    @router.get("/defect")
    async def defect() -> Response:
        raise ZeroDivisionError("secret words")

    return router


def builder(fault: Fault = die_at) -> application.Build:
    def build(context: application.Context) -> application.Service:
        return application.Service(
            name="ledger",
            path="/ledger",
            routers=[routes(context)],
            inputs=[
                Input("amounts", envelope.decoder(type="test.amount", data=Amount), adder(fault), emit=receipts),
                Input("closings", commands.decoder({"test.close": Close}), closer(fault), emit=commands.emit("ledger")),
                Input("owners", envelope.decoder(type="test.owner", data=Owner), know_owners, state=True),
            ],
            states=[WatchedState("balances", table="account", key="account_id", load=loader(fault))],
        )

    return build


async def main() -> None:
    from services.ops.process import run_until_stopped

    platform = settings.load(Platform, "TUTTU")
    logs.configure(style="json", level="info")
    await run_until_stopped({"ledger": builder()}, platform, os.environ, port=None)


if __name__ == "__main__":
    asyncio.run(main())
