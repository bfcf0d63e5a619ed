"""Who is at the desk: everybody whose calls come in, as what they chose to be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from bot.agents.model import Signed
from bot.agents.views import DeskRecords
from bot.conversations.ports import Clock
from bot.handoff.model import AgentId, Presence

_EVERY = timedelta(minutes=1)  # less often than that is written; who is silent for 90 s is not there


class Directory(Protocol):
    def seen(self, agent: AgentId, presence: Presence) -> None:
        """They are there now. Raises StorageUnavailable."""


class Attendance:
    def __init__(self, directory: Directory, records: DeskRecords, clock: Clock) -> None:
        self._directory, self._records, self._clock = directory, records, clock
        self._last: dict[AgentId, datetime] = {}  # of this process, one entry an agent

    def passed(self, signed: Signed) -> None:
        """A call of theirs was let in."""
        agent, now = signed.agent.id, self._clock()
        last = self._last.get(agent)
        if last is None or not timedelta(0) <= now - last < _EVERY:
            self._directory.seen(agent, self._records.chosen_presence(agent))
            self._last[agent] = now

    def choose(self, agent: AgentId, presence: Presence) -> None:
        """What they are from now on."""
        self._directory.seen(agent, presence)
        self._last[agent] = self._clock()

    def chosen(self, agent: AgentId) -> Presence:
        return self._records.chosen_presence(agent)
