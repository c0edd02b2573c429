"""The live API that the tests of this folder share."""

import pytest

from tests.live import Api, another_tenant
from tests.live import api as api


@pytest.fixture
def other(api: Api) -> Api:
    """The same API, seen by a new tenant."""
    return another_tenant(api)
