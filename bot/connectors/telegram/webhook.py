"""Updates that Telegram brings itself: stored, and answered at once."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from bot.connectors.telegram.reading import update_id
from bot.connectors.telegram.service import webhook_secret
from bot.errors import StorageUnavailable

log = structlog.get_logger()

MAX_BODY = 512 * 1024  # bytes; an update is a few thousand
_HEADER = "X-Telegram-Bot-Api-Secret-Token"


def create_router(
    bots: Sequence[int], keys: Sequence[bytes], take: Callable[[int, Sequence[Any]], int | None]
) -> APIRouter:
    """`bots`: those that get their updates so; `keys`: every signing key in force, newest first. `take` stores."""
    router = APIRouter()

    @router.post("/webhooks/telegram/{bot}", include_in_schema=False)
    async def webhook(bot: str, request: Request) -> JSONResponse:
        number = int(bot) if bot.isascii() and bot.isdecimal() and len(bot) < 20 else 0
        given = request.headers.get(_HEADER, "").encode("utf-8", "replace")
        # Every key is compared, so that the time tells nothing.
        known = [hmac.compare_digest(given, webhook_secret(key, number).encode()) for key in keys]
        if number not in bots or not any(known):
            return _refusal(401, "unauthorized")
        body = await _body(request)
        if body is None:
            return _refusal(413, "too_large")
        try:
            update = json.loads(body)
        except (ValueError, RecursionError):
            return _refusal(400, "not_json")
        if update_id(update) is None:
            return _refusal(400, "no_update")
        try:
            await to_thread.run_sync(take, number, [update])
        except StorageUnavailable:
            log.warning("telegram.storage_unavailable", bot=number)
            return _refusal(503, "unavailable")  # Telegram brings it again
        return JSONResponse({})

    return router


async def _body(request: Request) -> bytes | None:
    declared = request.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY:
        return None
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def _refusal(status: int, code: str) -> JSONResponse:
    return JSONResponse({"error": code}, status)
