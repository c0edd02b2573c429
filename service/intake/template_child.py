"""Renders a user's Jinja template in a process of its own, whose memory and time are bounded.

A template is a programme: it may loop for ever, ask for any memory, or look for a way out of the sandbox.
Whatever it does here ends this process and no other. The argument is {memory, row_seconds, seconds,
max_chars} as JSON; standard input holds frames, each a length in 8 bytes (big-endian) and so many bytes.
The first one is the template, answered by a line {used: [variables]} or {code, detail}. Every further one
holds rows as lines of JSON, each answered by a line {prompt} or {code, detail}. A row that takes too long is
not answered: SIGPROF ends the process. Runs as a script; imports nothing of ours.
"""

import encodings.unicode_escape
import html
import json
import os
import pprint
import re
import resource
import signal
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import jinja2.debug
from jinja2 import meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

KEPT_OPEN = 3  # standard input, output and error: no file and no socket beside them
NAMED = 20  # columns that a message names
WHOLE_ROW = "row"  # a variable with all columns, for names that are none in Jinja
BY_CHANCE = ("random", "lipsum")  # would make other prompts of the same rows

# Imported by Jinja when it needs them, which this process then cannot.
NEEDED_LATER = (encodings.unicode_escape, html, pprint, textwrap, jinja2.debug)


class Failed(Exception):
    """Why there is no prompt."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def main(limits: dict[str, Any]) -> None:
    """Answer every frame; see above."""
    _bound(limits)
    template = None
    while (frame := _frame()) is not None:
        if template is None:
            template = _opened(frame.decode(), limits)
            continue
        for line in frame.split(b"\n"):
            signal.setitimer(signal.ITIMER_PROF, limits["row_seconds"])
            answer = _answer(template, line, int(limits["max_chars"]))
            signal.setitimer(signal.ITIMER_PROF, 0)
            _say(answer)


def _opened(source: str, limits: dict[str, Any]) -> jinja2.Template:
    """The template, once its variables or its fault were told."""
    environment = _environment()
    signal.setitimer(signal.ITIMER_PROF, limits["row_seconds"])
    try:
        used = meta.find_undeclared_variables(environment.parse(source))
        template = environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        _say({"code": "bad_template", "detail": f"template, line {error.lineno}: {error.message}"})
        sys.exit()
    except Exception as error:  # numbers and nests that its compiler does not bear
        _say({"code": "bad_template", "detail": f"template: {type(error).__name__}: {error!s:.200}"})
        sys.exit()
    signal.setitimer(signal.ITIMER_PROF, 0)
    _say({"used": sorted(used)})
    return template


def _environment() -> ImmutableSandboxedEnvironment:
    """Jinja for prompts: no escapes of HTML, a column without a value is empty, a missing one is an error."""
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        finalize=lambda value: "" if value is None else value,
    )
    for name in BY_CHANCE:
        environment.filters.pop(name, None)
        environment.globals.pop(name, None)
    environment.filters["tojson"] = _as_json
    return environment


def _as_json(value: Any, indent: int | None = None) -> str:
    """As transformers' chat templates have it; Jinja's own writes for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _answer(template: jinja2.Template, line: bytes, max_chars: int) -> dict[str, str]:
    try:
        return {"prompt": _rendered(template, json.loads(line), max_chars)}
    except Failed as failed:
        return {"code": failed.code, "detail": failed.detail}
    except MemoryError:
        return {"code": "too_large", "detail": "The template takes more memory on this row than it may."}


def _rendered(template: jinja2.Template, row: Mapping[str, Any], max_chars: int) -> str:
    pieces, size = [], 0
    try:
        for piece in template.generate({WHOLE_ROW: row, **row}):
            size += len(piece)
            if size > max_chars:
                raise Failed("too_large", f"The template makes more than {max_chars} characters of this row.")
            pieces.append(piece)
        prompt = "".join(pieces)
        prompt.encode()
    except jinja2.UndefinedError as error:
        there = ", ".join(sorted(row)[:NAMED]) or "none"
        detail = f"template: {error!s:.100}; the columns of this row are {there:.200}."
        raise Failed("no_such_column", detail) from None
    except SecurityError as error:
        raise Failed("unsafe_template", f"template: {error!s:.200}") from None
    except UnicodeEncodeError:
        raise Failed("bad_text", "The template writes half of a surrogate pair: no text holds one.") from None
    except (Failed, MemoryError):
        raise
    except Exception as error:
        raise Failed("template_failed", f"template: {type(error).__name__}: {error!s:.200}") from None
    return prompt


def _frame() -> bytes | None:
    head = sys.stdin.buffer.read(8)
    return sys.stdin.buffer.read(int.from_bytes(head)) if head else None


def _say(answer: dict[str, Any]) -> None:
    left = memoryview(json.dumps(answer).encode() + b"\n")
    while left:
        left = left[os.write(sys.stdout.fileno(), left) :]


def _bound(limits: dict[str, Any]) -> None:
    """So much memory beyond what the interpreter takes, so many seconds of its processor, nothing to open."""
    status = Path("/proc/self/status")  # Linux; elsewhere the system does not keep the limit anyway
    if status.exists():
        taken = re.search(r"VmData:\s+(\d+) kB", status.read_text())
        most = (int(taken.group(1)) * 1024 if taken else 0) + int(limits["memory"])
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    seconds = int(limits["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (KEPT_OPEN, KEPT_OPEN))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
