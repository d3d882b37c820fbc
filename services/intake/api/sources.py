"""Sources and their keys, for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.intake import admin
from services.intake.api.common import Intake, definition, schema_of
from services.intake.domain import Source, SourceKind
from services.kit import errors, web

Administrator = Annotated[web.Principal, Depends(web.require("intake:admin"))]


class NewSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source to be made; `secret` is what Shopify signs with."""

    name: str
    kind: SourceKind
    trusted: bool = False
    requires: tuple[str, ...] = ()
    tags_add: tuple[str, ...] = ()
    tags_remove: tuple[str, ...] = ()
    events_per_s: float | None = None
    trust_mail_authentication: bool = False
    secret: str | None = None


class SourceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    trusted: bool | msgspec.UnsetType = msgspec.UNSET
    requires: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    tags_add: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    tags_remove: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    events_per_s: float | msgspec.UnsetType | None = msgspec.UNSET
    trust_mail_authentication: bool | msgspec.UnsetType = msgspec.UNSET


class NewKeyOf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom the key is for."""

    name: str = "key"


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long the former key goes on to work; 0 ends it at once."""

    overlap_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86400)] = admin.KEY_OVERLAP.total_seconds()


class NewSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vendor's new secret, and for how long the former ones are good."""

    secret: str
    overlap_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86400)] = admin.SECRET_OVERLAP.total_seconds()


_new_sources = msgspec.json.Decoder(NewSource)
_changes = msgspec.json.Decoder(SourceChange)
_new_keys = msgspec.json.Decoder(NewKeyOf)
_rotations = msgspec.json.Decoder(Rotation)
_new_secrets = msgspec.json.Decoder(NewSecret)


def router(intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["Sources"])

    @routes.get("/sources")
    async def list_sources(administrator: Administrator) -> Response:
        """All sources, without their secrets."""
        return web.Json({"sources": await admin.list_sources(intake.pool)})

    @routes.post("/sources", status_code=201, openapi_extra=schema_of(NewSource))
    async def create_source(request: Request, administrator: Administrator) -> Response:
        """Make a source."""
        asked = await definition(request, _new_sources)
        values = {name: getattr(asked, name) for name in asked.__struct_fields__ if name != "secret"}
        source = await admin.create_source(intake.pool, Source(**values), secret=asked.secret)
        intake.register.forget()
        return web.Json(source, 201)

    @routes.get("/sources/{name}")
    async def get_source(name: str, administrator: Administrator) -> Response:
        """One source."""
        return web.Json(await admin.get_source(intake.pool, name))

    @routes.patch("/sources/{name}", openapi_extra=schema_of(SourceChange))
    async def change_source(name: str, request: Request, administrator: Administrator) -> Response:
        """Change a source; its name and kind stay, since its records hang on them."""
        asked = await definition(request, _changes)
        source = msgspec.structs.replace(await admin.get_source(intake.pool, name), **_set(asked))
        await admin.update_source(intake.pool, source)
        intake.register.forget()
        return web.Json(source)

    @routes.get("/sources/{name}/keys")
    async def list_keys(name: str, administrator: Administrator) -> Response:
        """The keys of a source, without what proves them."""
        return web.Json({"keys": await admin.list_keys(intake.pool, name)})

    @routes.post("/sources/{name}/keys", status_code=201, openapi_extra=schema_of(NewKeyOf))
    async def create_key(name: str, request: Request, administrator: Administrator) -> Response:
        """Make a write key; it is shown this once."""
        asked = await definition(request, _new_keys)
        made = await admin.create_key(intake.pool, name, name=asked.name)
        intake.register.forget()
        return web.Json(made, 201)

    @routes.post("/sources/{name}/keys/{short}/rotate", status_code=201, openapi_extra=schema_of(Rotation))
    async def rotate_key(name: str, short: str, request: Request, administrator: Administrator) -> Response:
        """Make a key in the place of another, which goes on to work for `overlap_s` seconds."""
        asked = await definition(request, _rotations)
        await _check_key_of(intake, name, short)
        made = await admin.rotate_key(intake.pool, short, overlap=timedelta(seconds=asked.overlap_s))
        intake.register.forget()
        return web.Json(made, 201)

    @routes.delete("/sources/{name}/keys/{short}", status_code=204)
    async def revoke_key(name: str, short: str, administrator: Administrator) -> Response:
        """End a key: here at once, in other processes within seconds."""
        await _check_key_of(intake, name, short)
        await admin.revoke_key(intake.pool, short)
        intake.register.forget()
        return Response(status_code=204)

    @routes.post("/sources/{name}/secrets", status_code=204, openapi_extra=schema_of(NewSecret))
    async def rotate_secret(name: str, request: Request, administrator: Administrator) -> Response:
        """Take a vendor's new secret; the former ones are good for `overlap_s` seconds still."""
        asked = await definition(request, _new_secrets)
        await admin.rotate_secret(intake.pool, name, asked.secret, overlap=timedelta(seconds=asked.overlap_s))
        intake.register.forget()
        return Response(status_code=204)

    return routes


async def _check_key_of(intake: Intake, source: str, short: str) -> None:
    if short not in {key.short for key in await admin.list_keys(intake.pool, source)}:
        raise errors.NotFound(what="valid key with the short part", id=short)


def _set(change: SourceChange) -> dict[str, object]:
    values = {name: getattr(change, name) for name in change.__struct_fields__}
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}
