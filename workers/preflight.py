"""What a feature job will need: predicted from its own tokens and two of its micro-batches."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from evoselect.gradients.examples import halving, padded_work
from evoselect.gradients.extractor import make_extractor
from evoselect.spec.features import FeatureSpec
from store.records import Record
from workers.features import plan
from workers.fingerprint import max_length
from workers.models import LoadedModel
from workers.tokenization import tokenize

ROW_BYTES = 4  # of each feature number


class TooLarge(ValueError):
    """The job does not fit this machine; the message has the numbers and the setting to change."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Needs of one feature job on this machine."""

    rows: int
    tokens: int
    seconds: float
    ram_bytes: int
    """Peak of the process, features of all rows included."""
    disk_bytes: int
    """Of the stored features."""
    gpu_bytes: int
    """Peak on the device; 0 on a CPU."""
    largest_micro_batch: int
    """Rows of the largest part of the worst micro-batch that memory sufficed for."""


def predict(records: Sequence[Record], loaded: LoadedModel, spec: FeatureSpec) -> Prediction:
    """Run the micro-batch with most padded tokens and a middle one, and scale by the work of the rest."""
    items = tokenize(records, loaded.tokenizer, max_length(loaded, spec))
    examples = [item.example for item in items if item.example is not None]
    batches = plan(examples, loaded, spec)
    extractor = make_extractor(loaded.model, spec)
    cached = spec.positions == "answer"
    work = [padded_work([examples[i].size(cached_prompt=cached) for i in batch]) for batch in batches]
    largest, rate = 0, 0.0
    if batches:
        worst, middle = max(range(len(work)), key=work.__getitem__), len(batches) // 2
        largest = max(
            len(part)
            for part, _ in halving(batches[worst], lambda part: extractor([examples[i] for i in part]))
        )
        start = time.perf_counter()
        extractor([examples[i] for i in batches[middle]])
        rate = (time.perf_counter() - start) / work[middle]
    features = len(records) * len(extractor.blocks) * extractor.block_dim * ROW_BYTES
    on_gpu = loaded.device.type == "cuda"
    return Prediction(
        rows=len(records),
        tokens=sum(len(example.ids) for example in examples),
        seconds=rate * sum(work),
        ram_bytes=_peak_bytes() + features,
        disk_bytes=features,
        gpu_bytes=torch.cuda.max_memory_allocated(loaded.device) if on_gpu else 0,
        largest_micro_batch=largest,
    )


def require(needs: Prediction, *, ram_bytes: int, disk_bytes: int) -> None:
    """Raises TooLarge when the machine has less than the job needs."""
    if needs.ram_bytes > ram_bytes:
        raise TooLarge(
            f"features of {needs.rows} rows need {needs.ram_bytes / 2**30:.2f} GiB of memory and there are "
            f"{ram_bytes / 2**30:.2f}: lower features.batch_tokens, or split the pool into smaller shards"
        )
    if needs.disk_bytes > disk_bytes:
        raise TooLarge(
            f"features of {needs.rows} rows need {needs.disk_bytes / 2**30:.2f} GiB of disk and there are "
            f"{disk_bytes / 2**30:.2f}: lower features.dim"
        )


def _peak_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB elsewhere
