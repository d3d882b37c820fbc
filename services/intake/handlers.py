"""Dead letters of all services, kept beside what the doors rejected."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from uuid import UUID

from services.intake import messages, store
from services.intake.plain import without_nul
from services.kit import envelope, ids
from services.kit.database import Connection
from services.kit.envelope import Received

DOOR = "topic:"
"""What the door of a dead letter begins with; the topic's name follows."""


async def keep_dead_letters(connection: Connection, letters: Sequence[Received[messages.DeadLetter]]) -> Iterable[UUID]:
    """A row for each that has none; no contact is affected."""
    await store.insert_dead_letters(connection, [rejected(letter.event) for letter in letters])
    return ()


def rejected(event: envelope.CloudEvent[messages.DeadLetter]) -> store.Rejected:
    """A dead letter as a rejection. Its id follows from the letter's, so that a letter read again is the same row."""
    letter = event.data
    encoded = letter.value_base64
    body = base64.b64decode(encoded) if encoded is not None else (letter.value or "").encode()
    return store.Rejected(
        id=ids.event_id(event.time, "dead-letters", event.id),
        door=f"{DOOR}{letter.topic}"[:300],
        source=None,
        reason="dead_letter",
        detail=without_nul(letter.reason),
        field=without_nul(letter.field),
        received_at=event.time,
        content_type=without_nul(letter.headers.get("content-type")),
        headers=letter.headers,
        context={
            "service": letter.service,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "key": letter.key,
            "tombstone": letter.value is None and letter.value_base64 is None,
        },
        body=body,
        body_bytes=len(body),
    )
