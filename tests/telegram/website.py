"""The chat of the website beside the Telegram channel of `world`, over real HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from bot import widget_file
from bot.bootstrap import utc_now
from bot.connectors.webchat import images, telegram_link
from bot.connectors.webchat.origins import Origins
from bot.connectors.webchat.server import CHANNEL, Webchat, WebchatServices
from bot.connectors.webchat.sessions import Sessions
from bot.customers.identity import IdentityVerifier, identity_token
from bot.orders.model import CustomerId
from bot.storage.files import SqlFiles
from bot.storage.identities import SqlIdentities
from bot.storage.other_chats import SqlOtherChats
from bot.storage.ratings import SqlRatings
from bot.storage.transcripts import SqlTranscripts
from tests.e2e.webchat import Chat
from tests.telegram.world import World

SECRET = "the shop's own secret, known to its site and to Thiqa"


class Visitor(Chat):
    """A tab that also keeps what was said on Telegram, by number."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.answer: dict[str, Any] = {}

    def _enter(self, answer: dict[str, Any]) -> dict[str, Any]:
        self.answer = super()._enter(answer)
        return self.answer

    def elsewhere(self) -> list[str]:
        """What it shows of Telegram: from its session's answer on."""
        told = self.answer["elsewhere"]
        if told is None:
            return []
        said = {m["number"]: m["text"] for m in told["messages"]}
        for data in self.of("elsewhere_uttered"):
            if data["conversation"] == told["conversation"]:
                said[data["message"]["number"]] = data["message"]["text"]
        return [said[number] for number in sorted(said)]

    def told_to_ask_again(self, times: int) -> dict[str, Any]:
        self.wait_for(lambda: len(self.of("session_changed")) >= times)
        return self.request_session()

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session}"}


@dataclass
class Website:
    url: str

    def visitor(self, customer: str | None = None) -> Visitor:
        visitor = Visitor(self.url)
        visitor.open()
        if customer:
            assert visitor.identify(identity_token(SECRET, CustomerId(customer), utc_now()))["ok"]
        return visitor

    def link(self, visitor: Visitor) -> str:
        """What follows `/start` when the visitor presses the button and follows the link."""
        answer = requests.post(f"{self.url}/webchat/telegram-link", headers=visitor.bearer, timeout=10)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["url"]).partition("?start=")[2]

    def file(self, visitor: Visitor, file: str) -> requests.Response:
        return requests.get(f"{self.url}/webchat/files/{file}", headers=visitor.bearer, timeout=10)


@contextmanager
def website(world: World) -> Iterator[Website]:
    """`world` without a website knows nothing of it; both share the database and what happens in the process."""
    database, others = world.database, SqlOtherChats(world.database)
    sessions = Sessions([b"a key of the tests, thirty-two bytes"], utc_now)
    chat = Webchat(
        WebchatServices(
            inbox=world.inbox,
            transcripts=SqlTranscripts(database),
            others=others,
            collected=lambda messages: world.outbox.collected(messages, utc_now()),
            identities=SqlIdentities(database),
            verifier=IdentityVerifier(SECRET),
            ratings=SqlRatings(database),
            sessions=sessions,
            origins=Origins(["*"], "http://localhost"),
            wording=world.wording,
            shop_name=lambda: {},
            telegram=lambda: world.telegram.address,
            live=world.live,
            clock=utc_now,
        )
    )

    @asynccontextmanager
    async def life(_app: FastAPI) -> Any:
        await chat.start()
        yield
        await chat.stop()

    app = FastAPI(lifespan=life)
    app.mount("/socket.io", chat.app)
    app.include_router(images.create_router(sessions, SqlFiles(database), others, utc_now))
    app.include_router(telegram_link.create_router(sessions, lambda visitor: world.telegram.link(CHANNEL, visitor)))
    app.include_router(widget_file.create_router())
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization"],
        expose_headers=["Retry-After"],
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="wsproto", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the website does not start"
        time.sleep(0.02)
    try:
        yield Website(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()
