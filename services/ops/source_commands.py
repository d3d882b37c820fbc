"""`tuttu source …` and `tuttu form …`: what the administrators' API of intake does, from the command line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from services.intake import admin
from services.intake.domain import Form, Source, SourceKind
from services.kit import application, database, errors
from services.ops.installation import FOLDER, Installation

T = TypeVar("T")

sources = typer.Typer(
    help="Where events come from, and the keys and secrets they prove themselves with.", no_args_is_help=True
)
forms = typer.Typer(help="Forms that a website posts to.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", help="The folder of the installation that `tuttu up` started.")]
Name = Annotated[str, typer.Argument(help="The source's name, as verkkokauppa.")]
Short = Annotated[str, typer.Argument(help="The key, or its short part.")]
Secret = Annotated[
    str | None, typer.Option("--secret-file", help="A file with what Shopify signs with; - reads standard input.")
]

console = Console(highlight=False)


def _on_pool(data: Path, work: Callable[[database.Pool], Awaitable[T]]) -> T:
    async def run() -> T:
        dsn = application.database_of("intake", Installation(data).environment())
        async with await database.open_pool(dsn, application="tuttu-cli", maximum=1) as pool:
            return await work(pool)

    return asyncio.run(run())


def _secret_of(file: str | None) -> str | None:
    """Never as an argument, which every user of the machine could read."""
    if file is None:
        return None
    return (sys.stdin.read() if file == "-" else Path(file).read_text()).strip()


@sources.command("create")
def create_source(
    name: Name,
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(SourceKind))}.")],
    trusted: Annotated[bool, typer.Option(help="Its key stays on servers: what it says is no mere claim.")] = False,
    secret_file: Secret = None,
    data: Data = FOLDER,
) -> None:
    """Add a source; one that proves itself by a key gets its first one, shown this once."""
    if kind not in get_args(SourceKind):
        raise errors.InvalidInput(f"--kind must be one of {', '.join(get_args(SourceKind))}, not {kind}", field="kind")

    async def work(pool: database.Pool) -> admin.NewKey | None:
        source = Source(name=name, kind=kind, trusted=trusted)  # type: ignore[arg-type]  # looked at above
        await admin.create_source(pool, source, secret=_secret_of(secret_file))
        return await admin.create_key(pool, name) if kind in ("segment", "postmark") else None

    made = _on_pool(data, work)
    console.print(f"Source {name} is there.")
    if made is not None:
        console.print(f"Its key, shown this once: {made.key}", soft_wrap=True)


@sources.command("list")
def list_sources(data: Data = FOLDER) -> None:
    """List the sources."""
    table = Table("name", "kind", "trusted", "requires", "tags", box=None)
    for source in _on_pool(data, admin.list_sources):
        trusted = "yes" if source.trusted else "no"
        table.add_row(source.name, source.kind, trusted, " ".join(source.requires), ", ".join(source.tags_add))
    console.print(table)


@sources.command("create-key")
def create_key(
    name: Name, label: Annotated[str, typer.Option(help="Whom the key is for.")] = "key", data: Data = FOLDER
) -> None:
    """Make a further key of a source, shown this once."""
    made = _on_pool(data, lambda pool: admin.create_key(pool, name, name=label))
    console.print(made.key, soft_wrap=True)


@sources.command("rotate-key")
def rotate_key(
    short: Short,
    overlap_minutes: Annotated[int, typer.Option(help="How long the former key goes on to work.")] = 60,
    data: Data = FOLDER,
) -> None:
    """Make a key in the place of another, shown this once."""
    made = _on_pool(data, lambda pool: admin.rotate_key(pool, short, overlap=timedelta(minutes=overlap_minutes)))
    console.print(made.key, soft_wrap=True)


@sources.command("revoke-key")
def revoke_key(short: Short, data: Data = FOLDER) -> None:
    """End a key at once."""
    console.print(f"A key of {_on_pool(data, lambda pool: admin.revoke_key(pool, short))} is revoked.")


@sources.command("rotate-secret")
def rotate_secret(name: Name, secret_file: Secret = "-", data: Data = FOLDER) -> None:
    """Take Shopify's new secret; the former one is good for two more hours."""
    secret = _secret_of(secret_file) or ""
    _on_pool(data, lambda pool: admin.rotate_secret(pool, name, secret))
    console.print(f"{name} has a new secret.")


@forms.command("create")
def create_form(
    definition: Annotated[Path, typer.Argument(help="A JSON file as POST /intake/form-definitions takes it.")],
    data: Data = FOLDER,
) -> None:
    """Add a form."""
    form = _on_pool(data, lambda pool: admin.create_form(pool, _form_of(definition)))
    console.print(f"Form {form.name} takes posts at /intake/forms/{form.name}.")


@forms.command("list")
def list_forms(data: Data = FOLDER) -> None:
    """List the forms."""
    table = Table("name", "source", "event", "fields", "tags", box=None)
    for form in _on_pool(data, admin.list_forms):
        fields = ", ".join(f"{field.name}{'*' if field.required else ''}" for field in form.fields)
        table.add_row(form.name, form.source, form.event, fields, ", ".join(form.tags_add))
    console.print(table)


def _form_of(file: Path) -> Form:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Form)
    except (OSError, msgspec.DecodeError) as error:
        raise errors.InvalidInput(f"{file}: {error}") from error
