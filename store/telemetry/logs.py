"""Logs of every process: one JSON object per line on stderr, with what it is about, never with a secret.

`with about(job=..., shard=...)` adds fields to every line that is written inside, by libraries too.
"""

import logging
import re
import sys
from typing import Any

import orjson
import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

about = bound_contextvars
SECRET = re.compile(r"\b(evs_|whsec_)[A-Za-z0-9+/=]{8,}")
MARKS = ("evs_", "whsec_", "://")  # a text without any matches neither expression
PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s/]+@")
OWN_HANDLERS = ("uvicorn", "uvicorn.error", "celery", "celery.task")
SILENT = "uvicorn.access"  # service/edge/journal.py writes the line of a request; this is a second one


def configure(level: int = logging.INFO) -> None:
    """Send what every logger of the process says through one handler."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    silent = logging.getLogger(SILENT)
    silent.handlers.clear()
    silent.propagate = False  # uvicorn makes no line where nobody hears it


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keys, webhook secrets and passwords of URLs out of every text, tracebacks too."""
    return {name: without_secrets(value) for name, value in event.items()}


def without_secrets(value: Any) -> Any:
    """A text without secrets; anything else as it is."""
    if not isinstance(value, str) or not any(mark in value for mark in MARKS):
        return value
    return PASSWORD.sub(r"\1***@", SECRET.sub(r"\1***", value))


def _dumps(value: Any, default: Any = None, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode(errors="replace")
