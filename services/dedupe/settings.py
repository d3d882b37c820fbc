"""Settings of dedupe: DEDUPE_* variables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    database: str
    """Address of the service's own database."""
    trusted_sources: str = ""
    """Names of sources, comma-separated, the most trusted first: their values survive where others differ. Those that
    are not named come last and are equal. A change reaches a contact with its next event."""

    @property
    def ranks(self) -> dict[str, int]:
        """The rank of each source that is named, the smallest first."""
        names = (name.strip() for name in self.trusted_sources.split(","))
        return {name: rank for rank, name in enumerate(name for name in names if name)}
