"""One server process: started so that a terminal's Ctrl-C does not reach it and its parent's death does,
stopped in order within a bounded time, and found again when an earlier run was killed and left it behind.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from services.ops.embedded import errors, folders

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_S = 0.02
# psutil derives a start time from the boot time, which moves a little with the clock.
SAME_START_S = 2.0


class Traces(msgspec.Struct, frozen=True):
    """What a run leaves in its folder, so that the next one finds what is left of it."""

    pid: int
    started: float
    owner: int
    owner_started: float


class ServerProcess:
    """`folder` holds the process's log and traces. `stop_signal` asks for an orderly stop.

    On Linux the process ends with the thread that started it: start servers from a thread that stays.
    """

    def __init__(self, name: str, folder: Path, *, stop_signal: signal.Signals, stop_within_s: float) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / "server.log"
        self._traces = folder / "server.json"
        self._stop_signal = stop_signal
        self._stop_within_s = stop_within_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def end_earlier(self, report: Callable[[str], None]) -> None:
        """Stop what a killed run left on this folder. Raises FolderInUse when that run still lives."""
        try:
            traces = msgspec.json.decode(self._traces.read_bytes(), type=Traces)
        except (FileNotFoundError, msgspec.DecodeError):
            return
        left = _find(traces.pid, traces.started)
        if left is not None:
            if _find(traces.owner, traces.owner_started):
                raise errors.FolderInUse(server=self.name, folder=self.folder, pid=left.pid, owner=traces.owner)
            report(f"stopping {self.name} of an earlier run (process {left.pid})")
            await self._end(left)
        self._traces.unlink(missing_ok=True)

    def spawn(self, command: Sequence[str], *, who: folders.Account | None = None, env: Mapping[str, str]) -> None:
        """Start the process; its output goes to `log`, the one of the run before to `server.log.1`."""
        if self.log.exists():
            self.log.replace(self.log.with_name("server.log.1"))
        if sys.platform != "win32":
            ids = (who.uid, who.gid) if who else (0, 0)
            settings = map(str, (os.getpid(), int(self._stop_signal), *ids))
            command = [sys.executable, "-I", "-S", str(LAUNCHER), *settings, *command]
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=env,
                start_new_session=True,
            )
        _running.add(self)
        traces = Traces(
            pid=self._process.pid,
            started=psutil.Process(self._process.pid).create_time(),
            owner=os.getpid(),
            owner_started=psutil.Process().create_time(),
        )
        self._traces.write_bytes(msgspec.json.encode(traces))

    async def wait_until(self, ready: Callable[[], bool], within_s: float) -> None:
        """Raises StartFailed, with the end of the log, when the process ends or is not ready in time."""
        assert self._process is not None
        deadline = time.monotonic() + within_s
        while not ready():
            if (status := self._process.poll()) is not None:
                self._forget()
                raise self._start_failed(f"it ended with status {status}")
            if time.monotonic() > deadline:
                await self.kill()
                raise self._start_failed(f"not ready within {within_s:.0f} s")
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """Stop in order, or by force when that takes too long. Nothing happens when it does not run."""
        if self.pid is not None:
            await self._end(psutil.Process(self.pid))
        self._forget()

    async def kill(self) -> None:
        """SIGKILL to the process and its children, as a machine that loses power does."""
        if self.pid is not None:
            await self._kill(psutil.Process(self.pid))
        self._forget()

    async def _end(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(self._stop_signal)
        if not await self._gone([process], self._stop_within_s):
            await self._kill(process)

    async def _kill(self, process: psutil.Process) -> None:
        processes = [process]
        with contextlib.suppress(psutil.NoSuchProcess):
            processes += process.children(recursive=True)
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        await self._gone(processes, within_s=5)

    async def _gone(self, processes: Sequence[psutil.Process], within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while any(self._lives(process) for process in processes):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _lives(self, process: psutil.Process) -> bool:
        if self._process and self._process.pid == process.pid:
            return self._process.poll() is None  # takes its status, without which it stays as a zombie
        return _lives(process)

    def _forget(self) -> None:
        _running.discard(self)
        self._process = None
        self._traces.unlink(missing_ok=True)

    def _start_failed(self, reason: str) -> errors.StartFailed:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return errors.StartFailed(server=self.name, reason=reason, log=self.log, tail="\n".join(lines[-15:]))

    def stop_at_exit(self) -> None:
        """The last resort of an interpreter that ends without `stop`."""
        if self._process and self.pid is not None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(self._stop_within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


_running: weakref.WeakSet[ServerProcess] = weakref.WeakSet()
_main_pid = os.getpid()


@atexit.register
def _stop_all() -> None:
    if os.getpid() == _main_pid:  # not in a fork, whose servers these are not
        for server in list(_running):
            server.stop_at_exit()


def _find(pid: int, started: float) -> psutil.Process | None:
    """The process of that id, if it is still the one that started then."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if abs(process.create_time() - started) < SAME_START_S and _lives(process):
            return process
    return None


def _lives(process: psutil.Process) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            # Where nobody collects orphans it stays so; its ports are free when its last thread is gone.
            return process.num_threads() > 1
        return process.is_running()
    except psutil.NoSuchProcess:
        return False
