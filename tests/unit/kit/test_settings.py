"""Settings from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.kit import settings
from services.kit.settings import Platform


@dataclass(frozen=True)
class Shop:
    database: str
    patience: timedelta = timedelta(seconds=2)
    most: int = 10
    share: float = 0.5
    open: bool = False
    folder: Path = Path("here")
    note: str | None = None


def load(**environment: str) -> Shop:
    return settings.load(Shop, "SHOP", {"SHOP_DATABASE": "postgresql://shop", **environment})


def test_what_is_not_set_keeps_its_default() -> None:
    assert load() == Shop(database="postgresql://shop")


def test_units_are_in_the_types() -> None:
    loaded = load(
        SHOP_PATIENCE="0.25",
        SHOP_MOST="12",
        SHOP_SHARE="0.75",
        SHOP_OPEN="yes",
        SHOP_FOLDER="/there",
        SHOP_NOTE="a note",
    )
    assert loaded == Shop("postgresql://shop", timedelta(milliseconds=250), 12, 0.75, True, Path("/there"), "a note")


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), ("yes", True), ("0", False), ("False", False), ("no", False)]
)
def test_yes_and_no_may_be_said_in_the_usual_ways(text: str, value: bool) -> None:
    assert load(SHOP_OPEN=text).open is value


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "database"
    secret.write_text("postgresql://secret\n")
    assert settings.load(Shop, "SHOP", {"SHOP_DATABASE_FILE": str(secret)}).database == "postgresql://secret"


def test_a_variable_itself_goes_before_its_file(tmp_path: Path) -> None:
    assert load(SHOP_DATABASE_FILE=str(tmp_path / "none")).database == "postgresql://shop"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SHOP_MOST", "many", "a whole number"),
        ("SHOP_MOST", "1.5", "a whole number"),
        ("SHOP_SHARE", "half", "a number"),
        ("SHOP_OPEN", "perhaps", "yes or no"),
        ("SHOP_PATIENCE", "2 minutes", "seconds"),
        ("SHOP_PATIENCE", "inf", "seconds"),
        ("SHOP_PATIENCE", "nan", "seconds"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_is_expected(name: str, value: str, expected: str) -> None:
    with pytest.raises(settings.InvalidSetting) as caught:
        load(**{name: value})
    assert caught.value.detail == f"The setting {name} is {value!r}; expected {expected}."


def test_a_setting_that_must_be_there_is_named() -> None:
    with pytest.raises(settings.MissingSetting, match=r"The setting SHOP_DATABASE is missing.* SHOP_DATABASE_FILE"):
        settings.load(Shop, "SHOP", {})


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    with pytest.raises(settings.UnreadableSetting) as caught:
        settings.load(Shop, "SHOP", {"SHOP_DATABASE_FILE": str(missing)})
    assert f"The file {missing}, which SHOP_DATABASE_FILE names, cannot be read" in caught.value.detail
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(settings.UnreadableSetting, match="it is not text"):
        settings.load(Shop, "SHOP", {"SHOP_DATABASE_FILE": str(tmp_path / "bytes")})


def test_the_platform_needs_no_setting_on_a_machine_of_its_own() -> None:
    assert settings.load(Platform, "TUTTU", {}) == Platform()
    assert settings.load(Platform, "TUTTU", {"TUTTU_SESSION_TIMEOUT": "6"}).session_timeout == timedelta(seconds=6)
