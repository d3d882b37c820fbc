"""An installation in one folder: its secret, its addresses, its lock; and the environment that the commands use.

`tuttu up` writes the addresses of what it started to `environment.json` in the folder, so that `tuttu key create` and
the other commands find it; variables of the real environment stand above them.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from services.kit import errors, settings
from services.kit.settings import Platform

FOLDER = Path(".tuttu")


class FolderUnusable(errors.TuttuError):
    """{folder} cannot be used: {reason}. Name another folder with --data, or mend its rights."""


class AlreadyRunning(errors.TuttuError):
    """A Tuttu (process {pid}) already runs on {folder}. Stop it with Ctrl-C (or `kill {pid}`), or name another folder
    with --data."""


class Installation:
    """What is kept in the folder between runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def create(self) -> None:
        """Make the folder and the installation's secret, if they are not there. Raises `FolderUnusable`."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._secret.exists():
                _write_private(self._secret, secrets.token_urlsafe(32))
        except OSError as error:
            raise FolderUnusable(folder=self.folder, reason=error.strerror or repr(error)) from error

    @property
    def _secret(self) -> Path:
        return self.folder / "secret"

    @property
    def admin_key(self) -> Path:
        """The file that holds the key which `tuttu up` made for its user."""
        return self.folder / "admin.key"

    def write_admin_key(self, text: str) -> None:
        _write_private(self.admin_key, text)

    def secret(self) -> str:
        return self._secret.read_text().strip()

    def write_environment(self, environment: Mapping[str, str]) -> None:
        _write_private(self.folder / "environment.json", json.dumps(dict(environment), indent=2))

    def environment(self) -> dict[str, str]:
        """The addresses that `tuttu up` wrote here, under the variables of the real environment."""
        file = self.folder / "environment.json"
        kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return {**kept, **os.environ}

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second Tuttu away from the folder; a lock whose process is gone counts for nothing.

        Raises `AlreadyRunning`.
        """
        lock = self.folder / "lock.json"
        holder = _holder(lock)
        if holder is not None:
            raise AlreadyRunning(pid=holder, folder=self.folder)
        me = psutil.Process()
        _write_private(lock, json.dumps({"pid": me.pid, "started": me.create_time()}))
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def platform_of(environment: Mapping[str, str]) -> Platform:
    """The settings that all services share."""
    return settings.load(Platform, "TUTTU", environment)


def _holder(lock: Path) -> int | None:
    try:
        held = json.loads(lock.read_text())
        process = psutil.Process(held["pid"])
        return process.pid if abs(process.create_time() - held["started"]) < 1 else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def _write_private(file: Path, text: str) -> None:
    """Write whole or not at all, readable by the owner only."""
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    fresh.replace(file)
