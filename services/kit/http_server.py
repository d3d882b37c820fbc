"""One uvicorn for the services of this process, each mounted under its own path."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from fastapi import FastAPI

from services.kit import errors, web
from services.kit.application import Running


class PortOccupied(errors.TuttuError):
    """Port {port} on {host} is taken: another Tuttu may be running (stop it with Ctrl-C), or choose another port with
    --port."""


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handling: the process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def check_free(host: str, port: int) -> None:
    """Raises `PortOccupied` when something listens there already; says so before minutes of setting up."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortOccupied(host=host, port=port) from None


def mount(services: Sequence[Running]) -> FastAPI:
    """The site of this process: `/dedupe/…`, `/directory/…`, and so on."""
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    web.add_error_handlers(site, "tuttu")
    for running in services:
        site.mount(running.service.path, running.http)
    return site


async def serve(site: FastAPI, *, host: str, port: int) -> tuple[HttpServer, asyncio.Task[None]]:
    """Start to listen; returns when the port answers. Raises `PortOccupied`."""
    config = uvicorn.Config(
        site,
        host=host,
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    check_free(host, port)
    sock = config.bind_socket()
    server = HttpServer(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not (server.started or task.done()):  # noqa: ASYNC110  # uvicorn has a flag and no event
        await asyncio.sleep(0.01)
    if task.done():
        task.result()
    return server, task
