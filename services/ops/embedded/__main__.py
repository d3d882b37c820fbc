"""`python -m services.ops.embedded fetch | lock | exec -- COMMAND...`"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys

from services.kit.errors import TuttuError
from services.ops.embedded import binaries, folders, jars, temporary


def fetch() -> int:
    """Everything that the servers need, so that they start without a network."""
    jars.fetch(f"Apache Kafka {jars.KAFKA_VERSION}", jars.kafka(), _report)
    binaries.postgres(folders.account(), _report)
    return 0


def lock() -> int:
    jars.write_list(_report)
    return 0


async def execute(command: list[str]) -> int:
    """Run a command beside both servers; their addresses are in its environment."""
    # SIGTERM as Ctrl-C: the servers and their folder go before we do
    with contextlib.suppress(NotImplementedError):  # Windows has no signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _current_task().cancel)
    async with temporary.temporary_servers(_report) as (kafka, postgres):
        addresses = {"TUTTU_TEST_KAFKA": kafka.bootstrap, "TUTTU_TEST_POSTGRES": postgres.dsn()}
        child = await asyncio.create_subprocess_exec(*command, env={**os.environ, **addresses})
        try:
            return await child.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            raise


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m services.ops.embedded", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("fetch", help="fetch and check what the servers need")
    actions.add_parser("lock", help="write jars.sha256 anew")
    run = actions.add_parser("exec", help="run a command with TUTTU_TEST_KAFKA and TUTTU_TEST_POSTGRES set")
    run.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    try:
        match arguments.action:
            case "fetch":
                return fetch()
            case "lock":
                return lock()
            case _:
                return asyncio.run(execute(arguments.command))
    except TuttuError as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
