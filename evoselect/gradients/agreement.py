"""How much two independent sketches of the same gradients agree: the sketch's own noise, made visible."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from evoselect.errors import InvalidInput
from evoselect.gradients.examples import Example
from evoselect.gradients.extractor import GradientExtractor, extract_together
from evoselect.representations.shards import condition
from evoselect.spec.features import FeatureSpec

MIN_ROWS = 4  # six pairs: with fewer a correlation says nothing


def two_seed_agreement(
    model: nn.Module,
    examples: Sequence[Example],
    spec: FeatureSpec,
    moments: Mapping[str, Tensor] | None = None,
) -> float:
    """Pearson correlation of the pairwise cosines under ``spec.seed`` and the next seed, in [-1, 1].

    Both sketches come from one pass, and are conditioned as the spec says, fitted on these examples. moments:
    (out, in) second moments by layer, for precondition adam. Raises InvalidInput for fewer than MIN_ROWS
    examples.
    """
    if len(examples) < MIN_ROWS:
        raise InvalidInput(
            f"agreement of two sketches needs at least {MIN_ROWS} examples, got {len(examples)}"
        )
    spec = spec.model_copy(update={"checkpoints": ()})  # one model's rows carry no weights
    specs = [spec, spec.model_copy(update={"seed": spec.seed + 1})]
    found = extract_together([GradientExtractor(model, one, moments) for one in specs], examples)
    usable = torch.isfinite(torch.stack([one.values.flatten(1).sum(1) for one in found])).all(0)
    pairs = torch.stack([_cosines(one.values[usable], spec) for one in found])
    return float(torch.corrcoef(pairs)[0, 1])


def _cosines(values: Tensor, spec: FeatureSpec) -> Tensor:
    """Cosine of every pair of different rows."""
    rows, _ = condition(values, values, spec)
    above = torch.triu_indices(len(rows), len(rows), offset=1)
    return (rows @ rows.T)[above[0], above[1]]
