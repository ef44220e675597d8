"""Structured logs to stdout: JSON for machines in production, lines for people under DEBUG."""

from __future__ import annotations

from typing import Any

import structlog
from django.http import HttpRequest

_SHARED = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(*, level: str, as_json: bool) -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": _formatter(as_json=as_json)},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stdout"], "level": level},
        # Libraries that say at info what our own lines say better.
        "loggers": {
            name: {"level": "WARNING"}
            for name in ("django.server", "django_structlog", "axes", "urllib3")
        },
    }


def _name_request(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Name a request by its path: what is searched for may be a customer's number."""
    request = event.get("request")
    if isinstance(request, HttpRequest):
        event["request"] = f"{request.method} {request.path}"
    return event


def _formatter(*, as_json: bool) -> dict[str, Any]:
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
        "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder(), _name_request],
    }
