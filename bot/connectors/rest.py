"""Rasa's REST channel, server to server: POST a message, get the replies when its turn is done.

`metadata.message_id`, if given, is the caller's own id of the message: the same id again gets the same replies, so a
caller that lost the answer may safely ask again.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bot.connectors.base import DoneSignals
from bot.conversations.inbox import Inbox
from bot.conversations.model import Inbound, Message, MessageId
from bot.errors import MessageRefused, StorageUnavailable

log = structlog.get_logger()

CHANNEL = "rest"
MAX_BODY = 1_500_000  # 100,000 characters at most 12 bytes each, as JSON may write an emoji
_STATUS = {"invalid": 422, "flood": 429}
_DATABASE_RETRY = 5


def create_router(
    token: str,
    inbox: Inbox,
    signals: DoneSignals,
    collected: Callable[[Sequence[MessageId]], None],
    timeout: float,
) -> APIRouter:
    """The channel's routes. `token` empty: the channel is off and says so. `collected` marks replies as delivered."""
    router = APIRouter()

    @router.post(
        "/webhooks/rest/webhook",
        summary="Send a customer's message and wait for the replies",
        tags=["rest"],
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}}},
        responses={
            200: {"content": {"application/json": {"schema": _RESPONSE}}, "description": "The replies, in order."}
        },
    )
    async def webhook(request: Request) -> JSONResponse:
        if not token:
            return _error(404, "off", "The REST channel is off. Set THIQA_REST_TOKEN to use it.")
        if not _authorized(request, token):
            return _error(
                401, "unauthorized", "Send the token as `Authorization: Bearer …`.", {"WWW-Authenticate": "Bearer"}
            )
        try:
            inbound = _inbound(await _body(request))
            received = await to_thread.run_sync(inbox.receive, inbound)
        except _Bad as bad:
            return _error(bad.status, "invalid", str(bad))
        except MessageRefused as refused:
            headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else {}
            return _error(_STATUS[refused.code], refused.code, refused.reason, headers)
        except StorageUnavailable:
            log.warning("rest.storage_unavailable")
            return _error(
                503,
                "unavailable",
                "The message was not stored. Send it again in a few seconds.",
                {"Retry-After": str(_DATABASE_RETRY)},
            )
        replies = await signals.replies(inbox, received.message, timeout)
        if replies is None:
            return _error(
                504,
                "pending",
                "The message is stored and will be answered. Ask again with the same message_id for the replies.",
                {"Retry-After": "5"},
            )
        try:
            await to_thread.run_sync(collected, [reply.id for reply in replies])
        except StorageUnavailable:
            log.warning("rest.delivery_not_noted", conversation=received.conversation)
        return JSONResponse([_message(inbound.address, reply) for reply in replies])

    return router


class _Bad(Exception):
    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


async def _body(request: Request) -> Any:
    size = 0
    parts = []
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _Bad(413, f"The body is larger than {MAX_BODY} bytes.")
        parts.append(part)
    try:
        return json.loads(b"".join(parts).decode("utf-8"))
    except UnicodeDecodeError:
        raise _Bad(400, "The body is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise _Bad(400, "The body is not JSON.") from None


def _inbound(body: Any) -> Inbound:
    if not isinstance(body, dict):
        raise _Bad(422, "The body must be a JSON object with `sender` and `message`.")
    sender, message, metadata = body.get("sender"), body.get("message"), body.get("metadata")
    if not isinstance(sender, str) or not sender.strip():
        raise _Bad(422, "`sender` must be a non-empty string.")
    if not isinstance(message, str):
        raise _Bad(422, "`message` must be a string.")
    if metadata is not None and not isinstance(metadata, dict):
        raise _Bad(422, "`metadata` must be an object.")
    key = (metadata or {}).get("message_id")
    if key is not None and not (isinstance(key, str) and key):
        raise _Bad(422, "`metadata.message_id` must be a non-empty string.")
    return Inbound(CHANNEL, sender, message, key)


def _authorized(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _message(recipient: str, message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"recipient_id": recipient, "text": message.text}
    if message.buttons:
        wire["buttons"] = [{"title": button.title, "payload": button.id} for button in message.buttons]
    return wire


def _error(status: int, code: str, problem: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": code, "detail": problem}, status, headers)


_REQUEST = {
    "type": "object",
    "required": ["sender", "message"],
    "properties": {
        "sender": {
            "type": "string",
            "description": "The customer, as the calling system names them; one conversation each.",
        },
        "message": {"type": "string", "description": "What they wrote, or the payload of a button they pressed."},
        "metadata": {
            "type": "object",
            "properties": {"message_id": {"type": "string", "description": "Your own id of this message."}},
        },
    },
}
_RESPONSE = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["recipient_id"],
        "properties": {
            "recipient_id": {"type": "string"},
            "text": {"type": "string"},
            "buttons": {
                "type": "array",
                "items": {"type": "object", "properties": {"title": {"type": "string"}, "payload": {"type": "string"}}},
            },
            "image": {"type": "string"},
            "custom": {"type": "object"},
        },
    },
}
