"""Client of the EvoSelect selection service.

from evoselect_client import Client

client = Client()
selection = client.selections.create(target_id=..., pool_id=..., ratio=0.1).wait(progress=True)
for item in selection.items():
    print(item.rank, item.id)
"""

from evoselect_client.client import Client
from evoselect_client.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    EvoSelectError,
    InvalidRequestError,
    JobFailedError,
    NotFoundError,
    RateLimitedError,
    RequestTooLargeError,
    ServerError,
    WaitTimeoutError,
)

__all__ = [
    "ApiError",
    "AuthenticationError",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "EvoSelectError",
    "InvalidRequestError",
    "JobFailedError",
    "NotFoundError",
    "RateLimitedError",
    "RequestTooLargeError",
    "ServerError",
    "WaitTimeoutError",
]
