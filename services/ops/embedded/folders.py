"""Where things are kept, and under which account: PostgreSQL refuses to run as root."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.ops.embedded import errors

# Only root needs it: root's own folders are closed to the account that PostgreSQL runs under.
SYSTEM_FOLDER = Path("/var/lib/tuttu")


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


def account() -> Account | None:
    """The account for a server that refuses to be root; None when this process is not root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # not on Windows

    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def cache() -> Path:
    """The folder for what can be fetched again, of all checkouts: TUTTU_CACHE, or the platform's own."""
    if named := os.environ.get("TUTTU_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "tuttu"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tuttu"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuttu"


def create(server: str, folder: Path) -> None:
    """Create the folder of a server's data, and its parents; raises FolderNotWritable."""
    if reason := _why_not_writable(folder):
        raise errors.FolderNotWritable(server=server, folder=folder, reason=reason)


def create_cache(folder: Path) -> None:
    """Create a folder of the cache, and its parents; raises CacheNotWritable."""
    if reason := _why_not_writable(folder):
        raise errors.CacheNotWritable(folder=folder, reason=reason)


def within_reach(folder: Path, who: Account | None, report: Callable[[str], None]) -> Path:
    """`folder`, or the folder that stands for it where `who` may not enter one of its parents."""
    folder = folder.absolute()
    if who is None or all(_may_enter(parent, who) for parent in folder.parents):
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    instead = SYSTEM_FOLDER / f"{folder.name}-{name}"
    report(f"PostgreSQL cannot run as root, and its account cannot enter {folder}: using {instead}")
    return instead


def give(folder: Path, who: Account | None) -> None:
    """Make `who` the owner of a folder and all that is in it."""
    if who is None:
        return
    os.chown(folder, who.uid, who.gid)
    for path in folder.rglob("*"):
        os.chown(path, who.uid, who.gid, follow_symlinks=False)


def _may_enter(folder: Path, who: Account) -> bool:
    try:
        status = folder.stat()
    except FileNotFoundError:
        return True  # it will be created, open to all
    if status.st_uid == who.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == who.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _why_not_writable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(folder, os.W_OK | os.X_OK) else "permission denied"
