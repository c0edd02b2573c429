"""What is wrong with named tasks costs no model; lm-eval runs them in tests_integrations/test_tasks.py."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store.errors import Invalid
from workers.evaluations.named_tasks import NamedTasksUnavailable, TaskDataMissing, UnknownTask
from workers.phases import evaluate
from workers.process.work import Work

STAND_IN = """
class TaskManager:
    all_tasks = ["arc_challenge", "boolq"]

    def __init__(self, include_path): ...

    def load(self, names):
        raise ConnectionError("offline")
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """An evaluation whose model must not be loaded."""
    monkeypatch.setattr(evaluate, "load_for", lambda *_: pytest.fail("a model was loaded"))
    request: dict[str, Any] = {"model": "m", "spec": {}, "limit": None}
    claim: Any = SimpleNamespace(request=request, job_id="evl_1")
    context: Any = SimpleNamespace(settings=SimpleNamespace(task_folder=tmp_path))
    return Work(claim, context, progress=lambda rows: None)


@pytest.fixture
def lm_eval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In place of lm-eval a package that knows two tasks and has the data of none."""
    (tmp_path / "lm_eval").mkdir()
    (tmp_path / "lm_eval" / "__init__.py").touch()
    (tmp_path / "lm_eval" / "tasks.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: True)
    yield
    for name in ("lm_eval", "lm_eval.tasks"):
        sys.modules.pop(name, None)


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is not None, reason="lm-eval is installed here")
def test_a_worker_without_lm_eval_says_what_to_install(work: Work) -> None:
    work.claim.request["tasks"] = ["arc_challenge"]
    with pytest.raises(NamedTasksUnavailable, match="pip install 'evoselect\\[lm-eval\\]'"):
        evaluate.run(work)


@pytest.mark.usefixtures("lm_eval")
@pytest.mark.parametrize(
    ("name", "error", "detail"),
    [
        ("arc_chalenge", UnknownTask, "no task 'arc_chalenge' .similar names: arc_challenge"),
        ("boolq", TaskDataMissing, "the data of boolq are not in the worker's"),
    ],
)
def test_unknown_names_and_missing_data_cost_no_model(
    work: Work, name: str, error: type[Invalid], detail: str
) -> None:
    work.claim.request["tasks"] = [name]
    with pytest.raises(error, match=detail):
        evaluate.run(work)
