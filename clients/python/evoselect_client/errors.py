"""What the client raises.

EvoSelectError
+-- ConfigurationError         no address or key was found, or a proxy or certificate fails
+-- BadInputError              what was given cannot be sent; a ValueError too
+-- DamagedDownloadError       what came is not what was stored: nothing is kept
+-- ConnectionFailedError      no answer after all retries
+-- WaitTimeoutError           wait() ran out of time; the job goes on
+-- WebhookVerificationError   a message was not sent by the service, or long ago
+-- JobFailedError             the job ended as failed, cancelled or expired
+-- ApiError                   the service answered with a problem
    +-- AuthenticationError    401
    |   +-- PermissionDeniedError  403
    +-- NotFoundError          404
    +-- ConflictError          409
    +-- RequestTooLargeError   413
    +-- InvalidRequestError    400, 422 and other 4xx
    +-- RateLimitedError       429, after all retries
    +-- ServerError            5xx, after all retries
"""

from __future__ import annotations

from typing import Any


class EvoSelectError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigurationError(EvoSelectError):
    """No address or no API key was given, and none was found; the message says where they were looked for."""


class BadInputError(EvoSelectError, ValueError):
    """What was given cannot be sent to the service; the message says where and why."""


class DamagedDownloadError(EvoSelectError):
    """What came is not what the service named; nothing was written, the same call may succeed."""


class ConnectionFailedError(EvoSelectError):
    """The service did not answer, after all retries."""


class WaitTimeoutError(EvoSelectError):
    """The job had not ended when wait() ran out of time. It goes on: call wait() again."""


class WebhookVerificationError(EvoSelectError):
    """The message cannot be trusted; the message says what does not fit."""


class JobFailedError(EvoSelectError):
    """The job ended without a result; `job` is its last state and `code` says why."""

    def __init__(self, job: Any) -> None:
        error = job.error
        reason = f": {error.detail} [{error.code}]" if error else ""
        super().__init__(f"{job.object} {job.id} is {job.status}{reason}")
        self.job = job
        self.code: str = error.code if error else job.status


class ApiError(EvoSelectError):
    """The service refused or failed; the fields are those of its problem document (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any], response: Any = None) -> None:
        self.status = status
        self.response = response
        """The answer: `status`, `headers`, `content`; None where the client itself refused it."""
        self.code: str = str(problem.get("code") or f"http_{status}")
        self.detail: str = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        self.request_id: str | None = problem.get("request_id")
        self.errors: list[dict[str, Any]] = list(problem.get("errors") or [])
        super().__init__(status, problem)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the service says that asking again makes sense."""
        return self.response.retry_after if self.response is not None else None

    def __str__(self) -> str:
        where = f"[{self.code}, HTTP {self.status}, request {self.request_id}]"
        return f"{self.detail} {where}{self._first()}"

    def _first(self) -> str:
        """The first faults, so that a traceback alone is enough to act on."""
        lines = [f"\n  {_place(error)}{error.get('detail', '')}" for error in self.errors[:3]]
        more = len(self.errors) - len(lines)
        return "".join(lines) + (f"\n  ... and {more} more in .errors" if more else "")


class AuthenticationError(ApiError):
    """The key is missing, wrong or revoked."""


class PermissionDeniedError(AuthenticationError):
    """The key is known, and its scopes do not cover this."""


class NotFoundError(ApiError):
    """No such resource for this key."""


class ConflictError(ApiError):
    """The state of the resource forbids the change."""


class RequestTooLargeError(ApiError):
    """The body is larger than the service takes in one request."""


class InvalidRequestError(ApiError):
    """A value in the request cannot be used; `errors` points at each."""


class RateLimitedError(ApiError):
    """Too many requests."""


class ServerError(ApiError):
    """The service failed; `request_id` helps its operators to find out why."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    429: RateLimitedError,
}


def from_problem(status: int, problem: dict[str, Any], response: Any = None) -> ApiError:
    """The error class for a status, filled from the problem document; `response` is the HTTP response."""
    fallback = ServerError if status >= 500 else InvalidRequestError
    return _BY_STATUS.get(status, fallback)(status, problem, response)


def _place(error: dict[str, Any]) -> str:
    if error.get("line"):
        return f"line {error['line']}: "
    return f"{error['pointer']}: " if error.get("pointer") else ""
