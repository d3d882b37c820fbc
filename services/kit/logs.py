"""Structured logs: an event's name, data in keywords, identifiers and never personal data."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, style: str = "json", level: str = "info") -> None:
    """Send all logs to standard error, as JSON lines or (`style` console) for eyes. Idempotent."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if style == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        # Not the default, which prints the local variables: personal data.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        )
    )
    # It calls errors what it mends itself, such as a coordinator that is not there yet; what matters, our loops say.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
