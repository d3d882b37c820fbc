"""All six services on the servers of the test run, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import logging
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog

from services.kit import logs
from services.kit.application import prefix_of
from services.ops import access, process, topics, up
from services.ops.demo import stage
from services.ops.demo.cast import Cast
from services.ops.demo.notes import Notes
from services.ops.demo.register import Register
from services.ops.embedded import ports
from services.ops.installation import platform_of
from tests.servers import Postgres


@dataclass(frozen=True)
class Tuttu:
    """A Tuttu under test. `log` holds all that it logged so far."""

    url: str
    admin_key: str
    kafka: str
    topic_prefix: str
    cast: Cast
    notes: Path
    """The folder in which the demo's notes are, so that a day that is played takes the same keys."""
    log: io.StringIO

    def client(self) -> httpx.AsyncClient:
        """A client with the admin's key."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.admin_key}"}, timeout=httpx.Timeout(20)
        )


@contextlib.contextmanager
def running(kafka: str, postgres: Postgres, folder: Path) -> Iterator[Tuttu]:
    """Databases, topics, services, and the demo's sources, keys and forms."""
    name = f"e2e_{secrets.token_hex(4)}"
    prefix = f"{name}-"
    with contextlib.ExitStack() as stack:
        environment = {"TUTTU_KAFKA": kafka, "TUTTU_TOPIC_PREFIX": prefix, "TUTTU_SECRET": "a secret of the tests"}
        for service in process.NAMES:
            database = stack.enter_context(postgres.empty_database(f"{name}_{prefix_of(service).lower()}"))
            environment[f"{prefix_of(service)}_DATABASE"] = database
        log = stack.enter_context(_logs_kept())
        port = ports.free()
        admin_key = stack.enter_context(_in_a_thread(environment, port))
        url = f"http://127.0.0.1:{port}"
        cast = asyncio.run(_stage(url, admin_key, folder))
        yield Tuttu(url, admin_key, kafka, prefix, cast, folder, log)


async def _stage(url: str, admin_key: str, folder: Path) -> Cast:
    headers = {"Authorization": f"Bearer {admin_key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        credentials = await stage.set_up(Register(client), Notes(folder))
    # Far from the people of a demo that is played on the same installation.
    numbers = itertools.count(500_000)
    return Cast(credentials, lambda: next(numbers), seed=3)


@contextlib.contextmanager
def _in_a_thread(environment: dict[str, str], port: int) -> Iterator[str]:
    """Run the services while this is open; gives the admin's key."""
    loop = asyncio.new_event_loop()
    ready: Future[str] = Future()
    stop = asyncio.Event()

    async def serve() -> None:
        platform = platform_of(environment)
        await asyncio.gather(topics.create(platform, partitions=2), up.migrate(environment))
        key = await access.create_key(environment, name="admin", scopes=access.EVERYTHING)
        builds = process.builds(process.NAMES)
        async with process.running(builds, platform, environment, port=port) as started:
            ready.set_result(key)
            await process.until(stop, started)

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name="tuttu")
    thread.start()
    try:
        yield ready.result(timeout=60)
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=30)
        assert not thread.is_alive()


@contextlib.contextmanager
def _logs_kept() -> Iterator[io.StringIO]:
    """All that is logged from here on, down to debug; afterwards logging is as it was."""
    log = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with contextlib.redirect_stderr(log):
        logs.configure(style="json", level="debug")
    try:
        yield log
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
