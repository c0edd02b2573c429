"""What training costs inside of the service, against the same TRL run outside of it.

    python -m benchmarks.training --json [--steps 24]

Same records, same order, same batches, same adapter and optimizer; outside is SFTTrainer with its own data
loader and nothing of ours. Both run in this process, in turns (ours, TRL, TRL, ours), after a warm-up of two
steps that is not counted; each time is the better of two. `share` is ours by TRL's in tokens per second.
`checkpoint_seconds` is what leaving the state once costs, which a training does every
EVOSELECT_CHECKPOINT_SECONDS. `cpu_seconds` are the process's own over the whole call, loading and saving
included: on a machine with other work on it they say more than the clock.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from benchmarks.demo.data import build
from benchmarks.machine import describe
from evoselect.spec.training import TrainingSpec
from store.records.record import Record, parse_record
from workers.models.loading import LoadedModel, load
from workers.models.tokenization import tokenize
from workers.trainings.lora import Checkpoints, train_lora, trainable
from workers.trainings.trainer import dataset, row_order

PROXY = "smollm2-135m-instruct"
ROWS = 64
BATCH = 8
WARM_UP = 2  # steps

Json = dict[str, Any]


def main() -> int:
    """Measure and print; exit status 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=int, default=24)
    arguments = parser.parse_args()
    result = measure(arguments.steps)
    print(json.dumps(result, indent=None if arguments.json else 2))
    return 0


def measure(steps: int) -> Json:
    """The numbers, every one of them measured here."""
    load_before = os.getloadavg()[0]
    loaded = load(PROXY)
    records = [parse_record(value) for value in build(seed=0).pool[:ROWS]]
    spec = TrainingSpec(max_steps=steps, batch_size=BATCH)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _ours(records, loaded, spec.model_copy(update={"max_steps": WARM_UP}), folder / "warm")
        times: dict[str, list[float]] = {"ours": [], "trl": []}
        cpu: dict[str, list[float]] = {"ours": [], "trl": []}
        for number, kind in enumerate(("ours", "trl", "trl", "ours")):
            run = _ours if kind == "ours" else _plain
            begun = time.process_time()
            times[kind].append(run(records, loaded, spec, folder / str(number)))
            cpu[kind].append(time.process_time() - begun)
        saving = _with_checkpoint(records, loaded, spec.model_copy(update={"max_steps": 2}), folder / "kept")
    ours, plain = (min(times[kind]) for kind in ("ours", "trl"))
    return {
        "steps": steps,
        "batch": BATCH,
        "seconds": times,
        "cpu_seconds": cpu,
        "seconds_ours": ours,
        "seconds_trl": plain,
        "share": plain / ours,
        "checkpoint_seconds": saving,
        "load": [load_before, os.getloadavg()[0]],
        "machine": describe(),
    }


def _ours(records: list[Record], loaded: LoadedModel, spec: TrainingSpec, folder: Path) -> float:
    result = train_lora(records, None, loaded, spec=spec, out_dir=folder, seed=0, progress=lambda state: None)
    return result.seconds


def _plain(records: list[Record], loaded: LoadedModel, spec: TrainingSpec, folder: Path) -> float:
    """TRL alone, on the rows in the order that ours takes them."""
    rows = [item.example for item in tokenize(records, loaded, loaded.max_length) if item.example]
    trainer = SFTTrainer(
        model=trainable(loaded, spec),
        args=SFTConfig(
            output_dir=str(folder),
            num_train_epochs=1,
            learning_rate=spec.learning_rate,
            warmup_steps=spec.warmup_ratio,
            lr_scheduler_type="cosine",
            per_device_train_batch_size=spec.batch_size,
            train_sampling_strategy="sequential",
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            bf16=False,
            gradient_checkpointing=False,
            use_cpu=loaded.device.type == "cpu",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            log_level="error",
        ),
        train_dataset=dataset(rows, row_order(rows, spec, 0)),
        processing_class=loaded.tokenizer,
    )
    start = time.perf_counter()
    trainer.train()
    return time.perf_counter() - start


def _with_checkpoint(records: list[Record], loaded: LoadedModel, spec: TrainingSpec, folder: Path) -> float:
    """Seconds from the end of a step to the checkpoint's last file."""
    asked = [0.0]
    took: list[float] = []

    def due() -> bool:
        asked[0] = time.perf_counter()
        return True

    def save(_: Path) -> None:
        took.append(time.perf_counter() - asked[0])

    points = Checkpoints(due=due, save=save)
    train_lora(
        records,
        None,
        loaded,
        spec=spec,
        out_dir=folder,
        seed=0,
        progress=lambda state: None,
        checkpoints=points,
    )
    return took[0]


if __name__ == "__main__":
    sys.exit(main())
