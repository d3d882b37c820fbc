"""ACTIVITY_* variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """What this service alone needs to know."""

    database: str
    """DSN of the service's own PostgreSQL database."""
    future_tolerance: timedelta = timedelta(hours=24)
    """How far ahead of its command what a person writes down may lie; what is planned is not history."""
