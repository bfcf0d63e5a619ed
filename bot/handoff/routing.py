"""Who is asked to take a conversation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.handoff.model import Agent, AgentId, Handoff, Presence

GONE_AFTER = timedelta(minutes=5)


def fits(agent: Agent, handoff: Handoff, language: str) -> bool:
    """Whether the agent speaks the customer's language, knows the topic and is of the team that it went to."""
    if handoff.team is not None and handoff.team not in agent.teams:
        return False
    if agent.languages and language not in agent.languages:
        return False
    return not agent.topics or handoff.topic is None or handoff.topic in agent.topics


def next_agent(
    handoff: Handoff,
    language: str,
    agents: Sequence[Agent],
    load: Mapping[AgentId, int],
    offered_at: Mapping[AgentId, datetime],
) -> Agent | None:
    """Who is asked next: who had it before where they are there, then the one with the most room, then the one who was
    asked longest ago. None where nobody is there who fits, has room and has not let it pass."""
    free = [
        agent
        for agent in agents
        if agent.presence is Presence.ONLINE
        and agent.id not in handoff.passed
        and load.get(agent.id, 0) < agent.cap
        and fits(agent, handoff, language)
    ]
    if not free:
        return None

    def place(agent: Agent) -> tuple[bool, float, float, str]:
        asked = offered_at.get(agent.id)
        share = load.get(agent.id, 0) / max(1, agent.cap)
        return agent.id != handoff.preferred, share, asked.timestamp() if asked else 0.0, agent.id

    return min(free, key=place)


def is_gone(agent: Agent | None, now: datetime, after: timedelta = GONE_AFTER) -> bool:
    """Whether someone who holds a conversation is not there any more: removed, or offline for a while."""
    if agent is None:
        return True
    if agent.presence is not Presence.OFFLINE:
        return False
    return agent.seen_at is None or now - agent.seen_at >= after
