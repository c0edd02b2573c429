"""How much of what features would have named the funnel let through, measured on the drawn sample."""

import numpy as np
from torch import Tensor

from evoselect import funnel as looks
from evoselect.arrays import Ints
from evoselect.pools.pool import Pool
from evoselect.spec.features import FeatureSpec
from store.kit.json import Json
from workers.selections.side import Side

FEW = 0.95  # a recall below is warned of


def drawn_among(pool: Side, rows: Ints) -> Ints:
    """Which of the usable ``rows`` (n,) of the pool were drawn; none where there is no funnel."""
    went = pool.through
    return np.empty(0, dtype=np.int64) if went is None else np.flatnonzero(went.drawn[went.places(rows)])


def recall_of(pool: Side, spec: FeatureSpec, rows: Ints, candidates: Pool, *, targets: Tensor) -> Json:
    """What the result says of the funnel; empty where there is none.

    ``candidates`` (n, d) are the usable ``rows`` (n,) of the pool, ``targets`` (M, d).
    """
    went, funnel = pool.through, spec.funnel
    if went is None or funnel is None:
        return {}
    drawn = drawn_among(pool, rows)
    found = None
    if len(drawn):
        cosines = (candidates.gather(drawn) @ targets.T).double().numpy()
        found = looks.recall(cosines, went.near[went.places(rows[drawn])], funnel.share)
    return {
        "funnel": {
            "share": funnel.share,
            "by": funnel.by,
            "kept": int(went.near.sum()),
            "sample": len(drawn),
            "best": found.best if found else 0,
            "recall": round(found.share, 4) if found else None,
            "interval": [round(bound, 4) for bound in found.interval] if found else None,
            "warning": _warning(found, funnel.share),
        }
    }


def _warning(found: looks.Recall | None, share: float) -> str | None:
    if found is None:
        return "no row of the sample has features, so nobody knows what the funnel missed: leave it out"
    if found.share >= FEW:
        return None
    return (
        f"by the sample the funnel let {found.share:.0%} of the nearest candidates through, less than "
        f"{FEW:.0%}: raise features.funnel.share above {share:g}, or leave the funnel out"
    )
