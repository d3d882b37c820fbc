"""Everything in one process: embedded Kafka and PostgreSQL, topics, databases, migrations, services."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.kit import http_server, migrations
from services.kit.application import Running, database_of, prefix_of
from services.ops import access, process, topics
from services.ops.embedded import EmbeddedKafka, EmbeddedPostgres, ports
from services.ops.installation import Installation, platform_of

Report = Callable[[str], None]

_KAFKA_PORT = 19092
_POSTGRES_PORT = 15432


@dataclass(frozen=True)
class Up:
    """An installation that runs."""

    url: str
    admin_key: str
    environment: Mapping[str, str]
    services: Sequence[Running]
    started_in_s: float


def _port(preferred: int) -> int:
    """Our own servers are reached by us alone: where the usual port is taken, any other does."""
    try:
        ports.check_free("server", preferred)
    except Exception:
        return ports.free()
    return preferred


@contextlib.asynccontextmanager
async def servers(
    installation: Installation, report: Report
) -> AsyncIterator[tuple[dict[str, str], EmbeddedKafka, EmbeddedPostgres]]:
    """Embedded Kafka and PostgreSQL on the installation's folder, with the environment that leads to them."""
    kafka = EmbeddedKafka(installation.folder / "kafka", _port(_KAFKA_PORT), report=report)
    postgres = EmbeddedPostgres(installation.folder / "postgres", _port(_POSTGRES_PORT), report=report)
    async with contextlib.AsyncExitStack() as stack:
        report("starting Kafka and PostgreSQL")
        stack.push_async_callback(_stop_both, kafka, postgres)
        # Both to their end: one that fails must not leave the other half-way.
        for outcome in await asyncio.gather(kafka.start(), postgres.start(), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        environment = {
            "TUTTU_KAFKA": kafka.bootstrap,
            "TUTTU_SECRET": installation.secret(),
            **{f"{prefix_of(name)}_DATABASE": postgres.dsn(_database(name)) for name in process.NAMES},
        }
        await asyncio.gather(*(postgres.create_database(_database(name)) for name in process.NAMES))
        yield environment, kafka, postgres


async def _stop_both(kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
    await asyncio.gather(kafka.stop(), postgres.stop())


def _database(name: str) -> str:
    return f"tuttu_{prefix_of(name).lower()}"


async def prepare(environment: Mapping[str, str], *, partitions: int, report: Report) -> None:
    """Create the topics and bring every database to its newest schema."""
    platform = platform_of(environment)
    report("creating topics and migrating databases")
    await asyncio.gather(topics.create(platform, partitions=partitions), migrate(environment))


async def migrate(environment: Mapping[str, str]) -> None:
    """Bring the database of every service to its newest schema."""
    await asyncio.gather(
        *(migrations.migrate(database_of(name, environment), process.package_of(name)) for name in process.NAMES)
    )


@contextlib.asynccontextmanager
async def up(
    folder: Path, *, host: str = "127.0.0.1", port: int = 8080, partitions: int = 4, report: Report
) -> AsyncIterator[Up]:
    """All of Tuttu on this machine, its data in `folder`.

    Raises `PortOccupied`, `AlreadyRunning`, `FolderUnusable`, or an error of the embedded servers, before it takes
    anything in.
    """
    began = time.monotonic()
    installation = Installation(folder)
    installation.create()
    with installation.locked():
        http_server.check_free(host, port)
        async with servers(installation, report) as (addresses, _, _):
            environment = {**os.environ, **addresses}
            installation.write_environment({**addresses, "TUTTU_URL": f"http://{host}:{port}"})
            await prepare(environment, partitions=partitions, report=report)
            key = await _admin_key(installation, environment)
            report("starting the services")
            platform = platform_of({"TUTTU_LOG_FORMAT": "console", "TUTTU_LOG_LEVEL": "warning", **environment})
            builds = process.builds(process.NAMES)
            async with process.running(builds, platform, environment, host=host, port=port) as started:
                yield Up(f"http://{host}:{port}", key, environment, started, time.monotonic() - began)


async def _admin_key(installation: Installation, environment: Mapping[str, str]) -> str:
    """The key of the person who runs this: made once, kept in the folder, readable by its owner only."""
    if installation.admin_key.exists():
        return installation.admin_key.read_text().strip()
    text = await access.create_key(environment, name="admin", scopes=access.EVERYTHING)
    installation.write_admin_key(text)
    return text
