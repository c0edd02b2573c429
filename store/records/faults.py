"""What is wrong with a record, in words that name the value."""

from typing import Final

from typing_extensions import TypedDict

_KINDS: Final = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
}


class InvalidRecord(ValueError):
    """A record cannot be used: `code` is stable, `detail` names the value seen and the next step."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def kind_of(value: object) -> str:
    """The kind of a JSON value, as messages name it."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """The value as the message shows it, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class RowFault(TypedDict, total=False):
    """What is wrong with a line, and where."""

    line: int
    pointer: str
    code: str
    detail: str
