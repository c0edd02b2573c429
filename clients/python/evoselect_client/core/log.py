"""The client's log: one line a request, to stderr where EVOSELECT_LOG says so. No keys, no bodies."""

from __future__ import annotations

import logging
import os

logger = logging.getLogger("evoselect_client")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}


def configure() -> None:
    """Write to stderr as EVOSELECT_LOG asks: `info` tells of retries, `debug` of every request."""
    level = LEVELS.get(os.environ.get("EVOSELECT_LOG", "").lower())
    if level is None or logger.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(level)
