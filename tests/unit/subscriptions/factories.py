"""Customers as `customers` carries them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.kit.envelope import Received, Record
from services.subscriptions import domain, messages

MAIJA = UUID("5b0e6c1e-7d5f-8a53-9c0a-2f1d8c4b6a01")
TEPPO = UUID("9c3f2b77-1d2e-8b4f-a6c5-3e2d1c0b9a02")
_offsets = itertools.count()


def record(
    customer_id: UUID = MAIJA,
    version: int = 1,
    tags: Sequence[str] = (),
    *,
    kind: str = "changed",
    name: str | None = "Maija",
    indent: int | None = None,
) -> Received[messages.Customer]:
    """A record of `customers`."""
    data: dict[str, Any] = {"customer_id": str(customer_id), "version": version, "name": name, "tags": list(tags)}
    event = {
        "specversion": "1.0",
        "id": f"u-{customer_id}-{version}",
        "source": "/directory",
        "type": f"tuttu.customer.{kind}",
        "subject": str(customer_id),
        "time": "2026-11-22T12:00:00Z",
        "data": data,
    }
    value = json.dumps(event, ensure_ascii=False, indent=indent).encode()
    return Received(Record(messages.CUSTOMERS, 0, next(_offsets), None, value), messages.decode_customer(value))


def state(customer_id: UUID = MAIJA, version: int = 1, *tags: str) -> domain.State:
    return domain.State(customer_id, version, "changed", frozenset(tags), f'{{"version":{version}}}')


def known(appended: domain.Appended) -> domain.Known:
    return domain.Known(appended.state.version, appended.state.tags, appended.left)


def entry(appended: domain.Appended) -> domain.Entry:
    frame = domain.frame(appended.state.kind, appended.state.body)
    return domain.Entry(appended.seq, appended.state.tags, appended.left, frame)
