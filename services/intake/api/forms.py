"""Forms: each has an address of its own, to which any page may post."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import bodies
from services.intake.api.common import Intake, as_error
from services.intake.domain import Form, Refusal
from services.intake.doors import forms
from services.kit import errors, ids, web

_DOOR = "forms"
_THANKS = "<!doctype html><meta charset=utf-8><title>Kiitos</title><p>Kiitos! Thank you!"


def router(intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["Forms"])

    @routes.options("/forms/{form}", include_in_schema=False)
    async def preflight(form: str, request: Request) -> Response:
        """Asked by browsers before a script of another origin may post JSON."""
        definition, _ = await intake.register.form(form)
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "content-type, idempotency-key",
        }
        return _readable(Response(status_code=204, headers=headers), definition, request)

    @routes.post("/forms/{form}")
    async def receive(form: str, request: Request) -> Response:
        """A submission: application/x-www-form-urlencoded, multipart/form-data (without files) or application/json.

        A browser goes on to the form's own page (303), another client gets 202 with the event's id. 422 names the
        field. An `Idempotency-Key` header or a hidden input `_id` makes sending twice one event.
        """
        definition, _ = await intake.register.form(form)
        try:
            response = await _take(intake, definition, request)
        except errors.TuttuError as error:
            response = web.problem(error)
        return _readable(response, definition, request)

    return routes


async def _take(intake: Intake, form: Form, request: Request) -> Response:
    source = await intake.register.source(form.source, "forms")
    intake.check_rate(source)
    intake.pay(source, 1)
    body = intake.masked(await bodies.read(request, intake.settings.form_bytes))
    arrival = intake.arrival(
        request, _DOOR, source.name, body, {"form": form.name}, digest=hashlib.sha256(body).digest()
    )
    try:
        _check_origin(form, request)
        post = forms.parse(
            body, request.headers.get("content-type"), idempotency_key=request.headers.get("idempotency-key")
        )
        found = forms.read(post, forms.Terms(form, source, intake.region), new_id=intake.new_id)
        accepted = await intake.gate.accept(arrival, source, found)
    except Refusal as refusal:
        if refusal.reason == "honeypot":
            await intake.gate.refuse(arrival, refusal)
            # An id that looks like any other: the robot shall believe that it got through.
            return _thanks(form, request, str(ids.event_id(arrival.received, source.name, intake.new_id())))
        raise await intake.refused(arrival, refusal) from None
    if accepted.kept:
        raise as_error(accepted.kept[0].refusal, accepted.kept[0].rejection_id)
    return _thanks(form, request, accepted.event_ids[0])


def _check_origin(form: Form, request: Request) -> None:
    """Browsers tell from which site a page posts; other clients tell nothing and prove nothing."""
    origin = request.headers.get("origin")
    if form.allowed_origins and origin is not None and origin not in form.allowed_origins:
        raise Refusal(
            "origin", "pages of this site may not post to this form: add it to its allowed origins", field="Origin"
        )


def _thanks(form: Form, request: Request, event_id: str) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        if form.redirect:
            return Response(status_code=303, headers={"Location": form.redirect})
        return Response(
            "<!doctype html><meta charset=utf-8><title>Kiitos</title><p>Kiitos! Thank you!", media_type="text/html"
        )
    return web.Json({"event_id": event_id}, 202)


def _readable(response: Response, form: Form, request: Request) -> Response:
    """Let scripts of the allowed pages read the answer."""
    origin = request.headers.get("origin")
    if not form.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = "*"
    elif origin in form.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin or ""
        response.headers["Vary"] = "Origin"
    return response
