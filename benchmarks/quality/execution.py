"""Runs in processes of one thread each, which wait less for each other than threads do on busy cores."""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.quality.data import Pool
from benchmarks.quality.runs import Json, Run, execute
from benchmarks.quality.world import World

_held: list[World] = []  # of a process of the pool, for all its runs


def results(runs: Iterable[Run], cache: Path, pool: Pool, processes: int) -> Iterator[list[Json]]:
    """Rows of each run as it ends; few runs wait in the pool, so that they start in order."""
    waiting: set[Future[list[Json]]] = set()
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (cache, pool)) as executor:
        for run in runs:
            waiting.add(executor.submit(_execute, run))
            if len(waiting) > processes:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in waiting)


def _start(cache: Path, pool: Pool) -> None:
    torch.set_num_threads(1)
    _held.append(World(cache, pool))


def _execute(run: Run) -> list[Json]:
    return execute(run, _held[0])
