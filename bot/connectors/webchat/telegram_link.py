"""A link that takes a visitor who has signed in on the website over to Telegram, as the same customer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bot.connectors.webchat.limits import RateLimit
from bot.connectors.webchat.sessions import SessionRefused, Sessions
from bot.errors import StorageUnavailable

log = structlog.get_logger()


def create_router(
    sessions: Sessions,
    link: Callable[[str], tuple[str, datetime] | None],
    monotonic: Callable[[], float] = time.monotonic,
) -> APIRouter:
    """`link(visitor)` makes the address of a link that is good once, and until when; None where there is no bot, or nobody knows who the
    visitor is."""
    router = APIRouter(prefix="/webchat", tags=["webchat"])
    made = RateLimit(5, 1 / 60, monotonic)

    @router.post("/telegram-link", status_code=201, summary="A link to go on in Telegram, good once")
    async def telegram_link(request: Request) -> JSONResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise SessionRefused("invalid")
            visitor = sessions.read(token.strip()).visitor
            if wait := made.wait(visitor):
                return JSONResponse({"error": "rate"}, 429, {"Retry-After": str(wait)})
            made_link = await to_thread.run_sync(link, visitor)
        except SessionRefused:
            return JSONResponse({"error": "session"}, 401, {"WWW-Authenticate": "Bearer"})
        except StorageUnavailable:
            log.warning("webchat.storage_unavailable")
            return JSONResponse({"error": "unavailable"}, 503, {"Retry-After": "5"})
        if made_link is None:
            return JSONResponse({"error": "not_identified"}, 409)
        url, expires = made_link
        return JSONResponse({"url": url, "expires_at": expires.isoformat()}, 201)

    return router
