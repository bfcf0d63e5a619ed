"""Widgets and clients that others wrote for Rasa hold conversations with Thiqa as they are."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bot.settings import PROJECT
from tests.e2e.browser.conftest import missing
from tests.e2e.browser.records import log_of, said_by_customer, unanswered, visitors, waiting
from tests.e2e.browser.site import Site
from tests.e2e.server import Server
from tests.e2e.webchat import Chat as Client
from tests.e2e.wires import until

pytestmark = pytest.mark.slow

WEB = Path(__file__).parents[2] / "web"
NODE = Path(sys.executable).parent / "node"
QUESTION = "كم رسوم الشحن؟"


def package(path: str) -> Path:
    """A file of an npm package that the tests use."""
    found = WEB / "node_modules" / path
    if not found.is_file():
        missing(f"no {path} in tests/web: npm --prefix tests/web ci")
    return found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


# -- rasa-webchat ------------------------------------------------------------------------------------------------------


@pytest.fixture
def webchat(site: Site, shop: Server) -> str:
    """The address of a page with rasa-webchat on it, set up as its README says."""
    script = site.put("/rasa-webchat.js", package("rasa-webchat/lib/index.js"), "text/javascript")
    options = {
        "socketUrl": shop.url,
        "socketPath": "/socket.io/",
        "initPayload": "/get_started",
        "customData": {"language": "ar"},
        "title": "متجر",
        "inputTextFieldHint": "اكتب رسالتك",
        "params": {"storage": "local"},
    }
    return site.put(
        f"/rasa-webchat-{uuid.uuid4().hex}",
        f"""<!doctype html><html lang="ar" dir="rtl"><head><meta charset="utf-8"></head><body>
        <script src="{script}"></script>
        <script>window.WebChat.default({{...{json.dumps(options)}, customMessageDelay: () => 10}}, null)</script>
        </body></html>""",
    )


def open_webchat(page: Page, address: str) -> None:
    page.goto(address)
    launcher = page.locator(".rw-launcher")
    expect(launcher).to_be_visible()
    # It remembers that it was open.
    if not page.locator(".rw-conversation-container").is_visible():
        launcher.click()
    expect(page.locator(".rw-new-message")).to_be_visible()


def webchat_says(page: Page, text: str) -> None:
    page.locator(".rw-new-message").fill(text)
    page.locator(".rw-send").click()


def said_in_webchat(page: Page, who: str) -> list[str]:
    return [text.strip() for text in page.locator(f".rw-{who} .rw-message-text").all_inner_texts()]


def session_in_webchat(page: Page) -> str:
    return str(page.evaluate("JSON.parse(localStorage.getItem('chat_session') || '{}').session_id || ''"))


def visitor_of_token(shop: Server, token: str) -> str:
    with Client(shop.url, session=token) as client:
        client.connect()
        return str(client.request_session()["visitor"])


def shows(page: Page, who: str, count: int) -> Callable[[], bool]:
    def holds() -> bool:
        page.wait_for_timeout(20)
        return len(said_in_webchat(page, who)) == count

    return holds


def test_rasa_webchat_holds_a_conversation_in_arabic(page: Page, webchat: str, shop: Server) -> None:
    open_webchat(page, webchat)
    until(shows(page, "response", 1))
    greeting = said_in_webchat(page, "response")[0]
    assert any("\u0600" <= letter <= "\u06ff" for letter in greeting), "it was not greeted in Arabic"
    webchat_says(page, QUESTION)
    until(shows(page, "response", 2))
    assert "20" in said_in_webchat(page, "response")[1]
    webchat_says(page, "وين طلبي")
    until(shows(page, "response", 3))
    reply = page.locator(".rw-reply").first
    expect(reply).to_be_visible()
    title = reply.inner_text().strip()
    reply.click()
    until(shows(page, "response", 4))
    visitor = visitor_of_token(shop, session_in_webchat(page))
    said = said_by_customer(shop, visitor)
    assert said == ["/get_started", QUESTION, "وين طلبي", title]
    assert unanswered(shop, visitor) == []


def test_rasa_webchat_goes_on_with_its_session_after_a_reload_and_gets_what_it_missed_once(
    page: Page, webchat: str, shop: Server
) -> None:
    open_webchat(page, webchat)
    until(shows(page, "response", 1))
    webchat_says(page, QUESTION)
    until(shows(page, "response", 2))
    token = session_in_webchat(page)
    visitor = visitor_of_token(shop, token)
    page.reload()
    until(shows(page, "response", 2))
    assert session_in_webchat(page) == token
    webchat_says(page, "كم مدة التوصيل؟")
    until(shows(page, "response", 3))
    page.goto("about:blank")
    until(lambda: log_of(shop, visitor)[-1][1] == "bot" and waiting(shop, visitor) == 0)
    before = len(log_of(shop, visitor))
    # The same visitor says more, and is gone before the answers.
    client = Client(shop.url, protocol=0).connect()
    for text in ("شكرا", QUESTION, "مرحبا"):
        client.emit("user_uttered", {"message": text, "session_id": token})
    client.close()
    until(lambda: len(said_by_customer(shop, visitor)) == 6 and waiting(shop, visitor) == 0)
    answers = [text for _, author, text in log_of(shop, visitor)[before:] if author == "bot"]
    heard = client.said()
    assert len(heard) < len(answers), "nothing was missed"
    missed = len(answers) - len(heard)
    open_webchat(page, webchat)
    until(shows(page, "response", 3 + missed))
    assert [text.split() for text in said_in_webchat(page, "response")[3:]] == [
        text.split() for text in answers[len(heard) :]
    ]
    page.reload()
    open_webchat(page, webchat)
    webchat_says(page, "شكرا")
    until(shows(page, "response", 4 + missed))
    assert visitor_of_token(shop, session_in_webchat(page)) == visitor


# -- the bare client ---------------------------------------------------------------------------------------------------


def run_bare(shop: Server, *arguments: str) -> dict[str, Any]:
    package("socket.io-client/package.json")
    if not NODE.exists():
        missing("no Node beside Python: uv sync")
    done = subprocess.run(
        [str(NODE), str(WEB / "bare-client.mjs"), shop.url, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=PROJECT,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_the_bare_client_in_node_is_answered(shop: Server, transport: str) -> None:
    found = run_bare(shop, transport, QUESTION)
    assert found.get("trouble") is None, found
    assert found["transport"] == transport
    (confirm, token), (uttered, message) = found["events"]
    assert (confirm, uttered) == ("session_confirm", "bot_uttered")
    assert "20" in message["text"]
    assert said_by_customer(shop, visitor_of_token(shop, token)) == [QUESTION]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_the_bare_client_is_refused_where_its_origin_is_not_allowed(shop: Server, transport: str) -> None:
    before = len(visitors(shop))
    found = run_bare(shop, transport, QUESTION, "https://elsewhere.example")
    assert found["events"] == [] and found["trouble"], found
    assert found["trouble"] != "nothing came"
    assert len(visitors(shop)) == before


_IN_THE_PAGE = """async ([address, transport, question]) => {
    const events = [];
    return await new Promise(done => {
        const socket = io(address, {transports: [transport], reconnection: false});
        setTimeout(() => done({events, trouble: 'nothing came'}), 15000);
        socket.on('connect_error', error => done({events, trouble: error.message}));
        socket.on('connect', () => socket.emit('session_request', {session_id: null}));
        socket.on('session_confirm', token => {
            events.push(['session_confirm', token]);
            socket.emit('user_uttered', {message: question, session_id: token});
        });
        socket.on('bot_uttered', message => {
            events.push(['bot_uttered', message]);
            socket.disconnect();
            done({events, trouble: null});
        });
    });
}"""


@pytest.fixture
def bundle(site: Site) -> Callable[[Site], str]:
    """Put a page with the client's own bundle on a site."""

    def put(on: Site) -> str:
        script = on.put("/socket.io.min.js", package("socket.io-client/dist/socket.io.min.js"), "text/javascript")
        return on.put("/bare", f'<!doctype html><meta charset="utf-8"><script src="{script}"></script>')

    return put


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_the_bundle_on_an_allowed_site_is_answered(
    page: Page, shop: Server, site: Site, bundle: Callable[[Site], str], transport: str
) -> None:
    page.goto(bundle(site))
    found = page.evaluate(_IN_THE_PAGE, [shop.url, transport, QUESTION])
    assert found["trouble"] is None, found
    (_, token), (_, message) = found["events"]
    assert "20" in message["text"]
    assert said_by_customer(shop, visitor_of_token(shop, token)) == [QUESTION]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_the_bundle_on_a_site_that_is_not_allowed_gets_nothing(
    page: Page, shop: Server, bundle: Callable[[Site], str], transport: str
) -> None:
    stranger = Site()
    try:
        before = len(visitors(shop))
        page.goto(bundle(stranger))
        found = page.evaluate(_IN_THE_PAGE, [shop.url, transport, QUESTION])
        assert found["events"] == [] and found["trouble"], found
        assert found["trouble"] != "nothing came"
        assert len(visitors(shop)) == before
    finally:
        stranger.close()
