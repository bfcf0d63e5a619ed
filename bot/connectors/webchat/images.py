"""Files over HTTP: images are taken in from a visitor; what is in the conversation is given to that visitor alone."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from bot.connectors.webchat.limits import RateLimit
from bot.connectors.webchat.server import CHANNEL
from bot.connectors.webchat.sessions import SessionRefused, Sessions
from bot.conversations.model import FileId
from bot.conversations.ports import Clock
from bot.customers.channels import OtherChats
from bot.errors import ImageRefused, StorageUnavailable
from bot.files.images import LARGEST, clean_image
from bot.files.model import FileStore, Image

log = structlog.get_logger()

_DECODED_AT_ONCE = 1  # decoding takes a processor and up to 300 MB
_RECEIVED_AT_ONCE, _RECEIVED_AT_ONCE_FROM = 24, 12  # in this process, from one address
_SILENCE = 20.0  # seconds without a byte, after which a sender is gone
_STORAGE_RETRY = "5"
_PROBLEMS = {
    "session": (401, "Send the session token as `Authorization: Bearer …`."),
    "incomplete": (408, "The image did not arrive in time."),
    "too_large": (413, f"The image is larger than {LARGEST // 1024 // 1024} MB."),
    "not_image": (415, "The file is not a JPEG, PNG or WebP image."),
    "too_many_pixels": (422, "The image has too many pixels."),
    "rate": (429, "Too many images in a short time."),
    "unavailable": (503, "The image was not stored. Send it again in a few seconds."),
    "not_found": (404, "There is no such image in this conversation."),
}
_SEALED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=86400, immutable",
}
_SHOWN = ("image/jpeg", "image/png", "image/webp")  # anything else is saved, never opened on our address


def create_router(
    sessions: Sessions,
    files: FileStore,
    others: OtherChats,
    clock: Clock,
    monotonic: Callable[[], float] = time.monotonic,
) -> APIRouter:
    router = APIRouter(prefix="/webchat", tags=["webchat"])
    uploads = RateLimit(10, 0.2, monotonic)
    uploads_from = RateLimit(100, 5, monotonic)
    decoding = asyncio.Semaphore(_DECODED_AT_ONCE)
    receiving: Counter[str] = Counter()

    def visitor_of(request: Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise SessionRefused("invalid")
        return sessions.read(token.strip()).visitor

    @router.post("/images", status_code=201, summary="Upload an image before it is sent", openapi_extra=_UPLOAD)
    async def upload(request: Request) -> Response:
        try:
            visitor = visitor_of(request)
            ip = request.client.host if request.client else "unknown"
            if wait := uploads.wait(visitor) or uploads_from.wait(ip):
                return _problem("rate", {"Retry-After": str(wait)})
            if receiving[ip] >= _RECEIVED_AT_ONCE_FROM or receiving.total() >= _RECEIVED_AT_ONCE:
                return _problem("rate", {"Retry-After": _STORAGE_RETRY})
            receiving[ip] += 1
            try:
                content = await _body(request)
            finally:
                receiving[ip] -= 1
                if not receiving[ip]:
                    del receiving[ip]
            async with decoding:
                image = await to_thread.run_sync(clean_image, content)
            file = await to_thread.run_sync(files.keep, CHANNEL, visitor, image, clock())
        except SessionRefused:
            return _problem("session", {"WWW-Authenticate": "Bearer"})
        except ImageRefused as refused:
            return _problem(refused.code)
        except (ClientDisconnect, asyncio.TimeoutError):
            return _problem("incomplete", {"Connection": "close"})
        except StorageUnavailable:
            log.warning("webchat.storage_unavailable")
            return _problem("unavailable", {"Retry-After": _STORAGE_RETRY})
        return JSONResponse({"id": file, "width": image.width, "height": image.height}, 201)

    def find(visitor: str, file: FileId) -> Image | None:
        """In the visitor's conversation, or in what they see here of their conversation on another channel."""
        found = files.image(CHANNEL, visitor, file)
        if found is None and (other := others.beside(CHANNEL, visitor)) and others.holds(other, file):
            found = files.image(other.channel, other.address, file)
        return found

    @router.get("/images/{file}", summary="An image of one's own conversation")
    @router.get("/files/{file}", summary="A file of one's own conversation")
    async def download(request: Request, file: str) -> Response:
        try:
            visitor = visitor_of(request)
            found = await to_thread.run_sync(find, visitor, FileId(file))
        except SessionRefused:
            return _problem("session", {"WWW-Authenticate": "Bearer"})
        except StorageUnavailable:
            return _problem("unavailable", {"Retry-After": _STORAGE_RETRY})
        if found is None:
            return _problem("not_found")
        disposition = "inline" if found.media_type in _SHOWN else "attachment"
        return Response(
            found.content, media_type=found.media_type, headers={**_SEALED, "Content-Disposition": disposition}
        )

    return router


async def _body(request: Request) -> bytes:
    declared = request.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > LARGEST:
        raise ImageRefused("too_large")
    content = bytearray()
    stream = request.stream()
    while True:
        try:
            content += await asyncio.wait_for(anext(stream), _SILENCE)
        except StopAsyncIteration:
            return bytes(content)
        if len(content) > LARGEST:
            raise ImageRefused("too_large")


def _problem(code: str, headers: dict[str, str] | None = None) -> JSONResponse:
    status, detail = _PROBLEMS[code]
    return JSONResponse({"error": code, "detail": detail}, status, headers)


_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _SHOWN},
    }
}
