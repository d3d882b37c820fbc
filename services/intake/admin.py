"""What administrators do with sources, keys and forms; for the API and the command line alike, over a pool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from services.intake import normalise, store
from services.intake.domain import LONGEST_NAME, Form, Source
from services.intake.fields import EXPECTED
from services.kit import errors, keys
from services.kit.database import Pool

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LONGEST_TAG = 100

KEY_OVERLAP = timedelta(hours=1)
"""How long a rotated key goes on to work: its senders learn of the new one in their own time, and lose nothing."""
SECRET_OVERLAP = timedelta(hours=2)
"""The same for a vendor's secret; Shopify signs with the former one for up to an hour."""


class Invalid(errors.InvalidInput):
    """{field}: {reason}"""


class NameTaken(errors.Conflict):
    """There is a {what} {name} already."""


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made; `key` is shown this once and kept nowhere."""

    key: str
    short: str
    source: str
    name: str


# -- sources


async def create_source(pool: Pool, source: Source, *, secret: str | None = None) -> Source:
    """Add a source; `secret` is what its vendor signs with. Raises `Invalid` or `NameTaken`."""
    _check_source(source)
    async with pool.acquire() as connection, connection.transaction():
        created_at = await store.insert_source(connection, source)
        if created_at is None:
            raise NameTaken(what="source", name=source.name)
        if secret is not None:
            _check_secret(source, secret)
            now = datetime.now(UTC)
            await store.rotate_secret(connection, source.name, secret, now=now, others_end_at=now)
    return msgspec.structs.replace(source, created_at=created_at)


async def update_source(pool: Pool, source: Source) -> None:
    """Change what a source may do and what its events bring. Raises `Invalid`."""
    _check_source(source)
    async with pool.acquire() as connection:
        await store.update_source(connection, source)


async def list_sources(pool: Pool) -> list[Source]:
    async with pool.acquire() as connection:
        return await store.sources(connection)


async def get_source(pool: Pool, name: str) -> Source:
    """Raises `NotFound`."""
    found = next((source for source in await list_sources(pool) if source.name == name), None)
    if found is None:
        raise errors.NotFound(what="source", id=name)
    return found


async def rotate_secret(pool: Pool, source: str, secret: str, *, overlap: timedelta = SECRET_OVERLAP) -> None:
    """Take a vendor's new secret; the former ones are good for `overlap` still. Raises `NotFound` or `Invalid`."""
    _check_secret(await get_source(pool, source), secret)
    now = datetime.now(UTC)
    async with pool.acquire() as connection:
        await store.rotate_secret(connection, source, secret, now=now, others_end_at=now + overlap)


# -- keys


async def create_key(pool: Pool, source: str, *, name: str = "key") -> NewKey:
    """Make a write key of a source. Raises `NotFound` or `Invalid`."""
    await get_source(pool, source)
    label = normalise.text(name)
    if label is None:
        raise Invalid(field="name", reason="expected whom the key is for, for example verkkokauppa")
    made = keys.generate()
    async with pool.acquire() as connection:
        await store.insert_key(
            connection, short=made.short, source=source, name=label, hash=made.hash, now=datetime.now(UTC)
        )
    return NewKey(key=made.text, short=made.short, source=source, name=label)


async def list_keys(pool: Pool, source: str) -> list[store.KeyRow]:
    """Keys of a source, without what proves them. Raises `NotFound`."""
    await get_source(pool, source)
    async with pool.acquire() as connection:
        return await store.keys(connection, source)


async def rotate_key(pool: Pool, key: str, *, overlap: timedelta = KEY_OVERLAP) -> NewKey:
    """Make a key in the place of another (named by its short part, or whole), which ends after `overlap`.

    Raises `NotFound` where no such key is valid.
    """
    short = (keys.parse(key) or (key,))[0]
    now = datetime.now(UTC)
    made = keys.generate()
    async with pool.acquire() as connection, connection.transaction():
        former = await store.end_key(connection, short, now + overlap, now)
        if former is None:
            raise errors.NotFound(what="valid key with the short part", id=short)
        source, name = former
        await store.insert_key(connection, short=made.short, source=source, name=name, hash=made.hash, now=now)
    return NewKey(key=made.text, short=made.short, source=source, name=name)


async def revoke_key(pool: Pool, key: str) -> str:
    """End a key (named by its short part, or whole) at once; returns its source.

    Other processes learn of it within `INTAKE_REGISTER_AGE`. Raises `NotFound`.
    """
    short = (keys.parse(key) or (key,))[0]
    async with pool.acquire() as connection:
        source = await store.revoke_key(connection, short, datetime.now(UTC))
    if source is None:
        raise errors.NotFound(what="valid key with the short part", id=short)
    return source


# -- forms


async def create_form(pool: Pool, form: Form) -> Form:
    """Add a form. Raises `Invalid`, `NotFound` (its source) or `NameTaken`."""
    await _check_form(pool, form)
    async with pool.acquire() as connection:
        if not await store.insert_form(connection, form):
            raise NameTaken(what="form", name=form.name)
    return form


async def update_form(pool: Pool, form: Form) -> Form:
    """Replace a form's definition. Raises `Invalid` or `NotFound`."""
    await _check_form(pool, form)
    async with pool.acquire() as connection:
        if not await store.update_form(connection, form):
            raise errors.NotFound(what="form", id=form.name)
    return form


async def delete_form(pool: Pool, name: str) -> None:
    """Raises `NotFound`."""
    async with pool.acquire() as connection:
        if not await store.delete_form(connection, name):
            raise errors.NotFound(what="form", id=name)


async def list_forms(pool: Pool) -> list[Form]:
    async with pool.acquire() as connection:
        return await store.forms(connection)


async def get_form(pool: Pool, name: str) -> Form:
    """Raises `NotFound`."""
    found = next((form for form in await list_forms(pool) if form.name == name), None)
    if found is None:
        raise errors.NotFound(what="form", id=name)
    return found


# -- what may be


def _check_source(source: Source) -> None:
    _check_name(source.name)
    for index, name in enumerate(source.requires):
        if name not in EXPECTED:
            raise Invalid(field=f"requires[{index}]", reason=f"expected one of {', '.join(EXPECTED)}")
    _check_tags(source.tags_add, source.tags_remove)
    if source.events_per_s is not None and not 0 < source.events_per_s <= 1e6:
        raise Invalid(field="events_per_s", reason="expected a number above 0, for example 100")
    if source.kind == "forms" and source.trusted:
        raise Invalid(field="trusted", reason="forms are open to anybody: what they say is always a claim")


def _check_secret(source: Source, secret: str) -> None:
    if source.kind != "shopify":
        raise Invalid(field="secret", reason="only sources of kind shopify have one; others use keys")
    if not 8 <= len(secret) <= 500 or "\x00" in secret:
        raise Invalid(field="secret", reason="expected the client secret of the app that sends, 8 characters or more")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(field="name", reason="expected small letters a-z, digits, - and _, for example verkkokauppa")


def _check_tags(add: Sequence[str], remove: Sequence[str]) -> None:
    for field, tags in (("tags_add", add), ("tags_remove", remove)):
        for index, tag in enumerate(tags):
            if normalise.text(tag) != tag or len(tag) > _LONGEST_TAG:
                raise Invalid(
                    field=f"{field}[{index}]",
                    reason=f"expected a tag of 1 to {_LONGEST_TAG} characters without spaces at its ends",
                )
    both = set(add) & set(remove)
    if both:
        raise Invalid(field="tags_remove", reason=f"{', '.join(sorted(both))} would be added and removed at once")


async def _check_form(pool: Pool, form: Form) -> None:
    _check_name(form.name)
    source = await get_source(pool, form.source)
    if source.kind != "forms":
        raise Invalid(field="source", reason=f"expected a source of kind forms; {source.name} is of kind {source.kind}")
    if normalise.text(form.event) != form.event or len(form.event) > LONGEST_NAME:
        raise Invalid(field="event", reason="expected the name of what happens, for example signup")
    _check_tags(form.tags_add, form.tags_remove)
    _check_inputs(form)
    if form.redirect is not None and not _is_web_address(form.redirect):
        raise Invalid(field="redirect", reason="expected an address, for example https://example.fi/kiitos")
    for index, origin in enumerate(form.allowed_origins):
        parts = urlsplit(origin)
        if not _is_web_address(origin) or origin != f"{parts.scheme}://{parts.netloc}":
            raise Invalid(
                field=f"allowed_origins[{index}]", reason="expected an origin, for example https://example.fi"
            )


def _check_inputs(form: Form) -> None:
    names = [field.name for field in form.fields]
    for index, field in enumerate(form.fields):
        at = f"fields[{index}]"
        if not field.name.strip() or "\x00" in field.name or names.count(field.name) > 1:
            raise Invalid(field=f"{at}.name", reason="expected the name of an input, each once")
        if field.to is not None and (field.to not in EXPECTED or field.to == "name"):
            known = ", ".join(name for name in EXPECTED if name != "name")
            raise Invalid(field=f"{at}.to", reason=f"expected one of {known}")
        if (field.kind == "choice") != bool(field.choices):
            raise Invalid(field=f"{at}.choices", reason="expected for kind choice, and only there")
    if form.honeypot is not None and (not form.honeypot.strip() or form.honeypot in names):
        raise Invalid(field="honeypot", reason="expected the name of an input that is no field of the form")
    asked = form.consent
    if asked is not None:
        for part in ("purpose", "channel", "text", "text_version"):
            if not getattr(asked, part).strip():
                raise Invalid(field=f"consent.{part}", reason="expected a text")


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and address.isprintable() and " " not in address
