"""The command line: `tuttu --help`."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.kit import errors, logs
from services.ops import access, process, schemas, source_commands, topics
from services.ops import up as whole
from services.ops.installation import FOLDER, Installation, platform_of

app = typer.Typer(
    help="Tuttu, the customer register that runs on events.", no_args_is_help=True, pretty_exceptions_enable=False
)
key_app = typer.Typer(help="Keys for machines that call the APIs.", no_args_is_help=True)
topics_app = typer.Typer(help="The topics of an installation.", no_args_is_help=True)
app.add_typer(key_app, name="key")
app.add_typer(topics_app, name="topics")
app.add_typer(source_commands.sources, name="source")
app.add_typer(source_commands.forms, name="form")

Data = Annotated[Path, typer.Option("--data", help="The folder of the installation that `tuttu up` started.")]
Port = Annotated[int, typer.Option(help="The port of the APIs.")]
Host = Annotated[str, typer.Option(help="The address to listen on.")]

console = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


def _report(message: str) -> None:
    progress.print(f"  {message}", style="dim")


@app.command()
def up(
    data: Data = FOLDER,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic, fixed at birth.")] = 4,
) -> None:
    """Run everything on this machine, with an embedded Kafka and PostgreSQL; Ctrl-C stops it."""
    logs.configure(style="console", level=os.environ.get("TUTTU_LOG_LEVEL", "warning"))

    async def run() -> None:
        stop = process.stop_signals()
        async with whole.up(data, host=host, port=port, partitions=partitions, report=_report) as running:
            console.print(f"Tuttu runs at {running.url} (started in {running.started_in_s:.1f} s)")
            console.print(f"The admin's key is in {Installation(data).admin_key}; Ctrl-C stops everything.")
            await process.until(stop, running.services)
        console.print("Stopped; the data stays in the folder.")

    process.run(run())


@app.command()
def run(
    services: Annotated[list[str], typer.Argument(help=f"Which: {', '.join(process.NAMES)}.")],
    data: Data = FOLDER,
    host: Host = "127.0.0.1",
    port: Port = 8080,
) -> None:
    """Run the named services in this process; settings come from the environment."""
    unknown = [name for name in services if name not in process.NAMES]
    if unknown:
        raise errors.NotFound(what="service", id=unknown[0])
    environment = Installation(data).environment()
    platform = platform_of(environment)
    logs.configure(style=platform.log_format, level=platform.log_level)
    process.run(process.run_until_stopped(process.builds(services), platform, environment, host=host, port=port))


@app.command()
def migrate(data: Data = FOLDER) -> None:
    """Bring the databases of all services to their newest schema."""
    environment = Installation(data).environment()
    asyncio.run(whole.migrate(environment))


@app.command()
def skip(
    service: Annotated[str, typer.Argument(help="Whose position to move.")],
    topic: str,
    partition: int,
    to: Annotated[int, typer.Option(help="The next offset to apply.")],
    data: Data = FOLDER,
) -> None:
    """Pass records by hand, without applying them: for what a worker stopped at and no repair can mend."""
    environment = Installation(data).environment()
    if asyncio.run(process.skip(environment, service, topic, partition, to)):
        console.print(f"{service} goes on at offset {to} of {topic}[{partition}].")
    else:
        raise errors.Conflict(reason=f"{service} has no position below {to} on {topic}[{partition}]")


@app.command()
def bench(
    events: Annotated[int, typer.Option(help="How many to send for the throughput.")] = 60_000,
    contacts: Annotated[int, typer.Option(help="Of how many customers.")] = 10_000,
    rate: Annotated[float | None, typer.Option(help="Events a second; as fast as they are taken if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the figures as JSON.")] = None,
) -> None:
    """Measure the whole way on this machine, with servers and data of its own."""
    from services.ops import bench as benchmark

    figures = process.run(benchmark.bench(benchmark.Options(events, contacts, rate, out), _report))
    console.print(benchmark.table(figures))


@app.command()
def demo(
    data: Data = FOLDER,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    duration: Annotated[float | None, typer.Option(min=1, help="Seconds; until Ctrl-C if not given.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Requests a second.")] = 10,
    seed: Annotated[int, typer.Option(help="Another number, another day.")] = 1,
) -> None:
    """Run everything with a day of sample customers; with --duration, check at the end that it adds up."""
    from services.ops import demo as theatre

    logs.configure(style="console", level=os.environ.get("TUTTU_LOG_LEVEL", "warning"))
    options = theatre.Options(duration, rate, seed)
    adds_up = process.run(theatre.demo(data, options, theatre.Screen(console), host=host, port=port))
    raise typer.Exit(0 if adds_up else 1)


@app.command("schemas")
def write_schemas(
    check: Annotated[bool, typer.Option("--check/--write", help="Compare with the code, or write from it.")] = True,
) -> None:
    """The contract in files: schemas/ follows from the structs of the services."""
    if not check:
        console.print(f"{schemas.write()} files changed.")
    elif found := schemas.differences():
        raise errors.Conflict(reason=f"schemas/ does not follow from the code: {', '.join(found)}; run `make schemas`")


@topics_app.command("create")
def create_topics(
    data: Data = FOLDER,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic, fixed at birth.")] = 12,
) -> None:
    """Create the topics that are missing."""
    platform = platform_of(Installation(data).environment())
    made = asyncio.run(topics.create(platform, partitions=partitions))
    console.print(f"Created: {', '.join(made)}" if made else "All topics are there.")


@key_app.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="Whom the key is for; it signs what is done with it.")],
    scope: Annotated[list[str], typer.Option(help="SERVICE:read, SERVICE:write or SERVICE:admin; may be repeated.")],
    days: Annotated[int | None, typer.Option(help="For how many days it is valid; for good if not given.")] = None,
    data: Data = FOLDER,
) -> None:
    """Make a key and print it once."""
    environment = Installation(data).environment()
    valid = timedelta(days=days) if days is not None else None
    console.print(asyncio.run(access.create_key(environment, name=name, scopes=scope, valid=valid)), soft_wrap=True)


@key_app.command("revoke")
def revoke_key(short: Annotated[str, typer.Argument(help="The key, or its short part.")], data: Data = FOLDER) -> None:
    """End a key; it is refused everywhere within five seconds."""
    count = asyncio.run(access.revoke_key(Installation(data).environment(), short))
    console.print(f"Revoked in {count} services.")


@key_app.command("list")
def list_keys(data: Data = FOLDER) -> None:
    """List the keys, without their secrets."""
    table = Table("short", "name", "scopes", "made", "last used", "ends", box=None)
    for key in asyncio.run(access.list_keys(Installation(data).environment())):
        ends = "revoked" if key["revoked_at"] else key["expires_at"] or "never"
        cells = (key["short"], key["name"], " ".join(key["scopes"]), key["created_at"], key["last_used_at"], ends)
        table.add_row(
            *(
                "" if cell is None else f"{cell:%Y-%m-%d %H:%M}" if hasattr(cell, "year") else str(cell)
                for cell in cells
            )
        )
    console.print(table)


def main() -> None:
    try:
        app(standalone_mode=True)
    except errors.TuttuError as error:
        progress.print(f"[bold red]tuttu:[/] {error.detail}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
