"""`tuttu demo` as a command: it says what to do where it cannot run, and survives Ctrl-C and kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from services.ops.embedded import ports
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


def test_an_unusable_folder_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    _assert_says(_demo(tmp_path / "a file" / "data"), "cannot be used", "--data")


def test_after_a_kill_it_starts_again_and_ctrl_c_ends_it_with_a_summary(tmp_path: Path) -> None:
    said = _until(tmp_path, "starting the services", signal.SIGKILL)
    assert "preparing Apache Kafka" in said

    said = _until(tmp_path, "making sources", signal.SIGINT)
    assert "preparing Apache Kafka" not in said
    assert "Stopped before it was checked" in said
    assert said.endswith(f"Stopped; the data stays in {tmp_path}.")
    assert "Traceback" not in said


def _until(folder: Path, words: str, ends_with: signal.Signals) -> str:
    """What `tuttu demo` said, which at these words got a signal with its whole group, as a terminal sends it."""
    command = [sys.executable, "-m", "services", "demo", "--data", str(folder), "--port", str(ports.free())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if words in line:
                os.killpg(process.pid, ends_with)
    assert process.returncode == (0 if ends_with is signal.SIGINT else -ends_with), "".join(said)
    return "".join(said).strip()
