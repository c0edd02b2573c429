"""Tasks and pools: each task's set gives target, test and pool questions, further sets the rest of the pool.

All tasks share a pool, so its features are computed once, and a random draw is trained once for all. A pool
has the faults that generators have, by seed: wrong answers and near-copies. Pools differ in one thing each:

mixed              10 % wrong answers, 15 % near-copies, every question in one of three templates
wrong              as mixed with 30 % wrong answers
other-templates    as mixed, but no question of a task's set stands in the template of targets and tests

No question is on two sides.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.demo.data import TARGET_TEMPLATE, TEMPLATES, Question, near_copy, record, with_wrong_answer
from benchmarks.quality.questions import read
from store.records.record import Record, parse_record

DEVELOPMENT = ("CommonsenseQA", "strategyqa", "goals")
REPORTING = ("intents", "groups", "unanswerable", "subjects", "implicatures")
FURTHER = (
    "hotel-opinions",
    "medicine-opinions",
    "SIQA",
    "MMLU-clinical",
    "ASDiv",
    "word-problems",
    "adjective-order",
    "sports",
)

TARGETS = 40  # target examples of a task
TESTS = 300
IN_POOL = 110  # of each task's set at most, before copies
IN_POOL_FURTHER = 55
DUPLICATE_SHARE = 0.15

Json = dict[str, Any]
Pool = Literal["mixed", "wrong", "other-templates"]
POOLS: tuple[Pool, ...] = ("mixed", "wrong", "other-templates")
WRONG_SHARE = {"mixed": 0.10, "wrong": 0.30, "other-templates": 0.10}


@dataclass(frozen=True)
class Task:
    """What is to be learnt, and the questions that judge it."""

    name: str
    target: list[Record]
    test: list[Record]


@dataclass(frozen=True)
class Data:
    """One pool for all tasks."""

    pool: list[Record]
    tasks: dict[str, Task]


def build(pool: Pool = "mixed", names: Sequence[str] | None = None) -> Data:
    """The same records at every call; targets and tests are the same for all pools."""
    names = (*DEVELOPMENT, *REPORTING) if names is None else names
    rng = random.Random(0)
    tasks: dict[str, Task] = {}
    originals: list[Question] = []
    for name, questions in _distinct([*names, *FURTHER], rng).items():
        if name in names:
            target, test = questions[:TARGETS], questions[TARGETS : TARGETS + TESTS]
            tasks[name] = Task(name, _parsed(target, f"target-{name}"), _parsed(test, f"test-{name}"))
            originals += questions[TARGETS + TESTS :][:IN_POOL]
        else:
            originals += questions[:IN_POOL_FURTHER]
    return Data(_pool(originals, pool, names, rng), tasks)


def _distinct(names: Sequence[str], rng: random.Random) -> dict[str, list[Question]]:
    """The questions of every set in random order; a text that several sets have stays in the first."""
    seen: set[str] = set()
    found = {}
    for name in names:
        new = [item for item in read(name) if item.text.casefold() not in seen]
        seen |= {item.text.casefold() for item in new}
        found[name] = rng.sample(new, len(new))
    return found


def _parsed(questions: Sequence[Question], prefix: str) -> list[Record]:
    return [
        parse_record(record(f"{prefix}-{i:03d}", item, TARGET_TEMPLATE)) for i, item in enumerate(questions)
    ]


def _pool(
    originals: Sequence[Question], pool: Pool, tasks: Sequence[str], rng: random.Random
) -> list[Record]:
    """Originals, some with a wrong answer, and a share of near-copies of clean ones, in random order."""
    size = round(len(originals) / (1 - DUPLICATE_SHARE))
    wrong = set(rng.sample(range(len(originals)), round(size * WRONG_SHARE[pool])))
    clean = [i for i in range(len(originals)) if i not in wrong]
    rows: list[Json] = []
    for i, question in enumerate(originals):
        item = with_wrong_answer(question, originals, rng) if i in wrong else question
        kind = "wrong_answer" if i in wrong else "clean"
        rows.append(record(f"cand-{i:04d}", item, _template(question, pool, tasks, rng), kind=kind))
    for i in rng.sample(clean, size - len(originals)):
        copy, template = near_copy(originals[i], rng), _template(originals[i], pool, tasks, rng)
        extra = {"kind": "near_duplicate", "duplicate_of": rows[i]["id"]}
        rows.append(record(f"cand-{len(rows):04d}", copy, template, **extra))
    distinct = {
        parsed.content_hash: parsed for parsed in map(parse_record, rows)
    }  # as the service stores them
    return rng.sample(list(distinct.values()), len(distinct))


def _template(question: Question, pool: Pool, tasks: Sequence[str], rng: random.Random) -> str:
    """One of the templates; in the pool of other templates a task's questions never stand in the target's."""
    drawn = rng.choice(TEMPLATES)
    if pool == "other-templates" and question.source in tasks and drawn == TARGET_TEMPLATE:
        return rng.choice([template for template in TEMPLATES if template != TARGET_TEMPLATE])
    return drawn
