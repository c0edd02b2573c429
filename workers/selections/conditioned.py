"""Features of both sides as unit rows that a selection compares, large ones in a file."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evoselect.representations.conditioning import combine, condition
from evoselect.spec.features import FeatureSpec
from workers.features.block_files import scratch_array
from workers.selections.forms import Forms

IN_MEMORY = 128 * 2**20  # bytes of conditioned float32 rows; more lie in a file


def conditioned(
    spec: FeatureSpec,
    pool: Tensor,
    target: Tensor,
    scratch: Path,
    *,
    hidden: tuple[Tensor | None, Tensor | None] = (None, None),
    forms: Forms | None = None,
) -> tuple[str, Tensor, Tensor]:
    """(what was done, unit candidates, unit targets); a single candidate has nothing to be centred by.

    ``hidden`` are the hidden states of both sides, to stand beside their gradients. The directions of the
    candidates' forms are taken out where the spec says that content alone is to match. Large pools lie in a
    file in ``scratch``, in half precision: a row's norm stays within 0.001 of 1.
    """
    kind = spec.conditioning if len(pool) > 1 else "none"
    settings = spec.model_copy(update={"conditioning": kind})
    if len(pool) == 1:
        settings = settings.model_copy(update={"hidden_conditioning": "none"})
    numbers = forms.of_pool() if forms and spec.match == "content" else None
    states, asked = hidden
    width = math.prod(pool.shape[1:]) + (0 if states is None else states.shape[1])
    into = None
    if 4 * len(pool) * width > IN_MEMORY:
        into = torch.from_numpy(scratch_array(scratch, np.float16, (len(pool), width)))
    if states is None or asked is None:
        return kind, *condition(pool, target, settings, into=into, forms=numbers)
    return kind, *combine(pool, target, (states, asked), settings, into=into, forms=numbers)
