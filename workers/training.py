"""LoRA fine-tuning on the answers of records, with TRL and PEFT; the adapter is written as safetensors."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from evoselect.gradients.examples import Example
from evoselect.spec.training import TrainingSpec
from store.records import Record
from workers import moments
from workers.models import LoadedModel, load_base, with_adapter
from workers.tokenization import TokenizedRecord, tokenize

IGNORED = -100  # label of a token that is not learnt


class UntrainableRecord(ValueError):
    """A record of the training set has no answer tokens within the window."""


class LossDiverged(RuntimeError):
    """The loss is not finite; the learning rate is too high for these data."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training did."""

    steps: int
    examples: int
    """Examples of one epoch, repeats included."""
    tokens: int
    """Tokens of one epoch, prompts included."""
    answer_tokens: int
    loss_history: list[float]
    """Mean answer-token loss of each step, in nats."""
    seconds: float
    tokens_per_second: float

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def train_lora(
    records: Sequence[Record],
    repeats: Sequence[int] | None,
    loaded: LoadedModel,
    spec: TrainingSpec,
    out_dir: Path,
    *,
    seed: int,
    progress: Callable[[dict[str, Any]], None],
) -> TrainingResult:
    """Train an adapter (the loaded one goes on, if there is one) and write it into ``out_dir``.

    ``loaded`` itself is not changed. ``progress`` gets rows_done, rows_total, step, steps, loss and
    tokens_per_second after every step, and may raise. Raises UntrainableRecord and LossDiverged.
    """
    window = min(spec.max_length or loaded.max_length, loaded.max_length)
    tokenized = tokenize(records, loaded.tokenizer, window)
    counts = [1] * len(records) if repeats is None else list(repeats)
    rows = _repeated(_examples(records, tokenized, window), counts)
    set_seed(seed)  # the adapter's start values come from the global state
    model = _trainable(loaded, spec)
    report = _Progress(progress, len(rows), sum(len(row.ids) for row in rows))
    trainer = SFTTrainer(
        model=model,
        args=_arguments(spec, out_dir, seed),
        train_dataset=_dataset(rows),
        processing_class=loaded.tokenizer,
        callbacks=[report],
    )
    trainer.remove_callback(PrinterCallback)  # progress goes through the callback alone
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    model.save_pretrained(str(out_dir), safe_serialization=True)
    moments.write(model, trainer.optimizer, out_dir)
    (out_dir / "README.md").unlink()  # an empty model card, with this machine's path in it
    return TrainingResult(
        steps=trainer.state.global_step,
        examples=len(rows),
        tokens=report.tokens,
        answer_tokens=sum(len(row.ids) - row.start for row in rows),
        loss_history=report.losses,
        seconds=seconds,
        tokens_per_second=report.tokens * (trainer.state.epoch or 0.0) / seconds,
    )


class _Progress(TrainerCallback):
    """Collects the loss of each step and passes the state on."""

    def __init__(self, progress: Callable[[dict[str, Any]], None], rows: int, tokens: int) -> None:
        self.losses: list[float] = []
        self.tokens = tokens
        self._progress = progress
        self._rows = rows
        self._start = time.perf_counter()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._start = time.perf_counter()

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
        if not torch.isfinite(torch.tensor(loss)):
            raise LossDiverged(
                f"the loss of step {state.global_step} is {loss}: lower learning_rate, now "
                f"{args.learning_rate}, or leave out records whose features are non_finite"
            )
        self.losses.append(loss)
        epochs = state.epoch or 0.0
        self._progress(
            {
                "rows_done": round(epochs * self._rows),
                "rows_total": round(state.max_steps / max(state.global_step, 1) * epochs * self._rows),
                "step": state.global_step,
                "steps": state.max_steps,
                "loss": loss,
                "tokens_per_second": epochs * self.tokens / (time.perf_counter() - self._start),
            }
        )


def _examples(records: Sequence[Record], tokenized: Sequence[TokenizedRecord], window: int) -> list[Example]:
    examples = []
    for record, item in zip(records, tokenized, strict=True):
        if item.example is None:
            raise UntrainableRecord(
                f"record {record.id} cannot be trained on ({item.status}): {item.tokens} "
                f"tokens, window {window}; leave it out or raise max_length"
            )
        examples.append(item.example)
    if not examples:
        raise UntrainableRecord("there are no records to train on")
    return examples


def _repeated(examples: Sequence[Example], counts: Sequence[int]) -> list[Example]:
    """Each example as often as its count; TRL has no column of weights."""
    return [example for example, count in zip(examples, counts, strict=True) for _ in range(count)]


def _dataset(rows: Sequence[Example]) -> Dataset:
    return Dataset.from_dict(
        {
            "input_ids": [list(row.ids) for row in rows],
            "labels": [[IGNORED] * row.start + list(row.ids[row.start :]) for row in rows],
        }
    )


def _trainable(loaded: LoadedModel, spec: TrainingSpec) -> Any:
    """A copy of the base model with a fresh adapter, or with the loaded adapter made trainable."""
    base = load_base(loaded.folder, loaded.dtype).to(loaded.device)
    if loaded.adapter is not None:
        return with_adapter(base, loaded.adapter, trainable=True)
    config = LoraConfig(
        r=spec.lora_rank,
        lora_alpha=spec.lora_alpha,  # type: ignore[arg-type]  # annotated int, used as a number
        lora_dropout=spec.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config)


def _arguments(spec: TrainingSpec, out_dir: Path, seed: int) -> SFTConfig:
    micro = spec.micro_batch_size or spec.batch_size
    return SFTConfig(
        output_dir=str(out_dir),
        num_train_epochs=spec.epochs or 1.0,
        max_steps=spec.max_steps or -1,
        learning_rate=spec.learning_rate,
        warmup_steps=spec.warmup_ratio,  # below 1 it is a share of the steps
        lr_scheduler_type="cosine",
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=spec.batch_size // micro,
        train_sampling_strategy="group_by_length",
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        bf16=False,  # the frozen weights already have the wanted dtype; this would be autocast
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        log_level="error",
    )
