"""What a model can do, tried on a few tokens: be read from left to right, use a cached prompt, share a batch.

A recurrent state is more than keys and values; some models have no other cache, some cut theirs to a window
that their configuration states and their attention has not. ``uncached_losses`` needs none.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from evoselect.gradients.examples import Example
from evoselect.gradients.extractor import RawFeatures
from evoselect.gradients.passes import Tail, tail_losses

# Nats. float32 differs by 1e-5 at most where a model can do it, and by tenths at least where it cannot.
TOLERANCE = 1e-3
COARSE = 1.0  # in bfloat16, whose logits of 16 and more are steps of 0.125 apart
NO_CACHE = (AttributeError, IndexError, RuntimeError, TypeError, ValueError)  # of one that takes none
PROMPTS = ((5, 3, 8, 4, 2, 6, 3), (7, 1, 6))
# Tokens before and in the graph: a tail beyond passes.SHORT_TAIL, so that the model's own attention runs on a
# CPU too, and prompts of one group by passes.PADDING, so that they are padded.
ROWS = ((40, 24), (88, 80), (12, 8))
TAILS = (Tail((9, 3, 4, 2, 8, 5, 1), 6, 0), Tail((9, 5, 7, 2, 6), 4, 1))


def is_causal(model: nn.Module) -> bool:
    """Whether what follows a token leaves what the model says there as it is."""
    device, first = next(model.parameters()).device, len(PROMPTS[1])
    ids = torch.tensor([[*PROMPTS[1], *PROMPTS[0]]], device=device)
    with torch.no_grad():
        said = [model(input_ids=part).logits[0, :first] for part in (ids[:, :first], ids)]
    alone, followed = (logits.float().log_softmax(-1) for logits in said)
    return _agree(model, (alone - followed).abs().mean(), torch.zeros(()))


def caches(model: nn.Module) -> bool:
    """Whether answers behind cached prompts have the losses that they have without a cache."""
    try:
        with torch.no_grad():
            apart = uncached_losses(model, PROMPTS, TAILS)
            behind = tail_losses(model, PROMPTS, TAILS)
    except NO_CACHE:
        return False
    return _agree(model, apart, behind)


def uncached_losses(model: nn.Module, prompts: Sequence[Sequence[int]], tails: Sequence[Tail]) -> Tensor:
    """As ``tail_losses``, (tails,) float32 in nats: each prompt runs anew with each of its tails."""
    whole = []
    for row, tail in enumerate(tails):
        before = prompts[tail.prompt]
        gaps = tuple((first + len(before), stop + len(before)) for first, stop in tail.between)
        whole.append(Tail([*before, *tail.ids], tail.answer, row, gaps))
    return tail_losses(model, [()] * len(whole), whole)


def batch_difference(extract: Callable[[Sequence[Example]], RawFeatures], window: int, tokens: int) -> float:
    """Largest distance, 0 to 2, of an example's feature alone and of that beside a longer and a shorter one.

    Of unit rows, each block of norm 1 before, and of hidden states too where ``extract`` gives both.
    ``window`` bounds the length of the examples, ``tokens`` is the size of the vocabulary. Rows without a
    number, of broken weights, have no distance: they are found as they are computed.
    """
    examples = batch_examples(window, tokens)
    together = _unit_rows(extract(examples))
    alone = [_unit_rows(extract([example])) for example in examples]
    apart = [
        torch.linalg.vector_norm(torch.cat(rows) - whole, dim=1)
        for rows, whole in zip(zip(*alone, strict=True), together, strict=True)
    ]
    return float(torch.cat(apart).nan_to_num().max())


def batch_examples(window: int, tokens: int) -> list[Example]:
    """A middle one, a longer and a shorter one; each within the window."""
    longest = max(map(sum, ROWS))
    scale = min(1.0, window / longest)
    found = []
    for number, (before, graph) in enumerate(ROWS):
        sizes = max(1, int(before * scale)), max(2, int(graph * scale))
        ids = [(7 + 11 * number + 13 * place * place) % tokens for place in range(sum(sizes))]
        found.append(Example(ids, sizes[0]))
    return found


def _unit_rows(found: RawFeatures) -> list[Tensor]:
    """Each (b, numbers) of norm 1: gradients, and hidden states where there are some."""
    blocks = normalize(found.values.float(), dim=2)
    rows = [normalize(blocks.flatten(1), dim=1)]
    return rows if found.hidden is None else [*rows, normalize(found.hidden.float(), dim=1)]


def _agree(model: nn.Module, one: Tensor, other: Tensor) -> bool:
    """Broken weights (NaN) are found by their rows."""
    exact = next(model.parameters()).dtype == torch.float32
    return not bool((one - other).abs().max() > (TOLERANCE if exact else COARSE))
