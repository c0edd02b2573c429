"""What a model's tokenizer and chat template do by themselves: put around a text, raise, look at the clock.

A model whose conventions are not known how to be followed is refused when it is loaded, by name.
"""

import re
from datetime import UTC, datetime
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils import chat_template_utils

from store.errors import Invalid

# What every template is told that the time is: one record has one text, whenever it is asked for.
CLOCK = datetime(2024, 7, 26, tzinfo=UTC)
# The filter and the function of Jinja that draw at random: a record would have another text each time.
RANDOM = re.compile(r"(\||\bmap\(\s*['\"])\s*random\b|\blipsum\b")
PROBE = "a"

Turns = list[dict[str, Any]]


class UnusableTokenizer(Invalid):
    """The tokenizer or its template cannot be followed exactly."""

    code = "unusable_tokenizer"


class NoChatTemplate(Invalid):
    """Chats, or a rendering as chats, were asked of a model that has no chat template."""

    code = "no_chat_template"


class TemplateMismatch(Invalid):
    """The chat template refuses the record, or cannot be split into prompt and answer."""

    code = "template_mismatch"


def require_usable(alias: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises UnusableTokenizer for a model that no record could be tokenised for exactly."""
    if tokenizer.eos_token_id is None:
        raise UnusableTokenizer(
            f"the tokenizer of model {alias!r} has no end token, so its answers would have no end: name one "
            'as "eos_token" in its tokenizer_config.json'
        )
    if has_template(tokenizer) and RANDOM.search(str(tokenizer.get_chat_template())):
        raise UnusableTokenizer(
            f"the chat template of model {alias!r} draws at random (random, lipsum), so a record has no one "
            "text: take that out of the template"
        )
    opening(tokenizer)


def has_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether there is a template that chats without tools go through."""
    try:
        tokenizer.get_chat_template()
    except ValueError:  # none, or several and none of them the default
        return False
    return True


def opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that the tokenizer puts before every text, such as a start token.

    What it puts behind a text (some append their end token) stands in no prompt; answers are ended elsewhere.
    """
    alone = token_ids([PROBE], tokenizer)[0]
    whole = list(tokenizer(PROBE)["input_ids"])
    for start in range(len(whole) - len(alone) + 1):
        if whole[start : start + len(alone)] == alone:
            return whole[:start]
    raise UnusableTokenizer(
        f"the tokenizer {type(tokenizer).__name__} makes other tokens of a text ({whole}) than of the text "
        f"without its special tokens ({alone}): no answer's tokens can be told from the prompt's"
    )


def token_ids(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Tokens of the texts as they stand, nothing put before or behind them."""
    found: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return found


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Of the tokens that are no text: also those that have no role by name, such as an end of a turn."""
    return {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def rendered(
    turns: Turns, tokenizer: PreTrainedTokenizerBase, tools: list[Any] | None = None, **options: Any
) -> str:
    """The turns as the model's template writes them at CLOCK; raises TemplateMismatch with its words."""
    return str(_applied(turns, tokenizer, tools, tokenize=False, **options))


def marked_tokens(
    turns: Turns, tokenizer: PreTrainedTokenizerBase, tools: list[Any] | None
) -> tuple[list[int], list[int]]:
    """Tokens of the turns, and for each 1 where the template marks it as the assistant's.

    Raises TemplateMismatch.
    """
    found = _applied(
        turns, tokenizer, tools, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    return list(found["input_ids"]), list(found["assistant_masks"])


def _applied(
    turns: Turns, tokenizer: PreTrainedTokenizerBase, tools: list[Any] | None, **options: Any
) -> Any:
    try:
        _stop_the_clock(str(tokenizer.get_chat_template(tools=tools)))
        return tokenizer.apply_chat_template(turns, tools=tools, **options)
    except Exception as error:  # a template is a program of the model's makers: it may raise anything
        said = str(error).strip().partition("\n")[0]
        raise TemplateMismatch(
            f"the chat template refuses it ({said or type(error).__name__:.200})"
        ) from error


def _stop_the_clock(template: str) -> None:
    """Give the template CLOCK for the present, in the compiled form that transformers keeps and renders.

    What a caller passes on is made plain data there, so a function gets in by no public way.
    """
    compiled: Any = chat_template_utils._compile_jinja_template(template)
    compiled.globals["strftime_now"] = CLOCK.strftime
