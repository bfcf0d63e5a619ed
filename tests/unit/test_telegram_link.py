"""Who is signed in on the website gets a link to Telegram, and nobody else."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bot.connectors.webchat.sessions import Sessions
from bot.connectors.webchat.telegram_link import create_router
from bot.errors import StorageUnavailable

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)
SESSIONS = Sessions([b"key" * 11], lambda: NOW)
LINK = "https://t.me/thiqa_bot?start=link_x"


def link(visitor: str) -> tuple[str, datetime] | None:
    if visitor == "away":
        raise StorageUnavailable("gone")
    return (LINK, NOW) if visitor == "known" else None


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(create_router(SESSIONS, link, lambda: 0.0))
    return TestClient(app)


def headers(visitor: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SESSIONS.issue(visitor)}"}


@pytest.mark.parametrize(("visitor", "status"), [("known", 201), ("unknown", 409), ("away", 503)])
def test_a_link_is_for_whom_the_shop_knows(client: TestClient, visitor: str, status: int) -> None:
    answer = client.post("/webchat/telegram-link", headers=headers(visitor))
    assert answer.status_code == status
    assert (answer.json() == {"url": LINK, "expires_at": NOW.isoformat()}) is (status == 201)


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}])
def test_without_a_session_there_is_no_link(client: TestClient, sent: dict[str, str]) -> None:
    assert client.post("/webchat/telegram-link", headers=sent).status_code == 401


def test_links_are_not_made_without_end(client: TestClient) -> None:
    answers = [client.post("/webchat/telegram-link", headers=headers("known")).status_code for _ in range(7)]
    assert answers == [201] * 5 + [429] * 2
