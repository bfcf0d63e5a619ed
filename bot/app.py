"""The HTTP server: channels, health, metrics."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from bot.bootstrap import Thiqa
from bot.connectors import rest
from bot.errors import StorageUnavailable

log = structlog.get_logger()

_READY_TIMEOUT = 10.0
_MARGIN = 15.0  # a REST caller waits longer than a turn may take: for the turns before it


def create_app(thiqa: Thiqa) -> FastAPI:
    """The app around a built Thiqa; starts its loops with the server and stops them with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = 64  # waiting requests hold none between looks
        thiqa.start()
        reload_under_way = asyncio.Lock()

        async def reload() -> None:
            async with reload_under_way:
                try:
                    await to_thread.run_sync(thiqa.reload)
                    log.info("thiqa.reloaded", model=thiqa.model.name)
                except Exception as error:
                    log.error("thiqa.reload_failed", exc_info=error)

        tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly

        def on_hangup() -> None:
            task = asyncio.ensure_future(reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        if threading.current_thread() is threading.main_thread():  # signals reach no other
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)
        log.info("thiqa.ready", url=thiqa.settings.base_url, model=thiqa.model.name)
        try:
            yield
        finally:
            ended = await to_thread.run_sync(thiqa.stop)
            log.info("thiqa.stopped", turns_finished=ended)

    app = FastAPI(title="Thiqa", version="0.1.0", docs_url=None, redoc_url=None, lifespan=lifespan)
    settings = thiqa.settings

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("http.failed", path=request.url.path, error=type(error).__name__, exc_info=error)
        return JSONResponse({"error": "internal", "detail": "Something went wrong here. Try again."}, 500)

    @app.get("/healthz", tags=["operations"], summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"], summary="Whether the model and the database answer")
    async def readyz() -> JSONResponse:
        checks = {}
        for name, check in (("database", thiqa.database.ping), ("model", lambda: thiqa.assistant.parse("سلام"))):
            try:
                await asyncio.wait_for(to_thread.run_sync(check), _READY_TIMEOUT)
                checks[name] = "ok"
            except (StorageUnavailable, asyncio.TimeoutError):
                checks[name] = "does not answer"
            except Exception as error:
                log.error("ready.failed", check=name, exc_info=error)
                checks[name] = "failed"
        ready = all(state == "ok" for state in checks.values())
        return JSONResponse({"ready": ready, **checks}, 200 if ready else 503)

    @app.get("/metrics", tags=["operations"], summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(
            await to_thread.run_sync(thiqa.metrics.text), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    @app.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return HTMLResponse(_HOME)

    app.include_router(
        rest.create_router(
            settings.rest_token.get_secret_value(),
            thiqa.inbox,
            thiqa.signals,
            lambda messages: thiqa.outbox.collected(messages, thiqa.services.clock()),
            settings.turn_timeout + _MARGIN,
        )
    )
    return app


_HOME = """<!doctype html>
<html lang="ar" dir="rtl"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>ثقة · Thiqa</title><style>
body{font:1.1rem/1.9 system-ui,"Noto Naskh Arabic","Segoe UI",sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.25rem;color:#1c2733;background:#fbfaf7}
h1{font-size:2.4rem;margin:0 0 .5rem;color:#0d5c4a} code{direction:ltr;unicode-bidi:isolate;background:#eceae3;padding:.1em .35em;border-radius:.3em}
section[lang=en]{direction:ltr;border-top:1px solid #ddd8cc;margin-top:2rem;padding-top:1.5rem} a{color:#0d5c4a}
@media (prefers-color-scheme:dark){body{color:#e6e3da;background:#15191d}h1,a{color:#6fd3b6}code{background:#262c33}section[lang=en]{border-color:#333b44}}
</style></head><body><main>
<h1>ثقة</h1><p>مساعد خدمة العملاء يعمل الآن. يمكن تجربته من الطرفية بالأمر <code>uv run thiqa chat</code>، أو ربطه بنظامك عبر <a href="/openapi.json">واجهة REST</a>.</p>
<section lang="en"><p>Thiqa, the support assistant, is running. Try it in a terminal with <code>uv run thiqa chat</code>, or connect your system through the <a href="/openapi.json">REST channel</a>.</p></section>
</main></body></html>"""
