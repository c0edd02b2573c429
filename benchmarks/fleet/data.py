"""A pool of provided features on disk, and its shards."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from evoselect.pools.part import Rows
from service.intake.spools import GROUP_ROWS, TableSpool
from store.artifacts import Artifact, Artifacts
from store.records.record import SCHEMA, parse_record, to_table

M, D, K = 1_000, 512, 20_000
MODES = 20
SPREAD = 0.8
CHUNK = 50_000
SHARD = 125_000  # rows
FOLDER = Path("build/fleet")


def features(rows: int) -> Path:
    """A (rows, D) float16 .npy of unit rows, modes and noise, written once; longer pools begin as shorter."""
    path = FOLDER / f"{rows}x{D}.npy"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        written = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=(rows, D))
        for start in range(0, rows, CHUNK):
            g = torch.Generator().manual_seed(start + 1)
            count = min(CHUNK, rows - start)
            inside = count * 2 // 5
            noise = normalize(torch.randn(count - inside, D, generator=g), dim=1)
            written[start : start + count] = torch.cat([_near(inside, g), noise]).half().numpy()
        written.flush()
        part.rename(path)
    return path


def records(artifacts: Artifacts, role: str, count: int) -> Artifact:
    """Short records whose ids are their numbers, stored in groups of rows as uploads are."""
    spool = TableSpool(SCHEMA)
    for start in range(0, count, GROUP_ROWS):
        numbers = range(start, min(start + GROUP_ROWS, count))
        rows = [parse_record({"id": str(n), "prompt": f"{role} {n}", "completion": "x"}) for n in numbers]
        spool.add(to_table(rows))
    spool.finish()
    with spool.release() as file:
        return artifacts.put_stream("records", file, ".parquet")


def targets() -> Tensor:
    """(M, D) unit rows of the pool's modes."""
    return _near(M, torch.Generator().manual_seed(0))


def whole(rows: int) -> Tensor:
    """The pool, mapped."""
    return torch.from_numpy(np.load(features(rows), mmap_mode="c"))


def shard(rows: int, number: int) -> Rows:
    """One shard of it, mapped."""
    return Rows(whole(rows)[number * SHARD : (number + 1) * SHARD])


def shards(rows: int) -> int:
    """How many there are."""
    return -(-rows // SHARD)


def _near(count: int, g: torch.Generator) -> Tensor:
    centres = normalize(torch.randn(MODES, D, generator=torch.Generator().manual_seed(1)), dim=1)
    mode = torch.randint(MODES, (count,), generator=g)
    return normalize(centres[mode] + torch.randn(count, D, generator=g) * (SPREAD / D**0.5), dim=1)
