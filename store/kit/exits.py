"""How a process that cannot serve ends: a sentence, and a code of sysexits.h."""

import sys
from typing import NoReturn

EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: the database does not answer
EXIT_CONFIGURATION = 78  # EX_CONFIG: a setting is missing, or the database has another shape


def leave(code: int, reason: str) -> NoReturn:
    """End the process; the reason goes to its standard error."""
    print(f"evoselect: {reason}", file=sys.stderr, flush=True)
    raise SystemExit(code)
