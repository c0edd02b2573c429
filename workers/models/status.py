"""What becomes of a row: apart from the tokenizers, which take seconds to load where nothing is tokenized."""

from typing import Literal

Status = Literal[
    "ok",
    "too_long",
    "truncated_answer",
    "no_answer_tokens",
    "non_finite",
    "zero_gradient",
    "shard_failed",
    "template_mismatch",
]
