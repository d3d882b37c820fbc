"""The measurement itself: throughput, then latency at two rates, then whether every event is in every store."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from services.kit import errors
from services.kit.application import database_of
from services.ops.bench.load import Reader, Sender, Shop
from services.ops.bench.system import System, system
from services.ops.installation import platform_of

Report = Callable[[str], None]

_LATENCY_RATES = (50, 500)
_LATENCY_S = 10
# The stores in which every accepted event has a row, with the table that holds it.
_STORES = {"dedupe": "event_inbox", "tagging-rules": "seen_event", "activity": "event"}


class EventsLost(errors.TuttuError):
    """{lost} of {accepted} accepted events are not in every store: {stores}."""


@dataclass(frozen=True)
class Options:
    """What to send: `rate` None is as fast as intake takes it."""

    events: int = 60_000
    contacts: int = 10_000
    rate: float | None = None
    out: Path | None = None


async def bench(options: Options, report: Report) -> dict[str, Any]:
    """Run the benchmark; returns the figures, and writes them where `out` says.

    Raises `EventsLost` after that, when not every accepted event is in the stores.
    """
    async with system(report) as under_load:
        figures = await _measure(under_load, options, report)
    if options.out is not None:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")
    if figures["lost"]:
        raise EventsLost(lost=figures["lost"], accepted=figures["accepted"], stores=figures["stored_by_service"])
    return figures


async def _measure(under_load: System, options: Options, report: Report) -> dict[str, Any]:
    sender = Sender(under_load.urls["intake"], await _write_key(under_load))
    shop = Shop(options.contacts)
    kafka = platform_of(under_load.environment).kafka
    async with Reader(kafka, partitions=4) as reader:
        report("warming up")
        await sender.run(shop, 2_000, rate=None, timed=False)
        await reader.wait_for(sender.accepted)

        report(f"sending {options.events} events of {options.contacts} contacts")
        accepted_before, cpu_before = sender.accepted, under_load.cpu_s()
        took = await _flow(sender, reader, shop, options)
        cpu = {name: after - cpu_before[name] for name, after in under_load.cpu_s().items()}
        events = sender.accepted - accepted_before
        memory = under_load.memory_mb()

        latency = {}
        for rate in _LATENCY_RATES:
            report(f"latency at {rate} events/s")
            latency[rate] = await _latency(sender, reader, shop, rate)
    stored = await _stored(under_load)
    return {
        "events_per_second": round(events / took),
        "cpu_us_per_event": {name: round(seconds / events * 1e6) for name, seconds in cpu.items()},
        "latency_ms": latency[_LATENCY_RATES[-1]],
        "latency_ms_by_rate": latency,
        "memory_mb": round(sum(memory.values())),
        "memory_mb_by_service": {name: round(size) for name, size in memory.items()},
        "accepted": sender.accepted,
        "stored": min(stored.values()),
        "stored_by_service": stored,
        "lost": sender.accepted - min(stored.values()),
        "contacts": options.contacts,
        "events": events,
        "seconds": round(took, 2),
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "python": platform.python_version(),
        },
    }


async def _flow(sender: Sender, reader: Reader, shop: Shop, options: Options) -> float:
    """Seconds from the first request to the last customer record."""
    began = time.perf_counter()
    await sender.run(shop, options.events, rate=options.rate, timed=False)
    await reader.wait_for(sender.accepted)
    return reader.last_at - began


async def _latency(sender: Sender, reader: Reader, shop: Shop, rate: int) -> dict[str, float]:
    sender.sent_at.clear()
    reader.arrivals.clear()
    before = dict(reader.seen)
    # Small requests, as shops send them: a batch of fifty would wait for its own fiftieth event.
    await sender.run(shop, rate * _LATENCY_S, rate=rate, timed=True, batch=5)
    await reader.wait_for(sender.accepted)
    cuts = statistics.quantiles(reader.latencies_s(sender.sent_at, before), n=100)
    return {name: round(cuts[percent - 1] * 1000, 1) for name, percent in (("p50", 50), ("p95", 95), ("p99", 99))}


async def _write_key(under_load: System) -> str:
    """A source of its own, made as a user makes it: by the API."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {under_load.admin_key}"}) as client:
        url = f"{under_load.urls['intake']}/sources"
        made = await client.post(url, json={"name": "bench", "kind": "segment", "trusted": True})
        made.raise_for_status()
        key = await client.post(f"{url}/bench/keys", json={"name": "bench"})
        key.raise_for_status()
        return str(key.json()["key"])


async def _stored(under_load: System) -> dict[str, int]:
    """How many events each store holds. The benchmark is the operator: it may look into every one."""
    counts = {}
    for service, table in _STORES.items():
        connection = await asyncpg.connect(database_of(service, under_load.environment))
        counts[service] = int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
        await connection.close()
    return counts
