"""TAGGING_RULES_* variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """What this service alone needs to know."""

    database: str
    """DSN of the service's own PostgreSQL database."""
    recompute_chunk: int = 500
    """Contacts in one command when a changed rule is applied to all contacts."""
    recompute_poll: timedelta = timedelta(seconds=1)
    """How often to look whether a rule has changed."""
