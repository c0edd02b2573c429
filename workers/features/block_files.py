"""Feature blocks as files: safetensors whose bytes depend only on the features, and joining them again."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load, save

from evoselect.arrays import Ints
from evoselect.errors import InvalidInput
from evoselect.representations.shards import Features
from workers.features.block import FeatureBlock
from workers.models.status import Status

STATUSES: tuple[Status, ...] = get_args(Status)


def to_bytes(block: FeatureBlock) -> bytes:
    """The block as one file, values in half precision (they are unit blocks); stats stay out."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "values": block.values.astype(np.float16),
        "norms": block.norms,
        "nll": block.nll,
        "tokens": block.tokens,
        "status": np.array([STATUSES.index(status) for status in block.status], dtype=np.uint8),
    }
    if block.hidden is not None:
        arrays["hidden"] = block.hidden.astype(np.float16)
    # One entry only: safetensors writes several in an order that differs from call to call.
    about = {"sketch": block.sketch, "statuses": STATUSES, "shortened": block.shortened}
    return save(arrays, metadata={"block": json.dumps(about)})


def from_bytes(data: bytes) -> FeatureBlock:
    """The inverse of to_bytes, in half precision; the caller has checked the file's hash."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    about = json.loads(header["block"])
    arrays = load(data)
    status = [about["statuses"][code] for code in arrays["status"]]
    return FeatureBlock(
        values=arrays["values"],
        norms=arrays["norms"],
        nll=arrays["nll"],
        tokens=arrays["tokens"],
        status=status,
        sketch=about["sketch"],
        stats={},
        shortened=about.get("shortened", 0),
        hidden=arrays.get("hidden"),
    )


def check_same_sketch(sketches: Iterable[str]) -> None:
    """Raise InvalidInput unless all are one: from the same model, sketch and settings."""
    found = set(sketches)
    if len(found) != 1:
        raise InvalidInput(
            f"features of {len(found)} different sketches cannot be compared ({sorted(found)}): "
            "the workers differ in model, settings or release; make them alike and start the job again"
        )


def in_original_order(block: FeatureBlock, order: Sequence[int] | Ints) -> FeatureBlock:
    """Undo that row ``order[i]`` was computed as the i-th; see workers.features.ordering."""
    back = np.argsort(np.asarray(order, dtype=np.int64))
    return FeatureBlock(
        values=block.values[back],
        norms=block.norms[back],
        nll=block.nll[back],
        tokens=block.tokens[back],
        status=[block.status[row] for row in back],
        sketch=block.sketch,
        stats={},
        shortened=block.shortened,
        hidden=None if block.hidden is None else block.hidden[back],
    )


def side_by_side(blocks: Sequence[FeatureBlock]) -> Features:
    """The features of the same rows at several checkpoints as one; hidden states are the first one's.

    Raises InvalidInput where the checkpoints' models have other layers.
    """
    shapes = {block.values.shape[1:] for block in blocks}
    if len(shapes) > 1:
        raise InvalidInput(
            f"the checkpoints have features of {len(shapes)} shapes (blocks, numbers: {sorted(shapes)}): "
            "use checkpoints of one base model"
        )
    values = np.concatenate([block.values for block in blocks], axis=1) if blocks[1:] else blocks[0].values
    states = blocks[0].hidden
    return Features(torch.from_numpy(values), None if states is None else torch.from_numpy(states))


def join(blocks: Sequence[FeatureBlock]) -> FeatureBlock:
    """The rows of all blocks in order; raises InvalidInput unless all have the same sketch."""
    check_same_sketch(block.sketch for block in blocks)
    hidden = [block.hidden for block in blocks if block.hidden is not None]
    return FeatureBlock(
        values=np.concatenate([block.values for block in blocks]),
        norms=np.concatenate([block.norms for block in blocks]),
        nll=np.concatenate([block.nll for block in blocks]),
        tokens=np.concatenate([block.tokens for block in blocks]),
        status=[status for block in blocks for status in block.status],
        sketch=blocks[0].sketch,
        stats={},
        shortened=sum(block.shortened for block in blocks),
        hidden=np.concatenate(hidden) if hidden else None,
    )
