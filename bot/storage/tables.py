"""The tables. A change here comes with a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator):
    """An aware UTC time; SQLite keeps it as naive UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are aware")
        value = value.astimezone(timezone.utc)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


metadata = sa.MetaData()
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("address", sa.String(255), nullable=False),
    sa.Column("owner", sa.String(10), nullable=False),
    sa.Column("language", sa.String(10), nullable=False),
    sa.Column("variety", sa.String(10)),
    sa.Column("last_number", sa.Integer, nullable=False),
    sa.Column("opted_out", sa.Boolean, nullable=False),
    sa.Column("lease_owner", sa.String(64)),
    sa.Column("lease_until", Instant),
    sa.Column("retry_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("active_at", Instant, nullable=False),
    sa.UniqueConstraint("channel", "address", name="uq_conversations_address"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("author", sa.String(10), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("reply_to", sa.ForeignKey("messages.id")),
    sa.Column("meta", sa.JSON, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("conversation_id", "number", name="uq_messages_number"),
    sa.Index("ix_messages_reply_to", "reply_to"),
)

buttons = sa.Table(
    "buttons",
    metadata,
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), primary_key=True),
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("message_id", sa.ForeignKey("messages.id"), nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Index("ix_buttons_message", "message_id"),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("message_id", sa.ForeignKey("messages.id"), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("payload", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("done_at", Instant),
    sa.UniqueConstraint("conversation_id", "key", name="uq_inbox_key"),
    sa.Index("ix_inbox_message", "message_id"),
    sa.Index(
        "ix_inbox_open",
        "conversation_id",
        "id",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("address", sa.String(255), nullable=False),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id")),
    sa.Column("message_id", sa.ForeignKey("messages.id")),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("sent_at", Instant),
    sa.Column("failed_at", Instant),
    sa.Column("error", sa.String(200)),
    sa.Index(
        "ix_outbox_due",
        "channel",
        "address",
        "id",
        sqlite_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND failed_at IS NULL"),
    ),
    sa.Index("ix_outbox_message", "message_id"),
)

assistant_states = sa.Table(
    "assistant_states",
    metadata,
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
)

proofs = sa.Table(
    "proofs",
    metadata,
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), primary_key=True),
    sa.Column("customer", sa.String(64), nullable=False),
    sa.Column("given_at", Instant, nullable=False),
    sa.Column("used_at", Instant, nullable=False),
)

proof_failures = sa.Table(
    "proof_failures",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("order_number", sa.String(32), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_proof_failures_conversation", "conversation_id", "at"),
    sa.Index("ix_proof_failures_order", "order_number", "at"),
)

unanswered_questions = sa.Table(
    "unanswered_questions",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("message_id", sa.ForeignKey("messages.id"), nullable=False, unique=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("language", sa.String(10), nullable=False),
    sa.Column("nearest", sa.String(80)),
    sa.Column("score", sa.Float),
    sa.Column("at", Instant, nullable=False),
)

handoffs = sa.Table(
    "handoffs",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("acknowledged_at", Instant),
    sa.Column("contact", sa.String(255)),
    sa.Column("taken_at", Instant),
    sa.Column("taken_by", sa.String(80)),
    sa.Column("ended_at", Instant),
    sa.Index("ix_handoffs_conversation", "conversation_id", "id"),
    # One open handoff a conversation, whatever races.
    sa.Index(
        "uq_handoffs_open",
        "conversation_id",
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)

shop_records = sa.Table(
    "shop_records",
    metadata,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("customer", sa.String(64)),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Index("ix_shop_records_customer", "kind", "customer"),
)
