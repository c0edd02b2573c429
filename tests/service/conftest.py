"""The live API that the tests of this folder share."""

from tests.live import api as api
