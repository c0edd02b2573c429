"""Question sets that targets, tests and pools are made of: those of the demo, and two that are derived here.

All are evaluation data, split anew.
"""

import json
import random
from collections.abc import Iterator

from benchmarks.demo.data import Question, located, read_set

MAX_CHARS = 180  # of question and choices: two cores have to train and answer many times

SUBJECTS = ("Anatomy", "Dental", "Pathology", "Pharmacology", "Surgery")
GROUPS = {"profession": "a profession", "race": "a people", "gender": "a gender", "religion": "a religion"}


def read(name: str) -> Iterator[Question]:
    """The usable questions of a set, in the order of its file, no text twice."""
    if name in DERIVED:
        yield from DERIVED[name]()
    else:
        yield from read_set(name, max_chars=MAX_CHARS)


def _subjects() -> Iterator[Question]:
    """Exam questions of MedMCQA; the answer is the subject whose file they stand in."""
    files = [f"MedMCQA/MedMCQA-Validation/{name}.jsonl" for name in SUBJECTS]
    for subject, path in zip(SUBJECTS, located(files), strict=True):
        for line in path.read_text(encoding="utf-8").splitlines()[:240]:
            text = (
                f"Which medical subject is this exam question about? {json.loads(line)['question'].strip()}"
            )
            if len(text) <= MAX_CHARS:
                yield Question("subjects", text, SUBJECTS, subject)


def _groups() -> Iterator[Question]:
    """Context sentences of StereoSet, nothing else of it; the answer is the kind of group that they name."""
    (path,) = located(["StereoSet/test.jsonl"])
    choices, seen = tuple(GROUPS.values()), dict.fromkeys(GROUPS, 0)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in random.Random(0).sample(rows, len(rows)):
        if row["type"] == "intersentence" and seen[row["bias_type"]] < 160:
            seen[row["bias_type"]] += 1
            text = f"Does this sentence name a profession, a people, a gender or a religion? {row['context']}"
            yield Question("groups", text, choices, GROUPS[row["bias_type"]])


DERIVED = {"subjects": _subjects, "groups": _groups}
