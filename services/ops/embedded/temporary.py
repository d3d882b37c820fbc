"""Both servers for the length of a test run."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from services.ops.embedded import jars
from services.ops.embedded.kafka import EmbeddedKafka
from services.ops.embedded.postgres import EmbeddedPostgres

# A killed process loses nothing by this, only a machine that loses power; commits take a fifth of the time.
UNSAFE = {"fsync": "off", "full_page_writes": "off"}


@contextlib.asynccontextmanager
async def temporary_servers(
    report: jars.Report = lambda message: None,
) -> AsyncIterator[tuple[EmbeddedKafka, EmbeddedPostgres]]:
    """Both on free ports, in a temporary folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tuttu-"))
    folder.chmod(0o755)  # PostgreSQL may run under another account
    # Tests of lost members would otherwise wait for six seconds at least.
    kafka = EmbeddedKafka(folder / "kafka", settings={"group.min.session.timeout.ms": "500"}, report=report)
    postgres = EmbeddedPostgres(folder / "postgres", settings=UNSAFE, report=report)
    try:
        # Both to their end: one that fails must not leave the other half-way.
        for outcome in await asyncio.gather(kafka.start(), postgres.start(), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        yield kafka, postgres
    finally:
        await asyncio.gather(kafka.stop(), postgres.stop())
        shutil.rmtree(folder, ignore_errors=True)
