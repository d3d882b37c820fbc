"""What runs as long as its service must not end in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from services.kit import errors


class EndedInSilence(errors.TuttuError):
    """A part of the service was cancelled from inside, and stops the whole."""


async def heard(work: Awaitable[None]) -> None:
    """Await `work`, and turn a cancellation that nobody of ours asked for into an error.

    aiokafka lets the cancellation of its own tasks out, and mode takes it for an order to end: the service would go on
    without its loop.
    """
    try:
        await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise EndedInSilence() from error
