"""The trainer that made the rows which name none: plain torch beside which the workers' one is held.

LoRA on all layers, AdamW, a cosine after the warm-up, clipping; the loss is the mean over a batch's answer
tokens.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import set_seed

from evoselect.gradients.examples import Example
from evoselect.spec.training import TrainingSpec
from workers.models.loading import LoadedModel
from workers.trainings.lora import trainable
from workers.trainings.trainer import IGNORED, row_order


def train(
    loaded: LoadedModel, examples: Sequence[Example], seed: int, spec: TrainingSpec
) -> tuple[Any, list[float]]:
    """The model with an adapter trained on the examples in it, and the loss of every step in nats."""
    steps = spec.max_steps or 0
    order = row_order(list(examples), spec, seed)
    set_seed(seed)  # the adapter's start values come from the global state
    model = trainable(loaded, spec).train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=spec.learning_rate, weight_decay=spec.weight_decay)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = spec.learning_rate * schedule(step, int(spec.warmup_ratio * steps), steps)
        batch = [examples[i] for i in order[step * spec.batch_size : (step + 1) * spec.batch_size]]
        loss = answer_loss(model.get_base_model(), batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(weights, spec.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return model.get_base_model().eval().requires_grad_(False), losses


def schedule(step: int, warmup: int, steps: int) -> float:
    """Share of the learning rate: a rise over the first steps, then a cosine to 0."""
    if step < warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def answer_loss(model: Any, examples: Sequence[Example]) -> Tensor:
    """Mean over the batch's answer tokens, in nats."""
    ids = pad_sequence([torch.tensor(example.ids) for example in examples], batch_first=True)
    labels = pad_sequence(
        [torch.tensor([IGNORED] * e.start + list(e.ids[e.start :])) for e in examples],
        batch_first=True,
        padding_value=IGNORED,
    )[:, 1:]
    mask = pad_sequence([torch.ones(len(e.ids), dtype=torch.long) for e in examples], batch_first=True)
    hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels != IGNORED
    return cross_entropy(model.lm_head(hidden[wanted]).float(), labels[wanted])
