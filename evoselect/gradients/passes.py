"""Forward and backward over a micro-batch, without weight gradients and with logits for answer tokens only.

positions = answer: the loss reaches activations at answer positions only through answer positions, because
the model is causal. So the prompt runs without a graph and becomes a constant key-value cache, and the answer
positions' output gradients are exact although nothing is propagated through the prompt (ours).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evoselect.gradients.examples import Example
from evoselect.gradients.layers import causal_model


def answer_loss(model: nn.Module, examples: Sequence[Example], *, cached_prompt: bool) -> Tensor:
    """Mean negative log-likelihood of each example's answer tokens, in nats: (b,) float32.

    With ``cached_prompt`` the graph covers the positions that predict answer tokens; else every position.
    """
    starts = [example.start - 1 if cached_prompt else 0 for example in examples]  # first position with a graph
    cache, prompt_mask = _prompt_cache(model, [e.ids[:s] for e, s in zip(examples, starts, strict=True)])
    tails = [example.ids[start:-1] for example, start in zip(examples, starts, strict=True)]
    ids, mask = _padded(tails, model, left=False)
    positions = torch.arange(ids.shape[1], device=ids.device) + prompt_mask.sum(1, keepdim=True)
    lengths = torch.tensor([example.answer_length for example in examples], device=ids.device)
    ends = mask.sum(1)
    column = torch.arange(ids.shape[1], device=ids.device)
    predicts = (column < ends[:, None]) & (column >= (ends - lengths)[:, None])  # (b, t): predicts an answer token
    with _logits_only_at(model, predicts):
        logits = causal_model(model)(
            input_ids=ids,
            attention_mask=torch.cat([prompt_mask, mask], dim=1),
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits  # (answer tokens of the batch, vocabulary)
    labels = torch.tensor([t for e in examples for t in e.ids[e.start :]], device=ids.device)
    losses = F.cross_entropy(logits.float(), labels, reduction="none")
    rows = torch.arange(len(examples), device=ids.device).repeat_interleave(lengths)
    return torch.zeros(len(examples), device=ids.device).index_add(0, rows, losses) / lengths


def mean_hidden_state(model: nn.Module, examples: Sequence[Example]) -> Tensor:
    """Mean of the last hidden state over all tokens: (b, hidden) float32."""
    ids, mask = _padded([example.ids for example in examples], model, left=False)
    with torch.no_grad():
        hidden = _decoder(model)(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    weights = mask[:, :, None].float()
    return (hidden.float() * weights).sum(1) / weights.sum(1)


def _prompt_cache(model: nn.Module, prompts: Sequence[Sequence[int]]) -> tuple[Any, Tensor]:
    """Keys and values of the prompts, and their (b, longest) mask; no cache when all are empty.

    Padded on the left, so that a sliding attention window sees true distances across prompt and answer.
    """
    ids, mask = _padded(prompts, model, left=True)
    if ids.shape[1] == 0:
        return None, mask
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        result = _decoder(model)(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True)
    return result.past_key_values, mask


def _decoder(model: nn.Module) -> Any:
    """The model below its output embedding."""
    causal = causal_model(model)
    return getattr(causal, causal.base_model_prefix)


def _padded(rows: Sequence[Sequence[int]], model: nn.Module, *, left: bool) -> tuple[Tensor, Tensor]:
    """Token ids and mask, both (b, longest) int64 on the model's device; the padding token is never seen."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        where = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[number, where] = torch.tensor(row, dtype=torch.int64)
        mask[number, where] = 1
    device = next(model.parameters()).device
    return ids.to(device), mask.to(device)


@contextmanager
def _logits_only_at(model: nn.Module, wanted: Tensor) -> Iterator[None]:
    """The output embedding sees the hidden states at ``wanted`` (b, t) only, gathered to (n, hidden).

    Gathering to two dimensions also avoids the copies that a product with a strided slice makes.
    """
    index = wanted.flatten().nonzero()[:, 0]

    def gather(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0].flatten(0, 1)[index],)

    handle = causal_model(model).get_output_embeddings().register_forward_pre_hook(gather)
    try:
        yield
    finally:
        handle.remove()
