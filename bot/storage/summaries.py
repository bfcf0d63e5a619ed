"""What the records hold of a conversation, for who takes it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.model import Author, ConversationId
from bot.handoff.summary import Facts, Feeling
from bot.orders.model import CustomerId
from bot.promises.model import PromiseState
from bot.storage import tables as t
from bot.storage.cases import case_of
from bot.storage.database import Database
from bot.storage.handoff_rows import last_handoff, open_handoff
from bot.storage.promises import promise_of
from bot.storage.turns import conversation_of

_CASES, _PROMISES, _MESSAGES, _TEXTS, _FEELINGS = 5, 10, 60, 5, 12


class SqlSummaries:
    """Implements `handoff.summary.SummaryRecords`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def facts(self, conversation: ConversationId) -> Facts | None:
        with self._db.read() as c:
            row = c.execute(sa.select(t.conversations).where(t.conversations.c.id == conversation)).first()
            if row is None:
                return None
            proof = c.execute(
                sa.select(t.proofs.c.customer).where(t.proofs.c.conversation_id == conversation)
            ).scalar_one_or_none()
            customer = row.customer or proof
            cases = c.execute(
                sa.select(t.cases)
                .where(
                    sa.or_(
                        t.cases.c.conversation_id == conversation,
                        t.cases.c.customer == customer if customer else sa.false(),
                    )
                )
                .order_by(t.cases.c.opened_at.desc())
                .limit(_CASES)
            ).all()
            promises = c.execute(
                sa.select(t.promises)
                .where(t.promises.c.conversation_id == conversation, t.promises.c.state == PromiseState.OPEN.value)
                .order_by(t.promises.c.due_at)
                .limit(_PROMISES)
            ).all()
            feelings, texts = _latest(c, conversation)
            return Facts(
                conversation_of(row, conversation),
                CustomerId(customer) if customer else None,
                customer is not None,
                open_handoff(c, conversation),
                last_handoff(c, conversation),
                [case_of(case) for case in cases],
                _refused(c, [case.id for case in cases]),
                [promise_of(promise) for promise in promises],
                feelings,
                texts,
            )


def _refused(c: Connection, cases: list[str]) -> frozenset[str]:
    declined = sa.select(t.case_events.c.case_id).where(
        t.case_events.c.case_id.in_(cases), t.case_events.c.what == "declined"
    )
    return frozenset(c.execute(declined).scalars())


def _latest(c: Connection, conversation: ConversationId) -> tuple[list[Feeling], list[str]]:
    """Feelings stand with the bot's first reply to each message: there the assistant leaves what it read."""
    latest = c.execute(
        sa.select(t.messages.c.number, t.messages.c.author, t.messages.c.text, t.messages.c.meta)
        .where(t.messages.c.conversation_id == conversation)
        .order_by(t.messages.c.number.desc())
        .limit(_MESSAGES)
    ).all()[::-1]
    feelings = [
        Feeling(row.number, str(row.meta["emotion"]), float(row.meta.get("tension") or 0.0))
        for row in latest
        if row.meta.get("emotion")
    ]
    texts = [row.text for row in latest if row.author == Author.CUSTOMER.value]
    return feelings[-_FEELINGS:], texts[-_TEXTS:]
