"""Fixtures for tests with servers; tests under tests/unit and tests/contract do without."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

import pytest

from services.kit.errors import TuttuError
from tests import servers

STACK = pytest.StashKey[contextlib.ExitStack]()


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    is_worker = hasattr(config, "workerinput")  # of pytest-xdist; the controller starts the servers
    if is_worker or config.option.collectonly or not servers.needed(config.rootpath, config.args):
        return
    stack = config.stash.setdefault(STACK, contextlib.ExitStack())
    try:
        stack.enter_context(servers.running())
    except TuttuError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)


def pytest_unconfigure(config: pytest.Config) -> None:
    with config.stash.get(STACK, contextlib.ExitStack()):
        pass


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """`host:port` of Kafka, which all tests share: name topics and groups with `topic_prefix`."""
    return _address(servers.KAFKA)


@pytest.fixture(scope="session")
def postgres() -> servers.Postgres:
    """The PostgreSQL server, which all tests share: `postgres.dsn("name")` is a database's address."""
    return servers.Postgres(_address(servers.POSTGRES))


@pytest.fixture
def database(postgres: servers.Postgres, unique: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    with postgres.empty_database(f"test_{unique}") as dsn:
        yield dsn


@pytest.fixture
def unique() -> str:
    """A short string that no other test gets; fit for names of databases, topics and groups."""
    return secrets.token_hex(5)


@pytest.fixture
def topic_prefix(unique: str) -> str:
    """What the names of this test's topics begin with."""
    return f"test-{unique}-"


def _address(variable: str) -> str:
    address = os.environ.get(variable)
    if not address:
        pytest.fail(f"No servers here: they start unless only {' and '.join(servers.NEED_NONE)} are selected.")
    return address
