"""Chats with OpenAI-compatible endpoints: questions as JSON, answers with the tokens that they took."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from evoselect.spec.fields import MAX_WHOLE
from store.kit.egress import Egress
from workers.generators.calls import FIRST_DELAY_SECONDS, Calls


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said."""

    text: str
    finished: bool
    """False where it was cut off at max_tokens."""
    prompt_tokens: int
    completion_tokens: int


class Chat(Calls):
    """An endpoint by its base URL, such as https://host/v1."""

    def __init__(
        self,
        base_url: str,
        key: str | None,
        way: Egress,
        *,
        seconds: float,
        per_minute: float | None,
        who: str = "generator",
        first_delay_seconds: float = FIRST_DELAY_SECONDS,
    ) -> None:
        super().__init__(
            base_url.rstrip("/") + "/chat/completions",
            key,
            way,
            seconds=seconds,
            per_minute=per_minute,
            who=who,
            first_delay_seconds=first_delay_seconds,
        )

    def ask(self, body: Mapping[str, object]) -> tuple[Completion, int]:
        """(the answer, how many tries it took); raises NoResponse, or Invalid where another try is no use."""
        content, tries = self.fetch(body)
        return _read(content), tries


def _read(content: bytes) -> Completion:
    """The first choice; an answer that is none counts as an empty text, so that it is counted as garbage."""
    try:
        value = orjson.loads(content)
        choice, usage = value["choices"][0], value.get("usage") or {}
        text = choice["message"]["content"]
        finished = choice.get("finish_reason") != "length"
        prompt, completion = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return Completion("", True, 0, 0)
    return Completion(text if isinstance(text, str) else "", finished, prompt, completion)


def _count(told: Any) -> int:
    """Tokens that an endpoint says it has used; one that says 1e300 has used up any budget."""
    return min(MAX_WHOLE, max(0, int(told or 0)))
