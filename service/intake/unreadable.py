"""What to say of files and lines that cannot be read: what they are, and what to send in their place."""

import orjson

from service.http.problems import Problem

OTHERS = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook or Word document: save the sheet as CSV in UTF-8",
    b"%PDF": "a PDF: send its rows as JSON Lines, CSV or Parquet",
    b"SQLite format 3": "an SQLite database: export the table as CSV or JSON Lines",
    b"\xff\xfe": "in UTF-16: save it as UTF-8",
    b"\xfe\xff": "in UTF-16: save it as UTF-8",
}
"""By first bytes; Arrow's stream, which begins with four FF, is none of them."""
NO_NUMBERS = ("NaN", "Infinity", "-Infinity")  # that other writers of JSON let through
NOT_UTF8 = "save the file as UTF-8"
ROW = '{"prompt": "...", "completion": "..."}'


def refuse_others(head: bytes) -> None:
    """Raise Problem where a file that begins so is of a kind that holds no rows."""
    for mark, what in OTHERS.items():
        if head.startswith(mark):
            raise Problem(422, "not_json", f"The file is {what}.")


def why_no_json(error: orjson.JSONDecodeError) -> str:
    """One sentence about a line, and what to write in its place where that is known."""
    if "not valid UTF-8" in error.msg:
        return f"The line is not UTF-8: {NOT_UTF8}."
    before = error.pos - (error.msg == "no digit after sign")
    name = next((name for name in NO_NUMBERS if error.doc.startswith(name, before)), None)
    if name is not None:
        return f"The line holds {name} at character {before + 1}, which JSON does not know: write null."
    told = f"The line is not JSON: {error.msg} at character {error.pos + 1}"
    if not error.doc.lstrip().startswith("{"):
        return f"{told}. Each line must be an object, such as {ROW}."
    whole = error.msg == "unexpected end of data"
    return f"{told}{'. Write each record as a whole on one line' if whole else ''}."
