"""The jars of the embedded servers: which they are, fetched once into a cache that all checkouts share.

`jars.sha256` is a lock file, one "SHA-256, size in bytes, Maven coordinate" a line. Starting needs no
dependency resolution, only these files; `jgo` fetches them, and resolves when the list is written anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jgo
import requests
from jgo.maven import MavenContext

from services.ops.embedded import errors, folders

LIST = Path(__file__).with_name("jars.sha256")
KAFKA_VERSION = "4.2.1"
POSTGRES_VERSION = "18.1.0"
POSTGRES_PLATFORMS = ("linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8", "windows-amd64")
PARALLEL = 16

Report = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Jar:
    sha256: str
    size_bytes: int
    coordinate: str
    """group:artifact:version"""

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def kafka() -> list[Jar]:
    """The class path of the broker."""
    jars = [jar for jar in read(LIST) if not jar.coordinate.startswith(_postgres_coordinate(""))]
    if not any(jar.coordinate == f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}" for jar in jars):
        raise errors.JarNotListed(wanted=f"Apache Kafka {KAFKA_VERSION}")
    return jars


def postgres(platform: str) -> Jar:
    """The archive of PostgreSQL's binaries for one of POSTGRES_PLATFORMS."""
    wanted = f"{_postgres_coordinate(platform)}:{POSTGRES_VERSION}"
    for jar in read(LIST):
        if jar.coordinate == wanted:
            return jar
    raise errors.JarNotListed(wanted=wanted)


def read(path: Path) -> list[Jar]:
    """The entries of a lock file; raises JarListUnreadable."""
    jars = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        try:
            sha256, size, coordinate = line.split()
            jars.append(Jar(sha256, int(size), coordinate))
        except ValueError:
            raise errors.JarListUnreadable(line=number) from None
    return jars


def fetch(what: str, jars: Sequence[Jar], report: Report) -> list[Path]:
    """The checked files of these jars, in their order; fetches what the cache lacks.

    Raises RegistryUnreachable, JarMismatch.
    """
    cache = folders.cache() / "jars"
    missing = [jar for jar, good in zip(jars, _map(lambda jar: _is_good(jar, cache), jars), strict=True) if not good]
    if missing:
        report(f"fetching {what} ({sum(jar.size_bytes for jar in missing) / 1e6:.0f} MB)")
        folders.create_cache(cache)
        # jgo writes in place: a private folder beside the cache keeps half a file out of it.
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as staging:
            _map(lambda jar: _fetch_one(jar, Path(staging), cache), missing)
    return [cache / jar.file_name for jar in jars]


def write_list(report: Report) -> None:
    """Resolve anew and write `jars.sha256`. Trusts what the registry serves: review the difference."""
    endpoint = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.apache.kafka:kafka-clients:{KAFKA_VERSION}"
    report(f"resolving {endpoint}")
    coordinates = [f"{a.groupId}:{a.artifactId}:{a.version}" for a in jgo.resolve(endpoint)]
    # Kafka leaves the choice of a logging backend to its distribution; this is the one that it ships.
    log4j = next(c for c in coordinates if c.startswith("org.apache.logging.log4j:log4j-core:"))
    coordinates.append(log4j.replace("log4j-core", "log4j-slf4j-impl"))
    coordinates += [f"{_postgres_coordinate(name)}:{POSTGRES_VERSION}" for name in POSTGRES_PLATFORMS]
    with tempfile.TemporaryDirectory() as staging, ThreadPoolExecutor(PARALLEL) as pool:
        report(f"fetching {len(coordinates)} jars")
        files = list(pool.map(lambda coordinate: _download(coordinate, Path(staging)), coordinates))
        lines = [
            f"{_sha256(file)} {file.stat().st_size:>9} {coordinate}\n"
            for coordinate, file in zip(coordinates, files, strict=True)
        ]
    header = "# SHA-256, bytes, coordinate. Written by `python -m services.ops.embedded lock`.\n"
    LIST.write_text(header + "".join(lines), encoding="utf-8")


def _postgres_coordinate(platform: str) -> str:
    return f"io.zonky.test.postgres:embedded-postgres-binaries-{platform}"


def _map(action: Callable[[Jar], T], jars: Iterable[Jar]) -> list[T]:
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(action, jars))


def _is_good(jar: Jar, cache: Path) -> bool:
    file = cache / jar.file_name
    return file.is_file() and _sha256(file) == jar.sha256


def _fetch_one(jar: Jar, staging: Path, cache: Path) -> None:
    file = _download(jar.coordinate, staging)
    actual = _sha256(file)
    if actual != jar.sha256:
        raise errors.JarMismatch(jar=jar.coordinate, actual=actual, expected=jar.sha256)
    file.replace(cache / jar.file_name)


def _download(coordinate: str, staging: Path) -> Path:
    mirror = os.environ.get("TUTTU_MAVEN_REPOSITORY")
    context = MavenContext(
        repo_cache=staging, remote_repos={"mirror": mirror.rstrip("/")} if mirror else None, timeout=30
    )
    try:
        return Path(context.create_dependency(coordinate).artifact.resolve())
    except (requests.RequestException, RuntimeError, OSError) as error:
        # jgo says RuntimeError for "not found"
        raise errors.RegistryUnreachable(jar=coordinate, reason=error) from error


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
