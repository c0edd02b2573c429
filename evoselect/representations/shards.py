"""Features that lie in shards, conditioned as the one pool that they are: two readings of each (ours)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evoselect.errors import InvalidInput
from evoselect.representations.conditioning import Conditioner, Values, block_norms, fit_to
from evoselect.representations.sums import Adding, Sums, sample_step, sums_of
from evoselect.spec.features import FeatureSpec


@dataclass(frozen=True, slots=True)
class Features:
    """Rows as they were computed or sent, of any floating dtype."""

    values: Tensor  # (n, blocks, block_dim)
    hidden: Tensor | None = None  # (n, h) states that stand beside them


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows that follow each other, whose features are read when they are wanted."""

    rows: int
    read: Callable[[], Features]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted on all shards of a pool; ``apply`` makes unit rows of any features of its sketch.

    Where hidden states stand beside gradients, a cosine is the mean of the two parts' cosines, in which the
    states weigh ``share``.
    """

    values: Conditioner
    hidden: Conditioner | None = None
    share: float = 0.0

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return len(self.values.mean) + (0 if self.hidden is None else len(self.hidden.mean))

    def apply(self, features: Features, into: Tensor | None = None) -> Tensor:
        """features of n rows -> (n, width) rows of norm 1.

        float32, or of the dtype of ``into`` (n, width), which is filled and returned.
        """
        rows = torch.empty(len(features.values), self.width) if into is None else into
        d = len(self.values.mean)
        self.values.apply(features.values, rows[:, :d])
        if self.hidden is not None and features.hidden is not None:
            self.hidden.apply(features.hidden[:, None], rows[:, d:])
            rows[:, :d] *= (1 - self.share) ** 0.5
            rows[:, d:] *= self.share**0.5
        return rows

    def alike(self, rows: Tensor) -> Tensor:
        """Places (z,) among applied rows (n, width) that differ from the pool's mean by rounding alone."""
        norms = torch.linalg.vector_norm(rows[:, : len(self.values.mean)], dim=1, dtype=torch.float32)
        return torch.nonzero(norms == 0).ravel()


@dataclass(frozen=True, slots=True)
class Totals:
    """What a conditioner is fitted to: of some rows of a pool, or of all."""

    norms: Tensor  # (blocks,) that they were summed with
    values: Sums
    hidden: Sums | None = None


def totals_of(
    shards: Sequence[Shard],
    spec: FeatureSpec,
    rows: int,
    *,
    forms: Tensor | None = None,
    count: int = 1,
    first: int = 0,
) -> Totals:
    """Of shards, one at least, that begin at row ``first`` of a pool of so many ``rows``.

    forms: (n,) int64 below ``count``, each of their rows', where form is not to count. Raises InvalidInput
    for features that are not finite.
    """
    weights = [checkpoint.weight for checkpoint in spec.checkpoints] or [1.0]
    steps = [
        sample_step(rows) if kind == "whitened" else rows
        for kind in (spec.conditioning, spec.hidden_conditioning)
    ]
    norms, one = torch.empty(0), torch.ones(1)
    values, hidden, done = Adding(), Adding(), 0
    for shard in shards:
        features, at = shard.read(), first + done
        own = None if forms is None else forms[done : done + shard.rows]
        norms = norms if len(norms) else block_norms(features.values, weights)
        values.add(sums_of(features.values, norms, own, count=count, step=steps[0], first=at))
        if features.hidden is not None:
            states = features.hidden[:, None]
            hidden.add(sums_of(states, one, own, count=count, step=steps[1], first=at))
        done += shard.rows
    return Totals(norms, values.sums, hidden.sums if hidden.parts else None)


def added(parts: Sequence[Totals]) -> Totals:
    """Of all parts of a pool, in the order of their rows."""
    values, hidden = Adding(), Adding()
    for part in parts:
        values.add(part.values)
        if part.hidden is not None:
            hidden.add(part.hidden)
    return Totals(parts[0].norms, values.sums, hidden.sums if hidden.parts else None)


def fitted_to(totals: Totals, spec: FeatureSpec) -> Fitted:
    """Fitted to the sums of a whole pool; raises InvalidInput for fewer than two rows to centre by."""
    fitted = fit_to(totals.values, totals.norms, spec.conditioning, spec.shrinkage)
    if totals.hidden is None:
        return Fitted(fitted)
    beside = fit_to(totals.hidden, torch.ones(1), spec.hidden_conditioning, spec.shrinkage)
    return Fitted(fitted, beside, spec.hidden_share)


def fit_shards(shards: Sequence[Shard], spec: FeatureSpec, forms: Tensor | None = None) -> Fitted:
    """Fitted on all rows of the shards as ``spec`` says, to the same bits however they are cut.

    forms: (N,) int64 from 0, each row's, where form is not to count. Raises InvalidInput for features that
    are not finite, or for fewer than two rows to centre by.
    """
    rows = sum(shard.rows for shard in shards)
    count = 1 if forms is None else int(forms.max()) + 1
    return fitted_to(totals_of(shards, spec, rows, forms=forms, count=count), spec)


def require_differences(alike: Sequence[int], rows: int, name: str) -> None:
    """Refuse rows, ``alike`` (z,) of so many, of which centring left nothing."""
    if alike:
        raise InvalidInput(
            f"{len(alike)} of {rows} {name} (the first: row {alike[0]}) have the features of "
            "the pool's mean, of which centring leaves nothing: set features.conditioning to none"
        )


def condition(
    pool: Values, target: Values, spec: FeatureSpec, *, forms: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Unit rows of both sides, conditioned as the spec says by the pool alone, which is one shard.

    pool (N, blocks, block_dim), target (M, blocks, block_dim) -> (N, d) and (M, d) float32, where d is
    blocks * block_dim. forms: (N,) int64, the candidates', where what they add is to be taken out of both.
    Raises InvalidInput where a row is nothing but the mean of the pool, as in a pool of equal rows.
    """
    sides = Features(torch.as_tensor(pool)), Features(torch.as_tensor(target))
    return _conditioned(*sides, spec, forms)


def combine(
    pool: Values,
    target: Values,
    hidden: tuple[Values, Values],
    spec: FeatureSpec,
    *,
    forms: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same of gradients and hidden states together, each part conditioned by the pool alone.

    pool (N, blocks, block_dim), target (M, blocks, block_dim), hidden: (N, h) and (M, h), forms: (N,) ->
    (N, d + h) and (M, d + h) float32.
    """
    own, theirs = (torch.as_tensor(side) for side in hidden)
    sides = Features(torch.as_tensor(pool), own), Features(torch.as_tensor(target), theirs)
    return _conditioned(*sides, spec, forms)


def _conditioned(
    pool: Features, target: Features, spec: FeatureSpec, forms: Tensor | None
) -> tuple[Tensor, Tensor]:
    fitted = fit_shards([Shard(len(pool.values), lambda: pool)], spec, forms)
    rows, goals = fitted.apply(pool), fitted.apply(target)
    if spec.conditioning != "none":
        require_differences(fitted.alike(rows).tolist(), len(rows), "candidates")
        require_differences(fitted.alike(goals).tolist(), len(goals), "targets")
    return rows, goals
