"""Feature blocks as files: safetensors whose bytes depend only on the features, and joining them again."""

import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from evoselect.errors import InvalidInput
from workers.features.block import FeatureBlock
from workers.models.tokenization import Status

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


def scratch_array(folder: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """An array in a file without a name in ``folder``: it can leave memory when that is short.

    It is gone with its last reference, however the process ends. Raises OSError where the disk has no room
    for it: a write to a mapped file that found none would kill the process.
    """
    if not all(shape):
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, math.prod(shape) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype, "w+", shape=shape)


def mapped(block: FeatureBlock, scratch: Path) -> FeatureBlock:
    """The same block with its values in a file in ``scratch``."""
    values = scratch_array(scratch, block.values.dtype, block.values.shape)
    values[:] = block.values
    return replace(block, values=values)


def check_same_sketch(blocks: Sequence[FeatureBlock]) -> None:
    """Raise InvalidInput unless all blocks come from the same model, sketch and settings."""
    sketches = {block.sketch for block in blocks}
    if len(sketches) != 1:
        raise InvalidInput(
            f"features of {len(sketches)} different sketches cannot be compared ({sorted(sketches)}): "
            "the workers differ in model, settings or release; make them alike and start the job again"
        )


def in_original_order(block: FeatureBlock, order: Sequence[int]) -> FeatureBlock:
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


def side_by_side(blocks: Sequence[FeatureBlock], scratch: Path | None = None) -> FeatureBlock:
    """The features of the same rows at several checkpoints as one; a row is usable if it is at every one.

    Several are put into a file in ``scratch`` where one is given.
    Raises InvalidInput where the checkpoints' models have other layers. Losses and hidden states
    are the first one's.
    """
    if len(blocks) == 1:
        return blocks[0]
    shapes = {block.values.shape[1:] for block in blocks}
    if len(shapes) > 1:
        raise InvalidInput(
            f"the checkpoints have features of {len(shapes)} shapes (blocks, numbers: {sorted(shapes)}): "
            "use checkpoints of one base model"
        )
    bad = [
        [status for status in row if status != "ok"] for row in zip(*(b.status for b in blocks), strict=True)
    ]
    usable = np.array([not row for row in bad])
    values = _together([block.values for block in blocks], 1, scratch)
    values[~usable] = 0
    return FeatureBlock(
        values=values,
        norms=np.concatenate([block.norms for block in blocks], axis=1) * usable[:, None],
        nll=blocks[0].nll,
        tokens=blocks[0].tokens,
        status=[row[0] if row else "ok" for row in bad],
        sketch="+".join(block.sketch for block in blocks),
        stats={},
        shortened=blocks[0].shortened,
        hidden=blocks[0].hidden,
    )


def absent(like: FeatureBlock, rows: int) -> FeatureBlock:
    """A block of so many rows that were never computed, to stand beside `like`."""
    return FeatureBlock(
        values=np.zeros_like(like.values, shape=(rows, *like.values.shape[1:])),
        norms=np.zeros_like(like.norms, shape=(rows, *like.norms.shape[1:])),
        nll=np.full_like(like.nll, np.nan, shape=rows),
        tokens=np.zeros_like(like.tokens, shape=rows),
        status=["shard_failed"] * rows,
        sketch=like.sketch,
        stats={},
        hidden=None
        if like.hidden is None
        else np.zeros_like(like.hidden, shape=(rows, like.hidden.shape[1])),
    )


def _together(parts: Sequence[npt.NDArray[Any]], axis: int, scratch: Path | None) -> npt.NDArray[Any]:
    """Arrays of one dtype along an axis, in a file in ``scratch`` where one is given."""
    if scratch is None:
        return np.concatenate(parts, axis)
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return np.concatenate(parts, axis, out=scratch_array(scratch, parts[0].dtype, tuple(shape)))


def join(blocks: Sequence[FeatureBlock], scratch: Path | None = None) -> FeatureBlock:
    """The rows of all blocks in order; raises InvalidInput unless all have the same sketch.

    The values are put into a file in ``scratch`` where one is given.
    """
    check_same_sketch(blocks)
    hidden = [block.hidden for block in blocks if block.hidden is not None]
    return FeatureBlock(
        values=_together([block.values for block in blocks], 0, scratch),
        norms=np.concatenate([block.norms for block in blocks]),
        nll=np.concatenate([block.nll for block in blocks]),
        tokens=np.concatenate([block.tokens for block in blocks]),
        status=[status for block in blocks for status in block.status],
        sketch=blocks[0].sketch,
        stats={},
        shortened=sum(block.shortened for block in blocks),
        hidden=np.concatenate(hidden) if hidden else None,
    )
