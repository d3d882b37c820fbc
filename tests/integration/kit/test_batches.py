"""The runtime without faults, and with bad records."""

from __future__ import annotations

import uuid

from tests.integration.kit import ledger
from tests.integration.kit.bench import Bench

ACCOUNTS = [uuid.UUID(int=number) for number in range(20)]


def amounts(count: int) -> list[ledger.Message]:
    return [ledger.amount_message(ACCOUNTS[number % 20], 100 + number) for number in range(count)]


async def test_every_amount_is_added_once_and_every_balance_is_published(bench: Bench) -> None:
    async with bench.worker():
        await bench.send(amounts(500))
        await bench.wait_applied(500)
        await bench.wait_states_equal_rows()
    assert sum(row.balance for row in (await bench.rows()).values()) == sum(100 + n for n in range(500))
    assert len(await bench.topic("receipts")) == 500
