"""Bodies of requests, read with a bound while they come."""

from __future__ import annotations

import zlib

from fastapi import Request
from starlette.requests import ClientDisconnect

from services.kit import errors

# What of a request's headers is kept with a rejection: nothing that proves or names a person.
_KEPT = (
    "content-type",
    "content-encoding",
    "user-agent",
    "origin",
    "idempotency-key",
    "x-shopify-topic",
    "x-shopify-shop-domain",
    "x-shopify-api-version",
    "x-shopify-webhook-id",
    "x-shopify-triggered-at",
)
_LONGEST_HEADER = 500


class Interrupted(errors.BadRequest):
    """The request ended before its body did."""


async def read(request: Request, limit_bytes: int) -> bytes:
    """The body, unpacked. Raises `TooLarge` as soon as it is known, before the rest is read."""
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and int(stated) > limit_bytes:
        raise errors.TooLarge(limit_bytes=limit_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit_bytes:
                raise errors.TooLarge(limit_bytes=limit_bytes)
    except ClientDisconnect:
        raise Interrupted() from None
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return bytes(body)
    if encoding != "gzip":
        raise errors.BadRequest("Content-Encoding must be gzip or absent", field="Content-Encoding")
    return _unzipped(bytes(body), limit_bytes)


def _unzipped(packed: bytes, limit_bytes: int) -> bytes:
    """A small body may unpack to gigabytes: no more than the limit is ever unpacked."""
    stream = zlib.decompressobj(wbits=31)
    try:
        body = stream.decompress(packed, limit_bytes + 1)
    except zlib.error:
        raise errors.BadRequest(
            "The body is not gzip, though Content-Encoding says so", field="Content-Encoding"
        ) from None
    if len(body) > limit_bytes:
        raise errors.TooLarge(limit_bytes=limit_bytes)
    if not stream.eof:
        raise errors.BadRequest("The gzip body is cut off", field="Content-Encoding")
    return body


def kept_headers(request: Request) -> dict[str, str]:
    """Those of a request's headers that may be kept."""
    return {name: request.headers[name][:_LONGEST_HEADER] for name in _KEPT if name in request.headers}
