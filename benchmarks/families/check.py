"""One family against transformers and TRL: ids, masks, losses of answers, and what the features see."""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import cross_entropy
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from benchmarks.families.table import FAMILIES, Family, write
from evoselect.errors import InvalidInput
from evoselect.gradients.layers import choose_layers, coverage
from evoselect.spec.features import EVERY_MODULE, FeatureSpec
from evoselect.spec.training import EvaluationSpec
from store.records.record import Record, parse_record
from workers.evaluations.records import evaluate
from workers.features.compute import compute_features
from workers.models.conventions import has_template, special_ids
from workers.models.loading import LoadedModel, load, twin
from workers.models.tokenization import prompt_ids, tokenize

IGNORED = -100  # label of a token that is not learnt
PLAIN = (
    ("Question: who sells seashells?\nAnswer:", " she"),
    ("Answer:\n\n", "Paris"),
    ("2+2=", "4"),
    ("The sky is", " blue and the grass is green."),
    ("unbeliev", "able"),
    ("Answer: ", "Paris"),
)
CHATS = (
    ("What is the capital of Italy?", "Rome is the capital."),
    ("Be brief. 2+2=", "4"),
    ("who sells?", "she\n\nsells"),
)
SYSTEM = {"role": "system", "content": "Be brief."}

Span = tuple[list[int], int]  # token ids, and where the answer begins


@dataclass(frozen=True, slots=True)
class Finding:
    """How far this project is from the libraries' own."""

    family: str
    nll_difference: float
    """Largest, of the answers' mean losses, in nats."""
    masks_equal: bool
    """Ids and answer span of every record are TRL's, and the ids that it is asked with transformers'."""
    modules: list[str]
    share: float
    refused: list[str]
    """What was refused by name: rows of the template's, or the default modules."""


def check(name: str) -> Finding:
    """Make the family's model in a scratch folder and compare."""
    family = FAMILIES[name]
    with tempfile.TemporaryDirectory() as scratch:
        loaded = _loaded(family, Path(scratch))
        records = _records(loaded)
        spec = FeatureSpec(dtype="float32", modules=family.modules, turns="last")  # as TRL's completion is
        ours = [_span(item.example) for item in tokenize(records, loaded, loaded.max_length, spec.reading)]
        trained = trained_spans(loaded, records, Path(scratch))
        asked = all(prompt_ids(one, loaded) == asked_ids(loaded, one) for one in records)
        block = compute_features(records, loaded, spec, progress=lambda done: None)
        result = evaluate(records, loaded, EvaluationSpec(), progress=lambda done: None)
        scored = [scored_span(loaded, record) for record in records]
        pairs = [
            *zip(block.nll.tolist(), [plain_nll(loaded, span) for span in trained], strict=True),
            *zip(
                [row.answer_nll for row in result.rows], [plain_nll(loaded, s) for s in scored], strict=True
            ),
        ]
        seen = coverage(loaded.model, choose_layers(loaded.model, spec.layers, spec.modules))
        return Finding(
            family=name,
            nll_difference=max(abs(mine - theirs) for mine, theirs in pairs),
            masks_equal=ours == trained and asked and set(block.status) == {"ok"},
            modules=seen.modules,
            share=seen.share,
            refused=[*_refused_rows(loaded), *_refused_modules(loaded)],
        )


def trained_spans(loaded: LoadedModel, records: Sequence[Record], scratch: Path) -> list[Span]:
    """What TRL trains on, made alike in three points that are meant to differ.

    White space behind the end of a turn is not learnt; an answer that nothing ends is ended with the end
    token; and a text that TRL and the tokenizer both end is ended once.
    """
    found: dict[int, Span] = {}
    for chat in (False, True):
        rows = [row for row, record in enumerate(records) if (record.messages is not None) == chat]
        prepared = (
            _prepared(loaded, [_as_trl_wants_it(records[row]) for row in rows], scratch) if rows else []
        )
        for row, (ids, labels) in zip(rows, prepared, strict=True):
            start = sum(label == IGNORED for label in labels)
            found[row] = _ended(loaded, ids, chat=chat), start
    return [found[row] for row in range(len(records))]


def _as_trl_wants_it(record: Record) -> dict[str, Any]:
    if record.messages is None:
        return {"prompt": record.prompt, "completion": record.completion}
    answer = {"role": "assistant", "content": record.completion}
    return {"prompt": list(record.messages), "completion": [answer]}


def scored_span(loaded: LoadedModel, record: Record) -> Span:
    """Tokens of prompt and answer by transformers alone, up to the end of the answer's text."""
    if record.messages is None:
        whole = _texts_own(loaded, f"{record.prompt}{record.completion}")
    else:
        answered = [*record.messages, {"role": "assistant", "content": record.completion}]
        tokenizer: Any = loaded.tokenizer
        whole = tokenizer.apply_chat_template(answered, continue_final_message=True)["input_ids"]
    prompt = asked_ids(loaded, record)
    return whole, next(
        (i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(prompt)
    )


def asked_ids(loaded: LoadedModel, record: Record) -> list[int]:
    """Tokens that a model is asked with, by transformers alone."""
    if record.messages is None:
        return _texts_own(loaded, str(record.prompt))
    tokenizer: Any = loaded.tokenizer
    found = tokenizer.apply_chat_template(list(record.messages), add_generation_prompt=True)
    return list(found["input_ids"])


def _texts_own(loaded: LoadedModel, text: str) -> list[int]:
    """Tokens of a text, without what is put behind it."""
    tokenizer: Any = loaded.tokenizer
    found = tokenizer(text, return_special_tokens_mask=True)
    return list(found["input_ids"][: _without_end(found["special_tokens_mask"])])


def plain_nll(loaded: LoadedModel, span: Span) -> float:
    """Mean loss of the answer by one forward without cache, padding or batch."""
    ids, start = torch.tensor([span[0]]), span[1]
    with torch.no_grad():
        logits = loaded.model(input_ids=ids).logits[0]
    return float(cross_entropy(logits[start - 1 : -1], ids[0, start:]))


def _loaded(family: Family, scratch: Path) -> LoadedModel:
    folder = write(family, scratch / "model")
    listing = scratch / "models.json"
    listing.write_text(json.dumps({"tiny": {"kind": "folder", "location": str(folder)}}))
    before = os.environ.get("EVOSELECT_MODELS")
    os.environ["EVOSELECT_MODELS"] = str(listing)
    try:
        return load("tiny", dtype="float32")
    finally:
        os.environ.pop("EVOSELECT_MODELS")
        if before is not None:
            os.environ["EVOSELECT_MODELS"] = before


def _records(loaded: LoadedModel) -> list[Record]:
    """Those that stand alone need no token before them that the tokenizer does not put there."""
    rows: list[Any] = [{"prompt": prompt, "completion": answer} for prompt, answer in PLAIN]
    if has_template(loaded.tokenizer):
        first = [{"role": "user", "content": CHATS[0][0]}, {"role": "assistant", "content": CHATS[0][1]}]
        for question, answer in CHATS:
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            rows += [{"messages": turns}, {"messages": [*first, *turns]}]
    return [parse_record(row) for row in rows]


def _span(example: Any) -> Span:
    return list(example.ids), example.start


def _prepared(
    loaded: LoadedModel, rows: list[dict[str, Any]], scratch: Path
) -> list[tuple[list[int], list[int]]]:
    """Ids and labels as TRL makes them of each row."""
    trainer: Any = SFTTrainer(
        model=twin(loaded.base),
        args=SFTConfig(
            output_dir=str(scratch / "trl"), completion_only_loss=True, max_length=None, use_cpu=True,
            bf16=False, report_to="none", disable_tqdm=True, gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=loaded.tokenizer,
    )  # fmt: skip
    return [(list(made["input_ids"]), list(made["labels"])) for made in trainer.train_dataset]


def _ended(loaded: LoadedModel, ids: list[int], *, chat: bool) -> list[int]:
    tokenizer, end = loaded.tokenizer, loaded.tokenizer.eos_token_id
    special = special_ids(tokenizer)
    while chat and ids[-1] not in special and not str(tokenizer.decode(ids[-1:])).strip():
        ids = ids[:-1]
    if ids[-2:] == [end, end]:
        ids = ids[:-1]
    return ids if ids[-1] in special else [*ids, end]


def _without_end(special: Sequence[int]) -> int:
    """How many tokens are left without what was put behind the text."""
    count = len(special)
    while special[count - 1]:
        count -= 1
    return count


def _refused_rows(loaded: LoadedModel) -> list[str]:
    if not has_template(loaded.tokenizer):
        return []
    turns = [SYSTEM, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "she"}]
    [item] = tokenize([parse_record({"id": "sys", "messages": turns})], loaded, loaded.max_length)
    return [item.why] if item.status == "template_mismatch" else []


def _refused_modules(loaded: LoadedModel) -> list[str]:
    try:
        choose_layers(loaded.model, "all", EVERY_MODULE)
    except InvalidInput as error:
        return [str(error)]
    return []
