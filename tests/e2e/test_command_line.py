"""`tuttu demo` where it cannot run: it says what to do, without a traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.ops.installation import Installation


def _demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services", "demo", "--data", str(folder), "--duration", "1", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _assert_says(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ended.returncode == 1
    said = " ".join((ended.stdout + ended.stderr).split())
    assert "Traceback" not in said
    for word in words:
        assert word in said


def test_an_occupied_port_is_named_with_the_option_that_helps(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _assert_says(_demo(tmp_path / "data", "--port", port), f"Port {port}", "--port")


def test_a_folder_in_use_is_named_with_the_process_that_has_it(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.create()
    with installation.locked():
        _assert_says(_demo(tmp_path), f"process {os.getpid()}", "Ctrl-C", "--data")


@pytest.mark.parametrize("place", ["a file", "a/folder/in/a file"])
def test_an_unusable_folder_is_named_with_the_reason(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("")
    _assert_says(_demo(tmp_path / place / "data"), "cannot be used", "--data")
