"""What a worker child holds on to: settings, database, artifact store. Built once, on first use."""

from dataclasses import dataclass
from functools import lru_cache

from store.artifacts import Artifacts
from store.session import Database
from store.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Context:
    """The shared state that tasks read and write through."""

    settings: Settings
    database: Database
    artifacts: Artifacts


@lru_cache(maxsize=1)
def context() -> Context:
    """The process's context; a forked or spawned child makes its own."""
    settings = load_settings(keys=False)
    return Context(settings, Database(settings.database_url, pool_size=3), Artifacts(settings.artifacts_url))
