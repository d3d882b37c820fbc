"""One Tuttu for all end-to-end tests of a process; each test has people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.ops.demo.register import Register
from services.ops.demo.watcher import Watcher
from tests.e2e import steps, system
from tests.servers import Postgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One Tuttu for all of them: pytest-xdist keeps them on one worker."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="session")
def tuttu(kafka_bootstrap: str, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[system.Tuttu]:
    with system.running(kafka_bootstrap, postgres, tmp_path_factory.mktemp("e2e")) as running:
        yield running


@pytest.fixture
async def register(tuttu: system.Tuttu) -> AsyncIterator[Register]:
    """The public APIs, with the admin's key."""
    async with tuttu.client() as client:
        yield Register(client)


@pytest.fixture
async def updates(tuttu: system.Tuttu) -> AsyncIterator[Watcher]:
    """A subscriber who is connected and sees every customer update of the test."""
    async with steps.watching(tuttu) as watcher:
        yield watcher
