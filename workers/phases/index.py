"""Phase `index`: the features of a pool become files by which records with similar ones are found."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save
from sqlalchemy.orm import Session

from evoselect.neighbours import cells
from evoselect.representations.shards import fit_shards
from evoselect.representations.stored import fitted_from_tensors, fitted_to_tensors
from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.artifacts import StoredFile
from store.data import pool_indexes
from store.data.pool_indexes import IndexFiles
from store.errors import Invalid
from store.jobs import answers
from store.jobs.requests import IndexingWork
from store.jobs.results import IndexingResult
from workers.process import results
from workers.process.work import Outcome, Work
from workers.selections.indexes import copies, parts, sources
from workers.selections.indexes.parts import Layout
from workers.selections.indexes.sources import Rows

FLAT_BYTES = 256 * 2**20  # of float16 rows up to which a search looks at every one
QUERIES, NEAREST = 200, 10  # rows, and neighbours of each, that the recall of cells is measured on


def run(work: Work) -> Outcome:
    """Load what is new, fit or go on with what was fitted, store the parts."""
    asked = work.asked(IndexingWork)
    home = work.context.settings.home
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=home) as scratch:
        rows = sources.load(work, asked, Path(scratch))
        made = _made(work, asked, rows) if rows.base is None else _grown(work, rows, rows.base)
    found = copies.found(work, rows)
    files = made.model_copy(update={"copies": found and found[0]})
    result = {
        "version": asked.pool_version,
        "rows": files.rows,
        "usable": files.usable,
        "added": files.rows - rows.first,
        "left_out": parts.left_out(work, files),
        "kind": files.kind,
        "width": files.width,
        "cells": files.cells,
        "probes": files.probes,
        "recall": files.recall,
        "near_copies": found and found[1],
        "size": files.size,
    }
    checked = results.checked(IndexingResult, result)
    return Outcome(job_result=checked, save=partial(_save, work, asked, files))


def _save(work: Work, asked: IndexingWork, files: IndexFiles, session: Session) -> None:
    """The index in place of the last one; features go where nobody else is to use them."""
    pool_indexes.replace(
        session,
        work.claim.tenant_id,
        asked.pool_id,
        files,
        job_id=work.claim.job_id,
        version=asked.pool_version,
        quota=StorageQuota.of(work.context.settings),
    )
    if not asked.features.keep_features:
        answers.forget_features(session, work.claim.job_id)


def _made(work: Work, asked: IndexingWork, rows: Rows) -> IndexFiles:
    """An index of all rows, fitted to them."""
    usable = rows.usable(0, rows.count)
    if not usable:
        raise Invalid(
            f"none of the {rows.count} records of pool {asked.pool_id} has features: see left_out of a "
            "selection of it, and mend the records or the settings",
            code="no_usable_rows",
        )
    fitted = fit_shards(rows.shards_of(usable), sources.spec_of(asked.features, len(usable)))
    _require_room(work, 2 * fitted.width * len(usable))
    centroids = _centroids(rows, Layout(fitted, None), usable)
    layout = Layout(fitted, centroids)
    watch = _watch(rows, layout, usable)
    stored = parts.written(work, rows, layout, watch)
    probes = watch.probes(centroids) if watch is not None and centroids is not None else None
    assert rows.known is not None
    return IndexFiles(
        settings=pool_indexes.settings_of(asked.model, asked.features),
        sketch=rows.known.sketch,
        kind="hidden" if asked.features.kind == "combined" else asked.features.kind,
        width=fitted.width,
        fitted=rows.count,
        conditioner=_put(work, save(fitted_to_tensors(fitted)), ".safetensors"),
        centroids=None if centroids is None else _put(work, centroids.numpy().astype("<f4").tobytes(), ".f4"),
        cells=layout.cells,
        probes=probes.count if probes else 1,
        recall=probes.recall if probes else None,
        statuses=parts.NAMES,
        parts=tuple(stored),
    )


def _grown(work: Work, rows: Rows, base: IndexFiles) -> IndexFiles:
    """The index before, with new rows behind its own: conditioned and laid out as those are."""
    artifacts = work.context.artifacts
    fitted = fitted_from_tensors(load(artifacts.get_bytes(base.conditioner.path, base.conditioner.sha256)))
    _require_room(work, 2 * fitted.width * (rows.count - rows.first))
    centroids = None
    if base.centroids is not None:
        data = artifacts.get_bytes(base.centroids.path, base.centroids.sha256)
        centroids = torch.from_numpy(np.frombuffer(data, "<f4").reshape(base.cells, base.width).copy())
    stored = parts.written(work, rows, Layout(fitted, centroids), None)
    return base.model_copy(update={"parts": tuple(stored)})


def _centroids(rows: Rows, layout: Layout, usable: list[int]) -> torch.Tensor | None:
    """The places of cells; None where a search looks at every row."""
    width = layout.fitted.width
    if 2 * width * len(usable) <= FLAT_BYTES:
        return None
    sample = sources.evenly(usable, cells.sample_for(len(usable), width))
    return cells.fitted(parts.unit_rows(rows, layout.fitted, sample), cells.count_for(len(usable)))


def _watch(rows: Rows, layout: Layout, usable: list[int]) -> cells.Watch | None:
    if layout.centroids is None:
        return None
    some = sources.evenly(usable, QUERIES)
    return cells.Watch(parts.unit_rows(rows, layout.fitted, some), np.array(some), NEAREST)


def _require_room(work: Work, size: int) -> None:
    """Raise OverQuota before the work where the tenant may not store what comes of it."""
    quota = StorageQuota.of(work.context.settings)
    with work.context.database.transaction() as session:
        quotas.require(session, work.claim.tenant_id, quota, size=size)


def _put(work: Work, data: bytes, suffix: str) -> StoredFile:
    stored = work.context.artifacts.put_bytes(f"{work.claim.tenant_id}/indexes", data, suffix)
    return stored.reference(size=stored.size)
