"""INTAKE_* variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    database: str
    """PostgreSQL DSN."""
    default_currency: str = "EUR"
    """Of amounts whose source names none (ISO 4217)."""
    events_per_s: float = 20_000.0
    """How many events a source may send per second and process, unless the source says otherwise."""
    form_posts_per_s: float = 50.0
    """The same for sources of forms, which anybody may fill."""
    register_age: timedelta = timedelta(seconds=3)
    """How old what this process knows of sources, keys and forms may grow; a revoked key stops working within it."""
    webhook_bytes: int = 2 * 1024 * 1024
    """Largest body of a Shopify webhook."""
    form_bytes: int = 256 * 1024
    mail_bytes: int = 50 * 1024 * 1024
    """Largest body of an inbound e-mail; Postmark takes attachments up to 35 MB, which base64 makes 47."""
    mails_at_once: int = 4
    """How many e-mails this process reads at the same time: each may be as large as `mail_bytes`."""
    rejection_bytes: int = 2 * 1024 * 1024
    """How much of a rejected body is kept."""
    mask_identity_codes: bool = True
    """Replace Finnish personal identity codes by their birth date and asterisks before anything is kept."""
    settled_rejections_kept: timedelta = timedelta(days=30)
    """Rejections that were replayed or discarded are deleted after this time; open ones stay."""
    unsigned_rejections_kept: timedelta = timedelta(days=7)
    """Rejections whose sender did not prove who it is, even open ones, are deleted after this time."""
