"""From files as they lie on a disk to rows that a trainer reads: one command, nothing converted by hand."""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

from tests.clients.test_cli import evoselect
from tests.conftest import Stack

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(400)]
K = 4
TEMPLATE = "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' ' }}{% endfor %}"


def target_rows() -> list[dict[str, str]]:
    return [
        {"instruction": f"What is {n} plus {n}?", "input": "", "output": f"It is {2 * n}."} for n in range(4)
    ]


def pool_rows() -> list[str]:
    """Lines of a pool of conversations, each written in a way of its own."""
    rows = [
        {
            "id": n,
            "conversations": [
                {"from": "human", "value": f"Add {n} and {n + 1}."},
                {"from": "gpt", "value": f"{2 * n + 1}"},
            ],
            "source": f"sums {n % 2}",
            "page": {"number": n},
        }
        for n in range(12)
    ]
    return [
        json.dumps(row, indent=None, separators=(", ", ": ") if row["id"] else (",", ":")) for row in rows
    ]


def test_picked_rows_come_back_as_they_came_and_train(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(target_rows(), indent=2))
    lines = pool_rows()
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    paths = {name: str(tmp_path / name) for name in ("t.json", "p.jsonl", "picked.jsonl")}
    done = evoselect(
        *("select", "--target", paths["t.json"], "--pool", paths["p.jsonl"]),
        *("-k", str(K), "--out", paths["picked.jsonl"]),
        home=tmp_path / "home",
        variables={"EVOSELECT_URL": stack.url, "EVOSELECT_API_KEY": stack.api_key},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "t.json: 4 alpaca" in done.stderr
    assert "p.jsonl: 12 sharegpt; kept beside: page, source" in done.stderr
    assert f"selected {K} of 12 candidates" in done.stdout
    assert "by source: " in done.stdout
    assert f"rows: {paths['picked.jsonl']}" in done.stdout
    assert len(done.stdout.splitlines()) <= 12
    picked = (tmp_path / "picked.jsonl").read_text().split("\n")[:-1]
    assert len(picked) == len(set(picked)) == K
    assert set(picked) <= set(lines)
    _train_one_step(paths["picked.jsonl"], tmp_path)


def _train_one_step(path: str, folder: Path) -> None:
    """TRL's own loader and trainer on the file, with a model of random weights."""
    rows = datasets.load_dataset("json", data_files=path, split="train", cache_dir=str(folder / "cache"))
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1, "[EOS]": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", eos_token="[EOS]"
    )
    tokenizer.chat_template = TEMPLATE
    shape: dict[str, Any] = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
    }
    trainer = SFTTrainer(
        model=LlamaForCausalLM(LlamaConfig(vocab_size=3, **shape)),
        args=SFTConfig(
            str(folder / "trained"),
            max_steps=1,
            report_to="none",
            use_cpu=True,
            bf16=False,
            save_strategy="no",
        ),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    assert trainer.train().global_step == 1
