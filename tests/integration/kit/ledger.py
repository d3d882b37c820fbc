"""A small service of its own for the runtime's tests: it adds amounts to accounts and publishes their balances.

A counter shows doubles and losses that a table of events would hide. Run as a module it is a worker process, so that
tests can kill it; faults are asked for by environment variables.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from services.kit import application, envelope
from services.kit.database import Connection
from services.kit.envelope import Message, Received
from services.kit.runtime import Input, State
from services.kit.settings import Platform

SCHEMA = """
CREATE TABLE account (
    account_id uuid PRIMARY KEY, balance bigint NOT NULL CHECK (balance < 1000000), count bigint NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE receipt (topic text, "partition" int, "offset" bigint, PRIMARY KEY (topic, "partition", "offset"));
"""


class Amount(msgspec.Struct, frozen=True):
    account_id: UUID
    cents: int
    note: str = ""


class Balance(msgspec.Struct, frozen=True):
    account_id: UUID
    balance: int
    count: int
    version: int


async def add(connection: Connection, received: Sequence[Received[Amount]]) -> Collection[UUID]:
    if any(one.data.note == "defect" for one in received):
        raise ZeroDivisionError("a defect in the handler")
    sums: dict[UUID, tuple[int, int]] = {}
    for one in received:
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
    # What the database refuses: a zero byte in a text.
    await connection.fetch("SELECT unnest($1::text[])", [one.data.note for one in received])
    await die_at("before-commit")
    return keys


async def balances(connection: Connection, keys: Sequence[UUID]) -> Sequence[Message]:
    rows = await connection.fetch("SELECT * FROM account WHERE account_id = ANY($1::uuid[])", list(keys))
    messages = [balance_message(Balance(**dict(row))) for row in rows]
    await die_at("before-produce")
    return messages


def balance_message(balance: Balance) -> Message:
    event = envelope.CloudEvent(
        id=f"{balance.account_id}-{balance.version}",
        source="/ledger",
        type="test.balance",
        subject=str(balance.account_id),
        time=datetime.now(UTC),
        data=balance,
    )
    return envelope.message("balances", str(balance.account_id), event, version=balance.version)


async def receipts(connection: Connection, received: Sequence[Received[Amount]]) -> Sequence[Message]:
    return [
        Message("receipts", str(one.data.account_id), f"{one.record.partition}/{one.record.offset}".encode())
        for one in received
    ]


def amount_message(account: UUID, cents: int, note: str = "") -> Message:
    event = envelope.CloudEvent(
        id=f"{account}-{cents}-{note}",
        source="/test",
        type="test.amount",
        subject=str(account),
        time=datetime.now(UTC),
        data=Amount(account, cents, note),
    )
    return envelope.message("amounts", str(account), event)


async def die_at(step: str) -> None:
    """Once per process, at the step that FAULT names and after FAULT_AFTER passes: kill or stop this process."""
    if os.environ.get("FAULT_STEP") != step or os.path.exists(os.environ["FAULT_DONE"]):
        return
    with open(os.environ["FAULT_DONE"], "w"):
        pass
    os.kill(os.getpid(), getattr(signal, os.environ.get("FAULT_SIGNAL", "SIGKILL")))
    # A stopped process goes on from here when it is woken.


def build(context: application.Context) -> application.Service:
    return application.Service(
        name="ledger",
        path="/ledger",
        routers=[],
        inputs=[Input("amounts", envelope.decoder(type="test.amount", data=Amount), add, emit=receipts)],
        states=[State("balances", table="account", key="account_id", load=balances)],
    )


async def main() -> None:
    from services.ops.process import run_until_stopped

    platform = Platform(
        kafka=os.environ["TUTTU_KAFKA"], topic_prefix=os.environ["TUTTU_TOPIC_PREFIX"], log_format="console"
    )
    await run_until_stopped({"ledger": build}, platform, os.environ, port=None)


if __name__ == "__main__":
    asyncio.run(main())
