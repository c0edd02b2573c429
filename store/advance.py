"""What advances jobs that are made of other jobs, by phase: loops and comparisons.

Two phases, so that a worker of a release that knows no comparisons leaves them to others.
"""

from collections.abc import Callable

from sqlalchemy.orm import Session

from store.comparisons import advance as comparisons
from store.loops import advance as loops
from store.settings import Settings

ADVANCE: dict[str, Callable[[Session, Settings, str], None]] = {
    "advance": loops.advance,
    "compare": comparisons.advance,
}
"""Each begins what is due of the job with that id, and ends what is over."""
