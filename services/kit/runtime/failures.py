"""What an error means for a batch: it goes by itself, a value is refused, or nobody knows (then the worker stops)."""

from __future__ import annotations

from collections import deque

import asyncpg

from services.kit import errors
from services.kit.runtime.inputs import Retry

# What goes by itself: connections lost or refused, deadlocks, serialization, locks not had in time.
_TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TransactionRollbackError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
    Retry,
)
# What a value does: it will be refused again, however often it is tried.
_REFUSED = (
    asyncpg.DataError,
    # Not every violated constraint: of a unique one, another worker may be the cause, not the value.
    asyncpg.CheckViolationError,
    asyncpg.NotNullViolationError,
    asyncpg.ProgramLimitExceededError,
    errors.InvalidInput,
)
_WINDOW = 1000
_LEAST = 100
_SHARE = 0.5


class TooManyInvalid(errors.TuttuError):
    """{bad} of the last {seen} records of {service} cannot be read or stored; it stops instead of draining the topic
    into dead-letters. Look at what writes there; `tuttu skip {service} …` passes records by hand."""


def is_refusal(error: BaseException) -> bool:
    """Whether the store (or the handler) says that a value does not fit."""
    return isinstance(error, _REFUSED)


def transient_cause(error: BaseException) -> BaseException | None:
    """What goes by itself in this error or under it: a killed backend shows as an error of the transaction's end."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, _TRANSIENT):
            return inner
        inner = inner.__cause__ or inner.__context__
    return None


def reason_of(error: BaseException, service: str) -> tuple[str, str | None]:
    """Reason and field of a refusal, without the values: they are personal data, and the dead letter has the record."""
    # PostgreSQL's message names the type and the column; its detail would repeat the row.
    said = str(error).split("\n", 1)[0]
    if said.startswith("invalid input for query argument"):
        # asyncpg's own: the argument's position, the beginning of its value, and in brackets what is wrong with it.
        said = f"a value does not fit its column ({said.rpartition('(')[2].rstrip(')')})"
    place = getattr(error, "field", None)
    return _storable(f"The store of {service} refuses a value: {said}"), _storable(place) if place else None


def _storable(text: str) -> str:
    return text[:400].encode(errors="replace").decode().replace("\0", "")


class InvalidShare:
    """How many of the latest records were invalid: too large a share stops the worker, before their batch is stored."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._recent: deque[tuple[int, int]] = deque()

    def check(self, seen: int, bad: int) -> None:
        """Raises `TooManyInvalid` when with this batch, of which so much is invalid, it is too large a share."""
        seen += sum(records for records, _ in self._recent)
        bad += sum(invalid for _, invalid in self._recent)
        if seen >= _LEAST and bad > seen * _SHARE:
            raise TooManyInvalid(service=self._service, seen=seen, bad=bad)

    def add(self, seen: int, bad: int) -> None:
        """Remember a batch; forget those before the latest thousand records."""
        self._recent.append((seen, bad))
        while sum(records for records, _ in self._recent) - self._recent[0][0] >= _WINDOW:
            self._recent.popleft()
