"""The same questions in several renderings, and targets in one of them.

Real questions of seven sets (those of the demo), as a generator might have written them: a tenth with a wrong
answer, 15 % near-copies. Every candidate exists three times: as the targets are written (`canonical`), in
one of six surface templates, and in one of six variants of length, casing and language of the instruction. In
both families one rendering is the targets' own, and the renderings are spread evenly over every set.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from benchmarks.demo.data import (
    DUPLICATE_SHARE,
    FILES,
    WRONG_SHARE,
    Question,
    near_copy,
    read_set,
    record,
    with_wrong_answer,
)
from store.records.record import Record, parse_record

TASKS = ("CommonsenseQA", "OpenBookQA", "SIQA", "MedMCQA", "ASDiv")
TARGETS = 32  # of a task
ORIGINALS = 72  # of a set
MAX_CHARS = 160  # of question and choices

T = TypeVar("T")
Kind = Literal["clean", "wrong_answer", "near_duplicate"]
Family = Literal["surface", "variants"]


@dataclass(frozen=True)
class Rendering:
    """How a question becomes a prompt."""

    name: str
    template: str
    case: Literal["kept", "upper", "lower"] = "kept"

    def __call__(self, question: str) -> str:
        cased = {"kept": question, "upper": question.upper(), "lower": question.lower()}[self.case]
        return self.template.format(cased)


CANONICAL = Rendering("canonical", "Question: {}\nAnswer:")
POLITE = (
    "Hello! I hope that you are having a pleasant day. I have been wondering about something for a while, "
    "and I would be very grateful if you could help me out with it whenever you find the time. Here is what "
    "I would like to know.\n\n{}\n\nThank you so much in advance for your kind help!\n"
)
RENDERINGS: dict[Family, tuple[Rendering, ...]] = {
    "surface": (
        CANONICAL,
        Rendering("bare", "{}"),
        Rendering("instruction", "Answer the following question.\n\n{}"),
        Rendering("letters", "Q: {} A:"),
        Rendering("sections", "### Instruction:\n{}\n\n### Response:\n"),
        Rendering("turns", "User: {}\nAssistant:"),
    ),
    "variants": (
        CANONICAL,
        Rendering("polite", POLITE),
        Rendering("upper", CANONICAL.template, "upper"),
        Rendering("lower", CANONICAL.template, "lower"),
        Rendering("german", "Beantworte bitte die folgende Frage.\n\nFrage: {}\nAntwort:"),
        Rendering("french", "Réponds à la question suivante en quelques mots : {}\nRéponse :"),
    ),
}


@dataclass(frozen=True)
class Data:
    """Candidates row by row in each form; `target` by task."""

    canonical: list[Record]
    rendered: dict[Family, list[Record]]
    rendering: dict[Family, list[int]]
    """Which of the family's renderings each candidate is in; 0 is the targets'."""
    source: list[str]
    kind: list[Kind]
    copy_of: list[int | None]
    """The row that a near-copy is of."""
    target: dict[str, list[Record]]


def build(seed: int = 0, *, scale: float = 1.0) -> Data:
    """The same seed gives the same data; `scale` shrinks the pool."""
    rng = random.Random(seed)
    sets = {name: _shuffled(list(read_set(name, max_chars=MAX_CHARS)), rng) for name in FILES}
    targets = {name: sets[name][:TARGETS] for name in TASKS}
    originals = [item for name in FILES for item in sets[name][TARGETS:][: round(ORIGINALS * scale)]]
    questions, kinds, copied = _with_faults(originals, rng)
    rendering = {family: _spread(questions, len(forms), rng) for family, forms in RENDERINGS.items()}
    return Data(
        canonical=_written(questions, [CANONICAL] * len(questions)),
        rendered={
            family: _written(questions, [RENDERINGS[family][at] for at in rows])
            for family, rows in rendering.items()
        },
        rendering=rendering,
        source=[item.source for item in questions],
        kind=kinds,
        copy_of=[*([None] * len(originals)), *copied],
        target={name: _written(items, [CANONICAL] * len(items)) for name, items in targets.items()},
    )


def _with_faults(
    originals: list[Question], rng: random.Random
) -> tuple[list[Question], list[Kind], list[int]]:
    """The originals, some with a wrong answer, and after them near-copies of others; of which rows."""
    size = round(len(originals) / (1 - DUPLICATE_SHARE))
    wrong = set(rng.sample(range(len(originals)), round(size * WRONG_SHARE)))
    copied = rng.sample([row for row in range(len(originals)) if row not in wrong], size - len(originals))
    rows = [
        with_wrong_answer(item, originals, rng) if row in wrong else item
        for row, item in enumerate(originals)
    ]
    kinds: list[Kind] = ["wrong_answer" if row in wrong else "clean" for row in range(len(originals))]
    copies = [near_copy(originals[row], rng) for row in copied]
    copied_kinds: list[Kind] = ["near_duplicate"] * len(copies)
    return [*rows, *copies], [*kinds, *copied_kinds], copied


def _spread(questions: Sequence[Question], renderings: int, rng: random.Random) -> list[int]:
    """A rendering for each question: evenly over every set, in random order."""
    found = [0] * len(questions)
    for name in FILES:
        own = _shuffled([row for row, item in enumerate(questions) if item.source == name], rng)
        for at, row in enumerate(own):
            found[row] = at % renderings
    return found


def _written(questions: Sequence[Question], forms: Sequence[Rendering]) -> list[Record]:
    rows = []
    for row, (item, form) in enumerate(zip(questions, forms, strict=True)):
        sent = record(f"row-{row:04d}", item, "{}")
        rows.append(parse_record(sent | {"prompt": form(item.text)}))
    return rows


def _shuffled(items: list[T], rng: random.Random) -> list[T]:
    return rng.sample(items, len(items))
