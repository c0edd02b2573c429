"""What the pages' addresses and forms are made of."""

import asyncio
from typing import Annotated, get_args
from urllib.parse import parse_qs

from fastapi import Depends, Path, Request

from service.http.fields import Format
from service.http.problems import Problem
from store.tables.states import JobKind

MAX_FORM = 4_096  # bytes
MAX_FIELDS = 10
FORM_SECONDS = 10.0  # from its head to its last byte
FORMATS = tuple(name for name in get_args(Format) if name != "auto")
"""Shapes of rows that a form offers."""
KINDS = {f"{kind}s": kind for kind in JobKind}
Noun = Annotated[str, Path(pattern="^(selections|trainings|evaluations|loops|comparisons|indexings)$")]


async def _form(request: Request) -> dict[str, str]:
    """The fields; their bytes are counted while they come, whatever the headers say of them."""
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM:
                    raise Problem(413, "body_too_large", f"A form has at most {MAX_FORM} bytes.")
    except TimeoutError:
        raise Problem(408, "form_too_slow", f"A form comes within {FORM_SECONDS:.0f} seconds.") from None
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Problem(422, "invalid_request", f"A form has at most {MAX_FIELDS} fields.") from None
    return {name: values[0] for name, values in fields.items()}


Form = Annotated[dict[str, str], Depends(_form)]
