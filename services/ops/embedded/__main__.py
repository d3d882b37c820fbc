"""`python -m services.ops.embedded fetch | lock | exec -- COMMAND...`"""

from __future__ import annotations

import argparse
import asyncio
import os
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
    async with temporary.temporary_servers(_report) as (kafka, postgres):
        addresses = {"TUTTU_TEST_KAFKA": kafka.bootstrap, "TUTTU_TEST_POSTGRES": postgres.dsn()}
        child = await asyncio.create_subprocess_exec(*command, env={**os.environ, **addresses})
        return await child.wait()


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
    except KeyboardInterrupt:
        return 130


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
