"""Operational log lines: JSON on stderr, allow-listed keys only.

A value that is not under an allowed key is dropped, so a case field that slips into a call never
reaches the stream; messages are fixed event names.
"""

import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp", "listener", "worker", "pid", "port", "host", "signal",
        "status", "code", "path", "method", "request_id", "duration_ms", "vendor", "contract",
        "thumbprint", "epoch", "connections", "tree_size", "first_index", "entries", "error_type",
        "sqlstate", "directory", "count", "reason", "age_seconds", "version", "exit_code",
    }
)  # fmt: skip


def _only_allowed(
    _logger: object, _method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {key: value for key, value in event_dict.items() if key in ALLOWED_KEYS}


def configure_logs() -> None:
    """Sets up structlog for this process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger() -> structlog.typing.FilteringBoundLogger:
    """The process's logger."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
