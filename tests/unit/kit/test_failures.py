"""What errors mean for a batch."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from services.kit import errors
from services.kit.runtime import Retry, failures
from services.kit.runtime.tasks import EndedInSilence, heard


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.SerializationError("again"),
        asyncpg.AdminShutdownError("terminating"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.LockNotAvailableError("locked"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.DiskFullError("full"),
        ConnectionRefusedError("away"),
        TimeoutError("late"),
        Retry(),
    ],
)
def test_what_goes_by_itself_is_tried_again(error: Exception) -> None:
    assert failures.transient_cause(error) is error
    assert not failures.is_refusal(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CharacterNotInRepertoireError("invalid byte sequence"),
        asyncpg.NumericValueOutOfRangeError("out of range"),
        asyncpg.CheckViolationError("account_balance_check"),
        asyncpg.NotNullViolationError("null"),
        asyncpg.ProgramLimitExceededError("index row size"),
        errors.InvalidInput(reason="it is unwanted"),
    ],
)
def test_a_value_that_will_be_refused_again_is_not_tried_again(error: Exception) -> None:
    assert failures.is_refusal(error)
    assert failures.transient_cause(error) is None


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError("taken"), ZeroDivisionError(), KeyError("x")])
def test_what_nobody_knows_is_neither(error: Exception) -> None:
    assert not failures.is_refusal(error)
    assert failures.transient_cause(error) is None


def test_the_cause_of_an_error_of_the_transactions_end_is_under_it() -> None:
    with pytest.raises(RuntimeError) as caught:
        try:
            raise asyncpg.AdminShutdownError("terminating")
        finally:
            raise RuntimeError("cannot roll back")
    assert isinstance(failures.transient_cause(caught.value), asyncpg.AdminShutdownError)


def test_a_reason_holds_no_values() -> None:
    error = asyncpg.DataError("invalid input for query argument $2: ['anna@example.com'] (value out of int64 range)")
    reason, field = failures.reason_of(error, "dedupe")
    expected = "The store of dedupe refuses a value: a value does not fit its column (value out of int64 range)"
    assert (reason, field) == (expected, None)
    detailed = asyncpg.CheckViolationError("violates check constraint\nDETAIL:  Failing row contains (anna).")
    assert "anna" not in failures.reason_of(detailed, "dedupe")[0]


def test_a_reason_can_be_stored_whatever_is_in_it() -> None:
    reason, field = failures.reason_of(errors.InvalidInput(reason="\0 \ud800", field="data.\0name"), "dedupe")
    assert field == "data.name"
    reason.encode()
    assert "\0" not in reason


def test_less_than_a_hundred_records_say_nothing() -> None:
    share = failures.InvalidShare("dedupe")
    share.check(99, 99)
    with pytest.raises(failures.TooManyInvalid, match="100 of the last 100 records of dedupe"):
        share.check(100, 100)


def test_half_of_the_records_may_be_invalid_and_not_one_more() -> None:
    share = failures.InvalidShare("dedupe")
    share.check(200, 100)
    with pytest.raises(failures.TooManyInvalid):
        share.check(200, 101)


def test_a_batch_is_judged_with_those_before_it() -> None:
    share = failures.InvalidShare("dedupe")
    for _ in range(9):
        share.check(10, 10)
        share.add(10, 10)
    with pytest.raises(failures.TooManyInvalid, match="100 of the last 100"):
        share.check(10, 10)
    share.check(100, 0)


def test_what_is_long_ago_no_longer_counts() -> None:
    share = failures.InvalidShare("dedupe")
    share.add(90, 90)
    share.add(1000, 0)
    with pytest.raises(failures.TooManyInvalid, match="of the last 1600 records"):
        share.check(600, 801)


async def test_a_cancellation_from_inside_is_an_error_and_one_from_outside_is_obeyed() -> None:
    async def cancelled_inside() -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner

    with pytest.raises(EndedInSilence):
        await heard(cancelled_inside())
    outside = asyncio.create_task(heard(asyncio.sleep(60)))
    asyncio.get_running_loop().call_soon(outside.cancel)
    with pytest.raises(asyncio.CancelledError):
        await outside
