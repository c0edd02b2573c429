"""LoRA fine-tuning on the answers of records, with TRL and PEFT; the adapter is written as safetensors."""

import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import torch
from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback, set_seed
from trl.trainer.sft_config import SFTConfig

from evoselect.gradients.examples import Example
from evoselect.spec.training import TrainingSpec
from store.errors import Invalid
from store.records.record import Record
from workers.models import adam_moments as moments
from workers.models.loading import LoadedModel, twin, with_adapter
from workers.models.tokenization import TokenizedRecord, tokenize
from workers.trainings.trainer import StepCallback, Trainer, dataset, row_order

WORK = "work"  # folder beside the result's files, gone at the end


class UntrainableRecord(Invalid):
    """No record of the training set has answer tokens within the window."""

    code = "untrainable_record"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What a training goes on from, when it leaves something to go on from, and where that goes."""

    start: Path | None = None
    """The folder of an earlier checkpoint of the same training."""
    due: Callable[[], bool] = field(default=lambda: False)
    """Asked after every step."""
    save: Callable[[Path], None] = field(default=lambda folder: None)
    """Gets the folder of each checkpoint; its files are gone afterwards."""


class Step(TypedDict):
    """Where a training stands after a step."""

    rows_done: int
    rows_total: int
    step: int
    steps: int
    loss: float
    tokens_per_second: float
    eta_seconds: float


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training did."""

    steps: int
    examples: int
    """Examples of one epoch, repeats included."""
    tokens: int
    """Tokens of one epoch, prompts included."""
    answer_tokens: int
    left_out: dict[str, int]
    """Records by why they are no examples."""
    shortened: int
    """Records of which a part is learnt, to fit the window."""
    loss_history: list[float]
    """Mean answer-token loss of each step, in nats."""
    seconds: float
    tokens_per_second: float


def train_lora(
    records: Sequence[Record],
    repeats: Sequence[int] | None,
    loaded: LoadedModel,
    *,
    spec: TrainingSpec,
    out_dir: Path,
    seed: int,
    progress: Callable[[Step], None],
    checkpoints: Checkpoints | None = None,
) -> TrainingResult:
    """Train an adapter (the loaded one goes on, if there is one) and write it into ``out_dir``.

    ``loaded`` itself is not changed. ``progress`` is called after every step, and may raise. Raises
    UntrainableRecord and LossDiverged.
    """
    window = min(spec.max_length or loaded.max_length, loaded.max_length)
    tokenized = tokenize(records, loaded, window, spec.reading)
    counts = [1] * len(records) if repeats is None else list(repeats)
    rows, ids = _repeated(records, tokenized, counts)
    _require_rows(rows, records, tokenized, window)
    order = row_order(rows, spec, seed)
    points = checkpoints or Checkpoints()
    set_seed(seed)  # the adapter's start values come from the global state
    model = trainable(loaded, spec)
    report = _Progress(progress, [len(rows[index].ids) for index in order], spec.batch_size)
    batch = spec.batch_size
    trainer = Trainer(
        model=model,
        args=arguments(spec, out_dir / WORK, seed, math.ceil(len(order) / batch)),
        train_dataset=dataset(rows, order),
        processing_class=loaded.tokenizer,
        callbacks=[
            StepCallback(
                report.step,
                lambda step: [ids[index] for index in order[(step - 1) * batch : step * batch]],
                points.due,
                lambda folder: _hand_over(folder, points.save),
            )
        ],
    )
    trainer.remove_callback(PrinterCallback)  # progress goes through the callback alone
    start = time.perf_counter()
    trainer.train(resume_from_checkpoint=None if points.start is None else str(points.start))
    seconds = time.perf_counter() - start
    model.save_pretrained(str(out_dir), safe_serialization=True)
    moments.write(model, trainer.optimizer, out_dir)
    (out_dir / "README.md").unlink()  # an empty model card, with this machine's path in it
    shutil.rmtree(out_dir / WORK, ignore_errors=True)
    return TrainingResult(
        steps=trainer.state.global_step,
        examples=len(rows),
        tokens=sum(len(row.ids) for row in rows),
        answer_tokens=sum(row.answer_tokens for row in rows),
        left_out=dict(Counter(item.status for item in tokenized if item.example is None)),
        shortened=sum(item.shortened for item in tokenized),
        loss_history=[entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        seconds=seconds,
        tokens_per_second=report.tokens / seconds,
    )


def _hand_over(folder: Path, save: Callable[[Path], None]) -> None:
    save(folder)
    shutil.rmtree(folder)


class _Progress:
    """Turns steps into rows, tokens and pace; after a resumption the pace is that of the rest."""

    def __init__(self, progress: Callable[[Step], None], lengths: list[int], batch_size: int) -> None:
        self.tokens = 0
        """Trained on by this process, prompts included."""
        self._progress = progress
        self._lengths = lengths
        self._batch = batch_size
        self._start = time.perf_counter()

    def step(self, step: int, steps: int, loss: float) -> None:
        """After every step."""
        self.tokens += sum(self._lengths[(step - 1) * self._batch : step * self._batch])
        done = min(step * self._batch, len(self._lengths))
        pace = self.tokens / (time.perf_counter() - self._start)
        left = sum(self._lengths[done:])
        self._progress(
            {
                "rows_done": done,
                "rows_total": len(self._lengths),
                "step": step,
                "steps": steps,
                "loss": loss,
                "tokens_per_second": pace,
                "eta_seconds": left / pace,
            }
        )


def _repeated(
    records: Sequence[Record], tokenized: Sequence[TokenizedRecord], counts: Sequence[int]
) -> tuple[list[Example], list[str]]:
    """Each example as often as its count, and the ids; TRL has no column of weights."""
    rows, ids = [], []
    for record, item, count in zip(records, tokenized, counts, strict=True):
        if item.example is not None:
            rows += [item.example] * count
            ids += [record.id] * count
    return rows, ids


def _require_rows(
    rows: Sequence[Example], records: Sequence[Record], tokenized: Sequence[TokenizedRecord], window: int
) -> None:
    """Raises UntrainableRecord where nothing is left, with the first record that was left out."""
    if rows:
        return
    for record, item in zip(records, tokenized, strict=True):
        if item.example is None:
            why = item.why or f"record {record.id}: {item.status}, {item.tokens} tokens, window {window}"
            raise UntrainableRecord(
                f"all {len(records)} records are left out; the first: {why}; set max_length or on_long, or "
                "send others"
            )
    raise UntrainableRecord("there are no records to train on" + ": every repeat is 0" * bool(records))


def trainable(loaded: LoadedModel, spec: TrainingSpec) -> Any:
    """A twin of the base model with a fresh adapter, or with the loaded adapter made trainable."""
    base = twin(loaded.base)
    if loaded.adapter is not None:
        model = with_adapter(base, loaded.adapter, trainable=True)
        _require_same_shape(model.peft_config["default"], spec)
        return model
    config = LoraConfig(
        r=spec.lora_rank,
        lora_alpha=spec.lora_alpha,  # type: ignore[arg-type]  # annotated int, used as a number
        lora_dropout=spec.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config)


def _require_same_shape(config: Any, spec: TrainingSpec) -> None:
    """An adapter keeps its rank: settings that say another one would be passed over silently."""
    if (config.r, config.lora_alpha) != (spec.lora_rank, spec.lora_alpha):
        raise Invalid(
            f"the adapter to train on has lora_rank {config.r} and lora_alpha {config.lora_alpha}, the "
            f"spec says {spec.lora_rank} and {spec.lora_alpha}: send the adapter's",
            code="adapter_shape",
        )


def arguments(spec: TrainingSpec, out_dir: Path, seed: int, steps: int) -> SFTConfig:
    """TRL's settings for a training of so many steps, on one GPU at most."""
    micro = spec.micro_batch_size or spec.batch_size
    found = SFTConfig(
        output_dir=str(out_dir),
        num_train_epochs=1,  # the rows of all epochs lie in the data set one after the other
        learning_rate=spec.learning_rate,
        warmup_steps=int(spec.warmup_ratio * steps),  # the first step of a warm-up learns nothing
        lr_scheduler_type="cosine",
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=spec.batch_size // micro,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        bf16=False,  # the frozen weights already have the wanted dtype; this would be autocast
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # the watcher says when
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        log_level="error",
    )
    found._n_gpu = min(found.n_gpu, 1)  # over several, DataParallel multiplies the batch: decision 0603
    return found
