"""How a service becomes a running thing: store, producer, consumer and HTTP, in the service tree of a Faust app."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import faust
import mode
import structlog
from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from faust.app.base import BootStrategy

from services.kit import commands, database, errors, keys, metrics, runtime, web
from services.kit.runtime.guard import Guard
from services.kit.runtime.tasks import heard
from services.kit.settings import MissingSetting, Platform

_QUERIES = database.load_queries("services.kit")
_STUCK_AFTER_S = 60.0

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Context:
    """What a service's `build` gets: the parts that are the same for all."""

    platform: Platform
    pool: database.Pool
    producer: runtime.Producer
    commands: commands.Commands
    environment: Mapping[str, str]
    """Where the service's own settings are read from."""
    stopping: asyncio.Event
    """Set when the process begins to stop; streams that would not end by themselves watch it."""
    clock: Callable[[], datetime] = utc_now


@dataclass(frozen=True)
class Service:
    """What a service's `build` gives: its HTTP, its topics and handlers, the states it owns."""

    name: str
    path: str
    routers: Sequence[APIRouter]
    inputs: Sequence[runtime.Input] = ()
    settle: runtime.Settle | None = None
    states: Sequence[runtime.State] = ()
    background: Sequence[Callable[[], Awaitable[None]]] = field(default=())
    """Coroutines that run as long as the service; one that raises stops it."""


Build = Callable[[Context], Service]


class _WithoutKafka(BootStrategy):
    """Faust's own consumer and producer stay away from the event path: see docs/adr/0003."""

    enable_kafka = False


class _App(faust.App):
    """A Faust application that keeps nothing on disk: Faust would make folders for tables, which we do not use."""

    async def on_first_start(self) -> None:
        pass


class _Background(mode.Service):
    """Runs one coroutine of a service; what it raises goes up the tree and stops the service."""

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._run_it = run

    @mode.Service.task
    async def _run(self) -> None:
        await heard(self._run_it())


def prefix_of(name: str) -> str:
    """The prefix of a service's environment variables: TAGGING_RULES for tagging-rules."""
    return name.replace("-", "_").upper()


def database_of(name: str, environment: Mapping[str, str]) -> str:
    """The address of a service's own database. Raises `MissingSetting`."""
    variable = f"{prefix_of(name)}_DATABASE"
    try:
        return environment[variable]
    except KeyError:
        raise MissingSetting(name=variable) from None


class Running:
    """One service of this process, from `start` to `stop`."""

    def __init__(self, name: str, build: Build, platform: Platform, environment: Mapping[str, str]) -> None:
        self.name = name
        self._build = build
        self._platform = platform
        self._environment = environment
        self._stopping = asyncio.Event()
        self._consumer: runtime.Consumer | None = None
        self._parts = contextlib.AsyncExitStack()
        self.service: Service
        self.http: FastAPI
        self._faust: faust.App

    async def start(self) -> None:
        """Returns when all parts run. After an error, `stop` ends those that had begun."""
        dsn = database_of(self.name, self._environment)
        self._pool = await database.open_pool(dsn, application=self.name)
        self._parts.push_async_callback(self._close_pool)
        self._producer = runtime.Producer(
            self._platform.kafka,
            prefix=self._platform.topic_prefix,
            client=self.name,
            timeout=self._platform.produce_timeout,
        )
        await self._producer.start()
        self._parts.push_async_callback(self._producer.stop)
        self._commands = commands.Commands(self.name, self._pool, self._producer, dsn=dsn)
        self._parts.push_async_callback(self._commands.close)
        self.service = self._build(
            Context(self._platform, self._pool, self._producer, self._commands, self._environment, self._stopping)
        )
        self._faust = await self._make_faust()
        self.http = self._make_http()
        self._parts.push_async_callback(self._faust.stop)
        await self._faust.start()

    async def _make_faust(self) -> faust.App:
        app = _App(
            f"{self._platform.topic_prefix}{self.name}",
            broker=f"kafka://{self._platform.kafka}",
            web_enabled=False,
        )
        app.boot_strategy = _WithoutKafka(app)
        # Without agents a Faust app starts only as one that produces; ours does not even that.
        app.producer_only = True
        parts: list[mode.Service] = [_Background(run) for run in self.service.background]
        if self.service.inputs:
            self._consumer = runtime.Consumer(
                self.name,
                platform=self._platform,
                pool=self._pool,
                producer=self._producer,
                inputs=self.service.inputs,
                settle=self.service.settle,
                states=self.service.states,
            )
            metrics.oldest_seconds.labels(self.name).set_function(self._consumer.oldest_age_s)
            parts.append(self._consumer)
        if self.service.states:
            parts.append(
                Guard(
                    self.name,
                    platform=self._platform,
                    pool=self._pool,
                    producer=self._producer,
                    states=self.service.states,
                )
            )
        for part in parts:
            await app.add_runtime_dependency(part)
        app.timer(3600.0)(self._forget)
        return app

    async def _forget(self) -> None:
        try:
            await self._pool.execute(_QUERIES["forget_outcomes"])
            await self._pool.execute(_QUERIES["forget_dead_letters"])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            log.warning("old outcomes not forgotten this time", service=self.name, error=repr(error))

    @property
    def crashed(self) -> bool:
        return bool(self._faust.crashed)

    @property
    def crash_reason(self) -> BaseException | None:
        reason: BaseException | None = self._faust.crash_reason
        return reason

    @property
    def assigned(self) -> bool:
        """Whether the consumer has claimed its partitions, or there is none."""
        return self._consumer is None or self._consumer.assigned

    def begin_stop(self) -> None:
        """Tell streams to end, so that the HTTP server can."""
        self._stopping.set()

    async def stop(self) -> None:
        """First batches end, then what they need."""
        self.begin_stop()
        await self._parts.aclose()

    async def _close_pool(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    # -- health

    def _make_http(self) -> FastAPI:
        routers = [*self.service.routers, commands.router(self.name, self._commands), self._health_routes()]
        return web.create_app(self.name, routers, keys.KeyStore(self._pool))

    def _health_routes(self) -> APIRouter:
        routes = APIRouter()

        @routes.get("/healthz", include_in_schema=False)
        async def healthz() -> Response:
            idle_s = time.monotonic() - self._consumer.progress_at if self._consumer is not None else 0.0
            alive = idle_s < _STUCK_AFTER_S and not self.crashed
            return web.Json({"alive": alive, "loop_idle_s": round(idle_s, 3)}, 200 if alive else 503)

        @routes.get("/readyz", include_in_schema=False)
        async def readyz() -> Response:
            checks = {
                "database": await self._database_answers(),
                "broker": self._producer.ready,
                "assignment": self.assigned,
            }
            ready = all(checks.values())
            return web.Json({"ready": ready, **checks}, 200 if ready else 503)

        @routes.get("/metrics", include_in_schema=False)
        async def page() -> Response:
            return Response(metrics.page(), media_type="text/plain; version=0.0.4")

        return routes

    async def _database_answers(self) -> bool:
        try:
            async with asyncio.timeout(2):
                await self._pool.fetchval("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return False
        return True


class Crashed(errors.TuttuError):
    """{service} stopped: {reason}"""


def describe(error: BaseException | None) -> Any:
    return getattr(error, "detail", None) or repr(error)
