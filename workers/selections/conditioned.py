"""Features of both sides as unit rows that a selection compares, those of a large pool in a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from evoselect.features import Matrix
from evoselect.representations.shards import Features, Fitted, Shard, fit_shards, require_differences
from evoselect.spec.features import FeatureSpec
from workers.features.conditioned_rows import is_large, on_disk
from workers.features.known import together
from workers.selections.forms import Forms


@dataclass(frozen=True, slots=True)
class Conditioned:
    """Unit rows of both sides, and what was done to them."""

    kind: str
    candidates: Matrix  # (N, d), of which a read is a copy where they lie in a file
    targets: Tensor  # (M, d) float32


def conditioned(
    spec: FeatureSpec,
    pool: Sequence[Shard],
    target: Features,
    scratch: Path,
    *,
    forms: Forms | None = None,
) -> Conditioned:
    """Both sides conditioned by the pool alone; a single candidate has nothing to be centred by.

    The directions of the candidates' forms are taken out where the spec says that content alone is to match.
    A pool that is too large to hold lies in a file in ``scratch``, in half precision: a row's norm stays
    within 0.001 of 1.
    """
    n = sum(shard.rows for shard in pool)
    kind = spec.conditioning if n > 1 else "none"
    settings = spec.model_copy(update={"conditioning": kind})
    if n == 1:
        settings = settings.model_copy(update={"hidden_conditioning": "none"})
    fitted = fit_shards(pool, settings, forms.of_pool() if forms and spec.match == "content" else None)
    candidates, alike = _applied(fitted, pool, n, scratch)
    goals = fitted.apply(target)
    if kind != "none":
        require_differences(alike, n, "candidates")
        require_differences(fitted.alike(goals).tolist(), len(goals), "targets")
    return Conditioned(kind, candidates, goals)


def _applied(fitted: Fitted, pool: Sequence[Shard], n: int, scratch: Path) -> tuple[Matrix, list[int]]:
    """All rows (n, d), and those of which nothing is left."""
    if is_large(n, fitted.width):
        return on_disk(fitted, pool, scratch)
    rows = fitted.apply(together(pool))
    return rows, fitted.alike(rows).tolist()
