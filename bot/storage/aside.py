"""Effects that no customer's message brings about: the scheduler's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.conversations.model import AssistantState, Author, ConversationId, Effect, Message, MessageId, Turn
from bot.errors import CaseMoved
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.effects import apply
from bot.storage.turns import conversation_of


class SqlEffects:
    """Implements `complaints.fulfilment.EffectWriter`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def write(self, conversation: ConversationId, effects: Sequence[Effect], now: datetime) -> None:
        with self._db.write() as c:
            # The conversation's row first, as in a turn's commit: it is the lock under which all of it changes.
            row = c.execute(
                sa.select(t.conversations).where(t.conversations.c.id == conversation).with_for_update()
            ).first()
            if row is None:
                raise CaseMoved("the conversation has been joined to another")
            message = Message(MessageId(""), conversation, 0, Author.BOT, "", now)
            turn = Turn(conversation_of(row, conversation), message, None, AssistantState(None, 0), now)
            for effect in effects:
                apply(effect, c, turn)
