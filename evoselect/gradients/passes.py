"""Forward passes over a micro-batch: prompts as a constant cache, logits for answer tokens only.

The loss reaches activations at answer positions only through answer positions, because the model is causal.
So a prompt may run without a graph and become a constant key-value cache: the answer positions' output
gradients stay exact although nothing is propagated through the prompt (ours).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

from evoselect.gradients.examples import Example, Span
from evoselect.gradients.layers import causal_model, decoder
from evoselect.gradients.states import StateSums, Weighting

# Tokens; up to it plain attention is faster on a CPU than the fused kernel, above all backward.
SHORT_TAIL = 64
# Tokens that the prompts of a group are padded by at most: about what another forward costs to start.
PADDING = {"cpu": 128, "cuda": 8192}


@dataclass(frozen=True, slots=True)
class Tail:
    """Tokens that run after a cached prompt; the last ``answer`` of them are predicted, less ``between``."""

    ids: Sequence[int]
    answer: int
    prompt: int
    """Which prompt of the batch it continues."""
    between: tuple[Span, ...] = ()
    """Spans of ``ids`` that are read and not predicted."""

    def labels(self) -> list[int]:
        """The tokens that are predicted, in order."""
        found: list[int] = []
        at = len(self.ids) - self.answer
        for first, stop in self.between:
            found += self.ids[at:first]
            at = stop
        return [*found, *self.ids[at:]]


def answer_losses(
    model: nn.Module,
    examples: Sequence[Example],
    *,
    cached_prompt: bool,
    states: StateSums | None = None,
) -> Tensor:
    """Mean negative log-likelihood of each example's answer tokens, in nats: (b,) float32.

    With ``cached_prompt`` the graph covers the positions that predict answer tokens; else every position.
    ``states`` gets the hidden states of every token but the last, which predicts nothing.
    """
    cuts = [example.start - 1 if cached_prompt else 0 for example in examples]
    prompts = [example.ids[:cut] for example, cut in zip(examples, cuts, strict=True)]
    tails = [
        Tail(
            example.ids[cut:],
            len(example.ids) - example.start,
            row,
            tuple((first - cut, stop - cut) for first, stop in example.between),
        )
        for row, (example, cut) in enumerate(zip(examples, cuts, strict=True))
    ]
    return tail_losses(model, prompts, tails, states)


def tail_losses(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    tails: Sequence[Tail],
    states: StateSums | None = None,
) -> Tensor:
    """Mean negative log-likelihood of each tail's answer tokens, in nats: (tails,) float32.

    Each prompt runs once without a graph, however many tails continue it; an empty prompt is allowed.
    ``states`` gets the hidden states of each prompt and its one tail.
    """
    cache, prompt_mask = prompt_cache(model, prompts, states)
    owners = torch.tensor([tail.prompt for tail in tails], device=prompt_mask.device)
    if cache is not None and owners.tolist() != list(range(len(prompts))):
        cache.batch_select_indices(owners)
    prompt_mask = prompt_mask[owners]
    ids, mask = padded([tail.ids[:-1] for tail in tails], model, left=False)
    with ExitStack() as around:
        around.enter_context(logits_only_at(model, _predicting(mask, tails)))
        around.enter_context(attention_for(model, mask))
        if states is not None:
            around.enter_context(states.listening(decoder(model), owners.tolist(), mask, prompt_mask.sum(1)))
        logits = causal_model(model)(
            input_ids=ids,
            attention_mask=torch.cat([prompt_mask, mask], dim=1),
            position_ids=torch.arange(ids.shape[1], device=ids.device) + prompt_mask.sum(1, keepdim=True),
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits  # (answer tokens of the batch, vocabulary)
    labels = [tail.labels() for tail in tails]
    lengths = torch.tensor(list(map(len, labels)), device=ids.device)
    wanted = torch.tensor([token for own in labels for token in own], device=ids.device)
    losses = cross_entropy(logits.float(), wanted, reduction="none")
    rows = torch.arange(len(tails), device=ids.device).repeat_interleave(lengths)
    return torch.zeros(len(tails), device=ids.device).index_add(0, rows, losses) / lengths


def mean_hidden_state(model: nn.Module, examples: Sequence[Example], weighting: Weighting = "mean") -> Tensor:
    """Mean of the last hidden state over all tokens that predict one: (b, hidden) float32."""
    ids, mask = padded([example.ids[:-1] for example in examples], model, left=False)
    states = StateSums(len(examples), weighting)
    with (
        torch.no_grad(),
        states.listening(decoder(model), range(len(examples)), mask, mask.new_zeros(len(mask))),
    ):
        decoder(model)(input_ids=ids, attention_mask=mask, use_cache=False)
    return states.means()


def _predicting(mask: Tensor, tails: Sequence[Tail]) -> Tensor:
    """(b, t): which positions of right-padded rows predict a token that is learnt: those just before them."""
    column = torch.arange(mask.shape[1], device=mask.device)
    ends, lengths = mask.sum(1), torch.tensor([tail.answer for tail in tails], device=mask.device)
    found = (column < ends[:, None]) & (column >= (ends - lengths)[:, None])
    for row, tail in enumerate(tails):
        for first, stop in tail.between:
            found[row, first - 1 : stop - 1] = False
    return found


def prompt_cache(
    model: nn.Module, prompts: Sequence[Sequence[int]], states: StateSums | None
) -> tuple[Any, Tensor]:
    """Keys and values of the prompts, and their (b, longest) mask; no cache when all are empty.

    Padded on the left, so that a sliding attention window sees true distances across prompt and answer.
    Prompts run in groups of similar length; only their keys and values are padded to the longest of all.
    """
    device = next(model.parameters()).device
    groups = _groups_by_length([len(prompt) for prompt in prompts], PADDING[device.type])
    longest = max(map(len, prompts))
    if longest == 0:
        return None, torch.zeros(len(prompts), 0, dtype=torch.int64, device=device)
    parts = []
    for group in groups:
        ids, mask = padded([prompts[row] for row in group], model, left=True)
        if ids.shape[1]:
            # All groups but a lone one keep every key: a sliding window cuts them once they are joined.
            cache = DynamicCache() if len(groups) > 1 else None
            with ExitStack() as around:
                if states is not None:
                    zero = mask.new_zeros(len(group))
                    around.enter_context(states.listening(decoder(model), group, mask, zero))
                parts.append((group, _prompt_pass(model, ids, mask, cache)))
    mask = padded(prompts, model, left=True)[1]
    return (parts[0][1] if len(groups) == 1 else _joined_cache(model, parts, (len(prompts), longest))), mask


def _prompt_pass(model: nn.Module, ids: Tensor, mask: Tensor, cache: Any) -> Any:
    """The cache that a forward without a graph fills; ``cache`` None takes the model's own kind."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad(), attention_for(model, mask):
        result = decoder(model)(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            past_key_values=cache,
        )
    return result.past_key_values


def _groups_by_length(lengths: Sequence[int], padding: int) -> list[list[int]]:
    """Indices in groups of falling length, each padded by at most ``padding`` tokens in all."""
    groups: list[list[int]] = []
    waste = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        more = lengths[groups[-1][0]] - lengths[index] if groups else 0
        if groups and waste + more <= padding:
            groups[-1].append(index)
            waste += more
        else:
            groups.append([index])
            waste = 0
    return [sorted(group) for group in groups]


def _joined_cache(model: nn.Module, parts: Sequence[tuple[list[int], Any]], size: tuple[int, int]) -> Any:
    """One cache of (rows, longest) = ``size`` from the caches of groups of its rows, aligned on the right."""
    rows, longest = size
    joined = DynamicCache(config=causal_model(model).config)
    for number, layer in enumerate(parts[0][1].layers):
        both = []
        for name in ("keys", "values"):
            like = getattr(layer, name)  # (group, heads, tokens, head size)
            whole = like.new_zeros(rows, like.shape[1], longest, like.shape[3])
            for group, cache in parts:
                part = getattr(cache.layers[number], name)
                whole[group, :, longest - part.shape[2] :] = part
            both.append(whole)
        joined.update(both[0], both[1], number)
    return joined


def padded(rows: Sequence[Sequence[int]], model: nn.Module, *, left: bool) -> tuple[Tensor, Tensor]:
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
def attention_for(model: nn.Module, mask: Tensor) -> Iterator[None]:
    """Plain attention on a CPU where ``mask`` (b, t) is of short rows; the model's own otherwise."""
    causal = causal_model(model)
    before = causal.config._attn_implementation
    if mask.device.type != "cpu" or mask.shape[1] > SHORT_TAIL or before == "eager":
        yield
        return
    causal.set_attn_implementation("eager")
    try:
        yield
    finally:
        causal.set_attn_implementation(before)


@contextmanager
def logits_only_at(model: nn.Module, wanted: Tensor) -> Iterator[None]:
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
