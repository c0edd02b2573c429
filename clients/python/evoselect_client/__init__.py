"""Client of the EvoSelect selection service.

from evoselect_client import Client

client = Client()
selection = client.selections.create(target_id=..., pool_id=..., ratio=0.1).wait(progress=True)
for item in selection.items():
    print(item.rank, item.id)

`AsyncClient` has the same verbs, to be awaited.
"""

import importlib
from typing import TYPE_CHECKING, Any

from evoselect_client.core.version import VERSION

if TYPE_CHECKING:
    from evoselect_client import webhooks
    from evoselect_client.client import AsyncClient, Client
    from evoselect_client.errors import (
        ApiError,
        AuthenticationError,
        BadInputError,
        ConfigurationError,
        ConflictError,
        ConnectionFailedError,
        DamagedDownloadError,
        EvoSelectError,
        InvalidRequestError,
        JobFailedError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitedError,
        RequestTooLargeError,
        ServerError,
        WaitTimeoutError,
        WebhookVerificationError,
    )

__all__ = [
    "ApiError",
    "AsyncClient",
    "AuthenticationError",
    "BadInputError",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "DamagedDownloadError",
    "EvoSelectError",
    "InvalidRequestError",
    "JobFailedError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitedError",
    "RequestTooLargeError",
    "ServerError",
    "WaitTimeoutError",
    "WebhookVerificationError",
    "__version__",
    "webhooks",
]

__version__ = VERSION


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: pydantic's models take longer than all else."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "webhooks":
        return importlib.import_module("evoselect_client.webhooks")
    module = "client" if name.endswith("Client") else "errors"
    return getattr(importlib.import_module(f"evoselect_client.{module}"), name)
