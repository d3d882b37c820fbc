"""The register as its public APIs show it: what the shop's people ask, and what the demo checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from services.kit import errors

T = TypeVar("T")
_AT_ONCE = 8
_PAGE = 200


class Refused(errors.TuttuError):
    """{method} {path} answered {status}: {detail}"""


class NoAnswer(errors.TuttuError):
    """{method} {path} was not answered: {reason}"""


class Register:
    """Calls with the admin's key; every answer that is not the expected one is an error."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        return await self.call("GET", path, params={name: value for name, value in query.items() if value is not None})

    async def post(self, path: str, body: Mapping[str, Any], *, command: bool = False) -> dict[str, Any]:
        """A command gets a key of its own, so that a repeat of the request would change nothing twice."""
        headers = {"Idempotency-Key": str(uuid4())} if command else {}
        return await self.call("POST", path, json=body, headers=headers)

    async def call(self, method: str, path: str, *, fine: Iterable[int] = (), **request: Any) -> dict[str, Any]:
        """The answer's JSON. Raises `Refused` for a status above 299 that is not in `fine`, or `NoAnswer`."""
        try:
            async with self._free:
                response = await self.client.request(method, path, **request)
        except httpx.HTTPError as error:
            raise NoAnswer(method=method, path=path, reason=repr(error)) from error
        if response.status_code >= 300 and response.status_code not in fine:
            raise Refused(method=method, path=path, status=response.status_code, detail=_detail(response))
        found: dict[str, Any] = response.json() if response.content else {}
        return {"status_code": response.status_code, **found}

    async def pages(self, path: str, items: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """All rows of a list that comes in pages."""
        cursor: str | None = None
        while True:
            page = await self.get(path, limit=_PAGE, cursor=cursor, **query)
            for item in page[items]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return


async def together(calls: Mapping[str, Awaitable[T]]) -> dict[str, T]:
    """The results of many calls, by their names."""
    return dict(zip(calls, await asyncio.gather(*calls.values()), strict=True))


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
