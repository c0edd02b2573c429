"""One run: a LoRA adapter on the top layers trained for a fixed number of steps, and questions answered.

Settings are the product's own (`TrainingSpec`), except for the layers. The loop is written out because the
product's trainer reads tokens, not states.
"""

import copy
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.quality.model import by_length, logits, padded
from benchmarks.quality.packed import Batch, Row, collate, only
from evoselect.spec.training import TrainingSpec

SPEC = TrainingSpec(learning_rate=4e-3)  # eight times the default: a fifth of the layers has to move as far
STEPS = 20  # of 8 examples, whatever is drawn: equal steps for every method
MEGABATCH = 5  # batches that are sorted by length together: little padding, still random
QUESTION_TOKENS = 4096  # of a batch of questions


@dataclass(frozen=True)
class Texts:
    """Rows, their states below the trained layers, and the number of each one's right answer."""

    rows: list[Row]
    states: list[Tensor]
    right: list[int]

    def take(self, numbers: Sequence[int]) -> "Texts":
        """Some of the rows, in this order."""
        right = [self.right[i] for i in numbers]
        return Texts([self.rows[i] for i in numbers], [self.states[i] for i in numbers], right)

    def examples(self) -> "Texts":
        """Each row with its right answer alone, as a training sees it."""
        cut = [only(row, answer) for row, answer in zip(self.rows, self.right, strict=True)]
        kept = [state[places] for state, (_, places) in zip(self.states, cut, strict=True)]
        return Texts([row for row, _ in cut], kept, [0] * len(cut))


@dataclass(frozen=True)
class Answered:
    """Every question's numbers, in nats."""

    nll: list[float]  # a token of the right answer
    choice_cross_entropy: list[float]
    correct: list[bool]


def train(top: Any, pool: Texts, chosen: Sequence[int], steps: int, seed: int) -> Any:
    """A copy of ``top`` in an adapter trained on the chosen rows; the last epoch may be partial."""
    torch.manual_seed(seed)
    model = _with_adapter(top)
    go_on(model, pool, chosen, steps, seed)
    return model


def go_on(model: Any, pool: Texts, chosen: Sequence[int], steps: int, seed: int) -> None:
    """Train the model's adapter further, with an optimizer and a schedule of its own."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=SPEC.learning_rate, weight_decay=SPEC.weight_decay)
    for step, batch in enumerate(batches(chosen, [len(row.ids) for row in pool.rows], steps, seed)):
        for group in optimizer.param_groups:
            group["lr"] = SPEC.learning_rate * schedule(step, steps)
        loss = _loss(model.get_base_model(), pool, batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(weights, SPEC.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a rise over the first steps, then a cosine to 0."""
    warmup = math.ceil(SPEC.warmup_ratio * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def batches(chosen: Sequence[int], lengths: Sequence[int], steps: int, seed: int) -> list[list[int]]:
    """``steps`` batches over as many epochs as that takes, each epoch in an order of its own."""
    rng = random.Random(seed)
    size, found = SPEC.batch_size, list[list[int]]()
    while len(found) < steps:
        order = rng.sample(list(chosen), len(chosen))
        epoch: list[list[int]] = []
        for start in range(0, len(order), size * MEGABATCH):
            part = sorted(order[start : start + size * MEGABATCH], key=lambda i: lengths[i])
            epoch += [part[at : at + size] for at in range(0, len(part), size)]
        found += rng.sample(epoch, len(epoch))
    return found[:steps]


def answer(model: Any, questions: Texts) -> Answered:
    """Scores of the questions."""
    right = questions.right
    found: list[list[float]] = [[]] * len(questions.rows)
    for part in by_length(questions.rows, QUESTION_TOKENS):
        with torch.no_grad():
            for i, nlls in zip(part, answer_nlls(model, questions, part), strict=True):
                found[i] = nlls.tolist()
    scores = [-torch.tensor(nlls, dtype=torch.float64) for nlls in found]
    return Answered(
        nll=[nlls[at] for nlls, at in zip(found, right, strict=True)],
        choice_cross_entropy=[float(-s.log_softmax(0)[at]) for s, at in zip(scores, right, strict=True)],
        correct=[int(s.argmax()) == at for s, at in zip(scores, right, strict=True)],
    )


def answer_nlls(model: Any, texts: Texts, part: Sequence[int]) -> list[Tensor]:
    """Mean NLL a token of every answer of the rows ``part``; the graph is kept where there is one."""
    batch = collate([texts.rows[i] for i in part])
    losses = _token_losses(model, batch, texts, part)
    most = int(batch.answer.max()) + 1
    place = batch.row * most + batch.answer
    sums = torch.zeros(len(part) * most).index_add(0, place, losses)
    counts = torch.bincount(place, minlength=len(part) * most)
    means = (sums / counts.clamp_min(1)).view(len(part), most)
    return [row[:n] for row, n in zip(means, (counts.view_as(means) > 0).sum(1), strict=True)]


def _loss(model: Any, texts: Texts, part: Sequence[int]) -> Tensor:
    """Mean over the batch's answer tokens, as the product's trainer has it."""
    return _token_losses(model, collate([texts.rows[i] for i in part]), texts, part).mean()


def _token_losses(model: Any, batch: Batch, texts: Texts, part: Sequence[int]) -> Tensor:
    """(n,) cross-entropy of every predicted token of the batch of the rows ``part``."""
    with torch.autocast("cpu", torch.bfloat16):  # the adapter's weights are float32, the products need not be
        found = logits(model, batch, padded([texts.states[i] for i in part]))
    return cross_entropy(found.float(), batch.labels, reduction="none")


def _with_adapter(top: Any) -> Any:
    config = LoraConfig(
        r=SPEC.lora_rank,
        lora_alpha=SPEC.lora_alpha,  # type: ignore[arg-type]  # annotated int, used as a number
        lora_dropout=SPEC.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(copy.deepcopy(top), config)
