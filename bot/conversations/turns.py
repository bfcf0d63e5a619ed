"""The turn: one customer message, from the inbox to its replies.

Claim (short transaction) → think (no transaction, no lock) → commit (short transaction). A kill anywhere leaves the
message unanswered in the inbox; it is claimed again when the lease runs out, and answered once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.conversations.live import Answered, LiveEvents, Typing
from bot.conversations.model import Author, Owner, Reply, Turn
from bot.conversations.ports import Assistant, Claimed, Clock, PeopleDesk, TurnStore, Wording
from bot.errors import AssistantFailed, Conflict, StorageUnavailable

log = structlog.get_logger()

LEASE = timedelta(seconds=15)
MAX_FAILURES = 3
# A process that is killed is seldom killed by the message it holds: machines restart, and new versions come.
MAX_ATTEMPTS = 8
_RETRY = timedelta(seconds=1)
# What is said before the answer to a message, by what was noted of it when it came.
_SAID_FIRST = {"masked": "utter_number_masked", "unread": "utter_telegram_unread"}
_LONGEST_RETRY = timedelta(minutes=1)


class TurnRunner:
    """Runs turns for one worker. Not for several threads at once: make one a thread.

    `observe(step, seconds)` hears how long each step took, `heard(intent)` what was understood, and `live` when the
    assistant begins, when it ends, and when a message is answered.
    """

    def __init__(
        self,
        worker: str,
        store: TurnStore,
        assistant: Assistant,
        desk: PeopleDesk,
        wording: Wording,
        clock: Clock,
        live: LiveEvents,
        *,
        observe: Callable[[str, float], None] = lambda step, seconds: None,
        heard: Callable[[str], None] = lambda intent: None,
        lease: timedelta = LEASE,
        max_attempts: int = MAX_ATTEMPTS,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        self._worker, self._store, self._assistant, self._desk = worker, store, assistant, desk
        self._wording, self._clock, self._live, self._observe = wording, clock, live, observe
        self._heard, self._lease = heard, lease
        self._max_attempts, self._max_failures = max_attempts, max_failures

    def run_once(self) -> bool:
        """Answer one message if there is one to answer; returns whether there was. Raises StorageUnavailable."""
        now = self._clock()
        claimed = self._store.claim(self._worker, now, now + self._lease)
        if claimed is None:
            return False
        started = time.perf_counter()
        conversation = claimed.turn.conversation.id
        place = (claimed.turn.conversation.channel, claimed.turn.conversation.address)
        if claimed.turn.conversation.owner is Owner.BOT:
            self._live.tell(Typing(*place, Author.BOT, True))
        try:
            replies = self._think(claimed)
            thought = time.perf_counter()
            self._observe("think", thought - started)
            self._store.commit(self._worker, claimed, replies, self._clock())
            self._observe("commit", time.perf_counter() - thought)
        except Conflict as conflict:
            # Somebody took the conversation over or was faster: what we thought is void, the stored state decides.
            log.info("turn.discarded", conversation=conversation, reason=type(conflict).__name__)
            self._store.release(self._worker, claimed, counted=False)
            return True
        except StorageUnavailable as error:
            log.warning("turn.storage_unavailable", conversation=conversation, reason=str(error))
            self._store.release(self._worker, claimed, self._clock() + _RETRY, counted=False)
            return True
        except Exception:
            log.exception("turn.failed", conversation=conversation, attempt=claimed.attempt)
            self._store.release(self._worker, claimed, self._retry_at(claimed))
            return True
        finally:
            self._live.tell(Typing(*place, Author.BOT, False))
        self._observe("turn", time.perf_counter() - started)
        self._observe("wait", (now - claimed.turn.message.at).total_seconds())
        if intent := claimed.turn.trace.get("intent"):
            self._heard(str(intent))
        self._live.tell(Answered(*place, claimed.turn.message.id))
        return True

    def _think(self, claimed: Claimed) -> Sequence[Reply]:
        turn = claimed.turn
        given_up = self._tries_beyond(claimed) > 0
        if turn.conversation.owner is not Owner.BOT:
            return self._to_people(turn, given_up)
        if given_up:
            # It failed, or took the process with it, several times: stop trying, say so, and fetch a person.
            log.error("turn.given_up", conversation=turn.conversation.id, attempts=claimed.attempt - 1)
            self._desk.assistant_failed(turn)
            return [self._wording.say("utter_error", turn.conversation.language)]
        replies = self._assistant.respond(turn)
        if not replies:
            raise AssistantFailed("the assistant said nothing")
        first = [response for mark, response in _SAID_FIRST.items() if turn.message.meta.get(mark)]
        return [*(self._wording.say(response, turn.conversation.language) for response in first), *replies]

    def _to_people(self, turn: Turn, given_up: bool) -> Sequence[Reply]:
        try:
            return self._desk.while_waiting(turn, turn.conversation.language)
        except StorageUnavailable:
            raise
        except Exception:
            if not given_up:
                raise
            # The message is in the log, where people read it; that the customer hears nothing must not block the next.
            log.exception("turn.unacknowledged", conversation=turn.conversation.id)
            turn.effects.clear()
            return []

    def _retry_at(self, claimed: Claimed) -> datetime | None:
        """At once while the message may still be answered; where not even giving up works, later and later."""
        beyond = self._tries_beyond(claimed)
        return None if beyond <= 0 else self._clock() + min(_LONGEST_RETRY, _RETRY * 2 ** min(beyond - 1, 10))

    def _tries_beyond(self, claimed: Claimed) -> int:
        """How many tries after the last that was meant to answer; 0 or less while it may still be answered."""
        return max(claimed.attempt - self._max_attempts, claimed.failures + 1 - self._max_failures)
