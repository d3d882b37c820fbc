"""Metric names, in one place, so that a typo fails the type check. Base units, no ids as labels."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

records = Counter("tuttu_records_total", "Records taken from topics.", ["service", "topic"])
dead_letters = Counter("tuttu_dead_letters_total", "Records that became dead letters.", ["service", "topic"])
batch_seconds = Histogram(
    "tuttu_batch_seconds", "Time from poll to acknowledged outputs.", ["service"], buckets=BUCKETS_S
)
batch_records = Histogram(
    "tuttu_batch_records", "Records in a batch.", ["service"], buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
)
batches_retried = Counter("tuttu_batches_retried_total", "Batches that were tried again.", ["service"])
batches_halved = Counter(
    "tuttu_batches_halved_total", "Batches that were halved to find a refused record.", ["service"]
)
states_republished = Counter(
    "tuttu_states_republished_total",
    "States sent again so that the last record is the row.",
    ["service", "topic", "why"],
)
lag = Gauge("tuttu_lag_records", "Records on the topic that are not applied yet.", ["service", "topic"])
oldest_seconds = Gauge("tuttu_oldest_unprocessed_seconds", "Age of the oldest record not yet applied.", ["service"])
requests = Histogram(
    "tuttu_request_seconds", "Time to answer.", ["service", "method", "route", "status"], buckets=BUCKETS_S
)


def begin(service: str, topics: Iterable[str]) -> None:
    """Show a consumer's counts as nought before the first batch: a series that is not there looks like a failed scrape,
    and its first growth would not be seen."""
    for of_service in (batch_seconds, batch_records, batches_retried, batches_halved):
        of_service.labels(service)
    for topic in topics:
        records.labels(service, topic)
        dead_letters.labels(service, topic)


def page() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    return bytes(generate_latest(REGISTRY))
