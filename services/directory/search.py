"""Search: a page of those who fit what was typed, then, where these are few, of those who fit it with typing errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import msgspec

from services.directory import store
from services.directory.domain import finding
from services.directory.messages import Customer
from services.kit.database import Connection

# Below this many, what was typed may be a typing error.
FEW = 10
# More than this many are not counted while a person types.
COUNTED = 10_000
_HANDLES = 1_000

Errors = Annotated[int, msgspec.Meta(ge=0, le=2)]
Cursor = tuple[Errors, bool, int, Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")], UUID]
"""Typing errors, whether any are allowed, the count, and the place in the phone book of the customer named last."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page: each customer with the number of typing errors that what was typed then has."""

    customers: list[tuple[Customer, int]]
    count: int
    """How many there are on all pages, at most COUNTED."""
    next: Cursor | None


async def search(
    connection: Connection, query: finding.Query | None, filters: store.Filters, after: Cursor | None, limit: int
) -> Found:
    """A page of the customers who fit; `query` None means all of them.

    Exact ones come first, then those with one typing error, then with two; each in the order of a phone book.
    """
    async with connection.transaction(readonly=True):
        await store.prepare_search(connection)
        by_errors = [await _exact(connection, query)]
        if after is None:
            count = await store.count(connection, by_errors[0], filters, COUNTED)
            widened = query is not None and count < FEW
        else:
            _, widened, count, *_ = after
        if widened and query is not None:
            by_errors += await _with_errors(connection, query, by_errors[0])
            if after is None and by_errors[-1] != by_errors[0]:
                count = await store.count(connection, by_errors[-1], filters, COUNTED)
        lines = await _lines(connection, by_errors, filters, after, limit + 1, many=count >= COUNTED)
    # One more than the page has was asked for, to know whether there is another.
    page = lines[:limit]
    return Found(
        [(customer, errors) for errors, _, customer in page],
        count,
        (page[-1][0], widened, count, *page[-1][1]) if len(lines) > limit else None,
    )


async def count(connection: Connection, query: finding.Query | None, filters: store.Filters) -> int:
    """How many customers fit without typing errors, all of them counted."""
    async with connection.transaction(readonly=True):
        await store.prepare_search(connection)
        return await store.count(connection, await _exact(connection, query), filters, None)


async def _exact(connection: Connection, query: finding.Query | None) -> store.Match:
    if query is None:
        return store.Match()
    ids = await store.contacts_by_handle(connection, query, _HANDLES) if query.by_handle else []
    return store.Match(finding.text_query(query.words, [{}] * len(query.words), 0), ids)


async def _with_errors(connection: Connection, query: finding.Query, exact: store.Match) -> list[store.Match]:
    """What fits with up to one, and with up to two typing errors in each word."""
    meant = [
        finding.spellings(word, await store.similar_words(connection, word)) if finding.errors_allowed(word) else {}
        for word in query.words
    ]
    return [store.Match(finding.text_query(query.words, meant, errors), exact.ids) for errors in (1, 2)]


async def _lines(
    connection: Connection,
    by_errors: list[store.Match],
    filters: store.Filters,
    after: Cursor | None,
    limit: int,
    *,
    many: bool,
) -> list[tuple[int, store.Place, Customer]]:
    """The next customers, each with its typing errors and its place, as many errors as there are matches for."""
    lines: list[tuple[int, store.Place, Customer]] = []
    first, place = (after[0], after[3:]) if after is not None else (0, None)
    for errors in range(first, len(by_errors)):
        before = by_errors[errors - 1] if errors else None
        if by_errors[errors] != before and len(lines) < limit:
            rows = await store.page(
                connection,
                by_errors[errors],
                before.text if before else None,
                filters,
                place,
                limit - len(lines),
                many=many,
            )
            lines += [(errors, where, customer) for where, customer in rows]
        place = None
    return lines
