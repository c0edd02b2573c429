"""Real questions as tasks and one pool: each target set gives target, test and pool records, others the pool.

Read from the wheel that the demo reads (evaluation splits, split anew here). All tasks share one pool, so its
features are computed once: it mixes every set, with the faults that generators have, by seed as in the demo
(10 % wrong answers, 15 % near-copies, three templates). The pool `redundant` is that of a generator that
repeats itself: fewer questions, and near-copies of them for the rest; `redundant-again` is made so of sets
split by another seed: other targets, other tests, other candidates. No question is on two sides.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.demo.data import (
    DUPLICATE_SHARE,
    TARGET_TEMPLATE,
    TEMPLATES,
    WRONG_SHARE,
    Question,
    near_copy,
    read_set,
    record,
    with_wrong_answer,
)
from store.records import Record, parse_record

TARGETS = 40  # target examples of a task
RESERVED = {"OpenBookQA": 150, "CommonsenseQA": 150, "LogiQA": 100, "MedQA": 100, "MMLU-clinical": 150}
TESTS = {**RESERVED, "LogiQA": 60, "MedQA": 60, "MMLU-clinical": 100}  # long ones cost most of a run
TASKS = tuple(TESTS)
IN_POOL = 150  # of each set at most, before copies
IN_REDUNDANT_POOL = 60
REDUNDANT_COPIES = 0.64  # share of near-copies: 1.8 of each question in the mean
MAX_CHARS = 640  # of question and choices: longer ones would take most of the time

MEDMCQA = ("Anatomy", "Medicine", "Pathology", "Surgery", "Pharmacology", "Physiology")
FILES = {
    "OpenBookQA": ["OpenBookQA/test.jsonl"],
    "CommonsenseQA": ["CommonsenseQA/validation.jsonl"],
    "LogiQA": ["LogiQA/test.jsonl"],
    "MedQA": ["MedQA/test.jsonl"],
    "MMLU-clinical": ["MMLU/clinical.jsonl"],
    "PIQA": ["PIQA/validation.jsonl"],
    "SIQA": ["SIQA/test.jsonl"],
    "MedMCQA": [f"MedMCQA/MedMCQA-Validation/{name}.jsonl" for name in MEDMCQA],
    "MMLU-other": ["MMLU/test.jsonl"],  # what it shares with MMLU-clinical is left out
    "ASDiv": ["ASDiv/test.jsonl"],
}

Json = dict[str, Any]
Pool = Literal["mixed", "redundant", "redundant-again"]


@dataclass(frozen=True)
class Recipe:
    """What a pool is made of."""

    seed: int = 0
    most: int = IN_POOL
    copies: float = DUPLICATE_SHARE


RECIPES: dict[Pool, Recipe] = {
    "mixed": Recipe(),
    "redundant": Recipe(most=IN_REDUNDANT_POOL, copies=REDUNDANT_COPIES),
    "redundant-again": Recipe(seed=1, most=IN_REDUNDANT_POOL, copies=REDUNDANT_COPIES),
}


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


def build(pool: Pool = "mixed") -> Data:
    """The same records at every call; targets and tests are the same for pools of one seed."""
    recipe = RECIPES[pool]
    rng = random.Random(recipe.seed)
    tasks: dict[str, Task] = {}
    originals: list[Question] = []
    for name, questions in _distinct(rng).items():
        if name in TESTS:
            target, questions = questions[:TARGETS], questions[TARGETS:]
            test, questions = questions[: TESTS[name]], questions[RESERVED[name] :]
            tasks[name] = Task(name, _parsed(target, f"target-{name}"), _parsed(test, f"test-{name}"))
        originals += questions[: recipe.most]
    return Data(_pool(originals, recipe.copies, rng), tasks)


def _distinct(rng: random.Random) -> dict[str, list[Question]]:
    """The questions of every set in random order; a text that several sets have stays in the first."""
    seen: set[str] = set()
    found = {}
    for name, paths in FILES.items():
        new = [item for item in read_set(name, paths, MAX_CHARS) if item.text.casefold() not in seen]
        seen |= {item.text.casefold() for item in new}
        found[name] = rng.sample(new, len(new))
    return found


def _parsed(questions: Sequence[Question], prefix: str) -> list[Record]:
    return [
        parse_record(record(f"{prefix}-{i:03d}", item, TARGET_TEMPLATE)) for i, item in enumerate(questions)
    ]


def _pool(originals: Sequence[Question], copies: float, rng: random.Random) -> list[Record]:
    """Originals, some with a wrong answer, and a share of near-copies of clean ones, in random order."""
    size = round(len(originals) / (1 - copies))
    wrong = set(rng.sample(range(len(originals)), round(size * WRONG_SHARE)))
    clean = [i for i in range(len(originals)) if i not in wrong]
    pool: list[Json] = []
    for i, question in enumerate(originals):
        item = with_wrong_answer(question, originals, rng) if i in wrong else question
        kind = "wrong_answer" if i in wrong else "clean"
        pool.append(record(f"cand-{i:04d}", item, rng.choice(TEMPLATES), kind=kind))
    for i in _copied(clean, size - len(originals), rng):
        item = near_copy(originals[i], rng)
        extra = {"kind": "near_duplicate", "duplicate_of": pool[i]["id"]}
        pool.append(record(f"cand-{len(pool):04d}", item, rng.choice(TEMPLATES), **extra))
    distinct = {
        parsed.content_hash: parsed for parsed in map(parse_record, pool)
    }  # as the service stores them
    return rng.sample(list(distinct.values()), len(distinct))


def _copied(clean: Sequence[int], count: int, rng: random.Random) -> list[int]:
    """Which questions are copied: no one twice while there are enough, else by chance."""
    return rng.sample(clean, count) if count <= len(clean) else rng.choices(clean, k=count)
