"""Which function works on which phase. Named, not imported: torch and friends load where they are used."""

import importlib
from collections.abc import Collection

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

SHORT = ("sums", "lists", "transport")
"""Whose shards may take less time than their imports: idle workers load these beforehand."""


def load(phases: Collection[str]) -> None:
    """Import those of the phases that are short; raises ImportError."""
    for phase in SHORT:
        if phase in phases:
            importlib.import_module(PHASES[phase])


def run(work: Work) -> Outcome:
    """The phase's own `run`; its import may take many seconds, so this is called under the heartbeat."""
    with bounded():
        outcome: Outcome = importlib.import_module(PHASES[work.claim.phase]).run(work)
    return outcome
