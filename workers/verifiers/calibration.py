"""What a verifier is tried on: the target's own examples, right as they are, wrong with another answer."""

import random
from collections.abc import Mapping, Sequence

from evoselect.measures.health import separation
from store.records.record import Record, parse_record
from workers.generators.completions import shown


def some(target: Sequence[Record], most: int, seed: int) -> list[Record]:
    """At most `most` examples, drawn by the seed."""
    return random.Random(seed).sample(list(target), min(most, len(target)))


def pairs(own: Sequence[Record], target: Sequence[Record], seed: int) -> list[tuple[Record, Record]]:
    """(an example, the same with a wrong answer) for those of `own` that have one.

    A wrong answer is another choice, else the answer of another example of the target; examples that all
    have the same answer make none.
    """
    draw = random.Random(seed)
    found = ((record, _wrong(record, target, draw)) for record in own)
    return [(record, wrong) for record, wrong in found if wrong is not None]


def _wrong(record: Record, others: Sequence[Record], draw: random.Random) -> Record | None:
    value = shown(record)
    if record.choices is not None and record.answer is not None:
        value.pop("completion", None)
        wrong = [at for at in range(len(record.choices)) if at != record.answer]
        return parse_record(value | {"answer": draw.choice(wrong)})
    answers = sorted({other.completion for other in others} - {record.completion})
    return parse_record(value | {"completion": draw.choice(answers)}) if answers else None


def area(
    pairs: Sequence[tuple[Record, Record]], scores: Mapping[str, float | None]
) -> tuple[float | None, int]:
    """(area under the ROC curve, scores that it is made of)."""
    right = [score for record, _ in pairs if (score := scores.get(record.content_hash)) is not None]
    wrong = [score for _, record in pairs if (score := scores.get(record.content_hash)) is not None]
    return separation(right, wrong), len(right) + len(wrong)


def share(own: Sequence[Record], scores: Mapping[str, float | None], least: float) -> float | None:
    """Of the target's own examples those that score at least `least`; None where none has a score."""
    found = [score for record in own if (score := scores.get(record.content_hash)) is not None]
    return sum(score >= least for score in found) / len(found) if found else None
