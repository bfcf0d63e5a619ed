"""The desk over a real database, with a clock in the test's hand and browsers that keep cookies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from bot.agents.model import Account, Actor
from bot.agents.passwords import Passwords
from bot.bootstrap import add_conversations, build_desk
from bot.conversations.live import LiveEvents
from bot.desk.shape import shape_unknown_paths
from bot.errors import ShopUnavailable
from bot.handoff.desk import HandoffDesk
from bot.handoff.model import Role, TeamId
from bot.handoff.summary import SummaryService
from bot.orders.ports import OrderBackend
from bot.settings import Settings
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.handoff import SqlHandoffs
from bot.storage.summaries import SqlSummaries
from tests.integration.conversations import KeyWording, SetClock

PASSWORD = "four horses walk by"
BASE = "http://127.0.0.1:8000"
QUICK = PasswordHasher(1, 8, 1)
AT_DESK = Actor(None)


class Browser:
    """A browser at the desk: keeps the cookie, sends the csrf token it was given last, and the page's Origin."""

    def __init__(self, app: FastAPI, base: str, address: str) -> None:
        self.http = TestClient(app, base_url=base, client=(address, 5000), raise_server_exceptions=False)
        self.origin, self.csrf = base, ""

    def call(self, method: str, path: str, body: Any = None, **headers: str | None) -> Response:
        """`headers`: `csrf`, `origin`, `cookie`; None leaves one out."""
        sent = {"X-CSRF-Token": headers.get("csrf", self.csrf), "Origin": headers.get("origin", self.origin)}
        if "cookie" in headers:
            sent["Cookie"] = headers["cookie"]
        kept = {name: value.encode("latin-1") for name, value in sent.items() if value is not None}
        return self.http.request(method, f"/desk/api{path}", json=body, headers=kept)

    def take(self, answer: Response) -> Response:
        """Keep the csrf token of an answer that opened a session."""
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf"]
        return answer

    def sign_in(self, email: str, password: str = PASSWORD, totp: str | None = None) -> Response:
        body = {"email": email, "password": password, **({"totp": totp} if totp is not None else {})}
        return self.take(self.call("POST", "/session", body))

    @property
    def token(self) -> str | None:
        return self.http.cookies.get("thiqa_desk")

    @property
    def signed_in(self) -> bool:
        return self.call("GET", "/session").status_code == 200


class AwayShop:
    """A shop that does not answer."""

    def __getattr__(self, name: str) -> Any:
        def away(*_: Any) -> None:
            raise ShopUnavailable(name)

        return away


class DeskWorld:
    """A desk whose people are added at will."""

    def __init__(self, database: Database, home: Path, base: str = BASE, **settings: Any) -> None:
        self.database, self.clock = database, SetClock()
        chosen = Settings(_env_file=None, home=home, public_url=base, secret_keys="k" * 32, **settings)
        self.base = base
        self.desk = build_desk(chosen, database, self.clock, Passwords(QUICK))
        self.accounts, self.sign_in = self.desk.accounts, self.desk.gate.sign_in
        shop: OrderBackend = AwayShop()  # type: ignore[assignment]
        wording, live = KeyWording(), LiveEvents()
        self.people = HandoffDesk(SqlHandoffs(database), self.desk.directory, wording, self.clock, live)
        summaries = SummaryService(SqlSummaries(database), shop, wording)
        add_conversations(self.desk, database, self.people, summaries, self.clock)
        self.app = FastAPI()
        for router in self.desk.routers:
            self.app.include_router(router)
        shape_unknown_paths(self.app)

    def browser(self, address: str = "203.0.113.7") -> Browser:
        return Browser(self.app, self.base, address)

    def add(self, name: str, role: Role = Role.AGENT, teams: tuple[TeamId, ...] = ()) -> Account:
        made = self.accounts.add(f"{name}@shop.example", role, PASSWORD, (name, name))
        if teams:
            self.desk.accounts._records.change(made.id, {"teams": teams}, AT_DESK, self.clock())
        return self.accounts.agent(made.id)

    def at_desk(self, name: str, role: Role = Role.AGENT, teams: tuple[TeamId, ...] = ()) -> Browser:
        """Somebody new, signed in."""
        self.add(name, role, teams)
        browser = self.browser()
        assert browser.sign_in(f"{name}@shop.example").status_code == 200
        return browser

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(table)).all())

    def audit(self) -> list[str]:
        with self.database.read() as c:
            return list(c.execute(sa.select(t.desk_audit.c.action).order_by(t.desk_audit.c.id)).scalars())


def code_of(answer: Response) -> tuple[int, str]:
    """Status and code of a refusal; its shape is checked in passing."""
    body = answer.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message"}, body
    assert body["error"]["message"].endswith((".", ".)")), body
    return answer.status_code, body["error"]["code"]
