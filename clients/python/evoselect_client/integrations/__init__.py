"""Pipelines that EvoSelect drops into: one module each, which alone imports the package it is for."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Around imports of a pipeline's package: what is missing is named, with the line that installs it."""
    try:
        yield
    except ImportError as error:
        how = f'pip install "evoselect-client[{extra}]"'
        raise ImportError(f"{extra} cannot be used here ({error}): {how}", name=error.name) from error
