"""Named tasks of lm-eval: on the real proxy model, and through the whole product."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from evoselect_client import Client, JobFailedError
from store.errors import Cancelled
from tests_integrations.serving import service
from workers.evaluations.named_tasks import (
    TaskDataMissing,
    TaskResult,
    UnknownTask,
    evaluate_tasks,
    find_tasks,
)
from workers.models.loading import LoadedModel, load

MODEL = "smollm2-135m-instruct"
TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_choice: choices
doc_to_target: answer
metric_list:
  - metric: acc
  - metric: acc_norm
"""
GROUP = """
group: pair
task: [sums, more]
aggregate_metric_list:
  - metric: acc
"""
QUESTIONS: list[dict[str, Any]] = [
    {
        "question": f"What is {n} + {n % 3}?",
        "choices": [str(n + 7), str(n + n % 3), "a hundred"],
        "answer": int(n < 8),
    }
    for n in range(12)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An operator's folder with a task under three names and a group of two of them."""
    home = tmp_path_factory.mktemp("tasks")
    data = home / "sums.jsonl"
    data.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    for name in ("sums", "more", "other"):
        (home / f"{name}.yaml").write_text(TASK.format(name=name, data=data))
    (home / "pair.yaml").write_text(GROUP)
    return home


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    """The real proxy model."""
    return load(MODEL, dtype="float32")


def run(name: str, loaded: LoadedModel, folder: Path, limit: int | None = None) -> TaskResult:
    return evaluate_tasks(find_tasks([name], folder), loaded, limit=limit, check=lambda: None)


def log_likelihood(loaded: LoadedModel, prompt: str, answer: str) -> float:
    """By one forward without batch or padding, in nats."""
    before, whole = (loaded.tokenizer(text)["input_ids"] for text in (prompt, prompt + answer))
    ids = torch.tensor([whole])
    with torch.no_grad():
        logits = loaded.model(input_ids=ids).logits[0]
    return -float(cross_entropy(logits[len(before) - 1 : -1], ids[0, len(before) :], reduction="sum"))


def test_accuracy_is_that_of_plain_forwards(loaded: LoadedModel, folder: Path) -> None:
    result = run("sums", loaded, folder)
    right = []
    for row in QUESTIONS:
        prompt = f"Question: {row['question']}\nAnswer:"
        scores = [log_likelihood(loaded, prompt, f" {choice}") for choice in row["choices"]]
        right.append(float(max(scores) == scores[row["answer"]]))
    assert 0.0 < sum(right) < 12.0
    assert [row["value"] for row in result.rows if row["metric"] == "acc"] == right
    task = result.summary()["tasks"]["sums"]
    assert task["n"] == 12
    assert task["metrics"]["acc"]["value"] == pytest.approx(sum(right) / 12)
    interval = task["metrics"]["acc"]["interval"]
    assert interval is not None
    assert interval[0] < sum(right) / 12 < interval[1]


def test_a_limit_takes_the_first_questions(loaded: LoadedModel, folder: Path) -> None:
    result = run("sums", loaded, folder, limit=5)
    assert result.summary()["n"] == 5
    assert {row["doc_id"] for row in result.rows} == set(range(5))


def test_unknown_names_come_with_similar_ones(folder: Path) -> None:
    with pytest.raises(UnknownTask, match=r"no task 'arc_chalenge'.*arc_challenge"):
        find_tasks(["sums", "arc_chalenge"], folder)


def test_data_that_are_not_there_are_not_downloaded(folder: Path) -> None:
    with pytest.raises(TaskDataMissing, match="data of openbookqa are not in the worker's"):
        find_tasks(["openbookqa"], folder)


def test_a_group_and_a_task_beside_it_are_run_once_each(loaded: LoadedModel, folder: Path) -> None:
    both = evaluate_tasks(find_tasks(["pair", "other"], folder), loaded, limit=3, check=lambda: None)
    counts = {name: task["n"] for name, task in both.tasks.items()}
    assert counts == {"pair": 0, "sums": 3, "more": 3, "other": 3}
    assert both.tasks["pair"]["metrics"]["acc"]["value"] == both.tasks["sums"]["metrics"]["acc"]["value"]


def test_less_memory_means_smaller_batches(
    loaded: LoadedModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, forward, sizes = run("sums", loaded, folder, limit=4), loaded.model.forward, []

    def small(ids: torch.Tensor, **more: Any) -> Any:
        sizes.append(len(ids))
        if len(ids) > 2:
            raise torch.OutOfMemoryError("of 2 rows at most")
        return forward(ids, **more)

    monkeypatch.setattr(loaded.model, "forward", small)
    assert run("sums", loaded, folder, limit=4).summary() == whole.summary()
    assert max(sizes) > 2
    assert sizes[-1] <= 2


def test_a_cancel_is_seen_between_two_batches(loaded: LoadedModel, folder: Path) -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled("asked to stop")

    with pytest.raises(Cancelled):
        evaluate_tasks(find_tasks(["sums"], folder), loaded, limit=None, check=check)
    assert len(calls) == 2


def test_a_named_task_through_the_whole_product(folder: Path, tmp_path: Path) -> None:
    with (
        service(tmp_path, task_folder=folder) as given,
        Client(given["EVOSELECT_URL"], given["EVOSELECT_API_KEY"]) as client,
    ):
        jobs = [client.evaluations.create(model=MODEL, tasks=["sums"], limit=6) for _ in range(2)]
        first, second = (job.wait() for job in jobs)
        assert first.output()["tasks"]["sums"]["n"] == 6
        difference = client.evaluations.compare(first.id, second.id)["sums acc"]
        assert (difference["n"], difference["difference"]) == (6, 0.0)
        wrong = client.evaluations.create(model=MODEL, tasks=["sums", "nonesuch"])
        with pytest.raises(JobFailedError, match="no task 'nonesuch'"):
            wrong.wait()
