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
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from bot import shop_page, widget_file
from bot.bootstrap import Thiqa
from bot.connectors import rest
from bot.desk import shape
from bot.errors import StorageUnavailable
from bot.settings import identity_secret

log = structlog.get_logger()

_READY_TIMEOUT = 10.0
_MARGIN = 15.0  # a REST caller waits longer than a turn may take: for the turns before it


class _ImagesCors(CORSMiddleware):
    """Speaks for /webchat alone: /socket.io has its own word on origins, and two such headers are none to a browser."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/webchat/"):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def create_app(thiqa: Thiqa) -> FastAPI:
    """The app around a built Thiqa; starts its loops with the server and stops them with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = 64  # waiting requests hold none between looks
        thiqa.start()
        await thiqa.webchat.start()
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
            await thiqa.webchat.stop()
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

    # For pages of other origins that upload and show images; tokens travel in headers, so no cookies are let through.
    app.add_middleware(
        _ImagesCors,
        allow_origins=thiqa.settings.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After"],
        max_age=600,
    )
    demo = None if settings.shop_url else shop_page.DemoSignIn(identity_secret(settings))
    app.include_router(shop_page.create_router(thiqa.services.shop, thiqa.services.clock, demo))
    app.mount("/shop", StaticFiles(directory=shop_page.STATIC))
    app.include_router(widget_file.create_router())
    app.include_router(thiqa.webchat_images)
    for router in [*thiqa.telegram_routers, *thiqa.desk.routers]:
        app.include_router(router)
    shape.shape_unknown_paths(app)
    app.mount("/socket.io", thiqa.webchat.app)
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
