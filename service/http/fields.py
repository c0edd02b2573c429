"""What requests may say. Unknown fields are refused; what is left out takes the recommended value."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from evoselect.spec.fields import Bounded, Members, ShortText, Text, Whole
from service.http.json_pieces import MAX_VALUES
from service.http.record_schema import RECORDS

MetadataKey = Annotated[str, Text(1, 64, printable=True)]
MetadataValue = Annotated[str, Text(0, 512, printable=True)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Members(16)]
Version = Annotated[int, Whole(0)]
Records = Annotated[list[Any], Members(MAX_VALUES), WithJsonSchema(RECORDS)]
"""store.records.record checks each, and names the line."""


QUESTION = {"prompt": "2 + 2?", "completion": "4"}
CHAT = {"messages": [{"role": "user", "content": "3 + 3?"}, {"role": "assistant", "content": "6"}]}


def example(**fields: Any) -> ConfigDict:
    """A body that works as it stands; the suite sends it. Ids in it stand for the reader's own."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Labelled(Bounded):
    """A resource that users may name and annotate."""

    name: ShortText | None = None
    metadata: Metadata = Field(default={})


class JobRequest(Labelled):
    """Work to be done; among the jobs of one tenant higher priority comes first."""

    priority: Annotated[int, Whole(-100, 100)] = 0


def exactly_one(**fields: object) -> None:
    found = [name for name, value in fields.items() if value is not None]
    if len(found) != 1:
        names = " and ".join(fields) if len(fields) == 2 else ", ".join(fields)
        said = " and ".join(found) if found else "neither" if len(fields) == 2 else "none"
        raise ValueError(f"send exactly one of {names}, got {said}")
