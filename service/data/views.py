"""Rows of files, targets and pools as answers."""

from collections.abc import Mapping, Sequence

from service.data import responses
from store.data.pools import Faults
from store.tables.data import Batch, Pool, Target
from store.tables.uploads import Upload, UploadPart

file = responses.File.of_row
upload_part = responses.UploadPart.of_row


def upload(row: Upload, parts: Sequence[UploadPart]) -> responses.Upload:
    """An upload and the parts that have arrived."""
    return responses.Upload.of_row(row, parts=[upload_part(part) for part in parts])


def target(row: Target, *, found: bool = False) -> responses.Target:
    """A target without its records."""
    known = recognised(row.recognised)
    return responses.Target.of_row(row, metadata=row.user_metadata, recognised=known, found=found)


def pool(row: Pool) -> responses.Pool:
    """A pool without its candidates."""
    return responses.Pool.of_row(row, metadata=row.user_metadata)


def batch(row: Batch) -> responses.Batch:
    """What became of the lines of a batch."""
    faults = Faults.model_validate(row.errors)
    return responses.Batch.of_row(
        row,
        counts=responses.Counts.model_validate(row, from_attributes=True),
        recognised=recognised(row.recognised),
        reasons=faults.reasons,
        errors=faults.lines,
        error_file_id=faults.file_id,
    )


def recognised(found: Mapping[str, object]) -> responses.Recognised:
    """What rows were recognised as; nothing is known of those of earlier releases."""
    return responses.Recognised.model_validate({"shapes": {}, "extra": [], "example": None, **found})
