"""The interface as one page, made from the OpenAPI document; shown where EVOSELECT_SHOW_DOCS is true."""

import base64
import hashlib
import html
import json
from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.http.fair import FairRoute
from store.kit.json import Json

router = APIRouter(route_class=FairRoute, include_in_schema=False)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid #ccc; padding-top: 1rem; font-size: 1.1rem; } code { font-size: 0.95em; }
pre { background: #f4f4f4; padding: 0.6rem; overflow-x: auto; }
td { text-align: left; padding: 0 1rem 0 0; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/docs")
async def page(request: Request) -> HTMLResponse:
    """Every route with its parameters, examples and answers."""
    return HTMLResponse(render(request.app.openapi()), headers=HEADERS)


def render(document: Json) -> str:
    """The page; no script, nothing loaded, all text escaped."""
    title = html.escape(f"{document['info']['title']} {document['info']['version']}")
    body = "\n".join(
        part
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for part in _operation(document, method, path, operation)
    )
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    about = html.escape(document["info"].get("description", ""))
    body = f"<body><h1>{title}</h1><p>{about}</p>{body}</body>"
    return f"<!doctype html><html lang=en><head>{head}</head>{body}</html>"


def _operation(document: Json, method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
    yield f"<p>{html.escape(operation.get('description', ''))}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table>" + "".join(map(_parameter, parameters)) + "</table>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{html.escape(kind)}</code></p>"
        schema = _resolved(document, content.get("schema", {}))
        for example in schema.get("examples", []):
            yield f"<pre>{html.escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"
    answers = (
        f"{status} {_resolved(document, item)['description']}"
        for status, item in operation["responses"].items()
    )
    yield f"<p>Answers: {html.escape(', '.join(answers))}</p>"


def _parameter(parameter: Json) -> str:
    cells = (parameter["name"], parameter["in"], parameter.get("description", ""))
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _resolved(document: Json, item: Json) -> Json:
    """What a reference such as #/components/schemas/Job points at; anything else as it is."""
    if "$ref" not in item:
        return item
    _, components, kind, name = item["$ref"].split("/")
    found: Json = document[components][kind][name]
    return found
