"""A table that METADATA did not know would lose its users' files to the sweeper."""

import importlib
import pkgutil

from store import tables
from store.tables import every
from store.tables.base import Base


def test_every_module_that_has_a_table_is_named() -> None:
    found = [
        importlib.import_module(f"store.tables.{part.name}") for part in pkgutil.iter_modules(tables.__path__)
    ]
    of_tables = [module for module in found if _defines_a_table(module.__name__)]
    assert sorted(module.__name__ for module in every.MODULES) == sorted(
        module.__name__ for module in of_tables
    )
    assert len(every.METADATA.sorted_tables) == len(Base.__subclasses__())


def _defines_a_table(module: str) -> bool:
    return any(table.__module__ == module for table in Base.__subclasses__())
