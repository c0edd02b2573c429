"""What a feature job will need: predicted from its own tokens and from the first rows that were computed.

The first block of a shard holds the longest rows, and its first micro-batch the longest of them: what that
needed in memory is the worst case, and the block's time for each unit of work is the pace of the rest.
"""

import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch

from evoselect.gradients.examples import padded_work
from evoselect.gradients.extractor import extractor_bytes, hidden_size
from evoselect.gradients.layers import choose_layers
from evoselect.spec.features import FeatureSpec
from evoselect.spec.reading import OnLong
from store.errors import Invalid
from store.jobs.costs import by_powers
from store.records.record import Record
from workers.features.block import FeatureBlock
from workers.features.compute import plan, row_size
from workers.features.conditioned_rows import HELD_BYTES
from workers.features.fingerprint import max_length
from workers.models import adam_moments as moments
from workers.models.loading import LoadedModel
from workers.models.tokenization import TokenizedRecord, tokenize
from workers.process import memory

NUMBER_BYTES = 2  # of each feature number in a block's file
NORM_BYTES = 4  # of each block's norm there
MATRIX_BYTES = 4  # of each number while a selection is solved


class TooLarge(ValueError):
    """The job does not fit this machine; the message has the numbers and the setting to change."""


class Lengths(TypedDict):
    """Rows by tokens, in powers of two, and what becomes of those beyond the window."""

    rows: int
    up_to: dict[str, int]
    window: int
    on_long: OnLong
    longer: dict[str, int]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Needs of one feature job by one worker on this machine."""

    rows: int
    tokens: int
    seconds: float
    """Of extraction; loading the model is not in it."""
    ram_bytes: int
    """Peak of the feature worker."""
    disk_bytes: int
    """Of the stored features."""
    scratch_bytes: int
    """Of the file that the select worker keeps while it selects; 0 for what it holds in memory."""
    gpu_bytes: int
    """Peak on the device; 0 on a CPU."""
    select_ram_bytes: int
    """Of the matrix, or the part of it, that the select worker holds."""
    lengths: Lengths
    """Of the sample's rows; see ``lengths_of``."""


def predict(
    sample: Sequence[Record], first: FeatureBlock, loaded: LoadedModel, spec: FeatureSpec, *, rows: int
) -> Prediction:
    """Scale the work of a sample to ``rows`` rows, at the pace of the ``first`` block computed here."""
    items = tokenize(sample, loaded, max_length(loaded, spec), spec.reading)
    examples = [item.example for item in items if item.example is not None]
    work = sum(
        padded_work([row_size(examples[i], spec) for i in batch]) for batch in plan(examples, loaded, spec)
    )
    pace = first.stats["seconds_extract"] / max(first.stats["work"], 1)
    scale = rows / len(sample)
    _, blocks, numbers = first.values.shape
    width = blocks * numbers + (0 if first.hidden is None else first.hidden.shape[1])
    selected_by = rows * width * max(1, len(spec.checkpoints))  # numbers
    on_gpu = loaded.device.type == "cuda"
    return Prediction(
        rows=rows,
        tokens=round(scale * sum(len(example.ids) for example in examples)),
        seconds=scale * work * pace,
        ram_bytes=_peak_bytes(),
        disk_bytes=rows * (width * NUMBER_BYTES + blocks * NORM_BYTES),
        scratch_bytes=selected_by * NUMBER_BYTES * (selected_by * MATRIX_BYTES > HELD_BYTES),
        gpu_bytes=torch.cuda.max_memory_allocated(loaded.device) if on_gpu else 0,
        select_ram_bytes=min(selected_by * MATRIX_BYTES, HELD_BYTES),
        lengths=lengths_of(items, max_length(loaded, spec), spec.on_long),
    )


def lengths_of(items: Sequence[TokenizedRecord], window: int, on_long: OnLong) -> Lengths:
    """Rows by tokens, in powers of two, and what becomes of those beyond the window.

    Rows that the template refuses have no length and are not counted.
    """
    tokens = [item.tokens for item in items if item.status != "template_mismatch"]
    longer = [item for item in items if item.tokens > window]
    return {
        "rows": len(tokens),
        "up_to": by_powers(tokens),
        "window": window,
        "on_long": on_long,
        "longer": dict(Counter("shortened" if item.shortened else item.status for item in longer)),
    }


def require(needs: Prediction, *, ram_bytes: int, disk_bytes: int, selects_there: bool = True) -> None:
    """Raises TooLarge when the machine has less than the job needs.

    ``selects_there``: whether the select worker's files lie on the disk that has ``disk_bytes`` left.
    """
    if needs.ram_bytes > ram_bytes:
        raise TooLarge(
            f"features of {needs.rows} rows need {needs.ram_bytes / 2**30:.2f} GiB of memory and there are "
            f"{ram_bytes / 2**30:.2f}: lower features.batch_tokens or features.max_length"
        )
    wanted = needs.disk_bytes + needs.scratch_bytes * selects_there
    if wanted > disk_bytes:
        raise TooLarge(
            f"features of {needs.rows} rows need {wanted / 2**30:.2f} GiB of disk, of which "
            f"{needs.disk_bytes / 2**30:.2f} stay, and there are {disk_bytes / 2**30:.2f}: "
            "lower features.dim, or free disk space"
        )


def require_memory(loaded: LoadedModel, spec: FeatureSpec, *, rows: int) -> None:
    """Refuse what the sketches and a block of so many rows alone have no room for, before any is made.

    Raises Invalid (does_not_fit). The two-seed agreement holds two sketches at a time.
    """
    if not spec.gradients:
        return
    moments.require(loaded, spec)
    layers = choose_layers(loaded.model, spec.layers, spec.modules, adapter=spec.precondition == "adam")
    sketches = 2 * extractor_bytes(layers, spec, loaded.dtype.itemsize)
    numbers = min(spec.sketch_in * spec.sketch_out * len(layers), spec.dim)
    numbers += hidden_size(loaded.model) if spec.kind == "combined" else 0
    block = rows * numbers * MATRIX_BYTES
    free = memory.available()
    if loaded.device.type == "cuda":
        free = min(free, torch.cuda.mem_get_info(loaded.device)[0])
    if sketches + block > free:
        raise Invalid(
            f"the sketches of {len(layers)} modules need {sketches / 2**30:.2f} GiB and {rows} rows of "
            f"features {block / 2**30:.2f} GiB, and there are {free / 2**30:.2f}: lower "
            "features.sketch_in, sketch_out or dim",
            code="does_not_fit",
        )


def _peak_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB elsewhere
