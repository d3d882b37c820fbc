"""The stock segment-analytics-python, unchanged, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from segment.analytics import request
from segment.analytics.client import Client

from tests.integration.intake.running import Intake


@pytest.fixture(autouse=True)
def closed_session() -> Iterator[None]:
    """The SDK keeps one session for its process; its open connection would outlive the server."""
    yield
    request._session.close()


@pytest.mark.parametrize("gzip", [False, True])
async def test_the_stock_python_sdk_works_unchanged(intake: Intake, gzip: bool) -> None:
    await intake.source("palvelin", trusted=True)
    failures: list[object] = []
    client = Client(
        await intake.key("palvelin"),
        host=intake.url,
        gzip=gzip,
        on_error=lambda error, items: failures.append(error),
        max_retries=1,
    )
    at = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)

    def use() -> None:
        client.identify("user-88", {"email": "matti@example.fi", "name": "Matti Virtanen"}, timestamp=at)
        client.track(
            "user-88",
            "Order Completed",
            {
                "order_id": "1001",
                "total": 129.9,
                "currency": "EUR",
                "products": [{"sku": "KAHVI-500", "name": "Kahvi 500 g", "price": 8.95, "quantity": 2}],
            },
            timestamp=at,
        )
        client.page("user-88", "Kauppa", "Etusivu", {"url": "https://example.fi/"}, timestamp=at)
        client.screen("user-88", "Sovellus", "Aloitus", timestamp=at)
        client.group("user-88", "0123456-7", {"name": "Kahvila Aalto Oy"}, timestamp=at)
        client.alias("a1b2c3", "user-88", timestamp=at)
        client.flush()
        client.join()

    await asyncio.to_thread(use)

    assert failures == []
    events = {event["data"]["name"]: event["data"] for event in await intake.events()}
    assert events.keys() == {"identify", "purchase", "page_view", "screen_view", "group", "alias"}
    assert {event["record"]["key"] for event in events.values()} == {"user-88"}
    assert events["purchase"]["amount"] == {"minor": 12990, "currency": "EUR"}
    assert events["purchase"]["properties"]["lines"][0]["amount"] == {"minor": 1790, "currency": "EUR"}
    assert events["identify"]["fields"] == {"email": "matti@example.fi", "full_name": "Matti Virtanen"}
    assert events["group"]["fields"] == {"organisation": "Kahvila Aalto Oy"}
    assert [link["key"] for link in events["alias"]["links"]] == ["a1b2c3", "a1b2c3"]
    assert {event["original_time"] for event in events.values()} == {"2026-11-22T08:15:00Z"}


async def test_the_stock_python_sdk_is_told_what_is_wrong(intake: Intake) -> None:
    failures: list[object] = []
    client = Client("tuttu_none_such", host=intake.url, on_error=lambda error, items: failures.append(error))

    def use() -> None:
        client.track("user-88", "Klikkaus")
        client.flush()
        client.join()

    await asyncio.to_thread(use)

    (error,) = failures
    assert "401" in str(error)
