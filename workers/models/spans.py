"""Which tokens of a chat are learnt: those of the assistant's turns, as spans of its token ids.

Where the template marks what the assistant writes ({% generation %}), that is what is learnt, to the token.
Else a turn is what the template adds to the turns before it once they ask for an answer: it is rendered up to
the turn and through it, and both must be beginnings of the whole chat, token by token.
"""

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from evoselect.gradients.examples import Span
from evoselect.spec.reading import Turns
from store.records.record import Record
from store.records.tool_use import is_learnt
from workers.models.conventions import TemplateMismatch, marked_tokens, rendered, special_ids, token_ids
from workers.models.rendering import Chat, Text, require_tools

MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")  # as transformers looks for them
LAST_ALONE = "set turns to last, or send it as prompt and completion instead"

Tokens = tuple[list[int], list[Span]]
"""Token ids, and which of them are learnt: ascending, apart from each other."""


def learnt_turns(record: Record, turns: Turns) -> list[int]:
    """Numbers of the assistant's turns that are learnt; the answer's is the number of those before it."""
    before = record.messages or ()
    last = len(before) if record.messages is not None else 1
    found = [number for number, turn in enumerate(before) if turn["role"] == "assistant"]
    found = [*found, last] if turns == "all" else [last]
    return [number for number in found if is_learnt(record.tool_use, number)]


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    shortest = min(map(len, rows))
    return next((at for at in range(shortest) if len({row[at] for row in rows}) > 1), shortest)


def has_marks(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> bool:
    """Whether the template says itself what the assistant writes; only fast tokenizers know where that is."""
    return tokenizer.is_fast and MARKS.search(str(tokenizer.get_chat_template(tools=chat.tools))) is not None


def by_marks(chat: Chat, learnt: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> Tokens:
    """Ids and marks as transformers gives them, without those of turns that are not learnt.

    Raises TemplateMismatch.
    """
    whole = rendered(chat.turns, tokenizer, chat.tools)
    require_tools(whole, chat.turns, chat.tools or [])
    for number in learnt:
        if chat.turns[number]["content"].strip() not in whole:
            raise TemplateMismatch(f"turn {number} is not written as it stands: {LAST_ALONE}")
    ids, marks = marked_tokens(chat.turns, tokenizer, chat.tools)
    for number, turn in enumerate(chat.turns):
        if turn["role"] == "assistant" and number not in learnt:
            first, stop = (_place(chat, upto, ids, tokenizer) for upto in (number, number + 1))
            marks[first:stop] = [0] * (stop - first)
    sides = zip([0, *marks], [*marks, 0], strict=True)
    edges = [at for at, (before, behind) in enumerate(sides) if before != behind]
    return ids, list(zip(edges[::2], edges[1::2], strict=True))


def by_prefixes(
    chat: Chat,
    learnt: Sequence[int],
    *,
    text: Text,
    answered: tuple[list[int], int],
    tokenizer: PreTrainedTokenizerBase,
) -> Tokens:
    """Every learnt turn in the chat of that text; ``answered``: its ids, and where the last answer begins.

    Raises TemplateMismatch where the template writes a turn otherwise once more turns follow.
    """
    (ids, start), last = answered, len(chat.turns) - 1
    earlier = [number for number in learnt if number != last]
    whole = text.prompt + text.answer + text.end
    texts = [part for number in earlier for part in _around(chat, number, whole, tokenizer)]
    found = iter(token_ids(texts, tokenizer))
    spans = []
    for number in earlier:
        first = common_prefix([next(found), ids])  # a token across the seam is the turn's, as of any answer
        stop = _ends(next(found), ids, tokenizer, number)
        while stop > first and _blank(ids[stop - 1], tokenizer):  # white space behind the end of a turn
            stop -= 1
        if stop <= first:
            raise _rewritten(number)
        spans.append((first, stop))
    return ids, [*spans, *([(start, len(ids))] if last in learnt else [])]


def _around(chat: Chat, number: int, whole: str, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """The chat when it asks for that turn, and through it."""
    if number == 0:
        raise TemplateMismatch(f"its first turn is the assistant's, which nothing asks for: {LAST_ALONE}")
    before = rendered(chat.turns[:number], tokenizer, chat.tools, add_generation_prompt=True)
    through = rendered(chat.turns[: number + 1], tokenizer, chat.tools)
    if not (whole.startswith(before) and through.startswith(before)):
        raise TemplateMismatch(
            f"what stands before turn {number} is written differently once more turns follow: {LAST_ALONE}"
        )
    if chat.turns[number]["content"].strip() not in through[len(before) :]:
        raise TemplateMismatch(f"turn {number} is not written as it stands: {LAST_ALONE}")
    return before, through


def _ends(through: list[int], ids: list[int], tokenizer: PreTrainedTokenizerBase, number: int) -> int:
    """Nothing may be left over but an end of the text, which some templates write where no turn follows."""
    shared = common_prefix([through, ids])
    rest, special = through[shared:], special_ids(tokenizer) - {tokenizer.unk_token_id}
    if any(token not in special and not _blank(token, tokenizer) for token in rest):
        raise _rewritten(number)
    return shared


def _place(chat: Chat, number: int, ids: list[int], tokenizer: PreTrainedTokenizerBase) -> int:
    """Where in the whole chat's ids the turns before that one end."""
    if number in (0, len(chat.turns)):
        return len(ids) if number else 0
    before = token_ids([rendered(chat.turns[:number], tokenizer, chat.tools)], tokenizer)[0]
    return _ends(before, ids, tokenizer, number)


def _blank(token: int, tokenizer: PreTrainedTokenizerBase) -> bool:
    return not str(tokenizer.decode([token])).strip()


def _rewritten(number: int) -> TemplateMismatch:
    return TemplateMismatch(
        f"the template writes turn {number} differently once more turns follow: {LAST_ALONE}"
    )
