"""Several answers to one prompt as one row behind its cache, so that no token runs twice and few are padding.

Each answer sees the prompt and itself: its positions follow the prompt's, and a mask keeps the answers apart.
Not every model reads such a mask, so each is tried first; ``tail_losses`` is the twin for those that do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from evoselect.gradients.layers import causal_model
from evoselect.gradients.passes import Tail, attention_for, logits_only_at, padded, prompt_cache, tail_losses

PADDING = -1  # as the number of the tail that a token belongs to
SHARED = 0  # the last token of the prompt, which every tail begins with
# Nats; float32 differs by 1e-5 at most where the mask is read, by whole nats where it is not.
TOLERANCE = 1e-3
TRIAL_PROMPTS = ((5, 3, 8, 4, 2), (7, 1, 6))
TRIAL_TAILS = ((9, 3, 4), (9, 5), (9, 6, 2, 8), (9, 3, 1), (9, 2, 2))


@dataclass(slots=True)
class _Row:
    """All tails of one prompt."""

    ids: list[int]
    offsets: list[int]
    """Of each token: how many stand between it and the cached prompt in its own tail."""
    part: list[int]
    """Of each token: SHARED, or the number of its tail in the row, from 1."""
    at: list[int]
    """Of each token to be predicted: the place in ``ids`` that predicts it."""


def packed_losses(model: nn.Module, prompts: Sequence[Sequence[int]], tails: Sequence[Tail]) -> Tensor:
    """Mean negative log-likelihood of each tail's answer tokens, in nats: (tails,) float32.

    As ``tail_losses`` without a graph, for tails that are sorted by prompt and whose first token is the same
    for all tails of a prompt; each prompt has at least one.
    """
    rows = [_pack([tail for tail in tails if tail.prompt == row]) for row in range(len(prompts))]
    cache, prompt_mask = prompt_cache(model, prompts, None)
    ids, mask = padded([row.ids for row in rows], model, left=False)
    width = ids.shape[1]
    wanted = torch.zeros_like(mask, dtype=torch.bool)
    for number, row in enumerate(rows):
        wanted[number, row.at] = True
    positions = _filled([row.offsets for row in rows], width, 0).to(ids.device)
    with torch.no_grad(), logits_only_at(model, wanted), attention_for(model, mask):
        logits = causal_model(model)(
            input_ids=ids,
            attention_mask=_seen(model, rows, prompt_mask, width),
            position_ids=positions + prompt_mask.sum(1, keepdim=True),
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits  # (places that predict, vocabulary)
    place = wanted.flatten().cumsum(0) - 1
    at = [number * width + spot for number, row in enumerate(rows) for spot in row.at]
    labels = torch.tensor([token for tail in tails for token in tail.ids[-tail.answer :]], device=ids.device)
    losses = cross_entropy(logits.float()[place[at]], labels, reduction="none")
    lengths = torch.tensor([tail.answer for tail in tails], device=ids.device)
    owners = torch.arange(len(tails), device=ids.device).repeat_interleave(lengths)
    return torch.zeros(len(tails), device=ids.device).index_add(0, owners, losses) / lengths


def packs(model: nn.Module) -> bool:
    """Whether the model gives packed tails the numbers that it gives them one by one.

    Never where attention has a window or chunks: a short trial would not reach their edge. Nor in less than
    float32, whose own noise hides a difference.
    """
    config = causal_model(model).config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    if kinds != {"full_attention"} or any(windows) or next(model.parameters()).dtype != torch.float32:
        return False
    tails = [Tail(ids, len(ids) - 1, row) for row in range(len(TRIAL_PROMPTS)) for ids in TRIAL_TAILS]
    with torch.no_grad():
        apart = tail_losses(model, TRIAL_PROMPTS, tails)
    try:
        together = packed_losses(model, TRIAL_PROMPTS, tails)
    except (RuntimeError, ValueError, TypeError, IndexError):  # a mask of four dimensions is not read
        return False
    return bool((apart - together).abs().max() <= TOLERANCE)


def _pack(tails: Sequence[Tail]) -> _Row:
    if len({tail.ids[0] for tail in tails}) != 1:
        raise ValueError("tails of one prompt begin with different tokens: they cannot share a row")
    row = _Row([tails[0].ids[0]], [0], [SHARED], [])
    for number, tail in enumerate(tails, start=1):
        own = tail.ids[1:-1]  # the last token is predicted, not read
        places = [0, *range(len(row.ids), len(row.ids) + len(own))]
        row.at.extend(places[len(places) - tail.answer :])
        row.ids.extend(own)
        row.offsets.extend(range(1, len(own) + 1))
        row.part.extend([number] * len(own))
    return row


def _seen(model: nn.Module, rows: Sequence[_Row], prompt_mask: Tensor, width: int) -> Tensor:
    """(b, 1, t, prompt + t): 0 where a token sees another, the least number where it does not."""
    part = _filled([row.part for row in rows], width, PADDING).to(prompt_mask.device)
    mine, theirs = part[:, :, None], part[:, None, :]
    earlier = torch.ones(width, width, dtype=torch.bool, device=part.device).tril()
    among = earlier & ((theirs == SHARED) | (theirs == mine))  # padding sees padding: none of it is read
    before = prompt_mask.bool()[:, None, :].expand(-1, width, -1)
    seen = torch.cat([before, among], dim=2)[:, None]
    dtype = next(model.parameters()).dtype
    return torch.zeros(seen.shape, dtype=dtype, device=part.device).masked_fill(~seen, torch.finfo(dtype).min)


def _filled(rows: Sequence[Sequence[int]], width: int, value: int) -> Tensor:
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
