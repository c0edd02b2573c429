"""What becomes of tokens that do not fit a window: left out, or cut where the user says."""

from collections.abc import Sequence

from evoselect.spec.reading import OnLong
from workers.models.spans import Tokens


def shortened(tokens: Tokens, most: int, on_long: OnLong, head: int) -> Tokens | None:
    """At most ``most`` of more tokens, the last of which is learnt; None where nothing is left to learn.

    truncate_prompt_left: the first ``head`` tokens and the last ones of what stands before the first answer,
    and all of the rest. truncate_answer: the first tokens. split_turns: up to the end of the last answer that
    is whole.
    """
    ids, learnt = tokens
    first = learnt[0][0]
    if on_long == "truncate_prompt_left":
        less = len(ids) - most
        if first - less <= head:
            return None
        return [*ids[:head], *ids[head + less :]], [(start - less, stop - less) for start, stop in learnt]
    if on_long == "truncate_answer":
        learnt = [(start, min(stop, most)) for start, stop in learnt if start < most]
    elif on_long == "split_turns":
        learnt = [(start, stop) for start, stop in learnt if stop <= most]
    else:
        return None
    return (ids[: learnt[-1][1]], learnt) if learnt else None


def head_of(ids: Sequence[int], opening: Sequence[int], start_token: int | None) -> int:
    """How many tokens begin every text: what the tokenizer puts there, or the template's start token."""
    if opening and list(ids[: len(opening)]) == list(opening):
        return len(opening)
    return int(ids[0] == start_token)
