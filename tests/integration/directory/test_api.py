"""Search, reading one customer, and finding one by an identifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.kit import ids, keys
from services.kit.database import Connection, Pool
from services.kit.envelope import Received
from tests.integration.directory.worker import apply
from tests.unit.directory.factories import MAIJA, NOON, TEPPO, activity, contact, tags


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [found["name"] for found in (await get(client, "/contacts", **query))["contacts"]]


async def problem(client: httpx.AsyncClient, path: str, **query: Any) -> tuple[int, str]:
    answer = await client.get(path, params=query)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json().get("field", "")


def person(given: str, family: str, **others: str) -> Received[Any]:
    return contact(
        ids.derived(given, family),
        fields={"given_name": given, "family_name": family, **others},
        external_id=others.get("external_id"),
    )


async def register(connection: Connection, *people: Received[Any], named: Sequence[str] = ()) -> None:
    await apply(connection, *people, *(tags(one.data.contact_id, names=named) for one in people if named))


# -- search


@pytest.fixture
async def people(connection: Connection) -> None:
    await register(
        connection,
        person("Maija", "Meikäläinen", email="maija.m@example.fi", phone="+358401234567"),
        person("Åke", "Öhman", email="ake_o@example.fi", phone="+358501112222"),
        person("Pasi", "Virtanen", email="akexo@example.fi"),
        person("Marja", "Virtanen"),
    )
    await register(connection, person("Ville", "Aalto"), named=["kanta-asiakas", "vip"])


MEANT: dict[str, list[str]] = {
    "maija meikäläinen": ["Maija Meikäläinen"],
    "MEIKALAINEN Maija": ["Maija Meikäläinen"],
    "mei": ["Maija Meikäläinen"],
    "vi": ["Ville Aalto", "Marja Virtanen", "Pasi Virtanen"],
    "öhman": ["Åke Öhman"],
    "meikalinen": ["Maija Meikäläinen"],
    "meikl": ["Maija Meikäläinen"],
    "psai virtanne": ["Pasi Virtanen"],
    "maija virtanen": ["Marja Virtanen"],
    "qwertyx": [],
    "maija qwertyx": [],
    "maija.m@example.fi": ["Maija Meikäläinen"],
    "Maija.M@": ["Maija Meikäläinen"],
    "ake_o@": ["Åke Öhman"],
    "%@": [],
    "040 123 4567": ["Maija Meikäläinen"],
    "+358 40 12": ["Maija Meikäläinen"],
    "00358 40 12": ["Maija Meikäläinen"],
    "4567": ["Maija Meikäläinen"],
    "vip": ["Ville Aalto"],
    "ville kanta": ["Ville Aalto"],
    "'):*&|!": [],
}


async def test_a_search_finds_what_was_meant(client: httpx.AsyncClient, people: None) -> None:
    assert {typed: await names(client, q=typed) for typed in MEANT} == MEANT


async def test_what_was_typed_comes_before_what_may_have_been_meant(
    connection: Connection, client: httpx.AsyncClient
) -> None:
    await register(connection, person("Antti", "Virtane"), person("Aino", "Virtanen"), person("Outi", "Viranne"))
    found = (await get(client, "/contacts", q="virtane"))["contacts"]
    assert [(one["name"], one["typing_errors"]) for one in found] == [
        ("Antti Virtane", 0),
        ("Aino Virtanen", 0),
        ("Outi Viranne", 2),
    ]


async def test_a_line_shows_what_a_person_looks_for(connection: Connection, client: httpx.AsyncClient) -> None:
    await apply(connection, contact(), tags(names=["vip"]), activity())
    [line] = (await get(client, "/contacts"))["contacts"]
    assert line == {
        "contact_id": str(MAIJA),
        "name": "Maija Meikäläinen",
        "organisation": None,
        "email": "maija.meikalainen@example.fi",
        "phone": "+358401234567",
        "city": None,
        "tags": ["vip"],
        "phase": "customer",
        "last_time": "2026-11-23T12:00:00Z",
        "typing_errors": 0,
    }


async def test_tags_and_phase_narrow(connection: Connection, client: httpx.AsyncClient) -> None:
    for name, has, phase in (("A", ["asiakas"], "customer"), ("B", ["asiakas", "vip"], "lead"), ("C", ["vip"], None)):
        one = person(name, "Virtanen")
        await apply(connection, one, tags(one.data.contact_id, names=has, phase=phase))
    assert await names(client, tag="asiakas") == ["A Virtanen", "B Virtanen"]
    assert await names(client, tag=["asiakas", "vip"]) == ["B Virtanen"]
    assert await names(client, q="virtanen", phase="lead") == ["B Virtanen"]
    assert await names(client, q="virtanne", tag="vip") == ["B Virtanen", "C Virtanen"]
    assert await names(client, tag="VIP") == []
    assert await get(client, "/contacts/count", tag="vip") == {"count": 2}


async def test_merged_and_erased_contacts_stay_out(connection: Connection, client: httpx.AsyncClient) -> None:
    await apply(connection, contact(), contact(TEPPO))
    assert (await get(client, "/contacts"))["count"] == 2
    await apply(connection, contact(version=2, merged_into=TEPPO), contact(TEPPO, 2, erased_at=NOON))
    assert await get(client, "/contacts", q="maija") == {
        "contacts": [],
        "count": 0,
        "count_is_exact": True,
        "next": None,
    }


async def test_pages_hold_everyone_once_and_in_order(connection: Connection, client: httpx.AsyncClient) -> None:
    people = [person(f"Aino{letter}", family) for letter in "abc" for family in ("Virtanen", "Virtane", "Virta")]
    await apply(connection, *people, *(tags(one.data.contact_id) for one in people))
    for query in ({}, {"q": "virta"}, {"q": "virtanne"}, {"tag": "asiakas"}, {"phase": "customer"}):
        whole = await get(client, "/contacts", **query)
        assert len(whole["contacts"]) == whole["count"] > 0 and whole["next"] is None
        for limit in (1, 2, 4):
            assert await walked(client, limit, query, whole["count"]) == whole["contacts"]


async def walked(client: httpx.AsyncClient, limit: int, query: dict[str, str], count: int) -> list[Any]:
    """All pages, one after the other; each full but the last, and with the same count."""
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(client, "/contacts", **query, **cursor, limit=limit)
        assert page["count"] == count
        seen += page["contacts"]
        if page["next"] is None:
            return seen
        assert len(page["contacts"]) == limit
        cursor = {"cursor": page["next"]}


async def test_what_was_typed_wrong_in_the_request_is_named(client: httpx.AsyncClient) -> None:
    assert await problem(client, "/contacts", limit=201) == (422, "limit")
    assert await problem(client, "/contacts", cursor="abc") == (422, "cursor")
    assert await problem(client, "/contacts", q="x" * 201) == (422, "q")
    assert await problem(client, "/contacts", q="\x00") == (422, "q")
    assert await problem(client, "/contacts", tag="\x00") == (422, "tag")
    assert await problem(client, "/contacts/none") == (422, "contact_id")


async def test_a_key_without_the_scope_reads_nothing(client: httpx.AsyncClient, pool: Pool) -> None:
    key = keys.generate()
    async with pool.acquire() as connection:
        await keys.create(connection, key, name="other", scopes=["dedupe:read"])
    for path in ("/contacts", "/contacts/count", "/contacts/lookup", f"/contacts/{MAIJA}"):
        assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
        assert (await client.get(path, headers={"Authorization": f"Bearer {key.text}"})).status_code == 403


# -- one customer


async def test_a_contact_is_shown_as_subscribers_get_it(connection: Connection, client: httpx.AsyncClient) -> None:
    await apply(connection, contact(), tags(), activity())
    shown = await get(client, f"/contacts/{MAIJA}")
    assert (shown["customer_id"], shown["version"], shown["redirected_from"]) == (str(MAIJA), 1, None)
    assert shown["fields"]["email"]["value"] == "maija.meikalainen@example.fi"


async def test_an_absorbed_id_leads_to_where_the_contact_is_now(
    connection: Connection, client: httpx.AsyncClient
) -> None:
    first, second, last = uuid4(), uuid4(), uuid4()
    await apply(connection, contact(first, merged_into=second), contact(second, merged_into=last), contact(last))
    for asked in (first, second):
        shown = await get(client, f"/contacts/{asked}")
        assert (shown["customer_id"], shown["redirected_from"]) == (str(last), str(asked))


async def test_a_contact_whose_survivor_is_not_known_yet_says_where_it_went(
    connection: Connection, client: httpx.AsyncClient
) -> None:
    await apply(connection, contact(merged_into=TEPPO))
    shown = await get(client, f"/contacts/{MAIJA}")
    assert (shown["customer_id"], shown["merged_into"]) == (str(MAIJA), str(TEPPO))


async def test_two_contacts_that_name_each_other_are_no_endless_way(
    connection: Connection, client: httpx.AsyncClient
) -> None:
    await apply(connection, contact(merged_into=TEPPO), contact(TEPPO, merged_into=MAIJA))
    assert (await get(client, f"/contacts/{MAIJA}"))["merged_into"] is not None


async def test_an_unknown_contact_is_not_found(connection: Connection, client: httpx.AsyncClient) -> None:
    await apply(connection, tags())
    assert await problem(client, f"/contacts/{MAIJA}") == (404, "")
    assert await problem(client, f"/contacts/{uuid4()}") == (404, "")


# -- by identifier


async def found(client: httpx.AsyncClient, **query: str) -> list[UUID]:
    return [UUID(one["customer_id"]) for one in (await get(client, "/contacts/lookup", **query))["contacts"]]


async def test_a_contact_is_found_by_each_of_its_identifiers(connection: Connection, client: httpx.AsyncClient) -> None:
    await apply(connection, contact())
    assert await found(client, external_id="7345", source="verkkokauppa") == [MAIJA]
    assert await found(client, external_id="7345") == [MAIJA]
    assert await found(client, external_id="7345", source="kassa") == []
    assert await found(client, email=" Maija.Meikalainen@EXAMPLE.fi") == [MAIJA]
    for number in ("+358401234567", "040 123 4567", "00358 40 1234567"):
        assert await found(client, phone=number) == [MAIJA]
    assert await found(client, phone="1234567") == []


async def test_who_only_claims_an_address_comes_last(connection: Connection, client: httpx.AsyncClient) -> None:
    address = {"email": "maija.meikalainen@example.fi"}
    claims = [contact(uuid4(), fields=address, claimed=True, external_id=None) for _ in range(3)]
    await apply(connection, *claims, contact(verified=True))
    ids_found = await found(client, **address)
    assert ids_found[0] == MAIJA and len(ids_found) == 4


async def test_a_lookup_takes_one_identifier(client: httpx.AsyncClient) -> None:
    assert await problem(client, "/contacts/lookup") == (422, "external_id")
    assert await problem(client, "/contacts/lookup", email="a@b.fi", phone="123") == (422, "phone")
    assert await problem(client, "/contacts/lookup", email="a@b.fi", source="x") == (422, "source")
    assert await found(client, phone="soita") == []
