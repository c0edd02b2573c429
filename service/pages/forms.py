"""What the pages' addresses and forms are made of."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Path, Request

from service.problems import Problem
from store.states import JobKind

MAX_FORM = 4_096  # bytes
KINDS = {f"{kind}s": kind for kind in JobKind}
Noun = Annotated[str, Path(pattern="^(selections|trainings|evaluations|loops)$")]


async def _form(request: Request) -> dict[str, str]:
    if int(request.headers.get("content-length", "0") or 0) > MAX_FORM:
        raise Problem(413, "body_too_large", f"A form has at most {MAX_FORM} bytes.")
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    return {name: values[0] for name, values in fields.items()}


Form = Annotated[dict[str, str], Depends(_form)]
