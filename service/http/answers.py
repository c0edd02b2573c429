"""What answers look like: the schemas of the OpenAPI document. The views of each noun fill them."""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Newest first; pass the last id as `after` for what follows."""

    object: Literal["list"]
    data: list[T]
    has_more: bool


class Deleted(BaseModel):
    """What is no more."""

    id: str
    object: str
    deleted: Literal[True]


class Fault(BaseModel):
    """One thing that is wrong, and where."""

    detail: str
    pointer: str | None = None
    line: int | None = None
    code: str | None = None


class ProblemDocument(BaseModel):
    """A refusal or failure (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[Fault]


class Livez(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Readyz(BaseModel):
    """Degraded: jobs are accepted and run, but later than usual, because the broker is away."""

    status: Literal["ok", "degraded"]
    database: Literal["ok"]
    redis: Literal["ok", "down"]


class Version(BaseModel):
    """The release."""

    name: str
    version: str
