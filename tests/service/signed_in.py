"""A session of the pages, without a browser."""

from dataclasses import dataclass
from typing import Any

import httpx

from service.edge.sessions import COOKIE
from tests.live import Api

SAME = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Session:
    """What a browser holds after signing in, and what its pages hold."""

    url: str
    cookie: str
    token: str

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request of a page's script to the API."""
        headers = {"Cookie": self.cookie, "X-Form-Token": self.token, **SAME, **options.pop("headers", {})}
        return httpx.request(method, f"{self.url}/ui/v1{path}", headers=headers, **options)

    def page(self, path: str) -> httpx.Response:
        """A page below /ui."""
        return httpx.get(f"{self.url}/ui{path}", headers={"Cookie": self.cookie})


def session_of(api: Api) -> Session:
    """Signed in with the tenant's key."""
    answer = httpx.post(f"{api.url}/ui/sign-in", data={"api_key": api.api_key}, headers=SAME)
    cookie = f"{COOKIE}={answer.cookies[COOKIE]}"
    text = httpx.get(f"{api.url}/ui/keys", headers={"Cookie": cookie}).text
    return Session(api.url, cookie, text.partition('name="form-token" content="')[2].partition('"')[0])
