"""The features of a run of records, in memory."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.models.status import Status

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class FeatureBlock:
    """Features of n rows; a row whose status is not ``ok`` is zero and must not be scored."""

    values: Floats
    """(n, blocks, block_dim): each block scaled to norm 1 (so half precision would do), or zero."""
    norms: Floats
    """(n, blocks): the norm that each block had."""
    nll: Floats
    """(n,) mean negative log-likelihood of the answer tokens in nats; NaN where there is none."""
    tokens: npt.NDArray[np.int32]
    """(n,) tokens of prompt and answer, before a row was shortened."""
    status: list[Status]
    sketch: str
    """Fingerprint of model, settings and code: only equal ones may be compared."""
    stats: dict[str, float]
    """Seconds, tokens and counts of the computation; no part of the result."""
    shortened: int = 0
    """Rows whose features are of a part of them."""
    hidden: Floats | None = None
    """(n, hidden): mean hidden states of norm 1, or zero; for kind ``combined``."""
