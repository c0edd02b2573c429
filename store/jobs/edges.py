"""Edges between targets and candidates that a selection has to hold: too many are refused."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from evoselect.spec.listing import least_edges
from store.data import pools, targets
from store.errors import Invalid
from store.jobs.requests import SelectionWork


@dataclass(frozen=True, slots=True)
class Edges:
    """How many there are between so many targets and candidates, of which the budget buys so many rows."""

    targets: int
    candidates: int
    rows: int
    count: int

    @classmethod
    def least(cls, targets: int, candidates: int, rows: int) -> "Edges":
        """As many as there are whatever the features are."""
        return cls(targets, candidates, rows, least_edges(candidates, targets, rows))

    def require_few(self, most: int, how: str) -> None:
        """Raise Invalid for more than ``most``; ``how`` says how well the count is known."""
        if self.count > most:
            raise Invalid(
                f"{self.targets} targets, {self.candidates} candidates and a budget of {self.rows} rows make "
                f"{how} {self.count} edges to hold in memory, and {most} are allowed (EVOSELECT_MAX_EDGES): "
                "ask for fewer rows or sample the targets, or let the operator raise the setting",
                code="too_many_edges",
                pointer="/k",
            )


def require_possible(session: Session, tenant_id: str, asked: SelectionWork, most: int) -> None:
    """Raise Invalid where the counts of what is stored are certain to make too many edges.

    How many rows a budget in tokens buys is not known here: the worker asks then, as it does in any case.
    """
    if asked.spec.method != "capacity" or asked.k is None:
        return
    goals = targets.get(session, tenant_id, asked.target_id).count
    pool = pools.get(session, tenant_id, asked.pool_id)
    candidates = sum(batch.rows for batch in pools.sources(session, pool, asked.pool_version))
    Edges.least(goals, candidates, asked.k).require_few(most, "at least")
