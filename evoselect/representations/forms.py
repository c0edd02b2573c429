"""Which texts are written in the same surface form: by heads and tails that many of them share, and capitals.

A form is a head and a tail around texts that differ ("Question: {}\\nAnswer:"), and whether what stands
between is in capitals throughout. Nothing is known of the templates beforehand: texts are cut into segments
that end with a mark or a line, and a run of segments with which many different texts begin is a head; tails
are found in the same way from the end. The rule and its thresholds are ours.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MIN_SHARE = 0.02  # of the texts; a head or tail of fewer is what they speak of
MIN_SENTENCE_SHARE = (
    0.05  # of a sentence in the text's own line: sets of questions repeat theirs in up to .041
)
MIN_ROWS = 5
MAX_SEGMENTS = 64  # of a head or tail
MAX_CHARS = 4096  # of a head or tail
MIN_LETTERS = 8  # below which capitals say nothing
MIN_WORDS = 3  # of a head or tail that is a sentence: "Mrs." is none

# Where a head may end: behind a line, or behind a mark and the white space that follows it.
_HEAD_END = re.compile(r"(?:[:>\])}|#*=：。？！]\s*|[.!?…]\s+|\n\s*)+")
# Where a tail may begin, in reversed text: at a line, an opening bracket, or a space behind a sentence.
_TAIL_END = re.compile(r"\n+|[\[<{#]+\s*|(?<!\s)\s++(?=[.!?…:\"'”’)。？！])")

_SENTENCE = re.compile(r"[.!?…。？！].*|.*[.!?…。？！]")  # a tail is read backwards


class Form(NamedTuple):
    """What stands around a text, and whether all of it is in capitals."""

    head: str = ""
    tail: str = ""
    capitals: bool = False


AS_IT_STANDS = Form()


def find_forms(*sides: Sequence[str]) -> list[list[Form]]:
    """The form of every text of every side, such as the prompts of a pool and those of a target.

    Heads and tails are looked for in each side apart, so that a few targets in a form of their own are seen
    beside a large pool. A text whose own combination is rare, such as one with a slip in its head, gets the
    nearest frequent one. Linear in the length of the texts.
    """
    heads, tails = set[str](), set[str]()
    for side in sides:
        distinct = set(side)
        heads |= _shared_starts(distinct, _HEAD_END)
        backwards = {text[: -MAX_CHARS - 1 : -1] for text in distinct}
        tails |= {tail[::-1] for tail in _shared_starts(backwards, _TAIL_END)}
    written = [_forms(side, heads, tails) for side in sides]
    frequent = {AS_IT_STANDS}.union(*map(_frequent, written))
    nearest = {form: _nearest(form, frequent) for form in set[Form]().union(*written)}
    return [[nearest[form] for form in side] for side in written]


def _minimum(rows: int, share: float) -> int:
    return max(MIN_ROWS, round(rows * share))


def _shared_starts(texts: set[str], end: re.Pattern[str]) -> set[str]:
    """Every run of segments with which many of the texts begin, none of them whole."""
    minimum = _minimum(len(texts), MIN_SHARE)
    found: dict[str, int] = {}
    waiting = [(list(texts), 0, 0)]
    while waiting:
        rows, at, depth = waiting.pop()
        groups = defaultdict[str, list[str]](list)
        for text in rows:
            cut = end.search(text, at, MAX_CHARS)
            if cut and cut.end() < len(text):
                groups[text[at : cut.end()]].append(text)
        for segment, group in groups.items():
            if len(group) >= minimum and depth < MAX_SEGMENTS:
                waiting.append((group, at + len(segment), depth + 1))
                found[group[0][: at + len(segment)]] = len(group)
    return {start for start, rows in found.items() if _is_form(start, rows, len(texts))}


def _is_form(start: str, rows: int, of: int) -> bool:
    """Whether a shared start, or end read backwards, is more than a mark, a name or what texts speak of."""
    words = len(re.findall(r"\w+", start))
    if "\n" in start or not _SENTENCE.fullmatch(start.strip()):
        return words > 0 or "\n" in start
    return words >= MIN_WORDS and rows >= _minimum(of, MIN_SENTENCE_SHARE)


def _forms(texts: Iterable[str], heads: set[str], tails: set[str]) -> list[Form]:
    """The longest head and tail of each text that leave something between them."""
    longest = sorted({len(head) for head in heads}, reverse=True)
    furthest = sorted({len(tail) for tail in tails}, reverse=True)
    found = []
    for text in texts:
        head = next((text[:size] for size in longest if size < len(text) and text[:size] in heads), "")
        rest = text[len(head) :]
        tail = next((rest[-size:] for size in furthest if size < len(rest) and rest[-size:] in tails), "")
        found.append(Form(head, tail, _in_capitals(rest[: len(rest) - len(tail)])))
    return found


def _in_capitals(text: str) -> bool:
    return text.isupper() and sum(map(str.isalpha, text)) >= MIN_LETTERS


def _frequent(forms: Sequence[Form]) -> set[Form]:
    minimum = _minimum(len(forms), MIN_SHARE)
    return {form for form, rows in Counter(forms).items() if rows >= minimum}


def _nearest(form: Form, frequent: set[Form]) -> Form:
    """Itself, or the frequent form that shares most of its head and tail; of equals the first in order."""

    def shared(other: Form) -> tuple[int, bool]:
        head = len(other.head) if other.head and form.head.startswith(other.head) else 0
        tail = len(other.tail) if other.tail and form.tail.endswith(other.tail) else 0
        return head + tail, other.capitals == form.capitals

    return form if form in frequent else max(sorted(frequent), key=shared)
