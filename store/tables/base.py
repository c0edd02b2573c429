"""What every table stands on: the declarative base, and columns that many have."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from store.kit.json import Json


class Base(DeclarativeBase):
    """Times are UTC by the database's clock; dicts are JSONB."""

    type_annotation_map = {  # noqa: RUF012 - sqlalchemy reads this class attribute
        Json: JSONB,
        datetime: DateTime(timezone=True),
        int: BigInteger,
    }


def now() -> Mapped[datetime]:
    """A column that is the time of the row, by the database's clock."""
    return mapped_column(server_default=func.clock_timestamp())


def of_tenant() -> Mapped[str]:
    """The column that says whose the row is."""
    return mapped_column(ForeignKey("tenants.id"), index=True)


def no_entries() -> Mapped[Any]:
    """A column of a JSON object that is empty at first; the class says what its values are."""
    return mapped_column(JSONB, server_default=text("'{}'::jsonb"))
