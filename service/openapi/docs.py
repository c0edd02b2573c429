"""The interface as one page, made from the OpenAPI document; shown where EVOSELECT_SHOW_DOCS is true."""

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse

from service.html.templates import STATIC, source
from service.http.fair import FairRoute

router = APIRouter(route_class=FairRoute, include_in_schema=False)

START = """
const fontFamily = "system-ui, sans-serif";
const theme = { typography: { fontFamily, headings: { fontFamily } } };
const settings = { disableSearch: true, nativeScrollbars: true, requiredPropsFirst: true, theme };
Redoc.init("/openapi.json", settings, document.getElementById("reference"),
  () => { document.documentElement.dataset.ready = "yes"; });
"""
"""Search is off: its index is made by a worker, which the policy does not let run."""
PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/ui/static/icon.svg">
<title>EvoSelect API</title><style>body {{ margin: 0; }}</style></head>
<body><div id="reference"></div>
<noscript><p>This page needs scripts. <a href="/openapi.json">openapi.json</a> has all of it.</p></noscript>
<script src="/docs/redoc.standalone.js"></script><script>{START}</script></body></html>"""
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self' {source(START)}; style-src 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


@router.get("/docs")
async def page() -> HTMLResponse:
    """Every route with its parameters, bodies, answers and examples, by Redoc."""
    return HTMLResponse(PAGE, headers=HEADERS)


@router.get("/docs/redoc.standalone.js")
async def script() -> FileResponse:
    """Redoc, which stands with its licence in service/static."""
    return FileResponse(STATIC / "redoc.standalone.js", headers={"X-Content-Type-Options": "nosniff"})
