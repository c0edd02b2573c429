"""Greedy generation: whether a model answers a prompt with exactly the expected words."""

import torch

from store.records.record import Record
from workers.models.conventions import special_ids, token_ids
from workers.models.loading import LoadedModel
from workers.models.rendering import text_of
from workers.models.tokenization import prompt_ids

SLACK = 8  # tokens beyond the expected answer's: a longer one is another one


def answer(loaded: LoadedModel, record: Record) -> bool:
    """Whether the model's greedy continuation up to its end is the record's answer, white space aside.

    Greedy decoding is deterministic. The comparison knows no synonyms: a lower bound of what is right. Where
    the tokenizer writes the answer otherwise (in small letters, say), so does the model, and that is right.
    """
    text = text_of(record, record.completion, loaded.tokenizer, "plain")
    asked, expected, end = prompt_ids(record, loaded), *token_ids([text.answer, text.end], loaded.tokenizer)
    ids = torch.tensor([asked], device=loaded.device)
    with torch.no_grad():
        made = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=len(expected) + max(SLACK, len(end)),
            do_sample=False,
            eos_token_id=_ends(loaded, end),
            pad_token_id=loaded.tokenizer.eos_token_id,
        )
    said = _text(loaded, made[0, len(asked) :].tolist())
    if text.end:  # one that is no token of its own is written out
        said = said.partition(text.end)[0]
    right = [text.answer]
    if loaded.tokenizer.unk_token_id not in expected:  # it would stand for any text
        right.append(_text(loaded, expected))
    return " ".join(said.split()) in [" ".join(answer.split()) for answer in right]


def _text(loaded: LoadedModel, ids: list[int]) -> str:
    """As the tokens stand: some tokenizers would take the space before a comma out."""
    return str(loaded.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _ends(loaded: LoadedModel, end: list[int]) -> list[int]:
    """Tokens that end an answer: the end of the text, the template's end of a turn, the model's own."""
    own = loaded.model.generation_config.eos_token_id
    turn = end[:1] if end and end[0] in special_ids(loaded.tokenizer) else []
    return sorted({int(loaded.tokenizer.eos_token_id), *turn, *_listed(own)})


def _listed(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else value
