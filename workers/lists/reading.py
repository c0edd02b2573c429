"""The usable rows of a shard, as phases sums and lists read them."""

from collections.abc import Mapping

from torch import Tensor

from evoselect.representations.shards import Shard
from store.errors import ArtifactCorrupt, DamagedInput
from store.jobs import shards
from store.jobs.plans import ListedPart
from store.jobs.results import FeaturesResult
from workers.features.known import of_rows
from workers.features.windows import Run, at_checkpoints, rows_left, windows_of
from workers.lists import matrix_windows
from workers.process.work import Work


def usable_rows(work: Work, part: ListedPart, named: Mapping[str, Tensor]) -> list[Shard]:
    """The rows that ``named`` says are usable, at every checkpoint; features are read when they are wanted.

    Raises DamagedInput with the feature shard whose files are missing or damaged, and ArtifactCorrupt where
    those of a matrix that was sent are.
    """
    if part.matrix is not None:
        return matrix_windows.read(work, part.matrix, named["rows"].long().numpy())
    with work.context.database.transaction() as session:
        runs = [Run.of(shard) for shard in shards.by_id(session, part.features)]
    windows = []
    for run in runs:
        found = run.found or FeaturesResult(blocks=[])
        try:
            windows.append(list(windows_of(run, found, rows_left(work, run, found))))
        except ArtifactCorrupt as error:
            raise DamagedInput([run.shard_id]) from error
    return of_rows(at_checkpoints(work, windows), named["rows"].tolist())
