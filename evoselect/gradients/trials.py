"""What a model can do, tried on a few tokens: be read from left to right, and go on from a cached prompt.

A recurrent state is more than keys and values; some models have no other cache, some cut theirs to a window
that their configuration states and their attention has not. ``uncached_losses`` needs none.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from evoselect.gradients.passes import Tail, tail_losses

# Nats. float32 differs by 1e-5 at most where a model can do it, and by tenths at least where it cannot.
TOLERANCE = 1e-3
COARSE = 1.0  # in bfloat16, whose logits of 16 and more are steps of 0.125 apart
NO_CACHE = (AttributeError, IndexError, RuntimeError, TypeError, ValueError)  # of one that takes none
PROMPTS = ((5, 3, 8, 4, 2, 6, 3), (7, 1, 6))
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


def _agree(model: nn.Module, one: Tensor, other: Tensor) -> bool:
    """Broken weights (NaN) are found by their rows."""
    exact = next(model.parameters()).dtype == torch.float32
    return not bool((one - other).abs().max() > (TOLERANCE if exact else COARSE))
