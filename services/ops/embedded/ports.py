"""Ports on 127.0.0.1."""

from __future__ import annotations

import os
import socket

import psutil

from services.ops.embedded import errors

HOST = "127.0.0.1"


def free() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def check_free(server: str, port: int) -> None:
    """Raises PortOccupied, with who listens there where that can be known."""
    with socket.socket() as probe:
        if os.name == "posix":
            # as the servers do, so that connections that are closing do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = _listener(port) or error.strerror
            raise errors.PortOccupied(server=server, port=port, reason=reason) from error


def _listener(port: int) -> str | None:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr.port == port:
                name = psutil.Process(connection.pid).name()
                return f"process {connection.pid} ({name}) listens there"
    except psutil.Error:
        pass  # macOS shows other people's connections to root only
    return None
