"""Calls about colleagues: agents, teams, invitations."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Response

from bot.agents.accounts import Accounts
from bot.agents.model import InvitationId, Signed, Where
from bot.agents.permissions import Permission, may
from bot.agents.sign_in import actor
from bot.desk.gate import Gate, from_where
from bot.desk.shape import desk_router
from bot.desk.wire import (
    AgentChangeBody,
    AgentOut,
    Id,
    InvitationOut,
    InviteBody,
    InvitedOut,
    NewAgentBody,
    TeamBody,
    TeamOut,
)
from bot.handoff.model import AgentId, TeamId


def create_router(gate: Gate, accounts: Accounts) -> APIRouter:
    router = desk_router("desk: people")

    # -- agents --------------------------------------------------------------------------------------------------------

    @router.get("/agents", response_model=list[AgentOut], summary="Everybody at the desk")
    def agents(signed: Signed = gate.needs(Permission.COLLEAGUES_READ)) -> list[AgentOut]:
        """Disabled accounts and e-mails are told to leads and administrators alone."""
        whole = may(signed.agent.role, Permission.AGENTS_READ)
        return [
            AgentOut.of(account, whole or account.id == signed.agent.id)
            for account in accounts.agents()
            if whole or account.active
        ]

    @router.post("/agents", response_model=AgentOut, status_code=201, summary="Make an account")
    async def add_agent(
        body: NewAgentBody, signed: Signed = gate.needs(Permission.AGENTS_MANAGE), place: Where = from_where()
    ) -> AgentOut:
        """An invitation is better where it can be: then nobody else knows the password."""
        names = (body.name_ar, body.name_en)
        made = await to_thread.run_sync(accounts.add, body.email, body.role, body.password, names, actor(signed, place))
        return AgentOut.of(made)

    @router.patch("/agents/{agent}", response_model=AgentOut, summary="Change an account")
    def change_agent(
        agent: Id,
        body: AgentChangeBody,
        signed: Signed = gate.needs(Permission.AGENTS_MANAGE),
        place: Where = from_where(),
    ) -> AgentOut:
        changes = {name: value for name, value in body.dict(exclude_unset=True).items() if value is not None}
        return AgentOut.of(accounts.change(signed, AgentId(agent), changes, place))

    @router.post("/agents/{agent}/disable", response_model=AgentOut, summary="End an account and its sessions")
    def disable_agent(
        agent: Id, signed: Signed = gate.needs(Permission.AGENTS_MANAGE), place: Where = from_where()
    ) -> AgentOut:
        return AgentOut.of(accounts.disable(AgentId(agent), actor(signed, place)))

    # -- teams ---------------------------------------------------------------------------------------------------------

    @router.get("/teams", response_model=list[TeamOut], summary="All teams")
    def teams(signed: Signed = gate.needs(Permission.COLLEAGUES_READ)) -> list[TeamOut]:
        return [TeamOut.of(team) for team in accounts.teams()]

    @router.post("/teams", response_model=TeamOut, status_code=201, summary="Make a team")
    def add_team(
        body: TeamBody, signed: Signed = gate.needs(Permission.TEAMS_MANAGE), place: Where = from_where()
    ) -> TeamOut:
        return TeamOut.of(accounts.add_team(signed, body.name_ar, body.name_en, place))

    @router.put("/teams/{team}", response_model=TeamOut, summary="Rename a team")
    def change_team(
        team: Id,
        body: TeamBody,
        signed: Signed = gate.needs(Permission.TEAMS_MANAGE),
        place: Where = from_where(),
    ) -> TeamOut:
        return TeamOut.of(accounts.change_team(signed, TeamId(team), body.name_ar, body.name_en, place))

    @router.delete("/teams/{team}", status_code=204, response_class=Response, summary="Drop a team")
    def drop_team(
        team: Id, signed: Signed = gate.needs(Permission.TEAMS_MANAGE), place: Where = from_where()
    ) -> Response:
        """Its people stay, without it."""
        accounts.drop_team(signed, TeamId(team), place)
        return Response(status_code=204)

    # -- invitations ---------------------------------------------------------------------------------------------------

    @router.get("/invitations", response_model=list[InvitationOut], summary="Open invitations")
    def invitations(signed: Signed = gate.needs(Permission.INVITATIONS)) -> list[InvitationOut]:
        """A lead sees their own."""
        return [InvitationOut.of(one) for one in accounts.invitations(signed)]

    @router.post("/invitations", response_model=InvitedOut, status_code=201, summary="Invite somebody")
    def invite(
        body: InviteBody, signed: Signed = gate.needs(Permission.INVITATIONS), place: Where = from_where()
    ) -> InvitedOut:
        """The link is good once and for seven days. A lead invites agents into the lead's own teams."""
        teams = tuple(dict.fromkeys(TeamId(team) for team in body.teams))
        invitation, link = accounts.invite(signed, body.email, body.role, teams, place)
        return InvitedOut(invitation=InvitationOut.of(invitation), link=link)

    @router.delete("/invitations/{invitation}", status_code=204, response_class=Response, summary="Withdraw one")
    def withdraw(
        invitation: Id, signed: Signed = gate.needs(Permission.INVITATIONS), place: Where = from_where()
    ) -> Response:
        accounts.withdraw(signed, InvitationId(invitation), place)
        return Response(status_code=204)

    return router
