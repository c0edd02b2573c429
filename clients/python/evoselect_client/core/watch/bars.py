"""Bars of tqdm, for notebooks: where one is running and tqdm is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from evoselect_client.core.resource import TERMINAL


def of_job() -> Callable[[Any], None] | None:
    """What shows a job's states as one bar; None outside of notebooks."""
    bar = _bar(unit=" rows")
    if bar is None:
        return None

    def show(job: Any) -> None:
        bar.total, bar.n = job.progress.rows_total or None, job.progress.rows_done
        phase = f" {job.phase}" if job.phase and job.status not in TERMINAL else ""
        bar.set_description(f"{job.object} {job.id} {job.status}{phase}")  # draws the bar too
        if job.status in TERMINAL:
            bar.close()

    return show


def of_count(unit: str) -> Callable[[int | None], None] | None:
    """What shows the number so far, and None at the end; None outside of notebooks."""
    bar = _bar(unit=f" {unit}")
    if bar is None:
        return None

    def show(done: int | None) -> None:
        if done is None:
            bar.close()
        else:
            bar.update(done - bar.n)

    return show


def _bar(unit: str) -> Any:
    if "ipykernel" not in sys.modules:
        return None
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return None
    return tqdm(unit=unit)
