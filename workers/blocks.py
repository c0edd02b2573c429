"""Feature blocks as bytes: safetensors with the values, the status and the loss of each row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

STATUSES = ("ok", "non_finite", "zero_gradient", "no_answer_tokens", "truncated_answer", "too_long")


@dataclass(frozen=True, slots=True)
class Block:
    """Features of n rows: one vector per module of the proxy model."""

    values: npt.NDArray[np.float32]  # (n, modules, sketch_in * sketch_out), zero where the status is not ok
    status: npt.NDArray[np.uint8]  # (n,) index into STATUSES
    nll: npt.NDArray[np.float32]  # (n,) mean loss of the answer's tokens, in nats

    @property
    def rows(self) -> int:
        """Rows of the block, bad ones included."""
        return len(self.status)


def encode(block: Block) -> bytes:
    """The block as one safetensors file."""
    return save({"values": block.values, "status": block.status, "nll": block.nll})


def decode(data: bytes) -> Block:
    """The inverse of encode."""
    arrays = load(data)
    return Block(arrays["values"], arrays["status"], arrays["nll"])


def concatenate(blocks: list[Block]) -> Block:
    """Rows of all blocks, in order."""
    return Block(
        np.concatenate([block.values for block in blocks]),
        np.concatenate([block.status for block in blocks]),
        np.concatenate([block.nll for block in blocks]),
    )


def count_statuses(block: Block) -> dict[str, int]:
    """How many rows have each status; statuses that no row has are left out."""
    counts = np.bincount(block.status, minlength=len(STATUSES))
    return {name: int(count) for name, count in zip(STATUSES, counts, strict=True) if count}
