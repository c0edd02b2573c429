"""ETag and If-None-Match: a client that knows the answer already is told so, without it."""

from collections.abc import Mapping

from fastapi import Request, Response


def conditional(request: Request, body: bytes, etag: str, headers: Mapping[str, str]) -> Response:
    """The JSON body with its tag, or 304 when the request names the tag."""
    known = request.headers.get("if-none-match")
    tagged = {"ETag": etag, "Cache-Control": "private, no-cache", **headers}
    if known is not None and matches(known, etag):
        return Response(status_code=304, headers=tagged)
    return Response(body, media_type="application/json", headers=tagged)


def matches(known: str, etag: str) -> bool:
    """Whether If-None-Match names the tag. Weak comparison, as RFC 9110 asks for If-None-Match."""
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return etag in tags or tags == ["*"]
