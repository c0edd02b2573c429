"""Evaluation by lm-eval's tasks, named by users: an extra of the worker, `pip install evoselect[lm-eval]`.

Prompts, filters and metrics are lm-eval's own, so numbers compare with published ones. A task's data come
from the cache of Hugging Face's libraries; they download only where the operator says so (HF_HUB_OFFLINE=0).
"""

import difflib
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
import torch

from evoselect.gradients.examples import out_of_memory
from evoselect.measures.intervals import bootstrap
from store.errors import Invalid
from store.kit.json import Json
from workers.models.loading import LoadedModel

SCHEMA = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("doc_id", pa.int64(), nullable=False),
        pa.field("doc_hash", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)
ROWS = 16  # requests that go through the model at once, before any halving
SUGGESTED = 3  # names like one that there is not
PLAIN = "none"  # lm-eval's name for answers that no filter has gone over


class NamedTasksUnavailable(Invalid):
    """This worker cannot run lm-eval's tasks."""

    code = "named_tasks_unavailable"


class UnknownTask(Invalid):
    """There is no task of that name."""

    code = "unknown_task"


class TaskDataMissing(Invalid):
    """The questions of a task are not on this machine."""

    code = "task_data_missing"


@dataclass(frozen=True, slots=True)
class FoundTasks:
    """Tasks whose names are known here and whose questions were read."""

    names: Sequence[str]
    manager: Any
    built: list[Any]
    """lm-eval's own tasks and groups."""


class Answered(TypedDict):
    """One number of one question: a row of SCHEMA."""

    task: str
    doc_id: int
    doc_hash: str
    metric: str
    value: float


class Metric(TypedDict):
    """A number of a task."""

    value: float
    interval: tuple[float, float] | None
    """95 % by bootstrap over its questions; None where they do not have the number."""


class Numbers(TypedDict):
    """Of one task."""

    n: int
    """Questions."""
    metrics: dict[str, Metric]


class Summary(TypedDict):
    """Of all tasks."""

    n: int
    tasks: dict[str, Numbers]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Numbers by task and metric, and those of every question."""

    tasks: dict[str, Numbers]
    rows: list[Answered]

    def summary(self) -> Summary:
        """By name what each task came to.

        A group such as mmlu has the metrics that lm-eval gives it, without an interval;
        its questions are counted at its parts.
        """
        return {"n": sum(task["n"] for task in self.tasks.values()), "tasks": self.tasks}

    def table(self) -> pa.Table:
        """One row per question and metric."""
        return pa.Table.from_pylist(self.rows, schema=SCHEMA)


def find_tasks(names: Sequence[str], folder: Path | None) -> FoundTasks:
    """The tasks of these names; ``folder`` holds further ones, as YAML files.

    What can be wrong with a request shows here, without a model. Raises NamedTasksUnavailable, UnknownTask,
    TaskDataMissing.
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise NamedTasksUnavailable(
            "the worker has no lm-eval: pip install 'evoselect[lm-eval]' where evaluations run"
        )
    manager = _manager(folder)
    for name in names:
        _require_known(name, manager.all_tasks)
    with _expecting_data(names):
        return FoundTasks(names, manager, _outermost(names, manager.load(list(names))))


def evaluate_tasks(
    tasks: FoundTasks, loaded: LoadedModel, *, limit: int | None, check: Callable[[], None]
) -> TaskResult:
    """Run the tasks, the first ``limit`` questions of each.

    ``check`` is called before every batch and may raise. Where memory does not suffice for a batch all begins
    again with half of it. Raises TaskDataMissing where a metric lacks files that are only read now.
    """
    with _expecting_data(tasks.names):
        return _result(_run(tasks, loaded, limit=limit, check=check, rows=ROWS))


@cache
def _manager(folder: Path | None) -> Any:
    """An index of all tasks: seconds of reading files, so once a process."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=None if folder is None else str(folder))


def _require_known(name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = ", ".join(difflib.get_close_matches(name, known, n=SUGGESTED)) or "none"
        raise UnknownTask(
            f"there is no task {name!r:.80} (similar names: {near}): send one of lm-eval's names"
        )


def _outermost(names: Sequence[str], found: Json) -> list[Any]:
    """The groups that were named and the tasks that are in none of them: lm-eval takes no task twice."""
    groups = [found["groups"][name] for name in dict.fromkeys(names) if name in found["groups"]]
    inside = {task.task_name for group in groups for task in group.get_all_tasks()}
    return [*groups, *(task for name, task in found["tasks"].items() if name not in inside)]


@contextmanager
def _expecting_data(names: Sequence[str]) -> Iterator[None]:
    """What cannot be downloaded in the block because nothing may be is missing here."""
    from huggingface_hub import is_offline_mode

    try:
        yield
    except ConnectionError as error:
        if not is_offline_mode():
            raise
        raise TaskDataMissing(
            f"the data of {', '.join(names):.200} are not in the worker's Hugging Face cache "
            f"({error!s:.200}): fetch them there once with HF_HUB_OFFLINE=0, or send the questions as records"
        ) from error


def _run(
    tasks: FoundTasks, loaded: LoadedModel, *, limit: int | None, check: Callable[[], None], rows: int
) -> Json:
    from lm_eval import simple_evaluate

    try:
        found: Json = simple_evaluate(
            _checked_model(loaded, check, rows),
            tasks=tasks.built,
            task_manager=tasks.manager,
            limit=limit,
            bootstrap_iters=0,  # intervals are computed from the questions' numbers
        )
    except RuntimeError as error:
        if rows == 1 or not out_of_memory(error):
            raise
    else:
        return found
    return _run(tasks, loaded, limit=limit, check=check, rows=rows // 2)


def _checked_model(loaded: LoadedModel, check: Callable[[], None], rows: int) -> Any:
    """The model as lm-eval drives it, interruptible."""
    from lm_eval.models.huggingface import HFLM

    class Checked(HFLM):  # type: ignore[misc]  # an optional package: its class is unknown to mypy
        def _model_call(self, *args: Any, **kwargs: Any) -> Any:
            check()
            return super()._model_call(*args, **kwargs)

        def _model_generate(self, *args: Any, **kwargs: Any) -> Any:
            check()
            return super()._model_generate(*args, **kwargs)

    return Checked(
        pretrained=loaded.model,
        tokenizer=loaded.tokenizer,
        max_length=loaded.max_length,
        batch_size=rows,
        softmax_dtype=torch.float32,
    )


def _result(found: Json) -> TaskResult:
    tasks: dict[str, Numbers] = {}
    rows: list[Answered] = []
    for name, metrics in found["results"].items():
        samples = found["samples"].get(name, [])
        own = list(_rows(name, samples))
        tasks[name] = {"n": len({sample["doc_id"] for sample in samples}), "metrics": _metrics(metrics, own)}
        rows += own
    return TaskResult(tasks, rows)


def _rows(task: str, samples: Iterable[Json]) -> Iterator[Answered]:
    """Numbers of single questions; metrics of the whole task, such as F1, have none."""
    for sample in samples:
        for metric in sample["metrics"]:
            value = sample[metric]
            if isinstance(value, int | float):
                yield {
                    "task": task,
                    "doc_id": sample["doc_id"],
                    "doc_hash": sample["doc_hash"],
                    "metric": _metric_name(metric, sample["filter"]),
                    "value": float(value),
                }


def _metrics(found: Json, rows: Sequence[Answered]) -> dict[str, Metric]:
    """lm-eval's values under our names; its keys are "metric,filter"."""
    metrics: dict[str, Metric] = {}
    for key, value in found.items():
        metric, _, filtered = key.partition(",")
        if filtered and not metric.endswith("_stderr") and isinstance(value, int | float):
            name = _metric_name(metric, filtered)
            own = [row["value"] for row in rows if row["metric"] == name]
            metrics[name] = {"value": float(value), "interval": bootstrap(own)}
    return metrics


def _metric_name(metric: str, filtered: str) -> str:
    return metric if filtered == PLAIN else f"{metric},{filtered}"
