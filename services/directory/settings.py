"""DIRECTORY_* variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """What this service alone needs to know."""

    database: str
    """DSN of the service's own PostgreSQL database."""
    words_kept: timedelta = timedelta(hours=24)
    """How long a word may be kept for correcting typing errors after the last customer of that name is gone."""
