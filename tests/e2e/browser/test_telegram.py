"""A visitor goes on in Telegram: the entry in the menu, the link, and one history on both.

The product's channels and the strict Bot API server are real; the assistant echoes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Route, expect

from bot.bootstrap import utc_now
from bot.customers.identity import identity_token
from bot.orders.model import CustomerId
from bot.storage import tables as t
from tests.databases import migrated
from tests.e2e.browser.widget import Chat
from tests.telegram.server import Customer, TelegramServer, telegram
from tests.telegram.website import SECRET, Website, website
from tests.telegram.world import World, world

pytestmark = pytest.mark.slow

ENTRY = {"ar": "المتابعة على تيليجرام", "en": "Continue on Telegram"}
VIA = {"ar": "عبر تيليجرام", "en": "via Telegram"}
LANGUAGES = pytest.mark.parametrize("language", ["ar", "en"])
BOT = "https://t.me/thiqa_700001_bot"


@pytest.fixture
def bot_api() -> Iterator[TelegramServer]:
    with telegram(strict_pace=False) as server:
        yield server


@pytest.fixture
def here(bot_api: TelegramServer, tmp_path: Path) -> Iterator[World]:
    with migrated("sqlite", tmp_path) as database, world(database, bot_api, tmp_path / "home") as made:
        yield made


@pytest.fixture
def shop_site(here: World, bot_api: TelegramServer) -> Iterator[Website]:
    with website(here) as made:
        bot_api.until(lambda: here.telegram.address)
        yield made


@pytest.fixture
def chat(visit: Callable[..., Chat], shop_site: Website, language: str) -> Chat:
    return visit(server=shop_site, language=language, errors=True).open()


@pytest.fixture
def shop() -> None:
    """The pages here need no product with a trained model."""


def sign_in(chat: Chat, customer: str = "c1") -> None:
    token = identity_token(SECRET, CustomerId(customer), utc_now())
    chat.page.evaluate("token => Thiqa.identify(token)", token)


def ask_for_link(chat: Chat) -> None:
    chat.part("menu").click()
    chat.part("menu-item-telegram").click()


def follow(chat: Chat, press: Callable[[], None]) -> str:
    """Where the browser goes when the visitor presses."""
    chat.page.context.route("https://t.me/**", lambda route: route.fulfill(body="Telegram"))
    with chat.page.context.expect_page() as opened:
        press()
    opened.value.wait_for_load_state()
    address = opened.value.url
    assert opened.value.evaluate("opener") is None
    opened.value.close()
    return address


def shown(chat: Chat) -> list[tuple[str, bool]]:
    """The texts in the log, and whether each is marked as said on Telegram."""
    found: list[tuple[str, bool]] = [
        (text, channel == "telegram")
        for text, channel in chat.part("message").evaluate_all(
            "all => all.map(m => [m.querySelector('.text').innerText.trim(), m.dataset.channel])"
        )
    ]
    return found


@LANGUAGES
def test_a_visitor_presses_follows_the_link_and_is_one_customer_on_both(
    chat: Chat, here: World, bot_api: TelegramServer, language: str
) -> None:
    sign_in(chat)
    chat.ask("من الموقع")
    chat.part("menu").focus()
    chat.page.keyboard.press("Enter")
    expect(chat.part("menu-item-language")).to_be_focused()
    chat.page.keyboard.press("ArrowDown")
    expect(chat.part("menu-item-telegram")).to_be_focused()
    expect(chat.part("menu-item-telegram")).to_have_text(ENTRY[language])
    chat.page.keyboard.press("Enter")
    expect(chat.part("telegram-open")).to_be_focused()
    expect(chat.part("telegram")).to_contain_text("15")
    address = follow(chat, lambda: chat.page.keyboard.press("Enter"))
    expect(chat.part("telegram")).to_have_count(0)
    name, _, payload = address.partition("?start=")
    assert name == BOT and payload.startswith("link_")

    customer = Customer(bot_api, 5001, language)
    customer.says(f"/start {payload}")
    customer.hears()
    chat.wait(lambda: ("/start", True) in shown(chat))
    customer.says("من تيليجرام")
    chat.wait(lambda: shown(chat)[-1] == ("re: من تيليجرام", True))
    assert [text for text, there in shown(chat) if not there] == ["من الموقع", "re: من الموقع"]
    expect(chat.part("via").last).to_have_text(VIA[language])
    chat.ask("والآن من الموقع")
    assert [there for _, there in shown(chat)] == [False, False, True, True, True, True, False, False]
    with here.database.read() as c:
        rows = c.execute(sa.select(t.conversations.c.channel, t.conversations.c.customer)).all()
    assert {(row.channel, row.customer) for row in rows} == {("webchat", "c1"), ("telegram", "c1")}

    chat.page.reload()
    chat.open()
    chat.wait(lambda: len(shown(chat)) == 8)
    customer.says("/unlink")
    customer.hears(3)
    chat.wait(lambda: [there for _, there in shown(chat)] == [False] * 4)


@LANGUAGES
def test_who_is_not_known_is_told_that_a_new_chat_begins(chat: Chat, language: str) -> None:
    ask_for_link(chat)
    expect(chat.part("telegram")).to_contain_text("محادثة جديدة" if language == "ar" else "A new chat")
    assert follow(chat, chat.part("telegram-open").click) == BOT


@pytest.mark.parametrize("language", ["en"])
def test_a_failure_is_said_and_asking_again_helps(chat: Chat) -> None:
    sign_in(chat)
    answers: list[dict[str, Any]] = [
        {"status": 503, "body": '{"error":"unavailable"}'},
        {"status": 429, "body": '{"error":"rate"}', "headers": {"Retry-After": "40"}},
    ]

    def fail(route: Route) -> None:
        allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
        if answers and route.request.method == "POST":
            answer = answers.pop(0)
            route.fulfill(**{**answer, "headers": {**allowed, **answer.get("headers", {})}})
        else:
            route.fallback()

    chat.page.route("**/webchat/telegram-link", fail)
    ask_for_link(chat)
    expect(chat.part("telegram")).to_contain_text("Please try again")
    chat.part("telegram-retry").click()
    expect(chat.part("telegram")).to_contain_text("40 seconds")
    chat.page.unroute("**/webchat/telegram-link")
    chat.page.keyboard.press("Escape")
    expect(chat.part("telegram")).to_have_count(0)


def test_where_there_is_no_bot_there_is_no_entry(
    visit: Callable[..., Chat], here: World, bot_api: TelegramServer, shop_site: Website
) -> None:
    here.telegram._names.clear()
    chat = visit(server=shop_site, language="en").open()
    chat.ask("hi")
    chat.part("menu").click()
    expect(chat.part("menu-item-language")).to_be_visible()
    expect(chat.part("menu-item-telegram")).to_have_count(0)
