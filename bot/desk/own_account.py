"""Calls about oneself: signing in and out, sessions, password, second factor; and becoming somebody in the first place."""

from __future__ import annotations

from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response

from bot.agents.accounts import Accounts
from bot.agents.model import SessionId, Signed, Where
from bot.agents.permissions import Permission
from bot.agents.sign_in import Opened
from bot.desk.gate import COOKIE, Gate, from_where
from bot.desk.shape import Refusal, desk_router
from bot.desk.wire import (
    AcceptBody,
    CodeBody,
    EndedOut,
    Id,
    PasswordBody,
    ProofBody,
    RecoveryOut,
    SessionOut,
    SetupBody,
    SignedOut,
    SignInBody,
    TotpOut,
)

_HASHES_AT_ONCE = 2  # a password's hash takes a processor and 64 MiB; who waits for one holds no thread
_LOCKED: dict[int | str, dict[str, Any]] = {
    429: {"model": Refusal, "description": "Too many wrong tries; Retry-After says how long to wait."}
}


def create_router(gate: Gate, accounts: Accounts) -> APIRouter:
    router = desk_router("desk: own account")
    sign_in = gate.sign_in
    hashing = CapacityLimiter(_HASHES_AT_ONCE)

    def opened_as(response: Response, opened: Opened) -> SignedOut:
        gate.give_cookie(response, opened)
        return SignedOut.of(opened.signed)

    @router.post("/session", response_model=SignedOut, responses=_LOCKED, summary="Sign in")
    async def open_session(
        body: SignInBody, request: Request, response: Response, place: Where = gate.opens()
    ) -> SignedOut:
        before = request.cookies.get(COOKIE)
        opened = await to_thread.run_sync(
            sign_in.sign_in, body.email, body.password, body.totp, place, before, limiter=hashing
        )
        return opened_as(response, opened)

    @router.get("/session", response_model=SignedOut, summary="Who is signed in")
    def session(signed: Signed = gate.needs(Permission.OWN_ACCOUNT)) -> SignedOut:
        return SignedOut.of(signed)

    @router.delete("/session", status_code=204, response_class=Response, summary="Sign out")
    def close_session(
        response: Response, signed: Signed = gate.needs(Permission.OWN_ACCOUNT), place: Where = from_where()
    ) -> Response:
        sign_in.sign_out(signed, place)
        answer = Response(status_code=204)
        gate.take_cookie(answer)
        return answer

    @router.get("/sessions", response_model=list[SessionOut], summary="One's own sessions")
    def sessions(signed: Signed = gate.needs(Permission.OWN_ACCOUNT)) -> list[SessionOut]:
        return [SessionOut.of(session, signed.session) for session in sign_in.sessions(signed)]

    @router.delete("/sessions", response_model=EndedOut, summary="End all one's other sessions")
    def end_others(signed: Signed = gate.needs(Permission.OWN_ACCOUNT), place: Where = from_where()) -> EndedOut:
        return EndedOut(ended=sign_in.end_other_sessions(signed, place))

    @router.delete("/sessions/{session}", status_code=204, response_class=Response, summary="End one of one's sessions")
    def end_session(
        session: Id, signed: Signed = gate.needs(Permission.OWN_ACCOUNT), place: Where = from_where()
    ) -> Response:
        sign_in.end_session(signed, SessionId(session), place)
        return Response(status_code=204)

    @router.post("/password", response_model=SignedOut, responses=_LOCKED, summary="Change one's password")
    async def password(
        body: PasswordBody,
        response: Response,
        signed: Signed = gate.needs(Permission.OWN_ACCOUNT),
        place: Where = from_where(),
    ) -> SignedOut:
        """Ends every session of the account; the cookie and the csrf token of a new one are in the answer."""
        opened = await to_thread.run_sync(sign_in.change_password, signed, body.old, body.new, place, limiter=hashing)
        return opened_as(response, opened)

    @router.post("/totp", response_model=TotpOut, responses=_LOCKED, summary="Begin to set up a second factor")
    async def enrol_totp(
        body: ProofBody, signed: Signed = gate.needs(Permission.OWN_ACCOUNT), place: Where = from_where()
    ) -> TotpOut:
        secret, uri = await to_thread.run_sync(sign_in.enrol_totp, signed, body.password, place, limiter=hashing)
        return TotpOut(secret=secret, uri=uri)

    @router.post("/totp/confirm", response_model=RecoveryOut, summary="Turn the second factor on")
    def confirm_totp(
        body: CodeBody, signed: Signed = gate.needs(Permission.OWN_ACCOUNT), place: Where = from_where()
    ) -> RecoveryOut:
        return RecoveryOut(recovery_codes=sign_in.confirm_totp(signed, body.code, place))

    @router.post("/totp/disable", status_code=204, response_class=Response, responses=_LOCKED, summary="Turn it off")
    async def disable_totp(
        body: ProofBody, signed: Signed = gate.needs(Permission.OWN_ACCOUNT), place: Where = from_where()
    ) -> Response:
        await to_thread.run_sync(sign_in.disable_totp, signed, body.password, place, limiter=hashing)
        return Response(status_code=204)

    @router.post("/setup", response_model=SignedOut, summary="Become the first administrator")
    async def setup(body: SetupBody, response: Response, place: Where = gate.opens()) -> SignedOut:
        """With the one-time link that `thiqa run` prints. The answer is a session."""

        def done() -> Opened:
            made = accounts.set_up(body.token, body.email, body.password, body.name_ar, body.name_en, place)
            return sign_in.sign_in_as_new(made.id, place)

        return opened_as(response, await to_thread.run_sync(done, limiter=hashing))

    @router.post("/invitations/accept", response_model=SignedOut, summary="Make one's account from an invitation")
    async def accept(body: AcceptBody, response: Response, place: Where = gate.opens()) -> SignedOut:
        """The answer is a session."""

        def done() -> Opened:
            made = accounts.accept(body.token, body.password, body.name_ar, body.name_en, place)
            return sign_in.sign_in_as_new(made.id, place)

        return opened_as(response, await to_thread.run_sync(done, limiter=hashing))

    return router
