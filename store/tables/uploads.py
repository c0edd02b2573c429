"""The tables of resumable uploads.

Tenant -< Upload -< UploadPart;   a completed upload points at its File
"""

from datetime import datetime

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Upload(Base):
    """A file that comes in parts."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str | None]
    status: Mapped[str]
    """pending | completed | cancelled | expired"""
    file_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UploadPart(Base):
    """Bytes of an upload under their number; parts are joined in the order of their numbers."""

    __tablename__ = "upload_parts"
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    artifact: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
