"""The system under load: own servers in a temporary folder, one process per service, and what they cost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from services.kit import errors
from services.kit.application import prefix_of
from services.ops import access, process, up
from services.ops.embedded import ports
from services.ops.installation import Installation


class ServiceNotReady(errors.TuttuError):
    """{service} did not become ready within {seconds} s; its last words are in {log}."""


@dataclass(frozen=True)
class System:
    """Tuttu as it runs under load."""

    urls: Mapping[str, str]
    """The address of each service, with its path."""
    environment: Mapping[str, str]
    admin_key: str
    processes: Mapping[str, psutil.Process]
    """Each service, and `kafka` and `postgres` (the parent of its backends)."""

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds that each part has used so far."""
        return {name: _cpu_s(process) for name, process in self.processes.items()}

    def memory_mb(self) -> dict[str, float]:
        """Memory that each part holds; shared pages are counted once (PSS) where the system tells."""
        return {name: _memory_mb(process) for name, process in self.processes.items()}


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    # Backends that ended in between count as the parent's children.
    total = times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            its = child.cpu_times()
            total += its.user + its.system
    return float(total)


def _memory_mb(process: psutil.Process) -> float:
    total = 0
    for member in _family(process):
        with contextlib.suppress(psutil.Error):
            info = member.memory_full_info()
            total += getattr(info, "pss", 0) or info.rss
    return total / 1e6


@contextlib.asynccontextmanager
async def system(report: Callable[[str], None]) -> AsyncIterator[System]:
    """Everything that a load needs, from an empty folder, and nothing left of it at the end."""
    with tempfile.TemporaryDirectory(prefix="tuttu-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        installation = Installation(folder)
        installation.create()
        async with up.servers(installation, report) as (addresses, kafka, postgres):
            environment = {**os.environ, **addresses, "TUTTU_LOG_LEVEL": "warning"}
            await up.prepare(environment, partitions=4, report=report)
            key = await access.create_key(environment, name="bench", scopes=access.EVERYTHING)
            report("starting one process per service")
            async with contextlib.AsyncExitStack() as stack:
                urls, pids = {}, {"kafka": kafka.pid, "postgres": postgres.pid}
                for service in process.NAMES:
                    port = ports.free()
                    urls[service] = f"http://127.0.0.1:{port}/{service}"
                    pids[service] = await stack.enter_async_context(_service(service, port, environment, folder))
                await asyncio.gather(*(_ready(service, url, folder) for service, url in urls.items()))
                processes = {service: psutil.Process(pid) for service, pid in pids.items()}
                yield System(urls, environment, key, processes)


@contextlib.asynccontextmanager
async def _service(service: str, port: int, environment: Mapping[str, str], folder: Path) -> AsyncIterator[int]:
    with _log(folder, service).open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services",
            "run",
            service,
            "--port",
            str(port),
            env=dict(environment),
            stdout=log,
            stderr=log,
        )
    try:
        yield child.pid
    finally:
        if child.returncode is None:
            child.terminate()
        try:
            async with asyncio.timeout(20):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


def _log(folder: Path, service: str) -> Path:
    return folder / f"{prefix_of(service).lower()}.log"


async def _ready(service: str, url: str, folder: Path, within_s: float = 60) -> None:
    async with httpx.AsyncClient() as client:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get(f"{url}/readyz")).status_code == 200:
                            return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise ServiceNotReady(service=service, seconds=within_s, log=_log(folder, service)) from None
