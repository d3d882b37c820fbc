"""An intake for one test each."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest

from services.intake import app
from services.kit import migrations
from services.kit.settings import Platform
from services.ops import process
from services.ops.embedded import ports
from tests.integration.intake import running
from tests.integration.intake.running import Intake


@pytest.fixture
async def platform(kafka_bootstrap: str, topic_prefix: str) -> Platform:
    platform = Platform(
        kafka=kafka_bootstrap,
        topic_prefix=topic_prefix,
        secret="test-secret",
        produce_timeout=timedelta(seconds=3),
    )
    await running.create_topics(platform)
    return platform


@pytest.fixture
async def intake(platform: Platform, database: str) -> AsyncIterator[Intake]:
    """Intake's doors, with their usual settings."""
    async with running.doors(platform, database, {}) as intake:
        yield intake


@pytest.fixture
async def intake_with(platform: Platform, database: str) -> Callable[..., AbstractAsyncContextManager[Intake]]:
    """Intake's doors with the settings that the test names: `intake_with(INTAKE_FORM_POSTS_PER_S="1")`."""

    def start(*, kafka: str | None = None, **environment: str) -> AbstractAsyncContextManager[Intake]:
        return running.doors(platform, database, environment, kafka=kafka)

    return start


@pytest.fixture
async def whole_intake(platform: Platform, database: str) -> AsyncIterator[Intake]:
    """Intake as a process runs it, with its consumer of dead letters."""
    await migrations.migrate(database, "services.intake")
    environment = {"INTAKE_DATABASE": database}
    port = ports.free()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(process.running({"intake": app.build}, platform, environment, port=port))
        url = f"http://127.0.0.1:{port}/intake"
        admin, door = await stack.enter_async_context(running.clients(url, environment))
        yield Intake(url, admin, door, platform, database)
