"""SUBSCRIPTIONS_* variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """What this service alone needs to know."""

    database: str
    """DSN of the service's own PostgreSQL database."""
    streams: int = 1000
    """Subscribers at once in one process; more are asked to come again."""
    readers: int = 3
    """How many of them read from the store at once; the others wait their turn."""
    ping: timedelta = timedelta(seconds=15)
    """After how long a silence a stream says that it is alive, so that nothing on the way closes it."""
