"""Pages as responses: the frame around every template, its policy, and failures as pages."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from evoselect.errors import InvalidInput
from service.edge.sessions import form_token
from service.html.templates import HTML, templates
from service.http import problems
from service.http.fair import FairRoute
from service.services import State
from store.errors import StoreError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def render(request: Request, template: str, code: int = 200, **values: Any) -> Response:
    """A template with the session's form token; `token` is empty for those who are not signed in."""
    state: State = request.app.state.services
    cookie = getattr(request.state, "cookie", "")
    token = form_token(state, cookie) if cookie else ""
    text = templates().get_template(template).render(token=token, path=request.url.path, **values)
    return Response(text, code, HEADERS, HTML)


class PageRoute(FairRoute):
    """Failures of a page are pages, with the same status and sentence as the API's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's documented place to surround a route."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await inner(request)
            except (HTTPException, RequestValidationError, StoreError, InvalidInput, DataError) as error:
                problem = problems.as_problem(request, error)
                title = problems.TITLES.get(problem.status_code, "Error")
                return render(
                    request, "problem.html", problem.status_code, title=title, detail=problem.detail
                )

        return handler
