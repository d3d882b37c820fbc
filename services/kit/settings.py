"""Settings from the environment, twelve-factor style: one frozen class per service, units in the types.

`NAME_FILE` names a file that holds the value of `NAME`, for secrets.
"""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from services.kit import errors

S = TypeVar("S")


class InvalidSetting(errors.TuttuError):
    """The setting {name} is {value!r}; expected {expected}."""


class UnreadableSetting(errors.TuttuError):
    """The file {path}, which {name}_FILE names, cannot be read: {reason}."""


class MissingSetting(errors.TuttuError):
    """The setting {name} is missing; set it in the environment, or name a file that holds it in {name}_FILE."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What all services of an installation share: TUTTU_* variables."""

    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, host:port, comma-separated."""
    topic_prefix: str = ""
    """Stands before every topic and consumer group, so that several installations can share a cluster."""
    secret: str = ""
    """The installation's secret, from which record ids follow; never change it."""
    region: str = "FI"
    """Where a phone number without a country code is from (ISO 3166-1)."""
    log_format: str = "json"
    """json or console."""
    log_level: str = "info"
    batch_records: int = 1000
    """Records in a micro-batch at most."""
    session_timeout: timedelta = timedelta(seconds=10)
    produce_timeout: timedelta = timedelta(seconds=8)


def _parse(name: str, value: str, kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
        if kind is timedelta:
            return timedelta(seconds=float(value))
        if kind in (int, float, str, Path):
            return kind(value)
    except (KeyError, ValueError, OverflowError):
        expected = {bool: "yes or no", timedelta: "seconds", int: "a whole number", float: "a number"}[kind]
        raise InvalidSetting(name=name, value=value, expected=expected) from None
    raise TypeError(f"settings cannot hold {kind!r} ({name})")


def _text_of(path: Path, name: str) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UnreadableSetting(name=name, path=path, reason=reason) from None


def load(kind: type[S], prefix: str, environment: Mapping[str, str] = os.environ) -> S:
    """Read the fields of the dataclass `kind` from `PREFIX_FIELD`; a field without a default must be there.

    Raises `InvalidSetting`, `MissingSetting` or `UnreadableSetting`, which name the variable.
    """
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for item in fields(kind):  # type: ignore[arg-type]  # S is bound by use to dataclasses
        name = f"{prefix}_{item.name}".upper()
        if name in environment:
            text = environment[name]
        elif f"{name}_FILE" in environment:
            text = _text_of(Path(environment[f"{name}_FILE"]), name)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise MissingSetting(name=name)
        else:
            continue
        values[item.name] = _parse(name, text, hints[item.name])
    return kind(**values)
