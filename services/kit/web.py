"""HTTP at the edge: keys and scopes, problem+json, keyset cursors, metrics; the same for all services."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import asyncpg
import msgspec
import structlog
from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit import database, errors, keys, metrics

Principal = keys.Principal
MAX_BODY_BYTES = 256 * 1024

T = TypeVar("T")
log = structlog.get_logger(__name__)


class InvalidCursor(errors.InvalidInput):
    """This cursor is not one of ours; take `next` from the page before, or leave it out to begin."""


class IdempotencyKeyMissing(errors.BadRequest):
    """Send an `Idempotency-Key` header (any text of 1 to 200 characters that is new for each command, such as a UUID);
    a repeat with the same key changes nothing twice."""


class Json(Response):
    """msgspec structs, dataclasses, dicts as JSON; times in RFC 3339, ids as text."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def problem(error: errors.TuttuError) -> Response:
    """RFC 9457: type, title, status, detail, and the faulty field where there is one."""
    body: dict[str, Any] = {
        "type": f"urn:tuttu:problem:{_kebab(type(error).__name__)}",
        "title": _words(type(error).__name__),
        "status": error.status,
        "detail": error.detail,
    }
    field = getattr(error, "field", None)
    if field:
        body["field"] = field
    headers = {}
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.attributes.get("retry_after_s", 2))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), error.status, headers, "application/problem+json")


def _plain_problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem of no kind of ours: RFC 9457 then has the status's own words as its title."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/problem+json")


def _kebab(name: str) -> str:
    return _words(name).lower().replace(" ", "-")


def _words(name: str) -> str:
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in name).strip()
    return spaced[:1] + spaced[1:].lower()


# -- who asks


def presented_key(request: Request) -> str | None:
    """The key of a request: Bearer, the user name or password of Basic, or X-Api-Key."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return password or user
    return request.headers.get("x-api-key")


def require(scope: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency that lets only keys with `scope` (SERVICE:read|write|admin) pass; 401 without a key, else 403."""

    async def dependency(request: Request) -> Principal:
        store: keys.KeyStore = request.app.state.keys
        text = presented_key(request)
        principal = await store.find(text) if text else None
        if principal is None:
            raise errors.Unauthorized()
        if not principal.may(scope):
            raise errors.Forbidden(scope=scope)
        return principal

    return dependency


async def _idempotency_key(idempotency_key: Annotated[str | None, Header()] = None) -> str:
    if idempotency_key is None or not 1 <= len(idempotency_key) <= 200:
        raise IdempotencyKeyMissing(field="Idempotency-Key")
    return idempotency_key


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]


# -- bodies


async def read_json(request: Request, decoder: msgspec.json.Decoder[T], limit_bytes: int = MAX_BODY_BYTES) -> T:
    """The body as `decoder` reads it.

    Raises `TooLarge` before it has read more, `BadRequest` for what is no JSON, `InvalidInput` with the faulty field.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise errors.TooLarge(limit_bytes=limit_bytes)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        reason, place = errors.place_of(error)
        raise errors.InvalidInput(reason=reason, field=place or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.BadRequest(reason=f"expected JSON: {error}") from error


def body_of(struct: Any) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body, a struct without structs in it, with `read_json`."""
    schema = msgspec.json.schema_components([struct])[1][struct.__name__]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


# -- pages of results


def encode_cursor(*values: Any) -> str:
    """An opaque cursor that names the last row of a page by its sort values (text, numbers, times, ids)."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def decode_cursor(text: str, kind: Any = tuple[str, str]) -> Any:
    """The sort values inside a cursor, as the tuple type `kind`. Raises `InvalidCursor`."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise InvalidCursor(field="cursor") from error


# -- the application of one service


def create_app(service: str, routers: Sequence[APIRouter], key_store: keys.KeyStore) -> FastAPI:
    """The HTTP application of one service, to be mounted under its path."""
    app = FastAPI(title=f"Tuttu {service}", openapi_url="/openapi.json", docs_url="/docs", redoc_url=None)
    app.state.keys = key_store
    app.state.service = service
    for router in routers:
        app.include_router(router)
    add_error_handlers(app, service)
    app.add_middleware(_Measured, service=service)
    return app


def add_error_handlers(app: FastAPI, service: str) -> None:
    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.TuttuError)
        return problem(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return problem(errors.InvalidInput(f"{place}: {first['msg']}", field=place))

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _plain_problem(error.status_code, str(error.detail), error.headers)

    async def defect(request: Request, error: Exception) -> Response:
        # The server logs what it was; to the caller it might tell of others.
        return _plain_problem(500, "Something went wrong here; the log of the service has the reason.")

    async def value_refused(request: Request, error: Exception) -> Response:
        return problem(errors.InvalidInput(reason="the database cannot hold a value of this request"))

    async def database_away(request: Request, error: Exception) -> Response:
        log.warning("database does not answer", service=service, error=repr(error))
        return problem(database.DatabaseUnavailable(part=service))

    app.add_exception_handler(errors.TuttuError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(Exception, defect)
    app.add_exception_handler(asyncpg.DataError, value_refused)
    for kind in (
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.InterfaceError,
        OSError,
        TimeoutError,
    ):
        app.add_exception_handler(kind, database_away)


class _Measured:
    """Times every request under the route's template, so that no id becomes a label."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            metrics.requests.labels(self._service, scope["method"], route, status).observe(
                time.perf_counter() - started
            )
