"""Facts that the store reports; each carries the HTTP status and code that a client sees.

StoreError
+-- NotFound        no such row for this tenant              404
+-- Conflict        the row's state forbids the change       409
+-- Invalid         a value cannot be used                   422
+-- OverQuota       the tenant has used what it may          429
+-- LostLease       another worker owns the shard now        (workers only)
+-- Cancelled       the job was asked to stop                (workers only)
+-- ArtifactCorrupt a stored file does not match its hash    (workers only)
+-- DamagedInput    results of earlier shards are damaged    (workers only)
"""


class StoreError(Exception):
    """Base: `detail` is one sentence with the value seen and the next step."""

    status = 500
    code = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        pointer: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.pointer = pointer
        self.retry_after = retry_after  # seconds after which the same request may succeed


class NotFound(StoreError):
    """No such row for this tenant; a foreign row and a missing one look the same."""

    status = 404
    code = "not_found"

    def __init__(self, noun: str, identifier: str) -> None:
        super().__init__(f"no {noun} has the id {identifier!r}: check the id, or list them")


class Conflict(StoreError):
    """The state of a row forbids the change."""

    status = 409
    code = "conflict"


class Invalid(StoreError):
    """A value in the request cannot be used."""

    status = 422
    code = "invalid_value"


class OverQuota(StoreError):
    """The tenant has used what it may; the same request succeeds once there is room again."""

    status = 429
    code = "quota_exceeded"


class LostLease(StoreError):
    """The fencing token is no longer ours: stop, write nothing."""

    code = "lost_lease"


class Cancelled(StoreError):
    """The job was asked to stop."""

    code = "cancelled"


class ArtifactCorrupt(StoreError):
    """A stored file is missing or does not match its hash."""

    code = "artifact_corrupt"


class DamagedInput(StoreError):
    """What earlier shards produced is missing or damaged: they have to run again first."""

    code = "damaged_input"

    def __init__(self, shard_ids: list[str]) -> None:
        super().__init__(f"the results of shards {', '.join(shard_ids)} are damaged")
        self.shard_ids = shard_ids
