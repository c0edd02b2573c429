"""What requests about keys and webhook endpoints may say."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from evoselect.spec.fields import Bounded, Members, ShortText, Text, Whole
from service.http.fields import example
from store.accounts.scopes import Scope
from store.kit.egress import MAX_URL
from store.webhooks.endpoints import TYPES

MAX_OVERLAP_SECONDS = 30 * 24 * 3600  # that a rotated key may work on


def _known_event(name: str) -> str:
    if name not in TYPES:
        raise ValueError(f"unknown event: use {', '.join(TYPES)}")
    return name


EventType = Annotated[
    str, Text(1, 64), AfterValidator(_known_event), WithJsonSchema({"type": "string", "enum": list(TYPES)})
]


class ApiKeyRequest(Bounded):
    """A key for a program or a person."""

    model_config = example(name="pipeline", scopes=["select:write", "train"])

    name: ShortText
    """What it is for, 1 to 256 printable characters."""
    scopes: Annotated[list[Scope], Members(len(Scope), low=1)]
    """What it may do; `admin` includes the others, and all include `select:read`."""


class RotateRequest(Bounded):
    """Replace a key; the old one works on for a while, so that its users can change over."""

    model_config = example(overlap_seconds=86_400)

    overlap_seconds: Annotated[int, Whole(0, MAX_OVERLAP_SECONDS)] = 3600
    """Seconds that the old key works on, 0 to 2,592,000 (30 days)."""


class EndpointRequest(Bounded):
    """An address that wants to hear of jobs that end."""

    model_config = example(url="https://example.com/hook", events=["selection.completed"])

    url: Annotated[str, Text(1, MAX_URL, printable=True)]
    """An https URL that resolves to public addresses."""
    events: Annotated[list[EventType], Members(len(TYPES), low=1)] = Field(default=list(TYPES))
    """What it is told of; by default the end of every job."""
    description: ShortText | None = None
    """What it is for."""
