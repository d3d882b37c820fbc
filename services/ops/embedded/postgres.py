"""An embedded PostgreSQL on 127.0.0.1, with the superuser `tuttu` and a password kept beside the data."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import psutil

from services.ops.embedded import binaries, errors, folders, jars, ports, process

SUPERUSER = "tuttu"
START_WITHIN_S = 60  # crash recovery included
STOP_WITHIN_S = 10
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_checkpoints": "off",
    # Parallel plans need more shared memory than a container has by default (64 MB), and a laptop's cores are
    # busy with the services.
    "max_parallel_workers_per_gather": "0",
}


class EmbeddedPostgres:
    """Keeps everything in `data`; as root, where that folder is closed to other accounts, in one under
    /var/lib that stands for it. With port 0 a free one is taken, the same for this object's whole life.
    `settings` are server settings over ours.
    """

    def __init__(
        self,
        data: Path,
        port: int = 0,
        *,
        settings: Mapping[str, str] | None = None,
        report: jars.Report = lambda message: None,
    ) -> None:
        self.port = port or ports.free()
        self._report = report
        self._account = folders.account()
        self._folder = folders.within_reach(data, self._account, report)
        self._cluster = self._folder / "cluster"
        self._password = self._folder / "password"
        self._settings = {**SETTINGS, "port": str(self.port), **(settings or {})}
        self._process = process.ServerProcess(
            # SIGINT is PostgreSQL's "fast shutdown": open transactions are rolled back
            "PostgreSQL",
            self._folder,
            stop_signal=signal.SIGINT,
            stop_within_s=STOP_WITHIN_S,
        )

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def dsn(self, database: str = "postgres") -> str:
        """The address of a database, with the superuser's name and password; known after `start`."""
        password = self._password.read_text(encoding="ascii")
        return f"postgresql://{SUPERUSER}:{password}@{ports.HOST}:{self.port}/{database}"

    async def start(self) -> None:
        """Returns when clients are served. Raises the errors of `services.ops.embedded.errors`."""
        if self.pid is not None:
            return
        folders.create(self._process.name, self._folder)
        await self._process.end_earlier(self._report)
        ports.check_free(self._process.name, self.port)
        programs = await asyncio.to_thread(binaries.postgres, self._account, self._report)
        if not self._cluster.exists():
            await asyncio.to_thread(self._create_cluster, programs)
        self._discard_stale_lock()
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self._process.spawn(
            [str(programs / "postgres"), "-D", str(self._cluster), *settings],
            who=self._account,
            env=_environment(),
        )
        await self._process.wait_until(self._is_ready, START_WITHIN_S)

    async def stop(self) -> None:
        """In order, or by force after 10 s: the next start then recovers."""
        await self._process.stop()

    async def kill(self) -> None:
        """SIGKILL to the server and its backends, for tests of faults."""
        await self._process.kill()

    async def create_database(self, name: str, *, exists_ok: bool = True) -> None:
        """Raises asyncpg.DuplicateDatabaseError when it is there and must not be."""
        connection = await asyncpg.connect(self.dsn())
        try:
            quoted = name.replace('"', '""')
            await connection.execute(f'CREATE DATABASE "{quoted}"')
        except asyncpg.DuplicateDatabaseError:
            if not exists_ok:
                raise
        finally:
            await connection.close()

    def _create_cluster(self, programs: Path) -> None:
        self._report("preparing PostgreSQL's folder")
        # Built beside and renamed: an interrupted initdb leaves no half of a cluster.
        who = self._account
        new = self._cluster.with_name("cluster.new")
        shutil.rmtree(new, ignore_errors=True)
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_urlsafe(24), encoding="ascii")
        folders.give(self._folder, who)
        command = [
            *(str(programs / "initdb"), "-D", str(new), "--no-instructions", f"--username={SUPERUSER}"),
            *("--auth=scram-sha-256", f"--pwfile={self._password}", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            # The password is random, so that stretching it protects nothing and costs each connection 10 ms.
            *("-c", "scram_iterations=1"),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            env=_environment(),
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
        )
        if done.returncode != 0:
            tail = (done.stdout + done.stderr)[-2000:]
            raise errors.StartFailed(server=self._process.name, reason="initdb failed", log="the output", tail=tail)
        new.rename(self._cluster)

    def _discard_stale_lock(self) -> None:
        # PostgreSQL trusts a postmaster.pid whose process lives, whoever that is; in a container, where ids
        # are few, another program soon has it. Only a server of this cluster counts.
        lock = self._cluster / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            pid = int(lock.read_text(encoding="utf-8").split("\n", 1)[0] or 0)
            with contextlib.suppress(psutil.NoSuchProcess):
                if str(self._cluster) in psutil.Process(pid).cmdline():
                    return
            lock.unlink()

    def _is_ready(self) -> bool:
        # The eighth line is the server's state, the first its pid (miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


def _environment() -> dict[str, str]:
    """Ours, without the settings of other PostgreSQLs."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**inherited, "LC_ALL": "C"}
