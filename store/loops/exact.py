"""Regular expressions and JSON schemas of users, made into checks that cannot be made to hang.

Expressions run on RE2, in time linear in the text. Patterns inside schemas run on Rust's regex, which is
linear too. A schema's references are counted out before it is compiled: one that refers to itself, or that
doubles with each reference, would take for ever. Nothing is fetched from anywhere.
"""

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import orjson
import re2

from evoselect.spec.verifier import Exact, RegexVerifier
from store.errors import Invalid
from store.kit.json import Json

MOST_PARTS = 5_000  # of a schema with its references written out
DEEPEST = 64  # parts inside each other, references included
PATTERN_MEMORY = 2**20  # bytes that one compiled expression may take
LONGEST = 100_000  # characters of an answer that is parsed as JSON; a longer one does not fit
UNBOUNDED = ("$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties")
"""Keywords whose cost is not that of the parts: they look at the same value again at each level."""

Check = Callable[[str], bool]
"""Whether a text fits."""


def check_of(asked: Exact, pointer: str) -> Check:
    """What an exact verifier checks answers with; raises Invalid at the setting that is none."""
    if isinstance(asked, RegexVerifier):
        return expression(asked.pattern, f"{pointer}/pattern")
    return schema(asked.wanted, f"{pointer}/schema")


def expression(pattern: str, pointer: str) -> Check:
    """Fits a text that the expression matches as a whole; raises Invalid for one that RE2 does not take."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise Invalid(
            f"the expression is none that RE2 takes: {_said(error, pattern)}",
            code="invalid_pattern",
            pointer=pointer,
        ) from None
    return lambda text: compiled.fullmatch(text) is not None


def _said(error: Exception, pattern: str) -> str:
    """RE2's words, with the character at which the part that they name begins."""
    told = error.args[0] if error.args else ""
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    at = pattern.find(text.rpartition(": ")[2])
    return f"{text[:200]} (character {at + 1})" if at >= 0 else text[:200]


def schema(value: Json, pointer: str) -> Check:
    """Fits a text that is JSON as the schema wants it; raises Invalid for a schema that is none."""
    _Parts(value, pointer).require_bounded()
    try:
        compiled = jsonschema_rs.validator_for(
            value,
            validate_formats=True,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(
                size_limit=PATTERN_MEMORY, dfa_size_limit=PATTERN_MEMORY
            ),
        )
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"/{_escaped(str(name))}" for name in error.instance_path)
        raise _refused(error.message[:200], f"{pointer}{place}") from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise _refused(str(error)[:200], pointer) from None

    def fits(text: str) -> bool:
        if len(text) > LONGEST:
            return False
        try:
            return bool(compiled.is_valid(orjson.loads(text)))
        except ValueError:  # no JSON, or nested deeper than the validator goes
            return False

    return fits


class _Parts:
    """Counts a schema's parts, those behind its references included."""

    def __init__(self, whole: Json, pointer: str) -> None:
        self._whole, self._pointer = whole, pointer
        self._known: dict[str, tuple[int, int]] = {}
        self._open: list[str] = []

    def require_bounded(self) -> None:
        """Raise Invalid for one that is too large or too deep, or that refers to itself or away."""
        parts, _ = self._count(self._whole, "", 0)
        if parts > MOST_PARTS:
            raise _refused(
                f"with its references written out the schema has {parts} parts, more than {MOST_PARTS}",
                self._pointer,
            )

    def _count(self, value: object, place: str, depth: int) -> tuple[int, int]:
        """(parts, levels below) of what stands at a place."""
        if depth > DEEPEST:
            raise _refused(f"the schema is nested deeper than {DEEPEST}", self._pointer + place)
        inner: list[tuple[int, int]] = []
        if isinstance(value, dict):
            for name in UNBOUNDED:
                if name in value:
                    raise _refused(
                        f"{name} is not taken: its cost has no bound", f"{self._pointer}{place}/{name}"
                    )
            named = [(_escaped(name), one) for name, one in value.items()]
            inner = [self._count(one, f"{place}/{name}", depth + 1) for name, one in named]
            if isinstance(value.get("$ref"), str):
                inner.append(self._referred(value["$ref"], place, depth + 1))
        elif isinstance(value, list):
            inner = [self._count(one, f"{place}/{at}", depth + 1) for at, one in enumerate(value)]
        return 1 + sum(parts for parts, _ in inner), 1 + max((levels for _, levels in inner), default=0)

    def _referred(self, reference: str, place: str, depth: int) -> tuple[int, int]:
        at = f"{self._pointer}{place}/$ref"
        if reference in self._open or reference == "#":
            raise _refused(f"{reference} refers to itself: its cost has no bound", at)
        if reference not in self._known:
            self._open.append(reference)
            self._known[reference] = self._count(self._found(reference, at), reference[1:], depth)
            self._open.pop()
        if depth + self._known[reference][1] > DEEPEST + 1:
            raise _refused(f"the schema is nested deeper than {DEEPEST} behind {reference}", at)
        return self._known[reference]

    def _found(self, reference: str, at: str) -> object:
        """What a reference inside of the document names."""
        value: Any = self._whole
        if not reference.startswith("#/"):
            raise _refused(
                f"{reference:.100} leads away: refer to a part of the schema, as in #/$defs/name", at
            )
        for name in reference[2:].split("/"):
            key = name.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            else:
                raise _refused(f"{reference:.100} names nothing in the schema", at)
        return value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _refused(detail: str, pointer: str) -> Invalid:
    return Invalid(detail, code="invalid_schema", pointer=pointer)
