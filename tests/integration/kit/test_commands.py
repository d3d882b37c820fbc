"""Commands: published, handled once, and their outcome given to who asked, or where it will be."""

from __future__ import annotations

import asyncio
import uuid

import msgspec

from services.kit import commands, envelope
from services.kit.database import Connection
from services.kit.envelope import CloudEvent
from tests.integration.kit import ledger
from tests.integration.kit.bench import ACCOUNTS, Bench, amounts, eventually
from tests.integration.kit.site import site_of


async def outcomes(bench: Bench) -> list[commands.OutcomeMessage]:
    decode = msgspec.json.Decoder(CloudEvent[commands.OutcomeMessage]).decode
    return [decode(value).data for value in await bench.topic("command-outcomes")]


async def test_a_command_that_is_done_answers_200_with_its_result(bench: Bench) -> None:
    async with site_of(bench) as site:
        await bench.send(amounts(20))
        await bench.wait_applied(20)
        answer = await site.close(ACCOUNTS[0], await site.key("ledger:write"), "one")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["result"]) == ("done", {"closed": True})
    (published,) = await outcomes(bench)
    assert (str(published.command_id), published.status, published.service) == (body["command_id"], "done", "ledger")


async def test_a_command_that_is_refused_answers_409_with_the_reason(bench: Bench) -> None:
    async with site_of(bench) as site:
        answer = await site.close(ACCOUNTS[0], await site.key("ledger:write"), "one")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "There is no such account."
    assert [outcome.status for outcome in await outcomes(bench)] == ["refused"]


async def test_a_command_that_takes_long_answers_202_with_the_address_of_its_outcome(bench: Bench) -> None:
    go_on = asyncio.Event()

    async def fault(step: str, connection: Connection) -> None:
        if step == "before-close":
            await go_on.wait()

    async with site_of(bench, fault) as site:
        key = await site.key("ledger:write")
        answer = await site.close(ACCOUNTS[0], key, "one")
        assert answer.status_code == 202
        assert answer.json()["status"] == "accepted"
        address = answer.headers["location"]
        assert address == answer.json()["outcome"] == f"/ledger/command-outcomes/{answer.json()['command_id']}"
        assert (await site.get(address, key)).status_code == 404
        assert (await site.get(address)).status_code == 401
        go_on.set()

        async def is_there() -> bool:
            return (await site.get(address, key)).status_code == 200

        await eventually(is_there)
        assert (await site.get(address, key)).json()["status"] == "refused"


async def test_a_repeated_command_is_handled_once_and_gives_the_same_outcome(bench: Bench) -> None:
    async with site_of(bench) as site:
        await bench.send(amounts(20))
        await bench.wait_applied(20)
        key = await site.key("ledger:write")
        answers = [await site.close(ACCOUNTS[0], key, "one") for _ in range(2)]
        answers += await asyncio.gather(*(site.close(ACCOUNTS[0], key, "one") for _ in range(5)))
        other = await site.close(ACCOUNTS[0], key, "two")
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["command_id"] for answer in answers}) == 1
    assert other.json()["command_id"] != answers[0].json()["command_id"]
    assert await bench.pool.fetchval("SELECT count(*) FROM closing") == 2
    assert await bench.pool.fetchval("SELECT count(*) FROM command_outcome") == 2


async def test_the_same_idempotency_key_of_another_asker_is_another_command(bench: Bench) -> None:
    async with site_of(bench) as site:
        answers = [
            await site.close(ACCOUNTS[0], await site.key("ledger:write", name=name), "one") for name in ("a", "b")
        ]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert len(await outcomes(bench)) == 2


async def test_many_who_wait_at_once_all_hear_of_their_outcome(bench: Bench) -> None:
    async with site_of(bench) as site:
        await bench.send(amounts(20))
        await bench.wait_applied(20)
        key = await site.key("ledger:write")
        answers = await asyncio.gather(*(site.close(ACCOUNTS[n % 20], key, f"key {n}") for n in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert await bench.pool.fetchval("SELECT count(*) FROM command_outcome") == 50


async def test_who_waits_hears_again_after_the_listening_connection_was_lost(bench: Bench) -> None:
    async with site_of(bench) as site:
        key = await site.key("ledger:write")
        assert (await site.close(ACCOUNTS[0], key, "one")).status_code == 409
        await bench.pool.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'LISTEN%'
            """
        )
        assert (await site.close(ACCOUNTS[0], key, "two")).status_code == 409


async def test_a_command_needs_an_idempotency_key(bench: Bench) -> None:
    async with site_of(bench) as site:
        key = await site.key("ledger:write")
        for idempotency_key in (None, "", "x" * 201):
            answer = await site.close(ACCOUNTS[0], key, idempotency_key)
            assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")
    assert await bench.topic("closings") == []


async def test_a_command_without_a_uuid_is_a_dead_letter(bench: Bench) -> None:
    account = str(ACCOUNTS[0])
    event = ledger.event("test.close", account, ledger.Close(ACCOUNTS[0]))
    async with site_of(bench):
        await bench.send([envelope.message("closings", account, event)])
        await bench.wait_read("closings")
        await eventually(lambda: has_dead_letters(bench, 1))
    (letter,) = await bench.dead_letters()
    assert (letter.topic, letter.field) == ("closings", "id")


async def has_dead_letters(bench: Bench, count: int) -> bool:
    return len(await bench.topic("dead-letters")) == count


async def test_outcomes_of_a_batch_that_comes_again_are_published_again_and_handled_once(bench: Bench) -> None:
    async with site_of(bench) as site:
        await site.close(ACCOUNTS[0], await site.key("ledger:write"), str(uuid.uuid4()))
        await bench.wait_read("closings")
    await bench.pool.execute("UPDATE position SET produced = 0 WHERE topic = 'closings'")
    async with site_of(bench):

        async def twice() -> bool:
            return len(await outcomes(bench)) == 2

        await eventually(twice)
    assert await bench.pool.fetchval("SELECT count(*) FROM command_outcome") == 1
    first, second = await bench.topic("command-outcomes")
    assert first == second
