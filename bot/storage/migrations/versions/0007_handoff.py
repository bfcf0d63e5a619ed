"""Handoff: states, offers, ranks and what was told; the audit log, notes, and the keys of agents' messages."""

import sqlalchemy as sa
from alembic import op

from bot.storage.tables import BigId, Instant

revision = "0007"
down_revision = "0006"

_COLUMNS = (
    sa.Column("state", sa.String(10), nullable=False, server_default="queued"),
    sa.Column("taken_by_name", sa.String(80), nullable=True),
    sa.Column("team", sa.String(36), nullable=True),
    sa.Column("topic", sa.String(20), nullable=True),
    sa.Column("offered_to", sa.String(36), nullable=True),
    sa.Column("offer_until", Instant, nullable=True),
    sa.Column("passed", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("preferred", sa.String(36), nullable=True),
    sa.Column("reopens", sa.BigInteger, nullable=True),
    sa.Column("waits_since", Instant, nullable=True),
    sa.Column("reply_due_at", Instant, nullable=True),
    sa.Column("first_reply_at", Instant, nullable=True),
    sa.Column("warned_at", Instant, nullable=True),
    sa.Column("sla", sa.String(8), nullable=True),
    sa.Column("snoozed_until", Instant, nullable=True),
    sa.Column("rank_at", Instant, nullable=True),
    sa.Column("ranked_at", Instant, nullable=True),
    sa.Column("why", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("told_at", Instant, nullable=True),
    sa.Column("told", sa.JSON, nullable=True),
    sa.Column("noticed_at", Instant, nullable=True),
    sa.Column("missed_at", Instant, nullable=True),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("agreed", sa.Text, nullable=False, server_default=""),
)
_WAITING = "state IN ('queued', 'offered')"
_TAKEN = "state = 'taken'"
_INDEXES = ("ix_handoffs_asked", "ix_handoffs_waiting", "ix_handoffs_held")


def upgrade() -> None:
    for column in _COLUMNS:
        op.add_column("handoffs", column.copy())
    op.execute("UPDATE handoffs SET rank_at = asked_at, waits_since = asked_at")
    op.execute("UPDATE handoffs SET state = 'taken', taken_by_name = taken_by WHERE taken_at IS NOT NULL")
    op.execute("UPDATE handoffs SET waits_since = NULL WHERE ended_at IS NOT NULL")
    op.execute("UPDATE handoffs SET state = 'closed' WHERE ended_at IS NOT NULL AND taken_at IS NOT NULL")
    op.execute("UPDATE handoffs SET state = 'withdrawn' WHERE ended_at IS NOT NULL AND taken_at IS NULL")
    op.create_index("ix_handoffs_asked", "handoffs", ["asked_at"], unique=False)
    op.create_index(
        "ix_handoffs_waiting",
        "handoffs",
        ["rank_at", "id"],
        unique=False,
        sqlite_where=sa.text(_WAITING),
        postgresql_where=sa.text(_WAITING),
    )
    op.create_index(
        "ix_handoffs_held",
        "handoffs",
        ["taken_by", "taken_at", "id"],
        unique=False,
        sqlite_where=sa.text(_TAKEN),
        postgresql_where=sa.text(_TAKEN),
    )
    op.create_table(
        "handoff_events",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("handoff_id", sa.BigInteger, nullable=True),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("by", sa.String(36), nullable=False),
        sa.Column("agent", sa.String(36), nullable=True),
        sa.Column("note", sa.JSON, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_handoff_events_conversation", "handoff_events", ["conversation_id", "id"], unique=False)
    op.create_index("ix_handoff_events_what", "handoff_events", ["what", "at"], unique=False)
    op.create_table(
        "notes",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("agent", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("mentions", sa.JSON, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_notes_conversation", "notes", ["conversation_id", "id"], unique=False)
    op.create_table(
        "agent_messages",
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("agent", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"]),
        sa.PrimaryKeyConstraint("conversation_id", "key"),
    )
    op.create_index("ix_agent_messages_message", "agent_messages", ["message_id"], unique=False)


def downgrade() -> None:
    for table in ("agent_messages", "notes", "handoff_events"):
        op.drop_table(table)
    for index in _INDEXES:
        op.drop_index(index, table_name="handoffs")
    for column in _COLUMNS:
        op.drop_column("handoffs", column.name)
