"""`/widget.js`: the built widget, held in memory, compressed once."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from bot.settings import PROJECT

WIDGET = PROJECT / "web" / "widget" / "dist" / "widget.js"
NOT_BUILT = "// The chat widget is not built: run `make widget`, then start Thiqa again.\n"
_HEADERS = {
    "Cache-Control": "public, max-age=300",  # a new version reaches every shop within minutes
    "Vary": "Accept-Encoding",
    # Any page may load the script; what it may then do, THIQA_ALLOWED_ORIGINS says.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_router(path: Path = WIDGET) -> APIRouter:
    router = APIRouter()
    script = path.read_bytes() if path.is_file() else None
    packed = gzip.compress(script, 9, mtime=0) if script else b""
    tag = f'"{hashlib.sha256(script or b"").hexdigest()[:20]}"'

    @router.get("/widget.js", include_in_schema=False)
    async def widget(request: Request) -> Response:
        if script is None:
            return PlainTextResponse(NOT_BUILT, 503, media_type="text/javascript")
        headers = {**_HEADERS, "ETag": tag}
        if tag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return Response(packed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
        return Response(script, media_type="text/javascript", headers=headers)

    return router
