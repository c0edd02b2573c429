"""What Airflow reads of an installed provider: a type of connection and its hook. Imports no Airflow."""

from __future__ import annotations

from typing import Any

from evoselect_client.core.version import VERSION

MODULE = "evoselect_client.integrations.airflow"


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in the form that Airflow checks."""
    return {
        "package-name": "evoselect-client",
        "name": "EvoSelect",
        "description": "Selects the training examples that are worth training on.",
        "versions": [VERSION],
        "connection-types": [{"connection-type": "evoselect", "hook-class-name": f"{MODULE}.EvoSelectHook"}],
    }
