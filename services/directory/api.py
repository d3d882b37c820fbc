"""HTTP: search the register, read a customer, find one by an identifier."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from services.directory import search, store
from services.directory.domain import finding
from services.directory.messages import Customer
from services.kit import errors, web
from services.kit.database import Pool

PATH = "/directory"

Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
Some = Annotated[str | None, Query(max_length=300, pattern=r"^[^\x00]+$")]
Tags = Annotated[list[str] | None, Query(max_length=20)]
Limit = Annotated[int, Query(ge=1, le=200, description="Contacts a page.")]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a list. `typing_errors` is how many errors what was typed has, if this contact was meant."""

    contact_id: UUID
    name: str | None
    organisation: str | None
    email: str | None
    phone: str | None
    city: str | None
    tags: tuple[str, ...]
    phase: str | None
    last_time: datetime | None
    typing_errors: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a search. `count` is that of all pages, as far as it was counted; `next` is the next page's cursor."""

    contacts: list[Summary]
    count: int
    count_is_exact: bool
    next: str | None


class Contact(Customer, frozen=True, kw_only=True):
    """A customer as `customers` has it; `redirected_from` is the id asked for, where that one was merged into this."""

    redirected_from: UUID | None


class Contacts(msgspec.Struct, frozen=True, kw_only=True):
    """Customers whole."""

    contacts: list[Customer]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many contacts a search has, exactly."""

    count: int


class OneIdentifier(errors.InvalidInput):
    """Give one of external_id, email and phone; source goes with external_id only."""


def router(pool: Pool, region: str) -> APIRouter:
    """`region` is where a phone number without a country code is from (ISO 3166-1)."""
    routes = APIRouter(dependencies=[Depends(web.require("directory:read"))])

    @routes.get("/contacts")
    async def contacts(
        q: Text = "",
        tag: Tags = None,
        phase: Some = None,
        cursor: Some = None,
        limit: Limit = 50,
    ) -> Response:
        """Search: by name (also begun, without accents or with typing errors), e-mail, phone, external id, tag."""
        after = web.decode_cursor(cursor, search.Cursor) if cursor else None
        async with pool.acquire() as connection:
            found = await search.search(connection, _query(q, region), _filters(tag, phase), after, limit)
        return web.Json(
            Page(
                contacts=[_summary(customer, errors) for customer, errors in found.customers],
                count=found.count,
                count_is_exact=found.count < search.COUNTED,
                next=web.encode_cursor(*found.next) if found.next else None,
            )
        )

    @routes.get("/contacts/count")
    async def count(q: Text = "", tag: Tags = None, phase: Some = None) -> Response:
        """How many contacts fit what was typed, without typing errors."""
        async with pool.acquire() as connection:
            found = await search.count(connection, _query(q, region), _filters(tag, phase))
        return web.Json(Count(count=found))

    @routes.get("/contacts/lookup")
    async def lookup(external_id: Some = None, source: Some = None, email: Some = None, phone: Some = None) -> Response:
        """Contacts with just this identifier, those who only claim it last; none is an empty list."""
        given = {
            finding.EXTERNAL_ID: external_id,
            finding.EMAIL: email.strip().lower() if email else None,
            finding.PHONE: finding.phone(phone, region) if phone else None,
        }
        kinds = [kind for kind, value in given.items() if value is not None]
        if len(kinds) != 1 or (source is not None and external_id is None):
            raise OneIdentifier(field="source" if len(kinds) == 1 else kinds[1] if kinds else "external_id")
        async with pool.acquire() as connection:
            found = await store.lookup(connection, kinds[0], given[kinds[0]] or "", source)
        return web.Json(Contacts(contacts=found))

    @routes.get("/contacts/{contact_id}")
    async def contact(contact_id: UUID) -> Response:
        """A contact whole; an id that was merged leads to the contact that it was merged into."""
        async with pool.acquire() as connection:
            found = await store.survivor(connection, contact_id)
        if found is None:
            raise errors.NotFound(what="contact", id=contact_id)
        redirected_from = contact_id if found.customer_id != contact_id else None
        return web.Json(Contact(**msgspec.structs.asdict(found), redirected_from=redirected_from))

    return routes


def _query(text: str, region: str) -> finding.Query | None:
    return finding.parse(text, region) if text.strip() else None


def _filters(tags: list[str] | None, phase: str | None) -> store.Filters:
    if any("\x00" in tag for tag in tags or ()):
        raise errors.InvalidInput(reason="a tag has no NUL character", field="tag")
    return store.Filters(tuple(tags or ()), phase)


def _summary(customer: Customer, typing_errors: int) -> Summary:
    def value(name: str) -> str | None:
        field = customer.fields.get(name)
        return field.value if field else None

    return Summary(
        contact_id=customer.customer_id,
        name=customer.name,
        organisation=value("organisation"),
        email=value("email"),
        phone=value("phone"),
        city=value("city"),
        tags=customer.tags,
        phase=customer.phase,
        last_time=customer.activity.last_time if customer.activity else None,
        typing_errors=typing_errors,
    )
