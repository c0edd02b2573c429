"""The whole line without a fleet: a live API, and the real worker's loop in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from store.artifacts import Artifacts
from tests.live import Api, Json, serve
from workers.context import Context
from workers.process import siblings
from workers.process.workplace import Workplace

QUEUES = ["features", "select", "train", "evaluate"]


@dataclass(frozen=True)
class Line:
    """The API and a worker of all queues behind it."""

    api: Api
    place: Workplace

    def done(self, noun: str, body: Json) -> Json:
        """The job that the request made, at its end."""
        job = self.api.made(f"/v1/{noun}", body)
        while self.place.drain():
            pass
        return self.api.get(f"/v1/{noun}/{job['id']}")


@contextmanager
def whole_line(
    database_url: str, home: Path, models_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    """Until the block ends; ``models_file`` is the operator's list."""
    monkeypatch.setenv("EVOSELECT_MODELS", str(models_file))
    monkeypatch.setenv(siblings.VARIABLE, "family")
    with serve(database_url, home, models=models_file) as api:
        context = Context(api.settings, api.database, Artifacts(api.settings.artifacts_url))
        yield Line(api, Workplace(context, QUEUES))
