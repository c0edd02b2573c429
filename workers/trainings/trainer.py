"""TRL's SFTTrainer over rows in a fixed order, in less memory where it must, with checkpoints.

The order of all rows of all epochs is drawn beforehand from the seed. So a training that goes on from a
checkpoint sees what it would have seen, and a step knows its rows.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.functional import cross_entropy, pad
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl.trainer.sft_trainer import SFTTrainer

from evoselect.gradients.examples import Example, halving
from evoselect.gradients.passes import attention_for, logits_only_at
from evoselect.spec.training import TrainingSpec
from store.errors import Invalid

IGNORED = -100  # label of a token that is not learnt


class LossDiverged(Invalid):
    """The loss is not finite; the learning rate is too high for these data, or a row is broken."""

    code = "loss_diverged"


def row_order(rows: Sequence[Example], spec: TrainingSpec, seed: int) -> list[int]:
    """Indices in the order of training: epoch after epoch, rows of similar length close to each other."""
    wanted = math.ceil((spec.epochs or 1.0) * len(rows))
    if spec.max_steps is not None:
        wanted = spec.max_steps * spec.batch_size
    draw = torch.Generator().manual_seed(seed)
    lengths = [len(row.ids) for row in rows]
    order: list[int] = []
    while len(order) < wanted:
        order += _grouped(lengths, spec.batch_size, draw)
    return order[:wanted]


def _grouped(lengths: list[int], batch_size: int, draw: torch.Generator) -> list[int]:
    group: Any = get_length_grouped_indices  # upstream has no types
    return list(group(lengths, batch_size, generator=draw))


def dataset(rows: Sequence[Example], order: Sequence[int]) -> Dataset:
    """The rows as TRL wants them, in that order; only labels of the answer count."""
    whole = Dataset.from_dict(
        {
            "input_ids": [list(row.ids) for row in rows],
            "labels": [_labels(row) for row in rows],
        }
    )
    return whole.select(order)


def _labels(row: Example) -> list[int]:
    labels = [IGNORED] * row.start + list(row.ids[row.start :])
    for first, stop in row.between:
        labels[first:stop] = [IGNORED] * (stop - first)
    return labels


class Trainer(SFTTrainer):
    """With logits for answer tokens alone, and in less memory where it must.

    Where memory does not suffice for a micro-batch its halves go through one after the other. The loss of a
    step is the sum over its tokens by their number, so the gradients stay those of the whole batch.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The sum of the answer tokens' losses by the number of those of the step, as TRL has it.

        TRL computes and measures logits of prompts and padding too. It is left to it where experts are
        balanced by a loss of their own.
        """
        if self.aux_loss_enabled or return_outputs:
            whole: Callable[..., Any] = super().compute_loss
            return whole(model, inputs, return_outputs, num_items_in_batch)
        labels, mask = inputs["labels"], inputs["attention_mask"]
        wanted = labels[:, 1:] != IGNORED
        with logits_only_at(model, pad(wanted, (0, 1))), attention_for(model, mask):
            logits = model(input_ids=inputs["input_ids"], attention_mask=mask, use_cache=False).logits
        loss = cross_entropy(logits.float(), labels[:, 1:][wanted], reduction="sum")
        return loss / (len(logits) if num_items_in_batch is None else num_items_in_batch)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss of one micro-batch, its gradients added up in the weights."""
        items = num_items_in_batch
        if items is None:
            items = (inputs["labels"] != IGNORED).sum()

        whole: Any = super().training_step

        def one(part: list[int]) -> Tensor:
            before = _gradients(model)
            chosen = {name: value[part] for name, value in inputs.items()}
            try:
                loss: Tensor = whole(model, chosen, items)
            except RuntimeError:
                _restore(model, before)  # a backward pass that broke off has left some
                raise
            return loss

        losses = [loss for _, loss in halving(list(range(len(inputs["input_ids"]))), one)]
        return torch.stack(losses).sum()


def _gradients(model: Any) -> list[Tensor | None]:
    """Copies of the trained weights' gradients so far; None where there are none."""
    trained = (weight for weight in model.parameters() if weight.requires_grad)
    return [None if weight.grad is None else weight.grad.clone() for weight in trained]


def _restore(model: Any, gradients: list[Tensor | None]) -> None:
    trained = (weight for weight in model.parameters() if weight.requires_grad)
    for weight, gradient in zip(trained, gradients, strict=True):
        weight.grad = gradient


class StepCallback(TrainerCallback):
    """Passes every step on, stops at a loss that is none, and says when a checkpoint is due.

    `save` gets the folder of a finished checkpoint.
    """

    def __init__(
        self,
        step: Callable[[int, int, float], None],
        rows_of_step: Callable[[int], list[str]],
        due: Callable[[], bool],
        save: Callable[[Path], None],
    ) -> None:
        self._step = step
        self._rows_of_step = rows_of_step
        self._due = due
        self._save = save

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:  # the summary at the end
            return
        if not math.isfinite(loss):
            rows = ", ".join(self._rows_of_step(state.global_step))
            raise LossDiverged(
                f"the loss of step {state.global_step} is {loss}: lower learning_rate, now "
                f"{args.learning_rate}, or look at its rows: {rows}"
            )
        self._step(state.global_step, state.max_steps, loss)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        control.should_save = state.global_step < state.max_steps and self._due()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._save(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
