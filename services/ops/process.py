"""A process that runs services: starts them, serves their HTTP, and stops them in order at a signal or a crash."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg
import structlog

from services.kit import application, http_server
from services.kit.application import Build, Running
from services.kit.runtime import positions
from services.kit.settings import Platform

NAMES = ("intake", "dedupe", "tagging-rules", "activity", "directory", "subscriptions")

T = TypeVar("T")
log = structlog.get_logger(__name__)


def package_of(name: str) -> str:
    """The Python package of a service: services.tagging_rules for tagging-rules."""
    return f"services.{name.replace('-', '_')}"


def builds(names: Sequence[str]) -> dict[str, Build]:
    """The composition roots of these services."""
    return {name: importlib.import_module(f"{package_of(name)}.app").build for name in names}


@contextlib.asynccontextmanager
async def running(
    services: Mapping[str, Build],
    platform: Platform,
    environment: Mapping[str, str],
    *,
    host: str = "127.0.0.1",
    port: int | None,
) -> AsyncIterator[list[Running]]:
    """Services and their HTTP, from start to an orderly end: first the doors close, then batches end, then pools."""
    started: list[Running] = []
    async with contextlib.AsyncExitStack() as stack:
        for name, build in services.items():
            one = Running(name, build, platform, environment)
            stack.push_async_callback(one.stop)
            await one.start()
            started.append(one)
        if port is not None:
            server, task = await http_server.serve(http_server.mount(started), host=host, port=port)

            async def close_doors() -> None:
                for one in started:
                    one.begin_stop()
                server.should_exit = True
                await task

            stack.push_async_callback(close_doors)
        _collect_garbage_rarely()
        yield started


def _collect_garbage_rarely() -> None:
    """A batch makes tens of thousands of objects and hardly a cycle; looking through them again and again took a third
    of the services' CPU under load. What is loaded by now is never garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on uvloop where there is one (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def first_crash(started: Sequence[Running]) -> Running:
    """Wait until a service stops by itself, which it does only on what no retry mends."""
    while True:
        for one in started:
            if one.crashed:
                return one
        await asyncio.sleep(0.2)


def stop_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set; a second signal acts as if there were no handler."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stop


async def until(stop: asyncio.Event, started: Sequence[Running]) -> None:
    """Wait for `stop`. Raises `application.Crashed` when a service stops by itself before."""
    crash, asked = asyncio.create_task(first_crash(started)), asyncio.create_task(stop.wait())
    done, waiting = await asyncio.wait({crash, asked}, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if crash in done:
        one = crash.result()
        raise application.Crashed(service=one.name, reason=application.describe(one.crash_reason))


async def skip(environment: Mapping[str, str], service: str, topic: str, partition: int, to: int) -> bool:
    """Move a service's position by hand; False where it is further already."""
    connection = await asyncpg.connect(application.database_of(service, environment))
    try:
        return await positions.skip(connection, topic, partition, to)
    finally:
        await connection.close()


async def run_until_stopped(
    services: Mapping[str, Build],
    platform: Platform,
    environment: Mapping[str, str],
    *,
    host: str = "127.0.0.1",
    port: int | None,
) -> None:
    """Run services until a signal. Raises `application.Crashed` when one of them stopped by itself."""
    stop = stop_signals()
    async with running(services, platform, environment, host=host, port=port) as started:
        await until(stop, started)
