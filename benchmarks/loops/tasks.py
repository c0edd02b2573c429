"""Tasks whose answers a rule can check, so that a generated answer is known to be right or wrong."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Examples by seed, and whether an answer is right."""

    name: str
    make: Callable[[random.Random], Json]
    solve: Callable[[str], str | None]
    """The right answer to a prompt; None for a prompt that is none of this task."""
    rubric: str
    """What a right record is, in words for a judge."""

    def examples(self, count: int, seed: int, apart_from: Sequence[Json] = ()) -> list[Json]:
        """Different ones, none of them among others."""
        draw, found = random.Random(f"{self.name} {seed}"), dict[str, Json]()
        others = {record["prompt"] for record in apart_from}
        while len(found) < count:
            record = self.make(draw)
            if record["prompt"] not in others:
                found[record["prompt"]] = record
        return list(found.values())

    def is_right(self, record: Json) -> bool:
        """Whether the record is of this task, and its answer the right one."""
        solved = self.solve(str(record.get("prompt", "")))
        return solved is not None and str(record.get("completion", "")).strip().rstrip(".") == solved


def _record(question: str, answer: str) -> Json:
    return {"prompt": f"Question: {question}\nAnswer:", "completion": f" {answer}"}


def _sum(draw: random.Random) -> Json:
    first, second = draw.randint(10, 99), draw.randint(10, 99)
    return _record(f"What is {first} + {second}?", str(first + second))


def _solve_sum(prompt: str) -> str | None:
    found = re.search(r"What is (\d{1,6}) \+ (\d{1,6})\?", prompt)
    return None if found is None else str(int(found[1]) + int(found[2]))


def _least(draw: random.Random) -> Json:
    numbers = draw.sample(range(10, 1000), 3)
    return _record(f"Which number is the least: {', '.join(map(str, numbers))}?", str(min(numbers)))


def _solve_least(prompt: str) -> str | None:
    found = re.search(r"Which number is the least: (\d{1,6}(?:, \d{1,6})+)\?", prompt)
    return None if found is None else str(min(map(int, found[1].split(", "))))


TASKS = {
    task.name: task
    for task in (
        Task(
            "sums",
            _sum,
            _solve_sum,
            "The question asks for the sum of two whole numbers, and the answer is that sum.",
        ),
        Task(
            "least",
            _least,
            _solve_least,
            "The question asks which of some numbers is the least, and the answer is that number.",
        ),
    )
}
