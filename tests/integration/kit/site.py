"""The ledger's HTTP, as its callers see it: a worker in this process, behind its mounted path, and keys for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx

from services.kit import http_server, keys
from services.kit.application import Running
from services.kit.settings import Platform
from tests.integration.kit import ledger
from tests.integration.kit.bench import Bench, assigned


class Site:
    """A running service and a way to call it."""

    def __init__(self, bench: Bench, running: Running, client: httpx.AsyncClient) -> None:
        self.bench = bench
        self.running = running
        self.client = client

    async def key(self, *scopes: str, name: str = "test", expires_at: datetime | None = None) -> str:
        """A new key of the ledger."""
        new = keys.generate()
        async with self.bench.pool.acquire() as connection:
            await keys.create(connection, new, name=name, scopes=scopes, expires_at=expires_at)
        return new.text

    async def get(self, path: str, key: str | None = None, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
        return await self.client.get(path, headers=headers, **arguments)

    async def close(self, account: object, key: str, idempotency_key: str | None) -> httpx.Response:
        """Ask to close an account, a command."""
        headers = {"Authorization": f"Bearer {key}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return await self.client.post(f"/ledger/accounts/{account}/close", headers=headers)


@contextlib.asynccontextmanager
async def site_of(
    bench: Bench, fault: ledger.Fault = ledger.die_at, *, dsn: str | None = None, platform: Platform | None = None
) -> AsyncIterator[Site]:
    async with bench.worker(fault, dsn=dsn, platform=platform) as running:
        await assigned(running)
        transport = httpx.ASGITransport(http_server.mount([running]), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
            yield Site(bench, running, client)
