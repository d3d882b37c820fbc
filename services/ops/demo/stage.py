"""Sets the stage through the API, as an administrator does: sources, keys, forms. A second time changes nothing."""

from __future__ import annotations

import secrets

from services.ops.demo import story
from services.ops.demo.doors import FORMS, MAIL, SHOP, SITE, Credentials
from services.ops.demo.notes import Notes
from services.ops.demo.register import Register

_TAKEN = 409


async def set_up(register: Register, notes: Notes) -> Credentials:
    """Make what is missing; returns what the outside signs with. Raises `register.Refused`."""
    noted = notes.noted
    for name, kind, trusted in (
        (SHOP, "shopify", True),
        (SITE, "segment", True),
        (MAIL, "postmark", False),
        (FORMS, "forms", False),
    ):
        source = {"name": name, "kind": kind, "trusted": trusted}
        await register.call("POST", "/intake/sources", json=source, fine=[_TAKEN])

    if noted.shop_secret is None:
        noted.shop_secret = f"shpss_{secrets.token_hex(16)}"
        secret = {"secret": noted.shop_secret, "overlap_s": 0}
        await register.call("POST", f"/intake/sources/{SHOP}/secrets", json=secret)
    noted.site_key = await _key(register, SITE, noted.site_key)
    noted.mail_key = await _key(register, MAIL, noted.mail_key)
    notes.save()

    for name, form in story.FORMS.items():
        definition = {"name": name, "source": FORMS, **form}
        made = await register.call("POST", "/intake/form-definitions", json=definition, fine=[_TAKEN])
        if made["status_code"] == _TAKEN:
            await register.call("PUT", f"/intake/form-definitions/{name}", json=definition)
    return Credentials(noted.shop_secret, noted.site_key, noted.mail_key)


async def _key(register: Register, source: str, noted: str | None) -> str:
    """The key of an earlier run as long as it is good, else a new one."""
    listed = await register.get(f"/intake/sources/{source}/keys")
    good = {key["short"] for key in listed["keys"] if key["revoked_at"] is None and key["expires_at"] is None}
    if noted is not None and noted.split("_")[1] in good:
        return noted
    made = await register.post(f"/intake/sources/{source}/keys", {"name": "demo"})
    return str(made["key"])
