"""Which function works on which phase. Named, not imported: torch and friends load on first use."""

import importlib

from workers.process.memory import bounded
from workers.process.work import Outcome, Work

PHASES = {
    "features": "workers.phases.features",
    "sums": "workers.phases.sums",
    "lists": "workers.phases.lists",
    "transport": "workers.phases.transport",
    "train": "workers.phases.train",
    "evaluate": "workers.phases.evaluate",
    "advance": "workers.phases.advance",
    "compare": "workers.phases.compare",
    "generate": "workers.phases.generate",
    "judge": "workers.phases.judge",
    "index": "workers.phases.index",
}


def run(work: Work) -> Outcome:
    """The phase's own `run`; its import may take many seconds, so this is called under the heartbeat."""
    with bounded():
        outcome: Outcome = importlib.import_module(PHASES[work.claim.phase]).run(work)
    return outcome
