"""Phase `lists`: a feature shard's answers to what a selection will ask of its rows."""

import tempfile
from pathlib import Path

import torch

from evoselect.pools import asked as questions_file
from evoselect.pools.left import leave, to_tensors
from evoselect.pools.part import Rows
from evoselect.representations.stored import fitted_from_tensors
from store.artifacts import StoredFile
from store.errors import Invalid
from store.jobs.plans import ListedPart
from store.jobs.results import ListedResult
from workers.features.conditioned_rows import in_half
from workers.lists import files
from workers.lists.reading import usable_rows
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Condition the rows, answer the questions, keep the rows that the answers name."""
    part = ListedPart.model_validate(work.claim.payload)
    named = files.get(work, part.rows)
    fitted = fitted_from_tensors(files.get(work, _given(part.fitted)))
    questions = questions_file.from_tensors(files.get(work, _given(part.questions)))
    home = work.context.settings.home
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=home) as scratch:
        rows, alike = in_half(fitted, usable_rows(work, part, named), Path(scratch))
        if not alike:  # else the selection is refused, and a row of zeros has no norm
            Rows(rows).check(part.first)
        left = leave(Rows(rows), questions, named["kept"].numpy())
    stored = files.put(work, to_tensors(left) | {"alike": torch.tensor(alike, dtype=torch.int64)})
    return Outcome(ListedResult(file=stored, kind=files.KIND))


def _given(stored: StoredFile | None) -> StoredFile:
    if stored is None:
        raise Invalid("a shard of phase lists names no questions: start the job again", code="no_questions")
    return stored
