"""The tables. A change here comes with a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
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


class Amount(TypeDecorator):
    """A Decimal, exact on every database: SQLite's numbers are binary floats."""

    impl = sa.String(24)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> str | None:
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value)


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
    sa.Column("customer", sa.String(64)),  # whose it is, where their own channel or their shop's site has said so
    sa.Column("read_by_customer", sa.Integer, nullable=False, server_default="0"),  # numbers of messages
    sa.Column("read_by_team", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lease_owner", sa.String(64)),
    sa.Column("lease_until", Instant),
    sa.Column("retry_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("active_at", Instant, nullable=False),
    sa.Column("unreachable_at", Instant),  # since when the channel takes nothing to them: they blocked the bot
    sa.UniqueConstraint("channel", "address", name="uq_conversations_address"),
    sa.Index("ix_conversations_active", "channel", "active_at"),
    # One conversation a customer and channel, on however many devices.
    sa.Index(
        "uq_conversations_customer",
        "channel",
        "customer",
        unique=True,
        sqlite_where=sa.text("customer IS NOT NULL"),
        postgresql_where=sa.text("customer IS NOT NULL"),
    ),
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
    sa.Column("attempts", sa.Integer, nullable=False),  # times it was taken, a killed process's among them
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # times it was given back with an error
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
    sa.Column("taken_at", Instant),  # in the hands of a dispatcher since; left behind by one that was killed
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

# What customers send besides words. Without a message until it is sent.
files = sa.Table(
    "files",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("channel", sa.String(20), nullable=False),
    sa.Column("address", sa.String(255), nullable=False),
    sa.Column("message_id", sa.ForeignKey("messages.id")),
    sa.Column("media_type", sa.String(40), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_files_address", "channel", "address"),
    sa.Index(
        "ix_files_unsent",
        "created_at",
        sqlite_where=sa.text("message_id IS NULL"),
        postgresql_where=sa.text("message_id IS NULL"),
    ),
)

ratings = sa.Table(
    "ratings",
    metadata,
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("score", sa.Integer, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("case_id", sa.String(36)),  # of a complaint; else of the conversation
    sa.Column("emotion", sa.String(12)),  # read in the comment
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_ratings_at", "at"),
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

# A phone number that the channel itself vouches for: a contact of one's own on Telegram.
verified_phones = sa.Table(
    "verified_phones",
    metadata,
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), primary_key=True),
    sa.Column("phone", sa.String(32), nullable=False),
    sa.Column("at", Instant, nullable=False),
)

# What Telegram told each bot. A row is written before Telegram is told to forget it, and kept, without its body, for as
# long as it could come again.
telegram_updates = sa.Table(
    "telegram_updates",
    metadata,
    sa.Column("bot", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("update_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("chat", sa.BigInteger, nullable=False),  # 0 where it is about none
    sa.Column("body", sa.Text),  # JSON, until it is handled
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("done_at", Instant),
    sa.Column("error", sa.String(80)),  # why it was given up
    sa.Index("ix_telegram_updates_received", "received_at"),
    sa.Index(
        "ix_telegram_updates_open",
        "bot",
        "chat",
        "update_id",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
)

telegram_chats = sa.Table(
    "telegram_chats",
    metadata,
    sa.Column("bot", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("chat", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("keyboard", sa.Boolean, nullable=False),  # a reply keyboard of ours is shown there
    sa.Column("left_at", Instant),  # a group that was told that we serve in private
)

# One-time links that carry a customer of the web chat to Telegram. Of the token only its hash is kept.
telegram_links = sa.Table(
    "telegram_links",
    metadata,
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("customer", sa.String(64), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
    sa.Column("used_by", sa.String(255)),  # the address of the chat
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
    sa.Column("taken_at", Instant),  # first taken
    sa.Column("taken_by", sa.String(80)),  # who holds it, or held it last
    sa.Column("ended_at", Instant),
    sa.Column("state", sa.String(10), nullable=False, server_default="queued"),
    sa.Column("taken_by_name", sa.String(80)),
    sa.Column("team", sa.String(36)),
    sa.Column("topic", sa.String(20)),
    sa.Column("offered_to", sa.String(36)),
    sa.Column("offer_until", Instant),
    sa.Column("passed", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("preferred", sa.String(36)),
    sa.Column("reopens", sa.BigInteger),
    sa.Column("waits_since", Instant),
    sa.Column("reply_due_at", Instant),
    sa.Column("first_reply_at", Instant),
    sa.Column("warned_at", Instant),
    sa.Column("sla", sa.String(8)),
    sa.Column("snoozed_until", Instant),
    sa.Column("rank_at", Instant),  # the queue's order
    sa.Column("ranked_at", Instant),
    sa.Column("why", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("told_at", Instant),
    sa.Column("told", sa.JSON(none_as_null=True)),
    sa.Column("noticed_at", Instant),
    sa.Column("missed_at", Instant),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("agreed", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_handoffs_conversation", "conversation_id", "id"),
    sa.Index("ix_handoffs_asked", "asked_at"),
    # One open handoff a conversation, whatever races.
    sa.Index(
        "uq_handoffs_open",
        "conversation_id",
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
    sa.Index(
        "ix_handoffs_waiting",
        "rank_at",
        "id",
        sqlite_where=sa.text("state IN ('queued', 'offered')"),
        postgresql_where=sa.text("state IN ('queued', 'offered')"),
    ),
    sa.Index(
        "ix_handoffs_held",
        "taken_by",
        "taken_at",
        "id",
        sqlite_where=sa.text("state = 'taken'"),
        postgresql_where=sa.text("state = 'taken'"),
    ),
)

# What happened to a conversation at the desk, and who did it; never changed.
handoff_events = sa.Table(
    "handoff_events",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("handoff_id", sa.BigInteger),
    sa.Column("what", sa.String(20), nullable=False),
    sa.Column("by", sa.String(36), nullable=False),  # an agent, "system" or "customer"
    sa.Column("agent", sa.String(36)),  # whom it concerns besides
    sa.Column("note", sa.JSON, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_handoff_events_conversation", "conversation_id", "id"),
    sa.Index("ix_handoff_events_what", "what", "at"),
)

# What agents tell each other about a conversation.
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("agent", sa.String(36), nullable=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("mentions", sa.JSON, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_notes_conversation", "conversation_id", "id"),
)

# The key under which an agent sent a message: a double click says it once.
agent_messages = sa.Table(
    "agent_messages",
    metadata,
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("message_id", sa.ForeignKey("messages.id"), nullable=False),
    sa.Column("agent", sa.String(36), nullable=False),
    sa.Index("ix_agent_messages_message", "message_id"),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("number", sa.String(12), nullable=False, unique=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("customer", sa.String(64)),
    sa.Column("order_number", sa.String(32)),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("about", sa.String(200), nullable=False),
    sa.Column("item", sa.String(64)),
    sa.Column("pieces", sa.Integer),  # of the item; null: all that was ordered
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("emotion", sa.String(12), nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("offered", sa.JSON, nullable=False),
    sa.Column("accepted", sa.JSON),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Index("ix_cases_conversation", "conversation_id", "opened_at"),
    sa.Index("ix_cases_customer", "customer", "opened_at"),
    # One case under way about one thing, whichever channel it is told on.
    sa.Index(
        "uq_cases_about",
        "about",
        unique=True,
        sqlite_where=sa.text("state IN ('open', 'with_person')"),
        postgresql_where=sa.text("state IN ('open', 'with_person')"),
    ),
)

# What happened to a case, for people; never changed.
case_events = sa.Table(
    "case_events",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("case_id", sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("message_id", sa.ForeignKey("messages.id")),
    sa.Column("what", sa.String(20), nullable=False),
    sa.Column("note", sa.JSON, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_case_events_case", "case_id", "id"),
)

case_files = sa.Table(
    "case_files",
    metadata,
    sa.Column("case_id", sa.ForeignKey("cases.id"), primary_key=True),
    sa.Column("file_id", sa.ForeignKey("files.id"), primary_key=True),
    sa.Column("at", Instant, nullable=False),
)

# Append-only: what was given for which case. One entry of a kind a case and option.
ledger_entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("case_id", sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("customer", sa.String(64), nullable=False),
    sa.Column("order_number", sa.String(32), nullable=False),
    sa.Column("option", sa.String(20), nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("amount", Amount, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("points", sa.Integer),
    sa.Column("item", sa.String(64)),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),  # the case's kind when it was granted: what the shop is told
    sa.Column("reference", sa.String(64)),
    sa.Column("due_on", sa.Date),
    sa.Column("valid_until", sa.Date),
    sa.Column("valid_days", sa.Integer),
    sa.Column("day", sa.Date, nullable=False),  # the shop's own, for the cap of the day
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("case_id", "option", "kind", name="uq_ledger_entries_once"),
    sa.Index("ix_ledger_entries_customer", "customer", "at"),
    sa.Index("ix_ledger_entries_order", "order_number"),
    sa.Index("ix_ledger_entries_day", "day"),
)

# Rows that exist to be locked while caps are checked: an order's, a customer's, the shop's.
ledger_locks = sa.Table(
    "ledger_locks",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
)

promises = sa.Table(
    "promises",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("key", sa.String(120), nullable=False, unique=True),  # the same promise made twice is one
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("case_id", sa.ForeignKey("cases.id")),
    sa.Column("customer", sa.String(64)),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("what", sa.JSON, nullable=False),
    sa.Column("owner", sa.String(10), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("reminded_at", Instant),
    sa.Column("settled_at", Instant),
    sa.Index("ix_promises_case", "case_id"),
    sa.Index(
        "ix_promises_open",
        "due_at",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
)

# Messages that nobody asked for, planned; sent ones are in the log.
outreach = sa.Table(
    "outreach",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(120), nullable=False, unique=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("case_id", sa.ForeignKey("cases.id")),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("what", sa.JSON, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),  # later it is not worth saying any more
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("sent_at", Instant),
    sa.Column("dropped_at", Instant),
    sa.Column("reason", sa.String(24)),  # why it was dropped
    sa.Index("ix_outreach_conversation", "conversation_id", "sent_at"),
    sa.Index(
        "ix_outreach_due",
        "due_at",
        sqlite_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL AND dropped_at IS NULL"),
    ),
)

suggestions = sa.Table(
    "suggestions",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("number", sa.String(12), nullable=False, unique=True),
    sa.Column("message_id", sa.ForeignKey("messages.id"), nullable=False, unique=True),
    sa.Column("conversation_id", sa.ForeignKey("conversations.id"), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("language", sa.String(10), nullable=False),
    sa.Column("emotion", sa.String(12)),
    sa.Column("at", Instant, nullable=False),
    sa.Column("done_at", Instant),
    sa.Column("answer", sa.Text),
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

# People who answer customers. `handoffs` name them by id, without a key: what they did stays.
teams = sa.Table(
    "teams",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name_ar", sa.String(80), nullable=False),
    sa.Column("name_en", sa.String(80), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("email_key", sa.String(520), nullable=False, unique=True),  # one form for all spellings
    sa.Column("name_ar", sa.String(80), nullable=False),
    sa.Column("name_en", sa.String(80), nullable=False),
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("languages", sa.JSON, nullable=False),
    sa.Column("topics", sa.JSON, nullable=False),
    sa.Column("load_cap", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("totp_secret", sa.String(64)),  # waits to be confirmed while `totp_since` is empty
    sa.Column("totp_since", Instant),
    sa.Column("totp_last_step", sa.BigInteger),  # codes up to that time step are used up
    sa.Column("recovery_hashes", sa.JSON, nullable=False),
    sa.Column("presence", sa.String(10), nullable=False),  # what they chose; it counts while `seen_at` is fresh
    sa.Column("seen_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
)

agent_teams = sa.Table(
    "agent_teams",
    metadata,
    sa.Column("agent_id", sa.ForeignKey("agents.id"), primary_key=True),
    sa.Column("team_id", sa.ForeignKey("teams.id"), primary_key=True),
    sa.Index("ix_agent_teams_team", "team_id"),
)

agent_sessions = sa.Table(
    "agent_sessions",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("agent_id", sa.ForeignKey("agents.id"), nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("address", sa.String(50), nullable=False),  # cut to its network
    sa.Column("device", sa.String(200), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("used_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Index("ix_agent_sessions_agent", "agent_id"),
)

# Links that make one account; without an e-mail: the first administrator's.
invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("email", sa.String(254)),
    sa.Column("email_key", sa.String(520)),
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("teams", sa.JSON, nullable=False),
    sa.Column("invited_by", sa.ForeignKey("agents.id")),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),  # used, or withdrawn
)

# Tries to sign in that did not succeed, by account and by network address, under keyed hashes.
sign_in_tries = sa.Table(
    "sign_in_tries",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
)

# Who did what at the desk. No names, texts, e-mails or secrets.
desk_audit = sa.Table(
    "desk_audit",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("agent_id", sa.String(36)),  # empty: the command line, or nobody who is signed in
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("address", sa.String(50), nullable=False),  # cut to its network
    sa.Column("details", sa.JSON, nullable=False),
    sa.Index("ix_desk_audit_agent", "agent_id", "id"),
    sa.Index("ix_desk_audit_subject", "kind", "subject", "id"),
)
