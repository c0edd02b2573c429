"""Rows of files, targets and pools as answers."""

from collections.abc import Sequence

from service.http.views import shape, time_text
from store.kit.json import Json
from store.tables.data import Batch, File, Pool, Target
from store.tables.uploads import Upload, UploadPart


def file(row: File) -> Json:
    """A file without its bytes."""
    return shape("file", row, "name", "media_type", "size", "sha256")


def upload(row: Upload, parts: Sequence[UploadPart]) -> Json:
    """An upload and the parts that have arrived."""
    return {
        **shape("upload", row, "name", "status", "file_id"),
        "parts": [upload_part(part) for part in parts],
        "expires_at": time_text(row.expires_at),
    }


def upload_part(row: UploadPart) -> Json:
    """A part without its bytes."""
    return {"object": "upload.part", "number": row.number, "size": row.size, "sha256": row.sha256}


def target(row: Target) -> Json:
    """A target without its records."""
    return {
        **shape("target", row, "name", "count", "groups", "held_out_target_id"),
        "recognised": recognised(row.recognised),
        "metadata": row.user_metadata,
        "found": False,
    }


def pool(row: Pool) -> Json:
    """A pool without its candidates."""
    return {**shape("pool", row, "name", "version", "count"), "metadata": row.user_metadata}


def batch(row: Batch) -> Json:
    """What became of the lines of a batch."""
    return {
        **shape("pool.batch", row, "pool_id", "version", "client_batch_id"),
        "counts": {name: getattr(row, name) for name in ("received", "accepted", "rejected", "duplicates")},
        "recognised": recognised(row.recognised),
        "reasons": row.errors.get("reasons", {}),
        "errors": row.errors.get("lines", []),
        "error_file_id": row.errors.get("file_id"),
    }


def recognised(found: Json) -> Json:
    """What rows were recognised as; nothing is known of those of earlier releases."""
    return {"shapes": {}, "extra": [], "example": None, **found}
