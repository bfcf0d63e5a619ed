"""The form of the desk's answers: one shape of error, nothing kept by caches, bodies of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog
from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Message

from bot.errors import (
    AgentAway,
    AlreadyTaken,
    CaseMoved,
    ConversationUnknown,
    DeskRefused,
    HandoffRefused,
    MessageRefused,
    NotOpen,
    NotYours,
    OfferPassed,
    StorageUnavailable,
)

log = structlog.get_logger()

PREFIX = "/desk/api"
MAX_BODY = 64 * 1024  # bytes
_STORAGE_RETRY = 5

# The code of a refusal to its status; what is not here is 409, a state that stands against it.
STATUSES: dict[str, int] = {
    "signed_out": 401,
    "wrong_credentials": 401,
    "totp_required": 401,
    "csrf": 403,
    "origin": 403,
    "forbidden": 403,
    "wrong_password": 403,
    "not_found": 404,
    "link_invalid": 404,
    "invalid": 422,
    "weak_password": 422,
    "wrong_code": 422,
    "no_such_team": 422,
    "file": 422,
    "locked": 429,
    "flood": 429,
    "not_yours": 403,
}


class Problem(BaseModel):
    code: str = Field(description="Stable; for programs.")
    message: str = Field(description="What is wrong and what to do, in plain words.")


class Refusal(BaseModel):
    """What every answer from 400 on looks like."""

    error: Problem


def problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, dict(headers or {}))


class DeskRoute(APIRoute):
    """Answers in the desk's form whatever happens inside."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def shaped(request: Request) -> Response:
            try:
                answer = await handle(Request(request.scope, _bounded(request), request._send))
            except Exception as error:
                answer = _answer_to(await self._signed_out(request, error) or error, request)
            answer.headers["Cache-Control"] = "no-store"
            answer.headers["X-Content-Type-Options"] = "nosniff"
            return answer

        return shaped

    async def _signed_out(self, request: Request, error: Exception) -> Exception | None:
        """FastAPI reads a body before it asks the gate: whoever is not signed in hears that first."""
        if isinstance(error, (RequestValidationError, HTTPException)):
            for dependency in self.dependant.dependencies:
                if gate := getattr(dependency.call, "gate", None):
                    try:
                        await to_thread.run_sync(gate.check_signed_in, request)
                    except (DeskRefused, StorageUnavailable) as refused:
                        return refused
        return None


def desk_router(tag: str) -> APIRouter:
    """A router for calls under /desk/api; everything that the desk answers goes through one of these."""
    return APIRouter(
        prefix=PREFIX,
        tags=[tag],
        route_class=DeskRoute,
        responses={
            401: {"model": Refusal, "description": "Not signed in, or the sign-in was refused."},
            403: {"model": Refusal, "description": "The role does not allow it, or the CSRF token is missing."},
            422: {"model": Refusal, "description": "What was sent is not valid."},
            503: {"model": Refusal, "description": "The database does not answer; try again."},
        },
    )


def shape_unknown_paths(app: FastAPI) -> None:
    """Paths and methods that do not exist answer in the same form."""

    async def handler(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if request.url.path.startswith(PREFIX):
            return _answer_to(error, request)
        return await http_exception_handler(request, error)

    app.add_exception_handler(HTTPException, handler)


def _answer_to(error: Exception, request: Request) -> Response:
    if isinstance(error, (HandoffRefused, MessageRefused, CaseMoved)):
        error = _in_plain_words(error)
    if isinstance(error, DeskRefused):
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        return problem(STATUSES.get(error.code, 409), error.code, error.reason, headers)
    if isinstance(error, RequestValidationError):
        return problem(422, "invalid", _validation(error))
    if isinstance(error, HTTPException):
        code = {400: "unreadable", 404: "not_found", 405: "not_allowed", 413: "too_large"}.get(
            error.status_code, "invalid"
        )
        said = {
            "unreadable": "The body cannot be read as JSON in UTF-8.",
            "not_found": "There is nothing here.",
            "not_allowed": "This cannot be done here.",
        }
        return problem(error.status_code, code, said.get(code, str(error.detail)), error.headers)
    if isinstance(error, StorageUnavailable):
        log.warning("desk.storage_unavailable")
        retry = {"Retry-After": str(_STORAGE_RETRY)}
        return problem(503, "unavailable", "The database does not answer. Try again in a few seconds.", retry)
    log.error("desk.failed", path=_route(request), error=type(error).__name__, exc_info=error)
    return problem(500, "internal", "Something went wrong here. Try again.")


def no_such_conversation() -> DeskRefused:
    """The one answer for a conversation that does not exist and for one that its asker may not see."""
    return DeskRefused("not_found", "There is no such conversation.")


def _in_plain_words(error: HandoffRefused | MessageRefused | CaseMoved) -> DeskRefused:
    if isinstance(error, MessageRefused):
        reason = error.reason[:1].upper() + error.reason[1:].rstrip(".") + "."
        return DeskRefused(error.code, reason, error.retry_after)
    if isinstance(error, CaseMoved):
        return DeskRefused("case_moved", "The complaint was changed meanwhile. Look at it again.")
    if isinstance(error, ConversationUnknown):
        return no_such_conversation()
    if isinstance(error, AlreadyTaken):
        said = f"{error.name or 'Somebody else'} has this conversation already."
    elif isinstance(error, NotYours):
        said = f"{error.name} has this conversation." if error.name else "This conversation is not yours."
    elif isinstance(error, NotOpen):
        said = f"The conversation is {error.state}." if error.state else "No person is wanted in this conversation."
    elif isinstance(error, OfferPassed):
        said = "The offer has passed on."
    elif isinstance(error, AgentAway):
        said = f"{error.name[:1].upper() + error.name[1:]} is not there."
    else:
        said = "This cannot be done now."
    return DeskRefused(error.code, said)


def _validation(error: RequestValidationError) -> str:
    """Which field and why; never what was sent."""
    first = error.errors()[0]
    if str(first["type"]).startswith(("json", "value_error.json")):
        return "The body is not JSON, or its Content-Type does not say so."
    field = ".".join(str(part) for part in first["loc"] if part != "body")[:80]
    return f"{field or 'The body'}: {first['msg']}."


def _route(request: Request) -> str:
    """The path as it is declared: ids and tokens in a path are not logged."""
    return str(getattr(request.scope.get("route"), "path", PREFIX))


def _bounded(request: Request) -> Callable[[], Coroutine[Any, Any, Message]]:
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise HTTPException(413, f"The body is larger than {MAX_BODY} bytes.")
        return message

    return receive
