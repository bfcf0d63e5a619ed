"""Real Chromium, the product with its chat open to a shop's website, and that website."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from bot.widget_file import WIDGET
from tests.e2e.browser.site import Site
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server, link_trained
from tests.e2e.wires import Cable

IDENTITY_SECRET = "the shop's own secret, known to its site and to Thiqa"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
]


def missing(what: str) -> None:
    """What a developer may lack, CI must not."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Ends with this package: while it runs, this thread has an event loop, and `asyncio.run` elsewhere fails."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("no Chromium: apt-get install chromium fonts-noto-core fonts-noto-color-emoji")
    if not WIDGET.is_file():
        missing("the widget is not built: make widget")
    browser = playwright.chromium.launch(executable_path=found, args=_FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="package")
def shop(trained_home: Path, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The product, with the site's pages admitted. For tests that only talk to it."""
    home = link_trained(tmp_path_factory.mktemp("browser"), trained_home)
    server = Server(home, THIQA_ALLOWED_ORIGINS=site.origin, THIQA_IDENTITY_SECRET=IDENTITY_SECRET)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def visit(browser: Browser, site: Site, shop: Server) -> Iterator[Callable[..., Chat]]:
    """Open a page with the chat on it, as a visitor of their own: `visit()`, `visit(language="en", phone=True)`.

    `context=` goes on as the same visitor (another tab), `url=` opens that page instead of the site's. An error in the
    page's console fails the test, unless `errors=True`.
    """
    contexts: list[BrowserContext] = []
    chats: list[Chat] = []

    def open_page(
        *,
        language: str = "ar",
        attributes: str = "",
        phone: bool = False,
        url: str | None = None,
        server: Server | Cable | None = None,
        context: BrowserContext | None = None,
        errors: bool = False,
        head: str = "",
        headers: dict[str, str] | None = None,
        **options: object,
    ) -> Chat:
        if context is None:
            size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 800}
            context = browser.new_context(
                **{
                    "viewport": size,
                    "has_touch": phone,
                    "is_mobile": phone,
                    "locale": language,
                    "timezone_id": "Asia/Riyadh",
                    **options,
                }  # type: ignore[arg-type]
            )
            context.set_default_timeout(15_000)
            contexts.append(context)
        script = f"{(server or shop).url}/widget.js"
        path = f"/{len(chats)}-{id(chats)}"
        address = url or site.page(path, script, language=language, attributes=attributes, head=head, **(headers or {}))
        chat = Chat(context.new_page(), errors)
        chats.append(chat)
        chat.page.goto(address)
        return chat

    yield open_page
    problems = [problem for chat in chats for problem in chat.problems()]
    for context in contexts:
        context.close()
    assert problems == []
