"""The embedded servers: what they keep, what they survive, and what they say when they cannot run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.ops.embedded import EmbeddedKafka, EmbeddedPostgres, errors, jars, ports

TOPIC = "kept"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account may enter when the tests run as root.

    Not below pytest's own, which every other run of pytest on this machine closes to all but its owner.
    """
    with tempfile.TemporaryDirectory(prefix="tuttu-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
async def postgres_of_this_test(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(folder / "postgres")
    await postgres.start()
    yield postgres
    await postgres.stop()


@pytest.fixture
async def kafka_of_this_test(folder: Path) -> AsyncIterator[EmbeddedKafka]:
    kafka = EmbeddedKafka(folder / "kafka")
    await kafka.start()
    yield kafka
    await kafka.stop()


async def test_postgres_keeps_its_data_over_a_stop_and_over_a_kill(
    postgres_of_this_test: EmbeddedPostgres,
) -> None:
    postgres = postgres_of_this_test
    await postgres.create_database("shop")
    await postgres.create_database("shop")
    with pytest.raises(asyncpg.DuplicateDatabaseError):
        await postgres.create_database("shop", exists_ok=False)
    await _execute(postgres, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")

    await postgres.stop()
    assert postgres.pid is None
    await postgres.start()
    await _execute(postgres, "INSERT INTO t VALUES (2)")
    await postgres.kill()
    assert postgres.pid is None
    await postgres.start()

    assert await _execute(postgres, "SELECT FROM t") == "SELECT 2"


async def test_kafka_keeps_its_data_over_a_stop_and_over_a_kill(kafka_of_this_test: EmbeddedKafka) -> None:
    kafka = kafka_of_this_test
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    await admin.close()
    await _produce(kafka, b"one")

    await kafka.stop()
    assert kafka.pid is None
    await kafka.start()
    await _produce(kafka, b"two")
    await kafka.kill()
    await kafka.start()

    assert await _consume(kafka, 2) == [b"one", b"two"]


async def test_what_a_killed_run_left_is_stopped_by_the_next(folder: Path) -> None:
    left = _start_in_another_process(folder)
    # SIGKILL to the owner makes Linux stop its servers; one that is stopped itself cannot follow.
    server = psutil.Process(left.server)
    server.suspend()
    left.owner.kill()
    left.owner.wait()
    resume = asyncio.get_running_loop().call_later(0.3, server.resume)
    messages: list[str] = []
    postgres = EmbeddedPostgres(folder / "postgres", report=messages.append)

    await postgres.start()

    resume.cancel()
    assert f"stopping PostgreSQL of an earlier run (process {left.server})" in messages
    assert _is_gone_within(left.server, 0.1)
    await postgres.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_a_server_ends_when_its_owner_is_killed(folder: Path) -> None:
    left = _start_in_another_process(folder)
    left.owner.kill()
    left.owner.wait()

    assert await asyncio.to_thread(_is_gone_within, left.server, 10)


async def test_ctrl_c_in_the_owners_terminal_does_not_reach_a_server(
    postgres_of_this_test: EmbeddedPostgres,
) -> None:
    assert postgres_of_this_test.pid is not None

    assert os.getpgid(postgres_of_this_test.pid) != os.getpgid(0)


async def test_a_folder_in_use_says_by_whom(postgres_of_this_test: EmbeddedPostgres, folder: Path) -> None:
    second = EmbeddedPostgres(folder / "postgres")

    with pytest.raises(errors.FolderInUse, match=rf"process {postgres_of_this_test.pid}, .* {os.getpid()}"):
        await second.start()


async def test_a_lock_that_another_program_seems_to_hold_does_not_keep_postgres_from_starting(
    postgres_of_this_test: EmbeddedPostgres, folder: Path
) -> None:
    await postgres_of_this_test.stop()
    (folder / "postgres" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n", encoding="utf-8")

    await postgres_of_this_test.start()


@pytest.mark.parametrize("server", [EmbeddedKafka, EmbeddedPostgres])
async def test_an_occupied_port_says_so(
    server: type[EmbeddedKafka | EmbeddedPostgres], folder: Path, occupied_port: int
) -> None:
    with pytest.raises(errors.PortOccupied, match=rf"127.0.0.1:{occupied_port}: process {os.getpid()} "):
        await server(folder / "data", occupied_port).start()


async def test_a_folder_that_cannot_be_made_says_so(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(errors.FolderNotWritable, match=r"Apache Kafka cannot keep its data in .*file"):
        await EmbeddedKafka(folder / "file" / "kafka").start()


def test_a_cache_that_cannot_be_made_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TUTTU_CACHE", str(tmp_path / "file"))

    with pytest.raises(errors.CacheNotWritable, match="TUTTU_CACHE"):
        jars.fetch("a greeting", [JAR], print)


async def test_a_server_that_does_not_start_shows_the_end_of_its_log(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder / "postgres", settings={"shared_buffers": "nonsense"})

    with pytest.raises(errors.StartFailed, match="nonsense"):
        await postgres.start()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A registry of our own, served from a folder, and an empty cache."""
    served = tmp_path / "registry"
    served.mkdir()
    port = ports.free()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", ports.HOST, "-d", str(served)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for_port(port)
            monkeypatch.setenv("TUTTU_MAVEN_REPOSITORY", f"http://{ports.HOST}:{port}")
            monkeypatch.setenv("NO_PROXY", ports.HOST)
            monkeypatch.setenv("TUTTU_CACHE", str(tmp_path / "cache"))
            yield served
        finally:
            server.terminate()


JAR = jars.Jar("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", 5, "org.example:greeting:1.0")


def _publish(registry: Path, content: bytes) -> None:
    file = registry / "org" / "example" / "greeting" / "1.0" / JAR.file_name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)


def test_a_jar_is_fetched_once(registry: Path) -> None:
    _publish(registry, b"hello")
    messages: list[str] = []

    [file] = jars.fetch("a greeting", [JAR], messages.append)
    assert jars.fetch("a greeting", [JAR], messages.append) == [file]

    assert file.read_bytes() == b"hello"
    assert messages == ["fetching a greeting (0 MB)"]


def test_a_jar_that_is_another_file_is_refused_and_not_kept(registry: Path) -> None:
    _publish(registry, b"hellO")

    for _ in range(2):
        with pytest.raises(errors.JarMismatch, match=f"instead of {JAR.sha256}"):
            jars.fetch("a greeting", [JAR], print)


def test_a_jar_that_changed_in_the_cache_is_fetched_anew(registry: Path) -> None:
    _publish(registry, b"hello")
    [file] = jars.fetch("a greeting", [JAR], print)
    file.write_bytes(b"half")

    assert jars.fetch("a greeting", [JAR], print) == [file]
    assert file.read_bytes() == b"hello"


@pytest.mark.usefixtures("registry")
def test_a_registry_without_the_jar_says_what_to_do() -> None:
    with pytest.raises(errors.RegistryUnreachable, match="TUTTU_MAVEN_REPOSITORY"):
        jars.fetch("a greeting", [JAR], print)


def test_a_registry_that_does_not_answer_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUTTU_MAVEN_REPOSITORY", f"http://{ports.HOST}:{ports.free()}")
    monkeypatch.setenv("NO_PROXY", ports.HOST)
    monkeypatch.setenv("TUTTU_CACHE", str(tmp_path / "cache"))

    with pytest.raises(errors.RegistryUnreachable, match="HTTPS_PROXY"):
        jars.fetch("a greeting", [JAR], print)


def test_the_list_names_kafka_and_postgres_for_every_platform() -> None:
    assert {jar.coordinate.rsplit(":", 1)[1] for jar in jars.kafka() if ":kafka" in jar.coordinate} == {
        jars.KAFKA_VERSION
    }
    for platform in jars.POSTGRES_PLATFORMS:
        assert jars.postgres(platform).coordinate.endswith(f"{platform}:{jars.POSTGRES_VERSION}")


def test_a_missing_entry_says_so() -> None:
    with pytest.raises(errors.JarNotListed, match="beos-ppc"):
        jars.postgres("beos-ppc")


def test_a_line_that_is_no_entry_says_which(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# head\nabc org.example:greeting:1.0\n", encoding="utf-8")

    with pytest.raises(errors.JarListUnreadable, match="line 2"):
        jars.read(tmp_path / "list")


@pytest.fixture
def occupied_port() -> Iterator[int]:
    with socket.create_server((ports.HOST, 0)) as listener:
        yield listener.getsockname()[1]


class _Left:
    def __init__(self, owner: subprocess.Popen[str]) -> None:
        assert owner.stdout is not None
        self.owner = owner
        self.server = int(owner.stdout.readline())
        owner.stdout.close()


def _start_in_another_process(folder: Path) -> _Left:
    code = (
        "import asyncio, pathlib, sys; from services.ops.embedded import EmbeddedPostgres\n"
        "async def main():\n"
        "    postgres = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "    await postgres.start()\n"
        "    print(postgres.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", code, str(folder / "postgres")]
    return _Left(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))


def _is_gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


async def _execute(postgres: EmbeddedPostgres, statement: str) -> str:
    connection = await asyncpg.connect(postgres.dsn("shop"))
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()


async def _produce(kafka: EmbeddedKafka, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        await producer.send_and_wait(TOPIC, value)


async def _consume(kafka: EmbeddedKafka, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(10):
        return [(await consumer.getone()).value for _ in range(count)]


def _wait_for_port(port: int) -> None:
    while True:
        with contextlib.suppress(OSError), socket.create_connection((ports.HOST, port)):
            return
