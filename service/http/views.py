"""Rows as the JSON that clients see; nothing of where files lie leaves the service."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import orjson
from fastapi import Response

from store.jobs.reads import Progress
from store.models.allow_list import ModelSource
from store.tables.accounts import ApiKey, AuditEvent, WebhookDelivery, WebhookEndpoint
from store.tables.data import Batch, File, Model, Pool, Target
from store.tables.jobs import Event, Job
from store.tables.loops import Round
from store.tables.states import TERMINAL, JobStatus
from store.tables.uploads import Upload, UploadPart

Json = dict[str, Any]
RowT = TypeVar("RowT")

TIMES = (
    "created",
    "queued",
    "running",
    "finalizing",
    "paused",
    "cancelling",
    "completed",
    "failed",
    "cancelled",
    "expired",
)
ETA_ROWS = 32  # rows that must be done before their pace says anything


def file(row: File) -> Json:
    """A file without its bytes."""
    return _shape("file", row, "name", "media_type", "size", "sha256")


def upload(row: Upload, parts: Sequence[UploadPart]) -> Json:
    """An upload and the parts that have arrived."""
    return {
        **_shape("upload", row, "name", "status", "file_id"),
        "parts": [upload_part(part) for part in parts],
        "expires_at": _time(row.expires_at),
    }


def upload_part(row: UploadPart) -> Json:
    """A part without its bytes."""
    return {"object": "upload.part", "number": row.number, "size": row.size, "sha256": row.sha256}


def target(row: Target) -> Json:
    """A target without its records."""
    shape = _shape("target", row, "name", "count", "groups", "held_out_target_id")
    return {**shape, "metadata": row.user_metadata}


def pool(row: Pool) -> Json:
    """A pool without its candidates."""
    return {**_shape("pool", row, "name", "version", "count"), "metadata": row.user_metadata}


def batch(row: Batch) -> Json:
    """What became of the lines of a batch."""
    return {
        **_shape("pool.batch", row, "pool_id", "version", "client_batch_id"),
        "counts": {name: getattr(row, name) for name in ("received", "accepted", "rejected", "duplicates")},
        "errors": row.errors.get("lines", []),
        "error_file_id": row.errors.get("file_id"),
    }


def job(row: Job, phases: Progress) -> Json:
    """A selection, training, evaluation or loop with its progress by phase."""
    return {
        "id": row.id,
        "object": row.kind,
        "status": row.status,
        "done": row.status in TERMINAL,
        "phase": row.phase,
        "progress": {
            "rows_done": sum(int(phase["done"]) for phase in phases.values()),
            "rows_total": sum(int(phase["total"]) for phase in phases.values()),
            "phases": phases,
        },
        "eta_seconds": _eta(row, phases),
        "name": row.name,
        "request": row.request,
        "result": None if row.result is None else public_result(row.result),
        "error": row.error,
        "metadata": row.user_metadata,
        **{f"{name}_at": _time(getattr(row, f"{name}_at")) for name in TIMES},
    }


def loop_round(row: Round, arms: Json, *, over: bool) -> Json:
    """A round with what each of its arms has come to so far; `over` says that its loop has ended."""
    return {
        "object": "loop.round",
        "loop_id": row.loop_id,
        "number": row.number,
        "state": "ended" if over and row.result is None else row.state,
        "pool_id": row.pool_id,
        "pool_version": row.pool_version,
        "generated": row.generated,
        "loss": (row.result or {}).get("loss"),
        "gain": (row.result or {}).get("gain"),
        "arms": arms,
        "created_at": _time(row.created_at),
        "completed_at": _time(row.completed_at),
    }


def public_result(result: Json) -> Json:
    """A result or a lineage without the `artifacts` that it points at."""
    return {name: value for name, value in result.items() if name != "artifacts"}


def event(row: Event) -> Json:
    """One transition of a job."""
    return {"sequence": row.sequence, "type": row.type, "data": row.data, "created_at": _time(row.created_at)}


def base_model(source: ModelSource) -> Json:
    """A model of the allow-list."""
    return {
        "id": source.alias,
        "object": "model",
        "kind": "base",
        "source": {"kind": source.kind, "location": source.location, "revision": source.revision},
        "licence": source.licence or None,
        "parameters": source.parameters or None,
        "window": source.window or None,
    }


def adapter(row: Model) -> Json:
    """A model that a training made."""
    return {
        **_shape("model", row, "base_model", "training_id"),
        "kind": "adapter",
        "lineage": public_result(row.lineage),
        "files": {name: {"sha256": file["sha256"], "size": file["size"]} for name, file in row.files.items()},
    }


def api_key(row: ApiKey) -> Json:
    """A key without its secret, which nobody has but its owner."""
    return {
        **_shape("api_key", row, "name", "scopes", "hint"),
        "expires_at": _time(row.expires_at),
        "revoked_at": _time(row.revoked_at),
    }


def audit_event(row: AuditEvent) -> Json:
    """One line of the audit log."""
    return _shape("audit_event", row, "key_id", "request_id", "method", "path", "status")


def webhook_endpoint(row: WebhookEndpoint) -> Json:
    """An endpoint without its secret."""
    status = "enabled" if row.disabled_reason is None else "disabled"
    return {
        **_shape("webhook_endpoint", row, "url", "events", "description", "disabled_reason"),
        "status": status,
        "paused_until": _time(row.paused_until),
    }


def webhook_delivery(row: WebhookDelivery) -> Json:
    """A delivery with its last attempt."""
    attempt = ("attempts", "response_status", "last_error")
    return {
        **_shape("webhook_delivery", row, "endpoint_id", "job_id", "type", "payload", "state", *attempt),
        "next_attempt_at": _time(row.next_attempt_at) if row.state == "pending" else None,
        "delivered_at": _time(row.delivered_at),
    }


def as_response(content: Json) -> Response:
    """JSON as it is: the schema is documentation, and checking each answer against it would be slow."""
    return Response(orjson.dumps(content), media_type="application/json")


def page(rows: Sequence[RowT], limit: int, render: Callable[[RowT], Json]) -> Json:
    """At most `limit` of limit + 1 rows, and whether there are more."""
    return {"object": "list", "data": [render(row) for row in rows[:limit]], "has_more": len(rows) > limit}


def _shape(kind: str, row: Any, *names: str) -> Json:
    """What all resources have, and the columns that clients see as they are."""
    columns = {name: getattr(row, name) for name in names}
    return {"id": row.id, "object": kind, **columns, "created_at": _time(row.created_at)}


def _eta(row: Job, phases: Progress) -> float | None:
    """Seconds left of the present phase at its pace so far; None while that says nothing."""
    phase = phases.get(row.phase or "")
    if row.status != JobStatus.RUNNING or phase is None or phase["done"] < ETA_ROWS:
        return None
    left = max(0, phase["total"] - phase["done"])
    return round(float(phase["seconds"] / phase["done"] * left), 1)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
