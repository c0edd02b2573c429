"""A page that needs nothing else, and gets nothing of the origin that served it."""

from fastapi import Response

from service.html.templates import HTML

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; sandbox allow-scripts"
"""The page's own policy is stricter about what runs; this one keeps it out of the API's origin as well."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
SCHEMA = {"type": "string", "description": "One page that needs nothing else."}  # in the OpenAPI document


def standalone(page: str) -> Response:
    """The page as the answer to a request of the API."""
    return Response(page, media_type=HTML, headers=HEADERS)
