"""axe-core finds nothing in any state of the chat and the shop page: in both languages, light and dark, large and small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from bot.settings import PROJECT
from tests.e2e.browser.conftest import missing
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

_AXE = PROJECT / "tests" / "web" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def axe() -> str:
    if not _AXE.is_file():
        missing("no axe-core: make test installs it (npm ci in tests/web)")
    return _AXE.read_text("utf-8")


def violations(chat: Chat, axe: str) -> list[str]:
    chat.page.evaluate(axe)  # not as a script tag: the shop page's policy allows none
    found: dict[str, Any] = chat.page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", _RULES
    )
    return [
        f"{violation['id']}: {violation['help']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(
    ("language", "scheme", "phone"),
    [("ar", "light", False), ("ar", "dark", True), ("en", "dark", False), ("en", "light", True)],
    ids=["ar-light-desktop", "ar-dark-phone", "en-dark-desktop", "en-light-phone"],
)
def test_the_shop_page_and_the_chat_on_it_have_no_violations(
    visit: Callable[..., Chat], shop: Server, axe: str, language: str, scheme: str, phone: bool
) -> None:
    chat = visit(
        url=f"{shop.url}/?lang={language}", language=language, phone=phone, color_scheme=scheme, reduced_motion="reduce"
    )
    expect(chat.part("launcher")).to_be_visible()
    assert violations(chat, axe) == []
    chat.open()
    expect(chat.part("starter").first).to_be_visible()
    assert violations(chat, axe) == []
    chat.ask("أريد التحدث مع موظف" if language == "ar" else "I want to talk to a person")
    expect(chat.part("button").first).to_be_visible()
    assert violations(chat, axe) == []
    chat.part("emoji").click()
    expect(chat.part("emoji-grid")).to_be_visible()
    assert violations(chat, axe) == []
    chat.page.keyboard.press("Escape")
    chat.part("menu").click()
    expect(chat.part("menu-list")).to_be_visible()
    assert violations(chat, axe) == []
    chat.part("menu-item-end").click()
    expect(chat.part("end")).to_be_visible()
    assert violations(chat, axe) == []
    chat.part("end-confirm").click()
    expect(chat.part("rating")).to_be_visible()
    assert violations(chat, axe) == []
    chat.part("star").nth(3).check(force=True)  # the star is drawn over its radio button
    assert violations(chat, axe) == []


@pytest.mark.parametrize("language", ["ar", "en"])
def test_a_chat_without_its_server_has_no_violations(visit: Callable[..., Chat], axe: str, language: str) -> None:
    chat = visit(language=language, attributes='data-contact-email="care@example.com"', errors=True)
    chat.page.context.set_offline(True)
    chat.open()
    expect(chat.part("other-ways")).to_be_visible(timeout=15_000)
    assert violations(chat, axe) == []


@pytest.mark.parametrize("language", ["ar", "en"])
@pytest.mark.parametrize("width, height, zoom", [(320, 640, 1), (1280, 800, 2), (640, 400, 2)])
def test_nothing_is_cut_off_on_small_screens_and_zoomed_pages(
    visit: Callable[..., Chat], language: str, width: int, height: int, zoom: int
) -> None:
    """Zooming makes the page's pixels fewer: the panel fits, scrolls in one direction only, and can be written in."""
    chat = visit(
        language=language,
        viewport={"width": width // zoom, "height": height // zoom},
        device_scale_factor=zoom,
    ).open()
    chat.ask("كم رسوم الشحن؟ " * 10)
    assert chat.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for part in ("panel", "input", "send", "close", "menu"):
        box = chat.part(part).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width // zoom, part
        assert box["y"] >= 0 and box["y"] + box["height"] <= height // zoom, part
    log = chat.part("log")
    assert log.evaluate("element => element.scrollWidth <= element.clientWidth")
