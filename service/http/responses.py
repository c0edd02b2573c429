"""Base of all models of responses: the schemas of the OpenAPI document. The views of each noun fill them."""

from typing import Generic, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class ResponseModel(BaseModel):
    """Base of what the service returns: the text below a field is its description in the document."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    @classmethod
    def of_row(cls, row: object, **others: object) -> Self:
        """The row as clients see it: columns by the fields' names, `others` where those are no columns."""
        columns = [name for name in cls.model_fields if name not in others and name != "object"]
        (noun,) = get_args(cls.model_fields["object"].annotation)
        return cls.model_validate({name: getattr(row, name) for name in columns} | {"object": noun} | others)


class OpenResponseModel(ResponseModel):
    """Base of what may hold more than is listed: numbers that one method or kind of job alone has."""

    model_config = ConfigDict(extra="allow")


class Page(ResponseModel, Generic[T]):
    """One page of a list, newest first."""

    model_config = ConfigDict(json_schema_extra={"description": "One page of a list, newest first."})

    object: Literal["list"]
    """Always `list`."""
    data: list[T]
    """What stands on this page, at most `limit` of them."""
    has_more: bool
    """Whether more follow: ask again with the last id (events: number) of `data` as `after`."""


class Deleted(ResponseModel):
    """What was deleted."""

    id: str
    """Its id."""
    object: str
    """Its kind, such as `pool`."""
    deleted: Literal[True]
    """Always true."""


class Fault(ResponseModel):
    """One thing that is wrong, and where."""

    detail: str
    """What is wrong, with the value that was seen."""
    pointer: str | None = None
    """Where: a JSON Pointer (RFC 6901) into the body, or `?NAME` for a parameter of the query."""
    line: int | None = None
    """Line of the batch, from 1."""
    code: str | None = None
    """Kind of fault of a line, such as `not_json`."""


class ProblemDocument(ResponseModel):
    """A refusal or failure (RFC 9457)."""

    type: str
    """`urn:evoselect:problem:` and the code."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status, from 400 to 599."""
    code: str
    """Stable name of the problem, for programs."""
    detail: str
    """What happened and what to do next, for people."""
    request_id: str
    """Names this request in the service's log; the header X-Request-Id has it too."""
    errors: list[Fault]
    """Each fault of the request; empty where there is only `detail`."""


class Livez(ResponseModel):
    """The process answers."""

    status: Literal["ok"]
    """Always `ok`."""


class Readyz(ResponseModel):
    """Whether requests can be served."""

    status: Literal["ok", "degraded"]
    """Degraded: jobs are accepted and run, but later than usual, because the broker is away."""
    database: Literal["ok"]
    """Always `ok`: without the database the answer is 503."""
    redis: Literal["ok", "down"]
    """Whether the broker answers."""


class Version(ResponseModel):
    """The release."""

    name: str
    """Always `evoselect`."""
    version: str
    """The release of the service, such as `0.1.0`."""
