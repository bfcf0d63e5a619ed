"""What customers think: ratings and suggestions. Most are written as effects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.conversations.model import ConversationId
from bot.feedback.model import Average, Suggestion
from bot.outreach.model import OutreachKind, OutreachPlanned
from bot.storage import tables as t
from bot.storage.effects import plan_outreach
from bot.storage.ratings import SqlRatings

_WORTH_SAYING = timedelta(days=14)


class SqlFeedback(SqlRatings):
    """Suggestions and averages; ratings as `SqlRatings` takes them."""

    def suggestions(self, limit: int = 100) -> Sequence[Suggestion]:
        """Those not done first, then newest first."""
        done = t.suggestions.c.done_at.is_not(None)
        chosen = sa.select(t.suggestions).order_by(done, t.suggestions.c.id.desc()).limit(limit)
        with self._db.read() as c:
            return [_suggestion(row) for row in c.execute(chosen).all()]

    def done(self, number: str, answer: str, now: datetime) -> bool:
        """It is done, and its author is told so with `answer` when that is allowed. Returns False for a number that does
        not exist or was done before; then nothing changes."""
        of_number = t.suggestions.c.number == number
        with self._db.write() as c:
            conversation = c.execute(sa.select(t.suggestions.c.conversation_id).where(of_number)).scalar_one_or_none()
            c.execute(sa.select(t.conversations.c.id).where(t.conversations.c.id == conversation).with_for_update())
            marked = c.execute(
                t.suggestions.update()
                .where(of_number, t.suggestions.c.conversation_id == conversation, t.suggestions.c.done_at.is_(None))
                .values(done_at=now, answer=answer)
            )
            if marked.rowcount != 1:
                return False
            what = {"number": number, "answer": answer}
            planned = OutreachPlanned(
                f"suggestion:{number}", OutreachKind.SUGGESTION_DONE, now, now + _WORTH_SAYING, what
            )
            plan_outreach(planned, c, ConversationId(conversation), now)
            return True

    def of_conversations(self, since: datetime) -> Average:
        """Of whole conversations rated since then."""
        return self._average(since, t.ratings.c.case_id.is_(None))

    def of_cases(self, since: datetime) -> Average:
        """Of complaints rated since then."""
        return self._average(since, t.ratings.c.case_id.is_not(None))

    def _average(self, since: datetime, condition: Any) -> Average:
        chosen = sa.select(sa.func.count(), sa.func.avg(t.ratings.c.score)).where(t.ratings.c.at >= since, condition)
        with self._db.read() as c:
            number, score = c.execute(chosen).one()
        return Average(int(number), None if score is None else float(score))


def _suggestion(row: Any) -> Suggestion:
    return Suggestion(row.number, row.text, row.language, row.emotion, row.at, row.done_at, row.answer)
