"""A training and its evaluation, by the functions that workers run for each arm of a comparison."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.records.record import Record
from workers.evaluations.records import RecordScore, evaluate
from workers.models.loading import LoadedModel, adapted
from workers.trainings.lora import train_lora

STEPS = 20  # of 8 examples, whatever is drawn: equal steps for every method
SPEC = TrainingSpec(learning_rate=1e-3, max_steps=STEPS)
TRAINER = "workers"
"""What rows say of who trained and asked; those that say nothing were made by an earlier, own trainer."""


def train(
    loaded: LoadedModel, records: Sequence[Record], seed: int, spec: TrainingSpec | None = None
) -> tuple[LoadedModel, list[float]]:
    """The base model with an adapter trained on the records, and the loss of every step in nats."""
    with tempfile.TemporaryDirectory(prefix="evoselect-quality-") as name:
        folder = Path(name) / "adapter"
        found = train_lora(
            records, None, loaded, spec=spec or SPEC, out_dir=folder, seed=seed, progress=lambda step: None
        )
        return adapted(loaded, folder), found.loss_history


def answer(loaded: LoadedModel, records: Sequence[Record]) -> list[RecordScore]:
    """Scores of the records in their order; raises RuntimeError where one has none."""
    rows = evaluate(records, loaded, EvaluationSpec(), progress=lambda done: None).rows
    if left := {row.status for row in rows} - {"ok"}:
        raise RuntimeError(f"records without scores: {sorted(left)}")
    return rows
