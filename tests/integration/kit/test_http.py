"""The edge: keys and scopes, problems, pages, health and metrics of a running service."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from services.kit.database import Connection
from tests import proxy
from tests.integration.kit import ledger
from tests.integration.kit.bench import ACCOUNTS, Bench, amounts, crashed, eventually
from tests.integration.kit.site import Site, site_of

ACCOUNTS_PATH = "/ledger/accounts"
CLOSE_PATH = f"{ACCOUNTS_PATH}/{ACCOUNTS[0]}/close"


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The body of a problem, which has what RFC 9457 asks for."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == status
    assert isinstance(body["type"], str)
    assert isinstance(body["title"], str)
    assert isinstance(body["detail"], str)
    return body


# -- keys


async def test_without_a_key_or_with_a_wrong_one_nobody_comes_in(bench: Bench) -> None:
    async with site_of(bench) as site:
        key = await site.key("ledger:read")
        short = key.split("_")[1]
        for wrong in (None, "", "x", "tuttu__", f"tuttu_{short}_guess", f"tuttu_{short}_", key[:-1], f"{key}x", "\0é"):
            answer = await site.get(ACCOUNTS_PATH, wrong) if wrong != "\0é" else await basic(site, wrong, "")
            assert problem(answer, 401)["title"] == "Unauthorized"
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await site.get(ACCOUNTS_PATH, key)).status_code == 200


async def basic(site: Site, user: str, password: str) -> httpx.Response:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return await site.client.get(ACCOUNTS_PATH, headers={"Authorization": f"Basic {pair}"})


async def test_a_key_may_come_in_any_of_the_usual_ways(bench: Bench) -> None:
    async with site_of(bench) as site:
        key = await site.key("ledger:read")
        answers = [
            await site.client.get(ACCOUNTS_PATH, headers={"Authorization": f"bearer {key}"}),
            await site.client.get(ACCOUNTS_PATH, headers={"X-Api-Key": key}),
            await basic(site, key, ""),
            await basic(site, "anyone", key),
        ]
        assert [answer.status_code for answer in answers] == [200] * 4
        broken = await site.client.get(ACCOUNTS_PATH, headers={"Authorization": "Basic no-base64!"})
        problem(broken, 401)


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [
        ("ledger:read", 200, 403),
        ("ledger:write", 200, 400),
        ("ledger:admin", 200, 400),
        ("other:admin", 403, 403),
        ("ledger", 403, 403),
    ],
)
async def test_a_scope_opens_what_it_names_and_what_is_weaker(
    bench: Bench, scope: str, reads: int, writes: int
) -> None:
    async with site_of(bench) as site:
        key = await site.key(scope)
        assert (await site.get(ACCOUNTS_PATH, key)).status_code == reads
        # Who may write is asked for the Idempotency-Key next.
        answer = await site.client.post(CLOSE_PATH, headers={"X-Api-Key": key})
    assert answer.status_code == writes
    if writes == 403:
        assert "tuttu key create --scope ledger:write" in str(problem(answer, 403)["detail"])


async def test_a_key_that_has_expired_is_refused(bench: Bench) -> None:
    now = datetime.now(UTC)
    async with site_of(bench) as site:
        expired = await site.key("ledger:read", expires_at=now - timedelta(seconds=1))
        valid = await site.key("ledger:read", expires_at=now + timedelta(hours=1))
        problem(await site.get(ACCOUNTS_PATH, expired), 401)
        assert (await site.get(ACCOUNTS_PATH, valid)).status_code == 200


async def test_a_key_that_is_revoked_is_refused_at_once_or_within_the_memory_of_keys(bench: Bench) -> None:
    async with site_of(bench) as site:
        used, unused = await site.key("ledger:read"), await site.key("ledger:read")
        assert (await site.get(ACCOUNTS_PATH, used)).status_code == 200
        await bench.pool.execute("UPDATE api_key SET revoked_at = now()")
        problem(await site.get(ACCOUNTS_PATH, unused), 401)

        async def is_refused() -> bool:
            return (await site.get(ACCOUNTS_PATH, used)).status_code == 401

        await eventually(is_refused, seconds=7)


async def test_only_the_hash_of_a_key_is_kept(bench: Bench) -> None:
    async with site_of(bench) as site:
        key = await site.key("ledger:read")
        await site.get(ACCOUNTS_PATH, key)
    row = await bench.pool.fetchrow("SELECT * FROM api_key")
    assert row is not None
    assert key.split("_", 2)[2] not in str(dict(row))
    assert row["last_used_at"] is not None


# -- problems and pages


async def test_every_error_is_a_problem_that_says_what_to_do(bench: Bench) -> None:
    async with site_of(bench) as site:
        key = await site.key("ledger:admin")
        assert problem(await site.get(f"{ACCOUNTS_PATH}?limit=0", key), 422)["field"] == "limit"
        assert problem(await site.get(f"{ACCOUNTS_PATH}?limit=many", key), 422)["field"] == "limit"
        assert problem(await site.get(f"{ACCOUNTS_PATH}?after=what", key), 422)["field"] == "cursor"
        assert problem(await site.close("x", key, "one"), 422)["field"] == "account_id"
        assert "cannot hold" in str(problem(await site.get(f"{ACCOUNTS_PATH}?name=%00", key), 422)["detail"])
        assert problem(await site.get("/ledger/nowhere", key), 404)["title"] == "Not Found"
        assert problem(await site.get("/nowhere", key), 404)["title"] == "Not Found"
        wrong_method = await site.client.delete(ACCOUNTS_PATH)
        assert problem(wrong_method, 405)["title"] == "Method Not Allowed"
        assert wrong_method.headers["allow"] == "GET"
        unknown = await site.get(f"/ledger/command-outcomes/{UUID(int=1)}", key)
        assert str(UUID(int=1)) in str(problem(unknown, 404)["detail"])


async def test_a_defect_is_a_problem_that_does_not_tell_its_secrets(bench: Bench) -> None:
    async with site_of(bench) as site:
        answer = await site.get("/ledger/defect")
    assert "secret" not in answer.text
    assert problem(answer, 500)["title"] == "Internal Server Error"


async def test_a_database_that_is_away_is_a_503_with_a_time_to_come_again(bench: Bench) -> None:
    async with proxy.PostgresProxy(bench.dsn) as wire, site_of(bench, dsn=wire.dsn) as site:
        key = await site.key("ledger:read")
        assert (await site.get(ACCOUNTS_PATH, key)).status_code == 200
        assert (await site.get("/ledger/readyz")).status_code == 200
        await wire.cut()
        answer = await site.get(ACCOUNTS_PATH, key)
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        ready = await site.get("/ledger/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, False)
        # Being alive is no matter of others.
        assert (await site.get("/ledger/healthz")).status_code == 200
        await wire.mend()
        await eventually(lambda: is_ready(site))


async def is_ready(site: Site) -> bool:
    return (await site.get("/ledger/readyz")).status_code == 200


async def test_kafka_that_is_away_is_a_503_with_a_time_to_come_again(bench: Bench) -> None:
    async with proxy.KafkaProxy(bench.platform.kafka) as wire:
        platform = replace(bench.platform, kafka=wire.address, produce_timeout=timedelta(seconds=1))
        async with site_of(bench, platform=platform) as site:
            key = await site.key("ledger:write")
            await wire.cut()
            answer = await site.close(ACCOUNTS[0], key, "one")
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
            ready = await site.get("/ledger/readyz")
            assert (ready.status_code, ready.json()["broker"]) == (503, False)
            await wire.mend()
            await eventually(lambda: is_ready(site))
            assert (await site.close(ACCOUNTS[0], key, "one")).status_code in (202, 409)


async def test_pages_go_on_where_the_one_before_ended(bench: Bench) -> None:
    async with site_of(bench) as site:
        await bench.send(amounts(20))
        await bench.wait_applied(20)
        key = await site.key("ledger:read")
        found, path = [], f"{ACCOUNTS_PATH}?limit=7"
        for _ in range(3):
            page = (await site.get(path, key)).json()
            found += [UUID(account["account_id"]) for account in page["accounts"]]
            path = f"{ACCOUNTS_PATH}?limit=7&after={page['next']}"
    assert page["next"] is None
    assert found == ACCOUNTS


# -- health and metrics


def metric(text: str, name: str, **labels: str) -> float:
    wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    match = re.search(rf"^{name}\{{{re.escape(wanted)}\}} (\S+)$", text, re.MULTILINE)
    assert match is not None, f"{name} with {labels} is not in the metrics"
    return float(match[1])


async def test_metrics_tell_lag_age_batches_and_dead_letters(bench: Bench) -> None:
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def fault(step: str, connection: Connection) -> None:
        if step == "before-apply" and not go_on.is_set():
            under_way.set()
            await go_on.wait()

    async with site_of(bench, fault) as site:

        async def now() -> str:
            return (await site.get("/ledger/metrics")).text

        async def measured() -> bool:
            return 'tuttu_lag_records{service="ledger",topic="amounts"} 0.0' in await now()

        await eventually(measured)
        before = await now()
        await bench.send([*amounts(20), ledger.amount_message(ACCOUNTS[7], 1, "unwanted")])
        await under_way.wait()
        await asyncio.sleep(0.3)
        assert metric(await now(), "tuttu_oldest_unprocessed_seconds", service="ledger") >= 0.3
        go_on.set()
        await bench.wait_applied(20)
        await bench.wait_written_back()
        after = await now()

    def grown(name: str, **labels: str) -> float:
        return metric(after, name, service="ledger", **labels) - metric(before, name, service="ledger", **labels)

    assert grown("tuttu_batch_seconds_count") >= 1
    assert grown("tuttu_batch_records_sum") == 21
    assert metric(after, "tuttu_lag_records", service="ledger", topic="amounts") == 0
    assert metric(after, "tuttu_oldest_unprocessed_seconds", service="ledger") == 0
    assert metric(after, "tuttu_dead_letters_total", service="ledger", topic="amounts") >= 1
    assert metric(after, "tuttu_records_total", service="ledger", topic="amounts") >= 21
    route = {"method": "GET", "route": "/metrics", "status": "200"}
    assert metric(after, "tuttu_request_seconds_count", service="ledger", **route) >= 1


async def test_a_service_whose_worker_stopped_is_neither_alive_nor_ready(bench: Bench) -> None:
    async with site_of(bench) as site:
        assert (await site.get("/ledger/healthz")).json()["alive"]
        assert (await site.get("/ledger/readyz")).json() == {
            "ready": True,
            "database": True,
            "broker": True,
            "assignment": True,
        }
        await bench.send([ledger.amount_message(ACCOUNTS[0], 1, "defect")])
        await crashed(site.running)
        assert (await site.get("/ledger/healthz")).status_code == 503
        assert (await site.get("/ledger/readyz")).json()["assignment"] is False
