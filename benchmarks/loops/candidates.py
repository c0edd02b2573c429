"""Candidates of a real generator, kept as the requests and answers that they came from.

A file has a line for each request: {"task": what it was asked for, "round": of a generator that is shown its
own answers, else 0, "request": the body with its prompt and seed, "answer": the text}. With the file the same
candidates are made without the model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.loops.arms import COLLAPSE_ROUNDS, TINY_TARGET
from benchmarks.loops.decoding import Answer
from evoselect.spec.loop import OpenAIGenerator, Stop
from store.loops.plan import Spent
from store.records.record import Record, parse_record, to_json
from workers.generators.completions import judge, objects
from workers.generators.openai import Generation, State

Json = dict[str, Any]

MODEL = "generator"
KEPT = Path(__file__).parent / "kept"
POOL, COLLAPSING, CHECKS = "pool.jsonl", "collapse.jsonl", "checks.jsonl"
PER_REQUEST = 8
FORM = parse_record({"prompt": "a question", "completion": "its answer"})  # of every task's records
REPEATING = 0.3  # temperature of the generator that is shown its own answers


class Answers(Protocol):
    """A model that answers several requests at once."""

    def answers(self, bodies: Sequence[Mapping[str, Any]]) -> list[Answer]: ...


@dataclass(frozen=True)
class Line:
    """A request of a file, and what was answered."""

    task: str
    round: int
    request: Json
    answer: str

    def records(self) -> list[Record]:
        """Those of the answer that have the tasks' form, as the product reads them."""
        found = (judge(value, [FORM]) for value in objects(self.answer))
        return [record for record in found if not isinstance(record, str)]


def lines(path: Path) -> list[Line]:
    """Of a file; none where it is not there."""
    return [Line(**json.loads(text)) for text in path.read_text().splitlines()] if path.exists() else []


def bodies(examples: Sequence[Record], numbers: Sequence[int], temperature: float = 1.0) -> list[Json]:
    """The product's own requests for more of the kind of the examples, by their numbers."""
    generator = OpenAIGenerator(
        kind="openai", url="http://127.0.0.1/v1", model=MODEL, size=1, per_request=PER_REQUEST,
        max_tokens=50 * PER_REQUEST, temperature=temperature,
    )  # fmt: skip
    asking = Generation(generator, list(examples), set(), 0, State(), Stop(), Spent())
    return [asking.body(number) for number in numbers]


def ask(model: Answers, path: Path, task: str, requests: Sequence[Json], round: int = 0) -> None:
    """Write down what is answered to requests that the file does not have."""
    known = {(line.task, json.dumps(line.request)) for line in lines(path)}
    new = [body for body in requests if (task, json.dumps(body)) not in known]
    answered = model.answers(new) if new else []
    with path.open("a") as file:
        for body, answer in zip(new, answered, strict=True):
            line = {"task": task, "round": round, "request": body, "answer": answer.text}
            file.write(json.dumps(line) + "\n")


def repeat_itself(model: Answers, path: Path, task: str, target: Sequence[Json], requests: int) -> None:
    """Rounds of a generator that sees the target in the first one, and then its own last answers alone."""
    shown = [parse_record(row) for row in target[:TINY_TARGET]]
    for number in range(1, COLLAPSE_ROUNDS + 1):
        ask(model, path, task, bodies(shown, range(requests), REPEATING), number)
        made = [
            one for line in lines(path) if (line.task, line.round) == (task, number) for one in line.records()
        ]
        shown = made[:TINY_TARGET] or shown


def pool(path: Path, targets: Mapping[str, Sequence[Json]], apart_from: Sequence[Json] = ()) -> list[Json]:
    """Candidates of all tasks in the order they were made, each content once, with `made_for` in metadata.

    targets: by task its examples, which are no candidates; apart_from: prompts of further ones.
    """
    barred = {row["prompt"] for rows in (*targets.values(), apart_from) for row in rows}
    found: dict[str, Json] = {}
    for line in lines(path):
        for record in line.records():
            if record.prompt not in barred:
                own = to_json(record) | {"metadata": {"made_for": line.task}}
                found.setdefault(record.content_hash, own)
    return list(found.values())


def collapsing(path: Path, task: str) -> list[list[Json]]:
    """The candidates of each round of the generator that repeats itself, each content once a round."""
    found: list[dict[str, Json]] = [{} for _ in range(COLLAPSE_ROUNDS)]
    for line in lines(path):
        if line.task == task:
            rows = found[line.round - 1]
            rows.update({record.content_hash: to_json(record) for record in line.records()})
    return [list(rows.values()) for rows in found]
