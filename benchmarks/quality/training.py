"""Many short trainings and evaluations of one model: what the product does, with less around it.

A training has the product's settings (`TrainingSpec`: LoRA on all layers, AdamW, cosine, clipping) and its
loss, the mean over a batch's answer tokens. It is written out because the product's trainer takes twice as
long for so few rows: it computes logits where no answer is. An evaluation puts a question's choices behind
one prompt. Tests hold both against the product's own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import set_seed

from benchmarks.quality.packed import Batch, Row, by_length, collate
from evoselect.gradients.examples import Example
from evoselect.spec.training import TrainingSpec
from workers.models.loading import LoadedModel
from workers.trainings.lora import trainable
from workers.trainings.trainer import IGNORED, row_order

STEPS = 20  # of 8 examples, whatever is drawn: equal steps for every method
SPEC = TrainingSpec(learning_rate=1e-3, max_steps=STEPS)
QUESTION_TOKENS = 2048  # of a batch of questions


@dataclass(frozen=True)
class Answered:
    """Every question's numbers, in nats."""

    nll: list[float]  # a token of the right answer
    choice_cross_entropy: list[float]
    correct: list[bool]


def train(loaded: LoadedModel, examples: Sequence[Example], seed: int) -> tuple[Any, list[float]]:
    """The model with an adapter trained on the examples in it (frozen), and the loss of every step."""
    order = row_order(list(examples), SPEC, seed)
    set_seed(seed)  # the adapter's start values come from the global state
    model = trainable(loaded, SPEC).train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=SPEC.learning_rate, weight_decay=SPEC.weight_decay)
    losses = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = SPEC.learning_rate * schedule(step)
        batch = [examples[i] for i in order[step * SPEC.batch_size : (step + 1) * SPEC.batch_size]]
        loss = answer_loss(model.get_base_model(), batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(weights, SPEC.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return model.get_base_model().eval().requires_grad_(False), losses


def schedule(step: int) -> float:
    """Share of the learning rate: a rise over the first steps, then a cosine to 0."""
    warmup = int(SPEC.warmup_ratio * STEPS)
    if step < warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (STEPS - warmup)))


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


def answer(model: Any, rows: Sequence[Row], right: Sequence[int]) -> Answered:
    """Scores of the questions; ``right`` has the number of each one's right answer."""
    found = choice_nlls(model, rows)
    scores = [-torch.tensor(nlls, dtype=torch.float64) for nlls in found]
    return Answered(
        nll=[nlls[at] for nlls, at in zip(found, right, strict=True)],
        choice_cross_entropy=[float(-s.log_softmax(0)[at]) for s, at in zip(scores, right, strict=True)],
        correct=[int(s.argmax()) == at for s, at in zip(scores, right, strict=True)],
    )


def choice_nlls(model: Any, rows: Sequence[Row]) -> list[list[float]]:
    """Mean NLL a token of every answer of every row, in batches."""
    found: list[list[float]] = [[]] * len(rows)
    for part in by_length(rows, QUESTION_TOKENS):
        with torch.no_grad():
            for i, nlls in zip(part, answer_nlls(model, [rows[i] for i in part]), strict=True):
                found[i] = nlls.tolist()
    return found


def answer_nlls(model: Any, rows: Sequence[Row]) -> list[Tensor]:
    """Mean NLL a token of every answer of every row."""
    batch = collate(rows)
    losses = _token_losses(model, batch)
    most = int(batch.answer.max()) + 1
    place = batch.row * most + batch.answer
    sums = torch.zeros(len(rows) * most).index_add(0, place, losses)
    counts = torch.bincount(place, minlength=len(rows) * most)
    means = (sums / counts.clamp_min(1)).view(len(rows), most)
    return [row[:n] for row, n in zip(means, (counts.view_as(means) > 0).sum(1), strict=True)]


def _token_losses(model: Any, batch: Batch) -> Tensor:
    """(n,) cross-entropy of every predicted token."""
    hidden = model.model(
        input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    found = model.lm_head(hidden.flatten(0, 1)[batch.at])
    return cross_entropy(found.float(), batch.labels, reduction="none")
