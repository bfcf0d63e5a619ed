"""Telegram: updates, chats, links; who cannot be reached; verified phones; what a killed dispatcher had in hand."""

import sqlalchemy as sa
from alembic import op

from bot.storage.tables import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("unreachable_at", Instant, nullable=True))
    op.add_column("outbox", sa.Column("taken_at", Instant, nullable=True))
    op.create_table(
        "verified_phones",
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("phone", sa.String(length=32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        sa.PrimaryKeyConstraint("conversation_id"),
    )
    op.create_table(
        "telegram_updates",
        sa.Column("bot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("update_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("done_at", Instant, nullable=True),
        sa.Column("error", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("bot", "update_id"),
    )
    op.create_index("ix_telegram_updates_received", "telegram_updates", ["received_at"], unique=False)
    op.create_index(
        "ix_telegram_updates_open",
        "telegram_updates",
        ["bot", "chat", "update_id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "telegram_chats",
        sa.Column("bot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("keyboard", sa.Boolean(), nullable=False),
        sa.Column("left_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("bot", "chat"),
    )
    op.create_table(
        "telegram_links",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("used_at", Instant, nullable=True),
        sa.Column("used_by", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("token"),
    )


def downgrade() -> None:
    for table in ("telegram_links", "telegram_chats", "telegram_updates", "verified_phones"):
        op.drop_table(table)
    op.drop_column("outbox", "taken_at")
    op.drop_column("conversations", "unreachable_at")
