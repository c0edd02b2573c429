"""Which scope a request needs: one table, by the noun after /v1 and whether the request only reads."""

from typing import NamedTuple

from store.accounts.scopes import Scope


class Access(NamedTuple):
    """Scopes of one noun's routes."""

    read: Scope
    """GET and HEAD."""
    change: Scope
    """Every other method."""


TABLE = {
    "files": Access(Scope.READ, Scope.WRITE),
    "uploads": Access(Scope.READ, Scope.WRITE),
    "targets": Access(Scope.READ, Scope.WRITE),
    "pools": Access(Scope.READ, Scope.WRITE),
    "selections": Access(Scope.READ, Scope.WRITE),
    "indexings": Access(Scope.READ, Scope.WRITE),
    "trainings": Access(Scope.READ, Scope.TRAIN),
    "evaluations": Access(Scope.READ, Scope.TRAIN),
    "models": Access(Scope.READ, Scope.TRAIN),
    "loops": Access(Scope.READ, Scope.TRAIN),
    "comparisons": Access(Scope.READ, Scope.TRAIN),
    "api_keys": Access(Scope.ADMIN, Scope.ADMIN),
    "audit_events": Access(Scope.ADMIN, Scope.ADMIN),
    "webhook_endpoints": Access(Scope.ADMIN, Scope.ADMIN),
    "webhook_deliveries": Access(Scope.ADMIN, Scope.ADMIN),
}


def only_reads(method: str) -> bool:
    """Whether the method changes nothing."""
    return method in ("GET", "HEAD", "OPTIONS")


def needed(method: str, path: str) -> Scope | None:
    """The scope for a path below /v1; None for a noun that is not in the table, which nobody may use."""
    parts = path.split("/", 3)  # "", "v1", noun, rest
    row = TABLE.get(parts[2]) if len(parts) > 2 else None
    if row is None:
        return None
    return row.read if only_reads(method) else row.change
