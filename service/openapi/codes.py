"""Every code that a problem below /v1 can have: its status, its meaning, and the operations that give it."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

JOBS = ("selections", "trainings", "evaluations", "loops", "comparisons", "indexings")
BODIES = (
    "*.create",
    "*.update",
    "*.add_batch",
    "*.add_candidates",
    "*.rotate",
    "uploads.complete",
    "uploads.put_part",
)
RECORDS = ("targets.create", "evaluations.create", "trainings.create", "pools.add_batch", "*.add_candidates")
LINES = ("pools.add_batch", "loops.add_candidates")
STORING = ("files.create", "uploads.*", "targets.create", "pools.*", "loops.add_candidates")
KEYED = ("*.create", "*.update", "api_keys.rotate")
EVERYWHERE = ("*",)
STARTING = tuple(f"{noun}.{verb}" for noun in JOBS for verb in ("create", "retry"))


@dataclass(frozen=True, slots=True)
class Code:
    """`operations` are patterns of operation ids."""

    status: int
    name: str
    meaning: str
    operations: tuple[str, ...] = EVERYWHERE


CODES = (
    Code(400, "not_json", "The body is not JSON in UTF-8.", BODIES),
    Code(400, "bad_request", "The request is no HTTP that can be read.", BODIES),
    Code(400, "bad_encoding", "The body is not what its Content-Encoding says.", BODIES),
    Code(400, "truncated_encoding", "The compressed body ends too early: send it again.", BODIES),
    Code(401, "no_api_key", "Send `Authorization: Bearer evs_...`."),
    Code(401, "wrong_api_key", "The key is wrong, expired or revoked."),
    Code(401, "no_session", "The session of a page has ended: sign in again."),
    Code(403, "insufficient_scope", "The key's scopes do not cover this."),
    Code(404, "not_found", "This key's tenant has nothing with that id."),
    Code(406, "not_acceptable", "`Accept` names no format that this comes in."),
    Code(406, "no_table", "The pool did not come as tables: ask for lines.", ("selections.items",)),
    Code(409, "job_ended", "The job has ended already.", ("*.cancel", "*.pause", "*.resume")),
    Code(
        409, "not_ended", "The job has not ended: cancel it first.", tuple(f"{noun}.delete" for noun in JOBS)
    ),
    Code(409, "not_retryable", "Only a job that ended without a result can be retried.", ("*.retry",)),
    Code(
        409,
        "selection_not_completed",
        "The selection is not completed.",
        ("selections.*", "trainings.create", "trainings.retry", "indexings.create"),
    ),
    Code(
        409,
        "evaluation_not_completed",
        "The evaluation is not completed.",
        ("evaluations.compare", "evaluations.scores"),
    ),
    Code(409, "no_report", "The selection is of a release without reports.", ("selections.report",)),
    Code(409, "round_not_waiting", "The round does not wait for candidates.", ("loops.add_candidates",)),
    Code(409, "idempotency_in_flight", "A request with this key is under way: send it again.", KEYED),
    Code(409, "api_key_ended", "The key was revoked or rotated.", ("api_keys.rotate",)),
    Code(409, "last_admin_key", "The last admin key cannot be ended.", ("api_keys.revoke",)),
    Code(409, "endpoint_disabled", "Enable the endpoint first.", ("webhook_deliveries.redeliver",)),
    Code(409, "pool_busy", "Another batch is being committed: send it again.", LINES),
    Code(409, "file_in_use", "A job reads the file.", ("files.delete",)),
    Code(409, "pool_in_use", "A job or a loop needs the pool.", ("pools.delete",)),
    Code(409, "indexing_in_use", "Something needs the indexing.", ("indexings.delete",)),
    Code(409, "no_features", "No completed selection says which features.", ("indexings.create",)),
    Code(409, "indexing_open", "Another indexing of the pool has not ended.", ("indexings.create",)),
    Code(409, "no_index", "The pool has no index: start an indexing.", ("pools.similar",)),
    Code(409, "index_not_ready", "The indexing that makes the index has not ended.", ("pools.similar",)),
    Code(409, "index_damaged", "A file of the index is missing: start an indexing.", ("pools.similar",)),
    Code(409, "record_not_indexed", "The record came after the index.", ("pools.similar",)),
    Code(409, "text_needs_worker", "Features of a new text are not computed here.", ("pools.similar",)),
    Code(409, "record_without_features", "The record has no features.", ("pools.similar",)),
    Code(409, "target_in_use", "A job or a loop needs the target.", ("targets.delete",)),
    Code(409, "model_in_use", "A job, or a model trained on it, needs the adapter.", ("models.delete",)),
    Code(409, "selection_in_use", "Something needs the selection.", ("selections.delete",)),
    Code(409, "training_in_use", "Something needs the training.", ("trainings.delete",)),
    Code(409, "evaluation_in_use", "Something needs the evaluation.", ("evaluations.delete",)),
    Code(409, "upload_ended", "The upload takes no parts any more.", ("uploads.*",)),
    Code(409, "part_conflict", "The part came with other bytes before.", ("uploads.put_part",)),
    Code(409, "parts_missing", "Parts are missing: send them.", ("uploads.complete",)),
    Code(409, "parts_changed", "A part came meanwhile: complete again.", ("uploads.complete",)),
    Code(409, "part_damaged", "A stored part is damaged: start a new upload.", ("uploads.complete",)),
    Code(413, "body_too_large", "The body is larger than this route takes.", BODIES),
    Code(413, "too_many_values", "The JSON body has more than 500,000 values.", BODIES),
    Code(413, "too_many_records", "More records than may come at once.", ("selections.create", *RECORDS)),
    Code(413, "line_too_long", "A line is longer than a record may be.", RECORDS),
    Code(413, "expands_too_much", "The compressed body expands too much.", BODIES),
    Code(413, "window_too_large", "The zstd window is too large.", BODIES),
    Code(413, "too_many_frames", "The compressed body has too many frames.", BODIES),
    Code(413, "parquet_too_large", "The Parquet file expands too much.", RECORDS),
    Code(415, "unsupported_media_type", "The Content-Type is none that this route reads.", BODIES),
    Code(415, "unsupported_encoding", "The Content-Encoding is none of gzip and zstd.", BODIES),
    Code(416, "range_not_satisfiable", "The file ends before the range begins."),
    Code(422, "invalid_request", "A value cannot be used: `errors` points at each."),
    Code(422, "invalid_value", "A value cannot be used: `detail` says why."),
    Code(422, "idempotency_mismatch", "The key came with another body before.", KEYED),
    Code(
        422, "invalid_records", "Records have faults: `errors` names each.", ("selections.create", *RECORDS)
    ),
    Code(422, "no_records", "There are no records.", ("selections.create", *RECORDS)),
    Code(422, "bad_parquet", "The Parquet or Arrow file cannot be read.", RECORDS),
    Code(422, "bad_table", "The CSV file cannot be read.", RECORDS),
    Code(422, "not_json", "A line or the file is not JSON.", RECORDS),
    Code(422, "empty_file", "There are no bytes.", ("files.create", "uploads.put_part", "uploads.complete")),
    Code(422, "wrong_sha256", "The bytes have another hash: send them again.", ("files.create", "uploads.*")),
    Code(
        422,
        "empty_pool",
        "The pool has no candidates.",
        ("selections.*", "trainings.*", "loops.create", "comparisons.create", "indexings.*", "pools.similar"),
    ),
    Code(
        422, "k_exceeds_pool", "More are wanted than the pool has.", ("selections.create", "selections.retry")
    ),
    Code(
        422,
        "k_over_limit",
        "More are wanted than the operator allows.",
        ("selections.*", "loops.create", "comparisons.create"),
    ),
    Code(422, "funnel_too_narrow", "The funnel lets too few candidates through.", ("selections.create",)),
    Code(
        422,
        "too_many_edges",
        "Targets and candidates make more edges than the operator allows.",
        ("selections.create", "selections.retry"),
    ),
    Code(422, "pinned_over_budget", "More are pinned than are wanted.", ("selections.create",)),
    Code(422, "unknown_model", "No model has that alias or id.", STARTING),
    Code(
        422,
        "too_many_steps",
        "The training would take too many steps.",
        STARTING[2:4] + STARTING[6:10],
    ),
    Code(422, "settings_out_of_range", "The old job's settings are outside today's limits.", ("*.retry",)),
    Code(422, "named_tasks_unavailable", "The operator offers no named tasks.", ("evaluations.create",)),
    Code(422, "different_examples", "The evaluations measured other examples.", ("evaluations.compare",)),
    Code(
        422,
        "nothing_held_out",
        "No examples were kept apart, or none would be.",
        ("loops.create", "comparisons.create", "targets.create"),
    ),
    Code(422, "no_anchors", "Anchors would be drawn from what is measured on.", ("loops.create",)),
    Code(422, "no_failures", "Prompts would show examples that are measured on.", ("loops.create",)),
    Code(422, "invalid_pattern", "The expression is none that RE2 takes.", ("loops.create",)),
    Code(422, "invalid_schema", "The JSON schema is none, or has no bound.", ("loops.create",)),
    Code(422, "measured_on_target", "Examples to measure on are the target's.", ("comparisons.create",)),
    Code(422, "too_few_measured", "Too few examples have the measure.", ("comparisons.create",)),
    Code(422, "budget_too_small", "The budget is too small for any verdict.", ("comparisons.create",)),
    Code(422, "bad_template", "The template is no Jinja, or fails on a row.", RECORDS),
    Code(422, "template_too_slow", "The template takes too long.", RECORDS),
    Code(422, "unknown_endpoint", "No endpoint of the operator's has that alias.", ("loops.create",)),
    Code(422, "generator_without_key", "The generator endpoint has no key.", ("loops.create",)),
    Code(422, "url_refused", "The URL is none that is called.", ("loops.create", "webhook_endpoints.create")),
    Code(429, "rate_limited", "Too many requests: wait for Retry-After."),
    Code(429, "too_many_at_once", "Too many requests at the same time: wait for Retry-After."),
    Code(429, "quota_exceeded", "The tenant has used what it may.", (*STORING, *STARTING)),
    Code(429, "queue_full", "Too many of your shards wait.", STARTING),
    Code(503, "database_unavailable", "The database is away; nothing was stored."),
    Code(503, "rates_unavailable", "The counters of requests are away; nothing was stored."),
    Code(507, "storage_full", "The disk is full; nothing was stored."),
)


def of_operation(operation_id: str, status: int) -> Iterator[Code]:
    """The codes that an operation can give with that status."""
    for code in CODES:
        if code.status == status and any(fnmatchcase(operation_id, pattern) for pattern in code.operations):
            yield code
