"""Features of both sides as unit rows that a selection compares, those of a large pool in a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from torch import Tensor

from evoselect.features import Matrix
from evoselect.pools.part import Rows
from evoselect.pools.pool import Pool
from evoselect.representations.shards import Features, Fitted, Shard, fit_shards, require_differences
from evoselect.spec.features import FeatureSpec
from workers.features import conditioned_rows
from workers.features.conditioned_rows import is_large, on_disk
from workers.features.file_rows import FileRows
from workers.features.known import grouped, together
from workers.selections.forms import Forms


@dataclass(frozen=True, slots=True)
class Conditioned:
    """Unit rows of both sides, and what was done to them."""

    kind: str
    candidates: Matrix  # (N, d), of which a read is a copy where they lie in a file
    bounds: list[int]  # rows where parts of the pool begin, and N
    targets: Tensor  # (M, d) float32

    def pool(self, *, sharded: bool) -> Pool:
        """The candidates in parts, as method capacity asks them; as one for methods that read all rows."""
        if not isinstance(self.candidates, FileRows) or not sharded:
            return Pool((Rows(self.candidates),))
        cuts = zip(self.bounds, self.bounds[1:], strict=False)
        return Pool.in_shards([Rows(self.candidates.part(start, stop)) for start, stop in cuts])


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
    What pool is too large to hold lies in a file in ``scratch``, in half precision: a row's norm stays within
    0.001 of 1. Where it is cut changes nothing.
    """
    n = sum(shard.rows for shard in pool)
    kind = spec.conditioning if n > 1 else "none"
    settings = spec.model_copy(update={"conditioning": kind})
    if n == 1:
        settings = settings.model_copy(update={"hidden_conditioning": "none"})
    fitted = fit_shards(pool, settings, forms.of_pool() if forms and spec.match == "content" else None)
    candidates, bounds, alike = _applied(fitted, pool, n, scratch)
    goals = fitted.apply(target)
    if kind != "none":
        require_differences(alike, n, "candidates")
        require_differences(fitted.alike(goals).tolist(), len(goals), "targets")
    return Conditioned(kind, candidates, bounds, goals)


def _applied(
    fitted: Fitted, pool: Sequence[Shard], n: int, scratch: Path
) -> tuple[Matrix, list[int], list[int]]:
    """All rows (n, d), where parts of them begin, and the rows of which nothing is left."""
    if not is_large(n, fitted.width):
        rows = fitted.apply(together(pool))
        return rows, [0, n], fitted.alike(rows).tolist()
    written, alike = on_disk(fitted, pool, scratch)
    parts = grouped(pool, conditioned_rows.HELD_BYTES // (4 * fitted.width))
    cuts = accumulate(sum(shard.rows for shard in part) for part in parts)
    return written, [0, *cuts], alike
