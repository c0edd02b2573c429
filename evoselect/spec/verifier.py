"""Who checks a loop's candidates: each kind gives a record a score from 0, wrong, to 1, right."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from evoselect.spec.fields import Bounded, Id, Members, Real, ShortText, Text, Whole

LEAST_QUALITY = 0.5  # of what is selected where a verifier scores and the selection names none (ours)
LONGEST_SCHEMA = 20_000  # characters


class Tried(Bounded):
    """Base of all: how much of the target a verifier is tried on."""

    calibration: Annotated[int, Whole(0, 256)] = 32
    """Target examples that it is tried on in the first round: with their own answers, and with wrong ones."""


class Called(Tried):
    """Base of all that asks somebody outside: where, and how fast."""

    endpoint: Id | None = None
    """Alias of the operator's list, which has its URL and its key; or else `url`."""
    url: Annotated[str, Text(1, 2048, printable=True)] | None = None
    """URL of an endpoint that wants no key: https://host/v1 of a model, the whole URL of a hook."""
    concurrency: Annotated[int, Whole(1, 64)] = 4
    """Requests under way at the same time."""
    requests_per_minute: Annotated[float, Real(gt=0.0, le=1e6)] | None = None
    """Requests begun a minute at most; null sets no limit."""
    seconds: Annotated[float, Real(gt=0.0, le=600.0)] = 60.0
    """How long an answer may take."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.endpoint is None) == (self.url is None):
            raise ValueError("send exactly one of endpoint (an alias of the operator's) and url")
        return self


class Modelled(Called):
    """Base of those that ask an OpenAI-compatible endpoint."""

    model: ShortText
    """The endpoint's name of its model."""
    max_tokens: Annotated[int, Whole(1, 65_536)] = 256
    """Of one answer."""
    prompt_price: Annotated[float, Real(ge=0.0, le=1e6)] = 0.0
    """Of a million tokens of prompts, in a currency of yours; what was spent is added up."""
    completion_price: Annotated[float, Real(ge=0.0, le=1e6)] = 0.0
    """Of a million tokens of answers, in the same currency."""


class JudgeVerifier(Modelled):
    """A model reads each record and says how right it is."""

    kind: Literal["judge"]
    """Always `judge`."""
    rubric: Annotated[str, Text(1, 8_000)] = (
        "The answer is right: a competent person who reads the prompt alone would agree with it. The prompt "
        "is complete and can be answered."
    )
    """What a right record is, in words for the model."""
    samples: Annotated[int, Whole(1, 16)] = 1
    """Verdicts asked for each record; the score is their mean."""
    temperature: Annotated[float, Real(ge=0.0, le=2.0)] = 0.0
    """Of its sampling, 0 to 2."""


class AgreementVerifier(Modelled):
    """A model answers each prompt several times; the score is the share of answers like the record's own."""

    kind: Literal["agreement"]
    """Always `agreement`."""
    samples: Annotated[int, Whole(2, 32)] = 5
    """Answers asked for each record."""
    examples: Annotated[int, Whole(0, 16)] = 4
    """Target examples shown before the prompt, so that answers have their form; chats are shown none."""
    temperature: Annotated[float, Real(ge=0.0, le=2.0)] = 0.7
    """Of its sampling, 0 to 2."""


class HookVerifier(Called):
    """A service of yours: POST `{"records": [...]}`, answered by `{"scores": [...]}` in the same order."""

    kind: Literal["hook"]
    """Always `hook`."""
    per_request: Annotated[int, Whole(1, 100)] = 20
    """Records of one request."""


def _short(schema: dict[str, Any]) -> dict[str, Any]:
    written = json.dumps(schema)
    if len(written) > LONGEST_SCHEMA:
        raise ValueError(f"has {len(written)} characters as JSON, more than {LONGEST_SCHEMA}")
    if "\\u0000" in written:
        raise ValueError("must not hold the character 0")
    return schema


class RegexVerifier(Tried):
    """An answer that the expression matches as a whole scores 1, any other 0."""

    kind: Literal["regex"]
    """Always `regex`."""
    pattern: Annotated[str, Text(1, 2_000)]
    """In RE2's syntax: no references back, no look-around. White space around an answer is not looked at."""


class SchemaVerifier(Tried):
    """An answer that is JSON as the schema wants it scores 1, any other 0."""

    model_config = ConfigDict(populate_by_name=True, validate_by_alias=True)

    kind: Literal["json_schema"]
    """Always `json_schema`."""
    wanted: Annotated[dict[str, Any], Members(64), AfterValidator(_short)] = Field(alias="schema")
    """A JSON Schema, 2020-12 where it names no other; its references stay inside, none to itself."""


Asked = JudgeVerifier | AgreementVerifier | HookVerifier
Exact = RegexVerifier | SchemaVerifier
Verifier = Annotated[
    JudgeVerifier | AgreementVerifier | HookVerifier | RegexVerifier | SchemaVerifier,
    Field(discriminator="kind"),
]
