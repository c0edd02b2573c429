"""The answer: which candidates, in what order, and why."""

from dataclasses import dataclass

from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget


@dataclass(frozen=True, slots=True)
class NearTarget:
    """A target that a selected candidate serves."""

    index: int
    cosine: float
    mass: float  # transported from the candidate, of a total of 1


@dataclass(frozen=True, slots=True)
class ItemReason:
    """One selected candidate and what speaks for it."""

    index: int  # row among the candidates as given
    rank: int  # from 0, what is pinned and then most valuable first
    pinned: bool  # in whatever it costs
    weight: float
    repeats: int  # how often a trainer without a weight column should show it
    ot_gradient: (
        float | None
    )  # marginal transport cost of weight on it; lower is more wanted; None for rankings
    redundancy: float  # its twins among the selected, as a sum of similarities in [0, 1]
    score: float  # what the ranking sorts by; larger is better
    targets: tuple[NearTarget, ...]  # most transported mass first
    nearest_selected: int | None  # row of the most similar selected candidate, None where none is similar
    why: str


@dataclass(frozen=True)
class Reasons:
    """Columns behind the items, all in rank order; (k,) unless said."""

    ot_gradient: Floats | None  # (k,)
    redundancy: Floats  # (k,) sum of similarities to the other selected rows
    score: Floats  # (k,) larger is better
    target_index: Ints  # (k, t), -1 where fewer
    target_cosine: Floats  # (k, t)
    target_mass: Floats  # (k, t)
    nearest_selected: Ints  # (k,) candidate rows, -1 for none


@dataclass(frozen=True)
class Served:
    """What the optimal transport of the selected set brings to each target."""

    mass: Floats  # (M,) sums to 1
    cost: Floats  # (M,) mean 1 - cosine at which the mass arrives
    rows: Ints  # (M,) selected candidates that it comes from


@dataclass(frozen=True)
class Selection:
    """k candidates in order, with weights, reasons and diagnostics that serialise as JSON."""

    budget: Budget  # over the candidates as given
    indices: Ints  # (k,) distinct rows: what is pinned as it was given, then most valuable first
    weights: Floats  # (k,), sum 1
    repeats: Ints  # (k,), >= 1
    reasons: Reasons
    served: Served
    diagnostics: dict[str, object]
    coverage: Floats | None = None  # (M,) largest cosine of each target to a selected row, where compared

    def items(self) -> list[ItemReason]:
        """The reasons row by row."""
        return [self._item(rank) for rank in range(len(self.indices))]

    def _item(self, rank: int) -> ItemReason:
        reasons = self.reasons
        targets = tuple(
            NearTarget(int(j), float(cosine), float(mass))
            for j, cosine, mass in zip(
                reasons.target_index[rank],
                reasons.target_cosine[rank],
                reasons.target_mass[rank],
                strict=True,
            )
            if j >= 0
        )
        twin = int(reasons.nearest_selected[rank])
        redundancy = float(reasons.redundancy[rank])
        return ItemReason(
            index=int(self.indices[rank]),
            rank=rank,
            pinned=rank < len(self.budget.pinned),
            weight=float(self.weights[rank]),
            repeats=int(self.repeats[rank]),
            ot_gradient=None if reasons.ot_gradient is None else float(reasons.ot_gradient[rank]),
            redundancy=redundancy,
            score=float(reasons.score[rank]),
            targets=targets,
            nearest_selected=None if twin < 0 else twin,
            why=_why(targets, redundancy, pinned=rank < len(self.budget.pinned)),
        )


def _why(targets: tuple[NearTarget, ...], redundancy: float, *, pinned: bool) -> str:
    if pinned:
        return f"pinned; {_why(targets, redundancy, pinned=False)}"
    twins = "nothing similar selected" if redundancy < 0.05 else f"{redundancy:.2f} similar items selected"
    if not targets:
        return f"ranked in by its score; {twins}"
    best = targets[0]
    return f"serves target {best.index} (cosine {best.cosine:.3f}) with mass {best.mass:.2e}; {twins}"
