"""Media types that bodies come in, and those that a client accepts."""

from collections.abc import Sequence

from service.http.problems import Problem

JSON = "application/json"
NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
BINARY = "application/octet-stream"
CSV, TSV = "text/csv", "text/tab-separated-values"
TABLES = (PARQUET, ARROW)  # told apart by their first bytes
OTHER_NAMES = {
    **dict.fromkeys(
        ("application/jsonl", "application/x-jsonl", "application/jsonlines", "application/x-jsonlines"),
        NDJSON,
    ),
    **dict.fromkeys(("application/ndjson", "text/x-ndjson", "text/plain"), NDJSON),
    **dict.fromkeys(("application/x-parquet", "application/parquet"), PARQUET),
    "application/vnd.apache.arrow.file": ARROW,
}


def media_type(content_type: str | None) -> str:
    """The media type without its parameters, in lower case and by the name that it has here."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return OTHER_NAMES.get(kind, kind)


def required(content_type: str | None, kinds: Sequence[str]) -> str:
    """The media type of a body; raises Problem 415 for one that is not among `kinds`."""
    kind = media_type(content_type)
    if kind not in kinds:
        detail = f"Send {' or '.join(kinds)}, not {kind[:60] or 'nothing'}."
        raise Problem(415, "unsupported_media_type", detail)
    return kind


def acceptable(accept: str | None, kinds: Sequence[str]) -> str:
    """The kind that the client prefers, the first of all where it has no wish; raises Problem 406."""
    wishes = [_wish(part) for part in (accept or "*/*").split(",")]
    for kind, quality in sorted(wishes, key=lambda wish: -wish[1]):
        family = kind.removesuffix("*")
        for offered in kinds:
            if quality > 0 and (kind in (offered, "*/*") or (family != kind and offered.startswith(family))):
                return offered
    detail = f"Accept is {accept!r:.60}; this comes as {', '.join(kinds)}."
    raise Problem(406, "not_acceptable", detail)


def _wish(part: str) -> tuple[str, float]:
    """("text/html;q=0.8") -> ("text/html", 0.8); a quality that is no number counts as 0."""
    kind, *parameters = (item.strip() for item in part.lower().split(";"))
    quality = next((item[2:] for item in parameters if item.startswith("q=")), "1")
    try:
        return kind, float(quality)
    except ValueError:
        return kind, 0.0
