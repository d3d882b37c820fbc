"""An intake on the real servers, reached over HTTP as its clients reach it, and what it wrote to Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from fastapi import FastAPI

from services.intake import api, app
from services.kit import commands, database, http_server, keys, migrations, runtime, web
from services.kit.application import Context
from services.kit.settings import Platform
from services.ops import access
from services.ops.embedded import ports

Client = httpx.AsyncClient
TOPICS = ("events", "dead-letters")


@dataclass
class Intake:
    """An intake that runs, its administrator's client, and its doors."""

    url: str
    admin: httpx.AsyncClient
    door: httpx.AsyncClient
    platform: Platform
    database: str
    context: Context | None = None

    async def source(self, name: str, kind: str = "segment", **more: Any) -> None:
        answer = await self.admin.post("/sources", json={"name": name, "kind": kind, **more})
        assert answer.status_code == 201, answer.text

    async def key(self, source: str) -> str:
        answer = await self.admin.post(f"/sources/{source}/keys", json={"name": "test"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    async def form(self, **definition: Any) -> None:
        answer = await self.admin.post("/form-definitions", json=definition)
        assert answer.status_code == 201, answer.text

    async def rejections(self, **filters: Any) -> list[dict[str, Any]]:
        answer = await self.admin.get("/rejections", params=filters)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["rejections"]
        return found

    async def rejection(self, id: str) -> dict[str, Any]:
        answer = await self.admin.get(f"/rejections/{id}")
        assert answer.status_code == 200, answer.text
        whole: dict[str, Any] = answer.json()
        return whole

    async def events(self) -> list[dict[str, Any]]:
        """Everything on the topic `events`, by time."""
        found = [json.loads(value) for _, value in await self.records("events")]
        return sorted(found, key=lambda event: str(event["time"]))

    async def records(self, topic: str) -> list[tuple[str, bytes]]:
        """Everything on a topic: (key, value)."""
        return await records(self.platform, topic)


async def records(platform: Platform, topic: str) -> list[tuple[str, bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=platform.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(platform.topic_prefix + topic, number) for number in range(2)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        missing = sum((await consumer.end_offsets(places)).values())
        found: list[tuple[str, bytes]] = []
        while len(found) < missing:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found += [(record.key.decode(), record.value) for record in batch]
        return found
    finally:
        await consumer.stop()


async def create_topics(platform: Platform) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=platform.kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(platform.topic_prefix + name, 2, 1) for name in TOPICS])
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def clients(
    url: str, environment: Mapping[str, str]
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """(a client with an administrator's key, one without any)."""
    key = await access.create_key(environment, name="liisa", scopes=["intake:admin"])
    async with (
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30) as admin,
        httpx.AsyncClient(base_url=url, timeout=30) as door,
    ):
        yield admin, door


@contextlib.asynccontextmanager
async def doors(
    platform: Platform,
    dsn: str,
    environment: Mapping[str, str],
    *,
    kafka: str | None = None,
    through: str | None = None,
) -> AsyncIterator[Intake]:
    """Intake's HTTP on a port of its own, without its consumer, which only dead letters need.

    `kafka` is where its producer looks for the broker, `through` where it looks for its database, if elsewhere.
    """
    await migrations.migrate(dsn, "services.intake")
    pool = await database.open_pool(through or dsn, application="intake")
    producer = runtime.Producer(
        kafka or platform.kafka, prefix=platform.topic_prefix, client="intake", timeout=platform.produce_timeout
    )
    if kafka is None:
        await producer.start()
    environment = {"INTAKE_DATABASE": dsn, **environment}
    context = Context(
        platform,
        pool,
        producer,
        commands.Commands("intake", pool, producer, dsn=dsn),
        environment,
        asyncio.Event(),
        clock=lambda: datetime.now(UTC),
    )
    service = app.build(context)
    site = FastAPI(openapi_url=None)
    web.add_error_handlers(site, "tuttu")
    site.mount(api.PATH, web.create_app("intake", service.routers, keys.KeyStore(pool)))
    port = ports.free()
    server, task = await http_server.serve(site, host="127.0.0.1", port=port)
    url = f"http://127.0.0.1:{port}{api.PATH}"
    try:
        async with clients(url, environment) as (admin, door):
            yield Intake(url, admin, door, platform, dsn, context)
    finally:
        await _closed(server, task)
        await producer.stop()
        await pool.close()


async def _closed(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    server.should_exit = True
    await task
