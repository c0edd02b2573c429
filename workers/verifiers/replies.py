"""What verifiers answer, made into scores from 0 to 1 or none: nothing is guessed."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evoselect.spec.verifier import AgreementVerifier, JudgeVerifier
from store.records.record import Record
from workers.generators.calls import NoResponse
from workers.generators.chat import Chat

APART = 0.5  # samples of one record that lie further apart contradict each other


@dataclass(slots=True)
class Reply:
    """Scores of some records in their order, None where there is none, and what they took."""

    scores: list[float | None]
    counts: Counter[str] = field(default_factory=Counter)
    """Requests, retries, tokens and garbage, by the names of store.loops.results.Verified."""


class Verifier(Protocol):
    """One that scores records; safe to share between threads."""

    batch: int
    """Records asked about at once."""

    def scores(self, records: Sequence[Record]) -> Reply:
        """Of at most `batch` records; raises NoResponse, or Invalid where another try is no use."""
        ...


def question(
    asked: JudgeVerifier | AgreementVerifier, messages: Sequence[Mapping[str, str]], number: int
) -> dict[str, object]:
    """The body of the request that asks for the sample ``number``."""
    return {
        "model": asked.model,
        "messages": messages,
        "temperature": asked.temperature,
        "max_tokens": asked.max_tokens,
        "seed": number,
    }


def answers(
    chat: Chat, body_of: Callable[[int], Mapping[str, object]], samples: int, counts: Counter[str]
) -> Iterator[str]:
    """The texts of several requests, empty where one of them got no response after the first had one.

    Raises NoResponse where the first got none: what later ones fail to say is not to lose what was paid for.
    """
    for number in range(samples):
        try:
            answer, tries = chat.ask(body_of(number))
        except NoResponse:
            if number == 0:
                raise
            counts["unanswered"] += 1
            yield ""
            continue
        counts["requests"] += 1
        counts["retries"] += tries - 1
        counts["prompt_tokens"] += answer.prompt_tokens
        counts["completion_tokens"] += answer.completion_tokens
        yield answer.text


def score_of(value: object) -> float | None:
    """A number from 0 to 1; None for anything else, NaN and truth values among it."""
    if type(value) not in (int, float):
        return None
    number = float(value)  # type: ignore[arg-type]  # a number, by the line before
    return number if math.isfinite(number) and 0.0 <= number <= 1.0 else None


def mean_of(samples: Sequence[float | None], counts: Counter[str]) -> float | None:
    """The mean of several verdicts on one record; None unless more than half of them can be used."""
    found = [sample for sample in samples if sample is not None]
    if 2 * len(found) <= len(samples):
        return None
    counts["contradicting"] += max(found) - min(found) > APART
    return sum(found) / len(found)
