"""What each role may do: one table, and the only place that says so.

A permission lets somebody do a thing at all; that a conversation is of their team is asked where it is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from bot.agents.model import Account
from bot.errors import DeskRefused
from bot.handoff.model import Role


class Permission(str, Enum):
    """One thing to do at the desk."""

    OWN_ACCOUNT = "own_account"  # one's sessions, password, second factor
    COLLEAGUES_READ = "colleagues.read"  # names, roles, teams
    AGENTS_READ = "agents.read"  # e-mails and who is disabled, too
    AGENTS_MANAGE = "agents.manage"
    INVITATIONS = "invitations"  # whom one may invite, `may_give_role` says
    TEAMS_MANAGE = "teams.manage"
    AUDIT_READ = "audit.read"

    CONVERSATIONS_READ = "conversations.read"  # of one's teams
    CONVERSATIONS_READ_ALL = "conversations.read_all"  # of every team
    CONVERSATIONS_WORK = "conversations.work"  # take, answer, hand back, close, snooze, notes, tags
    CONVERSATIONS_ASSIGN = "conversations.assign"  # to and from others, merge
    CUSTOMERS_READ = "customers.read"  # the customer panel
    CASES_WORK = "cases.work"  # grant within one's limit, promise, cancel, refund, resend
    CASES_APPROVE = "cases.approve"  # above an agent's limit
    REPLIES_USE = "replies.use"
    REPLIES_MANAGE = "replies.manage"  # canned replies of everybody
    KNOWLEDGE_READ = "knowledge.read"
    KNOWLEDGE_MANAGE = "knowledge.manage"
    REPORTS_READ = "reports.read"
    SETTINGS_MANAGE = "settings.manage"  # hours, webhooks


_OF_AGENT = frozenset(
    {
        Permission.OWN_ACCOUNT,
        Permission.COLLEAGUES_READ,
        Permission.CONVERSATIONS_READ,
        Permission.CONVERSATIONS_WORK,
        Permission.CUSTOMERS_READ,
        Permission.CASES_WORK,
        Permission.REPLIES_USE,
        Permission.KNOWLEDGE_READ,
    }
)
_OF_LEAD = _OF_AGENT | {
    Permission.AGENTS_READ,
    Permission.INVITATIONS,
    Permission.CONVERSATIONS_ASSIGN,
    Permission.CASES_APPROVE,
    Permission.REPLIES_MANAGE,
    Permission.KNOWLEDGE_MANAGE,
    Permission.REPORTS_READ,
}
_OF_ADMIN = frozenset(Permission)

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.AGENT: _OF_AGENT,
    Role.LEAD: _OF_LEAD,
    Role.ADMIN: _OF_ADMIN,
}


def may(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS[role]


def require(agent: Account, permission: Permission) -> None:
    """Raises DeskRefused (`forbidden`) unless the agent is active and may do it."""
    if not agent.active or not may(agent.role, permission):
        raise DeskRefused("forbidden", "Your role does not allow this.")


def may_give_role(inviter: Account, role: Role, teams: tuple[str, ...]) -> bool:
    """An administrator invites anybody; a lead only agents, into the lead's own teams."""
    if inviter.role is Role.ADMIN:
        return True
    return inviter.role is Role.LEAD and role is Role.AGENT and bool(teams) and set(teams) <= set(inviter.teams)
