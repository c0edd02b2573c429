"""What an API key may do. Pure values, no SQL."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission of a key."""

    READ = "select:read"
    """See everything of the tenant's but its keys, webhooks and audit log."""
    WRITE = "select:write"
    """Store data and run selections; includes reading."""
    TRAIN = "train"
    """Run trainings and evaluations; includes reading."""
    ADMIN = "admin"
    """Everything, keys, webhooks and the audit log too."""


INCLUDES = {
    Scope.READ: {Scope.READ},
    Scope.WRITE: {Scope.WRITE, Scope.READ},
    Scope.TRAIN: {Scope.TRAIN, Scope.READ},
    Scope.ADMIN: set(Scope),
}


def allows(granted: frozenset[str], needed: Scope) -> bool:
    """Whether one of the granted scopes includes the needed one."""
    return any(needed in INCLUDES[Scope(name)] for name in granted)
