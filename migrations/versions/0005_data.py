"""Uploads in parts; what a pool holds, so that a content is stored once; targets held out of targets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    now = sa.text("clock_timestamp()")
    empty = sa.text("'{}'::jsonb")
    op.add_column("pools", sa.Column("keys", JSONB(), server_default=empty, nullable=False))
    op.add_column("batches", sa.Column("repeated", JSONB(), nullable=True))
    op.add_column("targets", sa.Column("groups", JSONB(), server_default=empty, nullable=False))
    op.add_column("targets", sa.Column("held_out_target_id", sa.String(), nullable=True))
    op.add_column("files", sa.Column("media_type", sa.String(), nullable=True))
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("file_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_uploads_tenant_id"), "uploads", ["tenant_id"])
    op.create_index(op.f("ix_uploads_expires_at"), "uploads", ["expires_at"])
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("artifact", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"]),
        sa.PrimaryKeyConstraint("upload_id", "number"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("upload_parts")
    op.drop_table("uploads")
    op.drop_column("files", "media_type")
    op.drop_column("targets", "held_out_target_id")
    op.drop_column("targets", "groups")
    op.drop_column("batches", "repeated")
    op.drop_column("pools", "keys")
