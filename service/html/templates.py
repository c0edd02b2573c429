"""Templates and the files that pages are made of. Everything that a template prints is escaped."""

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HTML = "text/html"
FOLDER = Path(__file__).parents[1]
STATIC = FOLDER / "static"
NOTHING = "—"


@cache
def templates() -> Environment:
    """Jinja with escaping everywhere; a name that a template gets wrong is an error."""
    found = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["statics"] = f"/ui/static/{version()}"
    found.filters |= {"number": number, "percent": percent, "embedded": embedded}
    return found


@cache
def version() -> str:
    """Part of the addresses of these files, which browsers keep until one of them changes."""
    files = sorted(path for path in STATIC.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


@cache
def asset(*names: str) -> Markup:
    """Files of service/static, one after another, to stand inside a page as they are."""
    return Markup("\n".join((STATIC / name).read_text(encoding="utf-8") for name in names))


def policy(style: str, scripts: Iterable[str]) -> str:
    """Only these inline texts run; nothing is fetched, framed or sent."""
    allowed = " ".join(source(text) for text in scripts)
    return (
        f"default-src 'none'; style-src {source(style)}; script-src {allowed}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def embedded(data: Any) -> Markup:
    """JSON that no text in it can end early, in a script element or an attribute in single quotes."""
    text = orjson.dumps(data).decode()
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def source(text: str) -> str:
    """A Content-Security-Policy source that allows exactly this inline text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def number(value: Any) -> str:
    """Whole numbers in groups of three, others with four digits that count; a dash for None."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def percent(value: float | None) -> str:
    """A share as per cent."""
    return NOTHING if value is None else f"{100 * value:.1f} %"
