"""The verifier `agreement`: the share of a model's own answers to the prompt that are the record's.

Self-consistency after Wang et al. 2023 (arXiv 2203.11171). Fit for short answers: texts are compared word for
word, but for case, blanks and punctuation around them. Examples of the target stand before the prompt, for a
model that is not shown the form of answers says the right thing in another one.
"""

import string
from collections import Counter
from collections.abc import Sequence
from functools import partial

from evoselect.spec.verifier import AgreementVerifier
from store.records.record import Record
from workers.generators.chat import Chat
from workers.verifiers.replies import Reply, answers, question

SHORT = "Answer with the answer alone, without an explanation."
AROUND = string.punctuation + string.whitespace


class Agreement:
    """`samples` requests a record."""

    batch = 1

    def __init__(self, chat: Chat, asked: AgreementVerifier, shown: Sequence[Record] = ()) -> None:
        self._chat, self._asked, self._shown = chat, asked, shown

    def scores(self, records: Sequence[Record]) -> Reply:
        """Raises NoResponse, or Invalid where another try is no use."""
        counts: Counter[str] = Counter()
        return Reply([self._score(record, counts) for record in records], counts)

    def _score(self, record: Record, counts: Counter[str]) -> float | None:
        same = answered = 0
        for said in answers(self._chat, partial(self._body, record), self._asked.samples, counts):
            text = plain(said)
            counts["garbage"] += not text
            answered += bool(text)
            same += bool(text) and text == plain(record.completion)
        return same / answered if 2 * answered > self._asked.samples else None

    def _body(self, record: Record, number: int) -> dict[str, object]:
        return question(self._asked, turns(record, self._shown), number)


def turns(record: Record, shown: Sequence[Record] = ()) -> list[dict[str, str]]:
    """The record's question as a chat, others with their answers before it; its own answer is not there."""
    if record.messages is not None:
        return [dict(turn) for turn in record.messages]
    found = [{"role": "system", "content": SHORT}]
    for other in shown:
        if other.messages is None and other.prompt != record.prompt:
            answer = {"role": "assistant", "content": other.completion.strip()}
            found += [{"role": "user", "content": _question(other)}, answer]
    return [*found, {"role": "user", "content": _question(record)}]


def _question(record: Record) -> str:
    choices = "".join(f"\n- {choice.strip()}" for choice in record.choices or ())
    return f"{record.prompt}\nOne of these is right:{choices}" if choices else str(record.prompt)


def plain(text: str) -> str:
    """As texts are compared."""
    return " ".join(text.casefold().strip(AROUND).split())
