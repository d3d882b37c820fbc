"""What the demo remembers between its runs: how far it has come in the row of people, and the keys it was given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from services.kit import errors

_BLOCK = 500
"""People are taken in blocks, so that a run that is killed never meets its people again."""


class NotesUnreadable(errors.TuttuError):
    """{file} cannot be read: {reason}. Restore it, or begin anew in another folder with --data."""


class Noted(msgspec.Struct, kw_only=True):
    next_person: int = 0
    shop_secret: str | None = None
    site_key: str | None = None
    mail_key: str | None = None


class Notes:
    """The file `demo.json` in the installation's folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "demo.json"
        try:
            self.noted = msgspec.json.decode(self._file.read_bytes(), type=Noted)
        except FileNotFoundError:
            self.noted = Noted()
        except (OSError, msgspec.DecodeError) as error:
            raise NotesUnreadable(file=self._file, reason=error) from error

    def save(self) -> None:
        """Readable by the owner only: it holds keys."""
        fresh = self._file.with_name(self._file.name + ".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(self.noted)))
        fresh.replace(self._file)

    def numbers(self) -> Callable[[], int]:
        """Gives the next person's number; whatever happens, nobody else and no later run is given it."""
        following = end = 0

        def take() -> int:
            nonlocal following, end
            if following == end:
                following, end = self.noted.next_person, self.noted.next_person + _BLOCK
                self.noted.next_person = end
                self.save()
            following += 1
            return following - 1

        return take
