"""Where records lie that a job works on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A stored Parquet file of records that features are wanted for."""

    role: str
    """target | pool"""
    artifact: str
    sha256: str
    rows: int
