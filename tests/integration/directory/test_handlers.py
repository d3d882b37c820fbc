"""From the three topics to `customers`, and to the tables that find."""

from __future__ import annotations

from datetime import timedelta

from services.directory import handlers, store
from services.kit.database import Connection
from services.kit.runtime import State
from tests.integration.directory.worker import apply, published
from tests.unit.directory.factories import MAIJA, NOON, TEPPO, activity, contact, tags

TABLES = ("search", "identifier", "word")


async def rows(connection: Connection, table: str) -> list[tuple[object, ...]]:
    """The rows of a table with where each lies: a row written again lies elsewhere."""
    return [tuple(row) for row in await connection.fetch(f"SELECT ctid, * FROM {table} ORDER BY 2, 3")]


async def test_the_states_of_three_topics_make_one_customer(connection: Connection) -> None:
    assert await apply(connection, contact(), tags(), activity()) == [MAIJA]
    event = await published(connection, MAIJA)
    assert (event["type"], event["id"], event["source"]) == ("tuttu.customer.created", f"u-{MAIJA}-1", "/directory")
    assert event["data"]["name"] == "Maija Meikäläinen"
    assert event["data"]["tags"] == ["asiakas"]
    assert event["data"]["activity"]["counts"] == {"purchase": 1}


async def test_the_time_is_that_of_the_latest_part(connection: Connection) -> None:
    await apply(connection, contact(time=NOON + timedelta(hours=2)), tags(time=NOON + timedelta(hours=1)))
    assert (await published(connection, MAIJA))["time"] == "2026-11-22T14:00:00Z"


async def test_tags_and_activity_wait_for_their_contact(connection: Connection) -> None:
    assert await apply(connection, tags(), activity()) == []
    assert await handlers.load(connection, [MAIJA]) == []
    assert await apply(connection, contact()) == [MAIJA]
    assert (await published(connection, MAIJA))["data"]["tags"] == ["asiakas"]


async def test_what_is_not_newer_is_ignored(connection: Connection) -> None:
    await apply(connection, contact(version=3), tags(version=2, names=["vip"]))
    older = [contact(version=2, fields={"given_name": "Old"}), contact(version=3), tags(version=1), tags(version=2)]
    assert await apply(connection, *older) == []
    assert (await published(connection, MAIJA))["data"]["version"] == 1


async def test_a_batch_with_several_states_of_a_contact_publishes_once(connection: Connection) -> None:
    states = [tags(version=1), tags(version=3, names=["vip"]), tags(version=2), contact(version=2), contact(version=1)]
    assert await apply(connection, *states) == [MAIJA]
    event = await published(connection, MAIJA)
    assert (event["data"]["version"], event["data"]["tags"]) == (1, ["vip"])


async def test_merge_and_split_by_way_of_the_store(connection: Connection) -> None:
    await apply(connection, contact(), tags())
    await apply(connection, contact(version=2, merged_into=TEPPO))
    merged = await published(connection, MAIJA)
    assert (merged["type"], merged["data"]["version"]) == ("tuttu.customer.merged", 2)
    await apply(connection, tags(version=2, names=["vip"]))
    assert (await published(connection, MAIJA))["data"]["version"] == 2
    await apply(connection, contact(version=3))
    split = await published(connection, MAIJA)
    assert (split["type"], split["data"]["tags"]) == ("tuttu.customer.split", ["vip"])


async def test_who_goes_leaves_the_search_tables_and_who_returns_is_there_again(connection: Connection) -> None:
    await apply(connection, contact())
    assert len(await rows(connection, "search")) == 1 and len(await rows(connection, "identifier")) == 3
    await apply(connection, contact(version=2, merged_into=TEPPO))
    assert await rows(connection, "search") == await rows(connection, "identifier") == []
    await apply(connection, contact(version=3), contact(TEPPO, 2, merged_into=MAIJA))
    assert len(await rows(connection, "search")) == 1 and len(await rows(connection, "identifier")) == 3


async def test_the_search_tables_are_written_only_when_they_change(connection: Connection) -> None:
    await apply(connection, contact(), tags(), activity())
    before = [await rows(connection, table) for table in TABLES]
    await apply(connection, contact(version=2, confirmed="2026-12-24"), activity(version=2, purchases=2))
    assert (await published(connection, MAIJA))["data"]["changed"] == ["fields", "activity"]
    assert [await rows(connection, table) for table in TABLES] == before
    await apply(connection, tags(version=2, names=["vip"]))
    after = [await rows(connection, table) for table in TABLES]
    assert after[0] != before[0]
    assert after[1:] == before[1:]


async def test_only_the_identifiers_that_differ_are_written(connection: Connection) -> None:
    await apply(connection, contact())
    before = await rows(connection, "identifier")
    await apply(connection, contact(version=2, external_id="1234"))
    after = await rows(connection, "identifier")
    assert len(set(before) & set(after)) == 2 and len(after) == 3


async def test_words_that_no_name_has_any_longer_are_forgotten(connection: Connection) -> None:
    await apply(connection, contact(), contact(TEPPO, fields={"given_name": "Teppo", "family_name": "Meikäläinen"}))
    await apply(connection, contact(version=2, erased_at=NOON))
    await store.forget_words(connection)
    assert [word for _, word, _ in await rows(connection, "word")] == ["meikalainen", "teppo"]


async def test_a_lifted_row_is_published_with_its_new_version(connection: Connection) -> None:
    await apply(connection, contact(), tags(TEPPO))
    state = State("customers", "customer", "contact_id", handlers.load)
    assert set(await state.lift(connection, {MAIJA: 41, TEPPO: 7})) == {MAIJA, TEPPO}
    assert (await published(connection, MAIJA))["data"]["version"] == 42
    assert await handlers.load(connection, [TEPPO]) == [], "nothing was ever said of this one"
    await apply(connection, tags(), contact(TEPPO))
    assert (await published(connection, MAIJA))["data"]["version"] == 43
    assert (await published(connection, TEPPO))["data"]["version"] == 9


async def test_no_name_is_too_strange_for_the_search_tables(connection: Connection) -> None:
    for version, value in enumerate(("x" * 100_000, "\x00", "'):*\\ & | ! <->", "🦄 " * 500), 1):
        fields = {"given_name": value, "email": f"{value}@example.fi", "phone": value}
        await apply(
            connection, contact(MAIJA, version, fields=fields, external_id=value), tags(MAIJA, version, [value])
        )
        data = (await published(connection, MAIJA))["data"]
        assert (data["version"], data["fields"]["given_name"]["value"]) == (version, value)
