"""How fast a source may send: a token bucket per source and process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from services.kit import errors


class TooFast(errors.TooMany):
    """{source} sends more than {rate} events per second; wait {retry_after_s} s."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limits:
    """Holds a bucket for each name. A bucket fills by its rate, up to `burst` tokens: those of two seconds by default.

    A request is let in while there is a token, and pays for what it carried afterwards, so that a large batch is never
    refused for its size: it makes the next ones wait.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}

    def check(self, name: str, rate: float, *, burst: float | None = None) -> None:
        """Raises `TooFast`, which says when the next request will be let in."""
        bucket = self._filled(name, rate, burst)
        if bucket.tokens < 1:
            wait_s = max(1, math.ceil((1 - bucket.tokens) / rate))
            raise TooFast(source=name, rate=f"{rate:g}", retry_after_s=wait_s)

    def pay(self, name: str, rate: float, events: int, *, burst: float | None = None) -> None:
        self._filled(name, rate, burst).tokens -= events

    def _filled(self, name: str, rate: float, burst: float | None) -> _Bucket:
        now = self._monotonic()
        most = max(1.0, 2 * rate) if burst is None else burst
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(most, now)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        return bucket
