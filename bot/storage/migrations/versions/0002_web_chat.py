"""Customers of conversations, what was read, files and ratings."""

import sqlalchemy as sa
from alembic import op

from bot.storage.tables import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("customer", sa.String(length=64), nullable=True))
    op.add_column("conversations", sa.Column("read_by_customer", sa.Integer(), server_default="0", nullable=False))
    op.add_column("conversations", sa.Column("read_by_team", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_conversations_active", "conversations", ["channel", "active_at"], unique=False)
    op.create_index(
        "uq_conversations_customer",
        "conversations",
        ["channel", "customer"],
        unique=True,
        sqlite_where=sa.text("customer IS NOT NULL"),
        postgresql_where=sa.text("customer IS NOT NULL"),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_files_address", "files", ["channel", "address"], unique=False)
    op.create_index(
        "ix_files_unsent",
        "files",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("message_id IS NULL"),
        postgresql_where=sa.text("message_id IS NULL"),
    )
    op.create_table(
        "ratings",
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        sa.PrimaryKeyConstraint("conversation_id", "key"),
    )
    op.create_index("ix_ratings_at", "ratings", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("ratings")
    op.drop_table("files")
    op.drop_index("uq_conversations_customer", "conversations")
    op.drop_index("ix_conversations_active", "conversations")
    for column in ("read_by_team", "read_by_customer", "customer"):
        op.drop_column("conversations", column)
