"""Servers that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.chaos.crash_points import Scene, scene


@pytest.fixture(scope="module")
def crash_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A PostgreSQL and a tenant for lives that end early."""
    with scene(tmp_path_factory.mktemp("crash")) as made:
        yield made
