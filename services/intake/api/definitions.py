"""Definitions of forms, for administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.intake import admin
from services.intake.api.common import Intake, definition, schema_of
from services.intake.domain import Form
from services.kit import errors, web

Administrator = Annotated[web.Principal, Depends(web.require("intake:admin"))]

_forms = msgspec.json.Decoder(Form)


class NameDiffers(errors.InvalidInput):
    """The name in the body is not that in the address; a form keeps its name."""


def router(intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["Form definitions"])

    @routes.get("/form-definitions")
    async def list_forms(administrator: Administrator) -> Response:
        """All forms."""
        return web.Json({"forms": await admin.list_forms(intake.pool)})

    @routes.post("/form-definitions", status_code=201, openapi_extra=schema_of(Form))
    async def create_form(request: Request, administrator: Administrator) -> Response:
        """Make a form: its address is /intake/forms/NAME."""
        form = await admin.create_form(intake.pool, await definition(request, _forms))
        intake.register.forget()
        return web.Json(form, 201)

    @routes.get("/form-definitions/{name}")
    async def get_form(name: str, administrator: Administrator) -> Response:
        """One form."""
        return web.Json(await admin.get_form(intake.pool, name))

    @routes.put("/form-definitions/{name}", openapi_extra=schema_of(Form))
    async def replace_form(name: str, request: Request, administrator: Administrator) -> Response:
        """Replace a form's definition."""
        form = await definition(request, _forms)
        if form.name != name:
            raise NameDiffers(field="name")
        await admin.update_form(intake.pool, form)
        intake.register.forget()
        return web.Json(form)

    @routes.delete("/form-definitions/{name}", status_code=204)
    async def delete_form(name: str, administrator: Administrator) -> Response:
        """Remove a form; what was posted to it stays."""
        await admin.delete_form(intake.pool, name)
        intake.register.forget()
        return Response(status_code=204)

    return routes
