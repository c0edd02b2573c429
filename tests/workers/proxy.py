"""A small random proxy model with a trained tokenizer, in a local folder that the registry knows."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from store.records.record import Record, parse_record

ALIAS = "tiny"
NATIONS = ("france paris", "spain madrid", "italy rome", "japan tokyo", "egypt cairo", "peru lima")
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }} {{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def write_proxy(folder: Path, *, nan_token: str | None = None, zero_head: bool = False) -> Path:
    """Write both; ``nan_token`` gets a broken embedding, ``zero_head`` makes every gradient zero."""
    tokenizer = _tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.2,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        if nan_token is not None:
            model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(nan_token)] = torch.nan
        if zero_head:
            model.lm_head.weight.zero_()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def register(folder: Path, monkeypatch: pytest.MonkeyPatch, alias: str = ALIAS) -> None:
    """Name the folder in the operator's list of models."""
    listing = folder.parent / f"{folder.name}-models.json"
    listing.write_text(json.dumps({alias: {"kind": "folder", "location": str(folder)}}))
    monkeypatch.setenv("EVOSELECT_MODELS", str(listing))


def questions(count: int = 6) -> list[Record]:
    """Capitals with four choices each; the completions differ in length by an added phrase."""
    capitals = [pair.split()[1] for pair in NATIONS]
    found = []
    for number in range(count):
        nation, capital = NATIONS[number % len(NATIONS)].split()
        choices = [capital, *[name for name in capitals if name != capital][:3]]
        prompt = f"what is the capital of {nation} " + "please " * (number % 4)
        found.append(parse_record({"prompt": prompt, "choices": choices, "answer": 0, "id": f"q{number}"}))
    return found


def record(prompt: str, completion: str, **more: Any) -> Record:
    """A record from its parts."""
    return parse_record({"prompt": prompt, "completion": completion, **more})


def _tokenizer() -> PreTrainedTokenizerFast:
    """Word pieces; its normaliser drops characters that do not print, as BERT's does."""
    backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True, clean_text=True)
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = ["<s>", "</s>", "<unk>", "<user>", "<assistant>", "<system>"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special)
    text = [f"what is the capital of {pair} please answer in one word it is called" for pair in NATIONS]
    backend.train_from_iterator([*text, "broken " * 20, "abcdefghijklmnopqrstuvwxyz"], trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # upstream
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=TEMPLATE
    )
