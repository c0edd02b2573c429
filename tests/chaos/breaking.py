"""Takes one guard out of a worker process, by rewriting the statements that reach the database."""

import re
from collections.abc import Callable
from typing import Any

BREAK_VARIABLE = "CHAOS_BREAK"
GUARDS = {
    "fence": (r"and (shards\.)?token = %\(\w+\)s\S* and (shards\.)?state = ('running'|%\(\w+\)s\S*)", ""),
    # The fence of the commit alone, and only by half: what is done stays done.
    "commit_token": (r"(?<=where id = %\(shard_id\)s) and token = %\(token\)s", ""),
    # What it is for: that the leases of silent workers run out. A worker that starts looks for them as well.
    "sweeper": (r"shards\.lease_until IS NULL OR shards\.lease_until < clock_timestamp\(\)", "false"),
    "outbox": (r"FROM outbox ORDER BY", "FROM outbox WHERE false ORDER BY"),
}


def breaker(guard: str) -> Callable[..., tuple[str, Any]]:
    """A listener of before_cursor_execute."""
    pattern, replacement = GUARDS[guard]
    compiled = re.compile(pattern, re.DOTALL | re.IGNORECASE)

    def rewrite(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> tuple[str, Any]:
        return compiled.sub(replacement, statement), parameters

    return rewrite
