"""Tiny models whose tokenizers and templates do what those of some families do, with weights from seed 0."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXTS = [
    "What is the capital of Italy? Rome is the capital of Italy.",
    "Answer: Paris",
    "Question: who sells seashells? Answer: she",
    "<| user |> Hi <| assistant |> Hello",
    "red green blue white black one two three four five six seven",
    "The sky is blue and the grass is green.",
] * 20
SPECIAL = ["<unk>", "<s>", "</s>"]
TURN = "{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}"
TAIL = "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
CHAT = "{{ bos_token }}{% for m in messages %}" + TURN + TAIL
"""Ends every turn with the end token."""
STRICT = (
    (
        "{{ bos_token }}{% for m in messages %}"
        "{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    )
    + TURN
    + TAIL
)
"""Gemma and Mistral refuse such turns."""
CLOCK = CHAT.replace(
    "{{ bos_token }}", "{{ bos_token + 'Today: ' + strftime_now('%d %b %Y %H:%M') + '\n' }}", 1
)
"""Llama 3.x and Granite write the date."""


def write(
    folder: Path,
    template: str | None = CHAT,
    *,
    prefix: bool = True,
    eos: str | None = "</s>",
    model: Any = None,
) -> Path:
    """A model in a folder; ``prefix``: its tokenizer begins every text with a space, as Llama-2's does."""
    (model or network()).save_pretrained(folder)
    tokenizer(template, prefix=prefix, eos=eos).save_pretrained(folder)
    return folder


def tokenizer(template: str | None, *, prefix: bool, eos: str | None) -> PreTrainedTokenizerFast:
    """Byte pairs over words that begin with a space."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement="▁", prepend_scheme="first" if prefix else "never", split=True
    )
    special = [*SPECIAL, *(f"<0x{i:02X}>" for i in range(256))]
    made.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    )
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # upstream
        tokenizer_object=made, bos_token="<s>", eos_token=eos, unk_token="<unk>", chat_template=template
    )


def network() -> Any:
    """Two layers."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=640, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=256, bos_token_id=1, eos_token_id=2,
            initializer_range=0.3,
        )
    )  # fmt: skip
