"""All six services on the servers of the test run, in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.kit.application import prefix_of
from services.ops import access, process, up
from services.ops.demo import stage
from services.ops.demo.cast import Cast
from services.ops.demo.notes import Notes
from services.ops.demo.register import Register
from services.ops.embedded import ports
from tests.servers import Postgres


@dataclass(frozen=True)
class Tuttu:
    """A Tuttu under test. `log` is the file that holds all that it logged so far."""

    url: str
    admin_key: str
    kafka: str
    topic_prefix: str
    cast: Cast
    notes: Path
    """The folder in which the demo's notes are, so that a day that is played takes the same keys."""
    log: Path

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
        environment = {
            "TUTTU_KAFKA": kafka,
            "TUTTU_TOPIC_PREFIX": prefix,
            "TUTTU_SECRET": "a secret of the tests",
            "TUTTU_LOG_LEVEL": "debug",
        }
        for service in process.NAMES:
            database = stack.enter_context(postgres.empty_database(f"{name}_{prefix_of(service).lower()}"))
            environment[f"{prefix_of(service)}_DATABASE"] = database
        admin_key = asyncio.run(_prepare(environment))
        log = folder / "tuttu.log"
        port = ports.free()
        stack.enter_context(_in_a_process(environment, port, log))
        url = f"http://127.0.0.1:{port}"
        cast = asyncio.run(_stage(url, admin_key, folder))
        yield Tuttu(url, admin_key, kafka, prefix, cast, folder, log)


async def _prepare(environment: dict[str, str]) -> str:
    """Topics, databases and the admin's key."""
    await up.prepare(environment, partitions=2, report=lambda message: None)
    return await access.create_key(environment, name="admin", scopes=access.EVERYTHING)


async def _stage(url: str, admin_key: str, folder: Path) -> Cast:
    headers = {"Authorization": f"Bearer {admin_key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        credentials = await stage.set_up(Register(client), Notes(folder))
    # Far from the people of a demo that is played on the same installation.
    numbers = itertools.count(500_000)
    return Cast(credentials, lambda: next(numbers), seed=3)


@contextlib.contextmanager
def _in_a_process(environment: dict[str, str], port: int, log: Path) -> Iterator[None]:
    """Run the services, as `tuttu run` does, while this is open.

    Not in a thread: what it draws at random and what it logs would be that of the other tests of this process too.
    """
    arguments = [sys.executable, "-m", "services", "run", *process.NAMES, "--port", str(port)]
    with log.open("wb") as out:
        child = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=out, stderr=out)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", child, log)
        yield
    finally:
        child.terminate()
        try:
            ended = child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise
        assert ended == 0, log.read_text()[-2000:]


def _wait_until_ready(url: str, child: subprocess.Popen[bytes], log: Path, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    waiting = list(process.NAMES)
    while waiting:
        assert child.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
        try:
            ready = httpx.get(f"{url}/{waiting[0]}/readyz").status_code == 200
        except httpx.TransportError:
            ready = False
        if ready:
            waiting.pop(0)
        else:
            time.sleep(0.1)
