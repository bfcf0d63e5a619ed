"""Pages of all kinds: strict, hostile, careless, framed. The chat works on them and they do not notice it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, WebSocket, expect

from bot.storage.tables import ratings
from tests.e2e.browser import stored
from tests.e2e.browser.site import Site
from tests.e2e.browser.test_images import is_the_picture, paste, picture, ready, shown
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUESTION = "How much is delivery?"
# Whatever a hostile text manages to run says so here.
ALARM = "<script>window.ran = []; window.alert = window.pwn = what => ran.push(what)</script>"
HOSTILE = [
    '<img src=x onerror="pwn(1)">',
    "<script>pwn(2)</script>",
    '"><svg onload=pwn(3)>',
    "javascript:pwn(4)",
    'https://example.com/"onmouseover=pwn(5)',
    "[x](javascript:pwn(6))",
    "data:text/html,<script>pwn(7)</script>",
    "mailto:a@b.co?subject=<script>pwn(8)</script>",
    "{{constructor.constructor('pwn(9)')()}}",
    "java\tscript:pwn(10)//https://x.co",
]


def box(part: Locator) -> dict[str, float]:
    found = part.bounding_box()
    assert found is not None
    return dict(found)


def sockets_of(chat: Chat) -> list[WebSocket]:
    found: list[WebSocket] = []
    chat.page.on("websocket", lambda socket: found.append(socket))
    return found


def harmless(chat: Chat) -> None:
    """Nothing ran, nothing was made of the texts but text, and every link leads to the web or a mailbox."""
    assert chat.page.evaluate("window.ran") == []
    tags = chat.part("log").evaluate("log => [...new Set([...log.querySelectorAll('*')].map(e => e.localName))]")
    assert not {"img", "script", "iframe", "object", "style"} & set(tags)
    links = chat.part("log").locator("a").evaluate_all("links => links.map(link => link.protocol)")
    assert set(links) <= {"https:", "http:", "mailto:"}


class Framed(Chat):
    """The chat in a page in a frame of the tab's page."""

    def part(self, name: str) -> Locator:
        return self.page.frame_locator("iframe").locator(f'thiqa-chat [data-part="{name}"]')


# -- strict pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", ["", "; require-trusted-types-for 'script'; trusted-types 'none'"])
def test_everything_works_under_the_strictest_policy_without_a_violation(
    visit: Callable[..., Chat], site: Site, shop: Server, trusted: str
) -> None:
    script = f"{shop.url}/widget.js"
    policy = (
        f"default-src 'none'; script-src {script}; style-src 'none'; img-src 'none'; "
        f"connect-src {shop.url} {shop.url.replace('http', 'ws')}; base-uri 'none'; form-action 'none'{trusted}"
    )
    first = visit(url="about:blank")
    first.page.context.add_init_script(
        "window.violations = []; addEventListener('securitypolicyviolation', event => "
        "violations.push(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sourceFile))"
    )
    site.page(
        "/strict", script, attributes="data-accent=teal data-greeting=Hi", language="en", Content_Security_Policy=policy
    )
    chat = visit(url=f"{site.origin}/strict", context=first.page.context)
    expect(chat.part("greeting")).to_be_visible()
    chat.open()
    assert box(chat.part("panel"))["width"] == 400, "its style sheet is in force"
    header = chat.part("panel").locator(".header")
    assert header.evaluate("header => getComputedStyle(header).backgroundColor") == "rgb(0, 128, 128)"
    assert "20" in chat.ask(QUESTION)
    paste(chat, picture())
    ready(chat, "en")
    chat.wait(lambda: is_the_picture(chat.part("preview").locator("canvas")))
    chat.part("send").click()
    chat.wait(lambda: is_the_picture(shown(chat)))
    chat.part("image").click()
    chat.wait(lambda: is_the_picture(chat.part("viewer").locator("canvas")))
    with chat.page.expect_download():
        chat.part("download").click()
    chat.page.keyboard.press("Escape")
    chat.part("emoji").click()
    chat.part("emoji-grid").get_by_role("button").first.click()
    chat.part("menu").click()
    with chat.page.expect_download():
        chat.part("menu-item-transcript").click()
    chat.page.reload()
    chat.open()
    chat.wait(lambda: is_the_picture(shown(chat)))
    chat.part("menu").click()
    chat.part("menu-item-end").click()
    chat.part("end-confirm").click()
    chat.part("star").nth(4).check(force=True)
    chat.part("rate-send").click()
    expect(chat.part("rating").get_by_role("button")).to_be_focused()
    chat.page.evaluate("Thiqa.destroy()")
    assert chat.page.evaluate("violations") == []


def test_where_the_page_may_submit_no_forms_messages_and_ratings_still_go_out_once(
    visit: Callable[..., Chat], shop: Server
) -> None:
    headers = {"Content_Security_Policy": "sandbox allow-scripts allow-same-origin"}
    chat = visit(language="en", headers=headers).open()
    chat.part("input").fill(QUESTION)
    chat.part("send").dblclick()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    chat.part("input").fill(QUESTION)
    chat.part("send").focus()
    chat.page.keyboard.press("Enter")
    chat.wait(lambda: len(chat.messages("bot")) == 2)
    chat.part("input").fill(QUESTION)
    chat.page.keyboard.press("Enter")
    chat.wait(lambda: len(chat.messages("bot")) == 3)
    assert stored.texts(shop, chat.page) == [QUESTION] * 3
    chat.part("menu").click()
    chat.part("menu-item-end").click()
    chat.part("end-confirm").click()
    chat.part("star").nth(4).check(force=True)
    chat.part("rate-send").click()
    expect(chat.part("rating")).to_contain_text("Thank you")
    chat.wait(lambda: stored.count(shop, ratings, chat.page) == 1)


def test_a_rating_goes_out_by_the_enter_key(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en").open()
    chat.ask(QUESTION)
    chat.part("menu").click()
    chat.part("menu-item-end").click()
    chat.part("end-confirm").click()
    expect(chat.part("rating")).to_be_visible()
    chat.part("star").nth(2).focus()
    chat.page.keyboard.press("Enter")
    expect(chat.part("rate-send")).to_be_disabled()
    chat.page.keyboard.press("ArrowRight")
    chat.page.keyboard.press("Enter")
    expect(chat.part("rating")).to_contain_text("Thank you")
    expect(chat.part("rating").get_by_role("button")).to_be_focused()
    chat.wait(lambda: stored.count(shop, ratings, chat.page) == 1)


# -- hostile style -----------------------------------------------------------------------------------------------------

STYLES = {
    "all-unset": "* { all: unset !important }",
    "hidden-parts": "div, button, textarea, section, header, svg, p, canvas { display: none !important }",
    "hidden-host": "thiqa-chat, thiqa-chat * { display: none !important; visibility: hidden !important; opacity: 0 !important }",
    "sizes": ":root { font-size: 60px } html, body { font: 70px/3 serif; letter-spacing: 9px; word-spacing: 30px;"
    " text-transform: uppercase; text-indent: 90px; line-height: 5; direction: ltr; text-align: right; white-space: pre;"
    " cursor: none; user-select: none; pointer-events: none }",
    "everything": "* { transition: all 5s !important; animation: none; font-family: fantasy !important; color: red !important;"
    " background: yellow !important; position: static !important; font-size: 60px !important; filter: blur(3px) !important;"
    " transform: rotate(20deg) !important; float: left !important; width: 9px !important; height: 9px !important;"
    " overflow: hidden !important; clip-path: circle(5px) !important; opacity: 0.1 !important; contain: strict !important }"
    " html, body { all: revert !important }",
    "own-variables": ":root { --x: 400px; --y: 300px; --z: -1; --top: 333px; --height: 30px; --accent: yellow; --panel: red;"
    " --ink: red; --edge-x: 500px; --layer: -1; --font: fantasy; --radius: 0; --on-accent: red; --soft: red }",
    "zoomed": ":root { font-size: 60px } body { zoom: 1.5; direction: ltr }",
    "moved-body": "body { transform: translateX(-50px) scale(0.7); filter: grayscale(1); perspective: 90px; position: relative;"
    " left: 90px; will-change: transform; overflow: hidden; height: 100px }",
    "flex-body": "body { display: grid; grid-template-columns: 1fr 1fr; gap: 90px; place-items: center; min-height: 300vh }",
    "loud-layer": "h1 { position: fixed; inset: 0; z-index: 999999; background: pink; margin: 0 } body { isolation: isolate }",
}


@pytest.mark.parametrize("name", STYLES)
def test_the_pages_style_does_not_reach_the_chat(visit: Callable[..., Chat], shop: Server, name: str) -> None:
    if not _plain:
        _plain.update(_looks(visit(language="en", reduced_motion="reduce").open()))
    chat = visit(language="en", reduced_motion="reduce", head=f"<style>{STYLES[name]}</style>").open()
    looks = _looks(chat)
    assert looks["panel"] == _plain["panel"]
    assert looks == _plain
    assert "20" in chat.ask(QUESTION)
    for part in ("launcher", "input", "send", "close"):
        place = box(chat.part(part))
        middle = [place["x"] + place["width"] / 2, place["y"] + place["height"] / 2]
        top = chat.page.evaluate("([x, y]) => document.elementFromPoint(x, y)?.localName", middle)
        assert top == "thiqa-chat", f"{top} covers {part}"


_plain: dict[str, Any] = {}  # how it looks on a page without style


def _looks(chat: Chat) -> dict[str, Any]:
    """Place and computed style of what is on the screen."""
    chat.page.mouse.move(300, 5)
    expect(chat.part("starter")).to_have_count(4)
    chat.part("input").focus()
    names = ["launcher", "panel", "log", "welcome", "starter", "input", "send", "close", "menu"]
    style = """part => { const style = getComputedStyle(part);
        return ['color', 'backgroundColor', 'fontFamily', 'fontSize', 'fontWeight', 'lineHeight', 'letterSpacing', 'wordSpacing',
            'textTransform', 'textIndent', 'textAlign', 'direction', 'opacity', 'filter', 'transform', 'borderRadius', 'zIndex',
            'transitionDuration', 'cursor', 'userSelect', 'pointerEvents', 'visibility'].map(name => `${name}: ${style[name]}`) }"""
    found: dict[str, Any] = {}
    for name in names:
        part = chat.part(name).first
        found[name] = {key: round(value) for key, value in box(part).items()}, part.evaluate(style)
    return found


def test_the_page_keeps_its_looks_and_its_globals(visit: Callable[..., Chat], site: Site, shop: Server) -> None:
    body = '<h1>Shop</h1><p id="a">Text <a href="#">link</a></p><button>Buy</button><input value="x"><dialog>d</dialog>'
    plain = site.put(
        "/plain", f'<!doctype html><html lang="en"><head><title>Shop</title></head><body>{body}</body></html>'
    )
    look = """() => [...document.querySelectorAll('html, head, body, h1, p, a, body > button, input, body > dialog')].map(e => {
        const style = getComputedStyle(e); return [e.localName, ...Array.from(style, name => name + style[name]),
            JSON.stringify(e.getBoundingClientRect()), e.getAttributeNames().join()] })"""
    state = """() => ({keys: Object.getOwnPropertyNames(window), title: document.title, cookie: document.cookie,
        active: document.activeElement.localName, sheets: document.styleSheets.length + document.adoptedStyleSheets.length,
        array: Object.getOwnPropertyNames(Array.prototype).length, children: document.head.childElementCount})"""
    chat = visit(url=plain)
    looks, before = chat.page.evaluate(look), chat.page.evaluate(state)
    chat.page.add_script_tag(url=f"{shop.url}/widget.js")
    expect(chat.part("launcher")).to_be_visible()
    chat.page.evaluate("document.head.querySelector('script')?.remove()")
    assert chat.page.evaluate(look) == looks
    after = chat.page.evaluate(state)
    assert [key for key in after["keys"] if key not in before["keys"]] == ["Thiqa"]
    after["keys"], before["keys"] = [], []
    assert after == before
    chat.open()
    chat.ask(QUESTION)
    assert chat.page.evaluate(look) == looks
    chat.page.evaluate("Thiqa.destroy()")
    assert "Thiqa" not in chat.page.evaluate(state)["keys"]


def test_the_pages_shortcuts_do_not_hear_what_is_typed(visit: Callable[..., Chat]) -> None:
    chat = visit(
        language="en",
        head="<script>window.keys = []; for (const on of ['keydown', 'keyup', 'keypress'])"
        " document.addEventListener(on, event => { keys.push(event.key); if (event.key === '/') event.preventDefault() })</script>",
    ).open()
    chat.part("input").press_sequentially("a/b s")
    expect(chat.part("input")).to_have_value("a/b s")
    assert chat.page.evaluate("keys") == []


@pytest.mark.parametrize("at", [":root", "thiqa-chat"])
def test_the_page_may_set_what_it_is_meant_to_set(visit: Callable[..., Chat], at: str) -> None:
    style = (
        f"{at} {{ --thiqa-accent: #7a1f5c; --thiqa-radius: 7px; --thiqa-font: monospace; --thiqa-width: 333px;"
        f" --thiqa-height: 444px; --thiqa-offset-x: 31px; --thiqa-offset-y: 32px; --thiqa-z: 55 }}"
        f" @media (max-width: 900px) {{ {at} {{ --thiqa-offset-y: 84px }} }}"
    )
    attributes = "data-accent=red data-offset-x=99 data-offset-y=99 data-z-index=9"
    chat = visit(language="en", head=f"<style>{style}</style>", attributes=attributes, reduced_motion="reduce").open()
    chat.page.mouse.move(5, 5)
    panel, launcher = chat.part("panel"), chat.part("launcher")
    assert (box(panel)["width"], box(panel)["height"]) == (333, 444)
    expect(panel).to_have_css("border-radius", "7px")
    expect(panel).to_have_css("font-family", "monospace")
    expect(launcher).to_have_css("background-color", "rgb(122, 31, 92)")
    expect(launcher).to_have_css("z-index", "55")
    place = box(launcher)
    assert (1280 - place["x"] - place["width"], 800 - place["y"] - place["height"]) == (31, 32)
    chat.page.set_viewport_size({"width": 800, "height": 800})
    chat.wait(lambda: 800 - box(launcher)["y"] - box(launcher)["height"] == 84)


def test_an_accent_set_by_a_media_query_changes_with_it(visit: Callable[..., Chat]) -> None:
    style = "thiqa-chat { --thiqa-accent: maroon } @media (max-width: 900px) { thiqa-chat { --thiqa-accent: navy } }"
    chat = visit(language="en", head=f"<style>{style}</style>").open()
    expect(chat.part("launcher")).to_have_css("background-color", "rgb(128, 0, 0)")
    chat.page.set_viewport_size({"width": 800, "height": 800})
    expect(chat.part("launcher")).to_have_css("background-color", "rgb(0, 0, 128)")


# -- how the script comes to the page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("attributes", ["async", "defer", "type=module", "async type=module"])
def test_the_tag_may_be_of_any_kind(visit: Callable[..., Chat], attributes: str) -> None:
    chat = visit(language="en", attributes=f'{attributes} data-title="My shop"')
    expect(chat.part("launcher")).to_be_visible()
    chat.open()
    expect(chat.part("panel").get_by_role("heading", level=2)).to_have_text("My shop")
    assert "20" in chat.ask(QUESTION)


@pytest.mark.parametrize("place", ["head", "body"])
def test_the_script_may_be_injected_by_another(
    visit: Callable[..., Chat], site: Site, shop: Server, place: str
) -> None:
    """As tag managers do it, before there is a body, too."""
    inject = (
        f"<script>const s = document.createElement('script'); s.src = '{shop.url}/widget.js'; s.dataset.title = 'My shop';"
        f" document.{'head' if place == 'head' else 'body'}.append(s); s.onload = () => s.remove()</script>"
    )
    head, body = (inject, "") if place == "head" else ("", inject)
    filler = "<p>text</p>" * 2000
    address = site.put(
        f"/injected-{place}",
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}</head><body><h1>Shop</h1>{filler}{body}</body></html>',
    )
    chat = visit(url=address).open()
    expect(chat.part("panel").get_by_role("heading", level=2)).to_have_text("My shop")
    assert "20" in chat.ask(QUESTION)


def test_the_script_may_be_served_from_elsewhere(visit: Callable[..., Chat], site: Site, shop: Server) -> None:
    site.put("/assets/chat.3f2a.js", requests.get(f"{shop.url}/widget.js", timeout=10).content, "text/javascript")
    attributes = f'data-server="{shop.url}/" data-title="My shop"'
    site.page("/elsewhere", "/assets/chat.3f2a.js", language="en", attributes=attributes)
    chat = visit(url=f"{site.origin}/elsewhere").open()
    expect(chat.part("panel").get_by_role("heading", level=2)).to_have_text("My shop")
    assert "20" in chat.ask(QUESTION)


def test_a_visitor_who_never_opens_the_chat_makes_no_connection(visit: Callable[..., Chat], shop: Server) -> None:
    first = visit(url="about:blank")
    asked: list[str] = []
    for event in ("request", "websocket"):
        first.page.on(event, lambda it: asked.append(it.url))  # type: ignore[call-overload]
    twin = visit(language="en", context=first.page.context, attributes="data-greeting=Hi")
    first.page.goto(twin.page.url)
    expect(first.part("greeting")).to_be_visible()
    assert [address for address in asked if address.startswith((shop.url, "ws"))] == [f"{shop.url}/widget.js"]


def test_a_module_beside_another_vendors_widget_finds_its_own_tag(
    visit: Callable[..., Chat], site: Site, shop: Server
) -> None:
    site.put("/vendor/reviews-widget.js", "window.reviews = true", "text/javascript")
    address = site.put(
        "/beside",
        f'<!doctype html><html lang="en"><head><script type="module" src="{shop.url}/widget.js" data-title="My shop"></script>'
        f'<script src="/vendor/reviews-widget.js" data-title="Reviews"></script></head><body><h1>Shop</h1></body></html>',
    )
    chat = visit(url=address).open()
    expect(chat.part("panel").get_by_role("heading", level=2)).to_have_text("My shop")
    assert "20" in chat.ask(QUESTION)


def test_a_script_loaded_twice_is_one_chat_with_one_session(visit: Callable[..., Chat], shop: Server) -> None:
    second = f'<script src="{shop.url}/widget.js" data-title="Second" data-position="left" defer></script>'
    chat = visit(url="about:blank")
    sockets, frames = sockets_of(chat), []
    chat.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(str(frame))))
    twin = visit(language="en", attributes='data-title="First"', head=second, url=None, context=chat.page.context)
    chat.page.goto(twin.page.url)
    twin.page.close()
    chat.page.add_script_tag(url=f"{shop.url}/widget.js")
    chat.page.add_script_tag(url=f"{shop.url}/widget.js?again")
    expect(chat.page.locator("thiqa-chat")).to_have_count(1)
    chat.part("launcher").dblclick()
    expect(chat.part("panel").get_by_role("heading", level=2)).to_have_text("First")
    chat.ask(QUESTION)
    assert len(sockets) == 1
    assert sum("session_request" in frame for frame in frames) == 1
    assert stored.texts(shop, chat.page) == [QUESTION]


# -- hostile texts -----------------------------------------------------------------------------------------------------


def test_what_is_typed_is_shown_as_typed(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en", head=ALARM).open()
    text = "\n".join(HOSTILE)
    chat.say(text)
    chat.wait(lambda: len(chat.messages("bot")) >= 1)
    kept = stored.texts(shop, chat.page)[0]
    chat.wait(lambda: chat.messages("customer")[0]["text"].replace("\t", " ") == kept.replace("\t", " "))
    harmless(chat)
    chat.part("menu").click()
    chat.part("menu-item-language").click()
    other = visit(context=chat.page.context, head=ALARM).open()
    other.wait(lambda: len(other.messages("bot")) >= 1)
    harmless(other)
    harmless(chat)


def test_what_the_shop_says_is_shown_as_said_and_its_buttons_too(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en", head=ALARM).open()
    chat.ask(QUESTION)
    visitor = stored.session(chat.page, shop)["visitor"]
    now = datetime.now(timezone.utc)
    lines = [(author, text, now) for author in ("bot", "agent") for text in HOSTILE]
    stored.write(shop, visitor, lines, choices=HOSTILE[:3], read=False)
    chat.wait(
        lambda: (
            [m["text"].replace("\t", " ") for m in chat.messages("agent")] == [t.replace("\t", " ") for t in HOSTILE]
        )
    )
    harmless(chat)
    expect(chat.part("button")).to_have_text(HOSTILE[:3])
    chat.part("button").first.click()
    chat.wait(lambda: chat.messages("customer")[-1]["text"] == HOSTILE[0])
    harmless(chat)


def test_names_and_addresses_of_the_page_are_only_text(visit: Callable[..., Chat], site: Site, shop: Server) -> None:
    bad = "&lt;img src=x onerror=pwn(1)&gt;&lt;script&gt;pwn(2)&lt;/script&gt;"
    attributes = " ".join(
        f'data-{name}="{bad}"' for name in ("title", "subtitle", "greeting", "contact-email", "contact-phone")
    )
    site.page("/<bad>", f"{shop.url}/widget.js", attributes=attributes, language="en", head=ALARM)
    site._pages["/evil"] = site._pages["/<bad>"]
    chat = visit(url=f"{site.origin}/evil?q=<script>pwn(3)</script>#javascript:pwn(4)<img src=x onerror=pwn(5)>")
    chat.page.evaluate("document.title = '<img src=x onerror=pwn(6)>'")
    expect(chat.part("greeting")).to_contain_text("<img src=x onerror=pwn(1)>")
    chat.open()
    expect(chat.part("panel").get_by_role("heading", level=2)).to_have_text(
        "<img src=x onerror=pwn(1)><script>pwn(2)</script>"
    )
    chat.ask(QUESTION)
    harmless(chat)


@pytest.mark.parametrize("mark", ["\u202e", "\u2067", "\u200f", "\u2066"])
def test_marks_that_turn_text_round_do_not_leave_their_message(
    visit: Callable[..., Chat], shop: Server, mark: str
) -> None:
    chat = visit(language="en", attributes=f'data-title="Shop{mark} gnp.exe" data-subtitle="{mark}abc"').open()
    chat.ask(QUESTION)
    now = datetime.now(timezone.utc)
    line = f"see {mark}https://example.com/a{mark} gnp.exe {mark}1004 1005"
    stored.write(shop, stored.session(chat.page, shop)["visitor"], [("agent", line, now), ("agent", "plain", now)])
    chat.wait(lambda: len(chat.messages("agent")) == 2)
    link = chat.part("message").get_by_role("link")
    expect(link).to_have_attribute("href", "https://example.com/a")
    left = "row => row.querySelector('.bubble').getBoundingClientRect().left"
    rows = chat.part("message")
    assert rows.nth(3).evaluate(left) == rows.nth(1).evaluate(left)
    assert chat.part("panel").evaluate("panel => getComputedStyle(panel).direction") == "ltr"
    chat.say(f"abc {mark} def")
    chat.wait(lambda: stored.texts(shop, chat.page)[-1:] in (["abc  def"], ["abc def"]))
    chat.wait(lambda: mark not in chat.messages("customer")[-1]["text"])


# -- careless pages ----------------------------------------------------------------------------------------------------

PAGES = {
    "prototypes": "Object.prototype.extend = function () {}; Object.prototype.language = 'xx'; Object.prototype.href = 'x';"
    " Array.prototype.remove = function () {}; Array.prototype.first = 1; String.prototype.say = () => 0;"
    " Function.prototype.method = 1;",
    "polluted-options": "Object.prototype.server = 'https://elsewhere.example'",
    "prototype.js": "Array.from = list => [].slice.call(list); Element.prototype.remove = function () {"
    " this.parentNode.removeChild(this) }; Array.prototype.each = Array.prototype.forEach; window.$ = id => document.getElementById(id);"
    " Array.prototype.clear = function () { this.length = 0 }; Object.prototype.inspect = () => ''; Number.prototype.times = () => 0",
    "to-json": "Array.prototype.toJSON = function () { return '[' + [].map.call(this, x => JSON.stringify(x)).join() + ']' };",
    "frozen": "for (const it of [Array, JSON, Map, Promise, fetch, Node]) { Object.freeze(it); Object.freeze(it.prototype ?? {}) }",
    "named-element": "document.write('<a id=Thiqa name=chat></a><form id=Thiqa></form>')",
    "old-browser": "delete Navigator.prototype.locks; delete Navigator.prototype.clipboard; delete AbortSignal.timeout;"
    " delete window.visualViewport; delete document.adoptedStyleSheets",
    "storage-throws": "for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) Object.defineProperty(window, name,"
    " {get() { throw new DOMException('denied', 'SecurityError') }})",
    "storage-null": "Object.defineProperty(window, 'localStorage', {value: null})",
    "storage-full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
    "really-full": "try { for (let n = 4_000_000; n > 0; n = n >> 1) for (;;) try { localStorage.setItem('fill' + Math.random(), 'x'.repeat(n)) }"
    " catch { break } } catch {}",
    "cookies-off": "Object.defineProperty(Document.prototype, 'cookie', {get() { throw new Error('denied') }})",
}


@pytest.mark.parametrize("name", PAGES)
def test_the_chat_works_on_a_careless_page(visit: Callable[..., Chat], name: str) -> None:
    chat = visit(language="en", head=f"<script>{PAGES[name]}</script>").open()
    expect(chat.part("starter")).to_have_count(4)
    assert "20" in chat.ask(QUESTION)
    chat.wait(lambda: chat.messages("customer")[0]["state"] == "seen")
    assert "number" in chat.ask("where is my order")
    chat.press("person")
    chat.wait(lambda: len(chat.messages("bot")) == 3)
    paste(chat, picture())
    ready(chat, "en")
    chat.part("send").click()
    chat.wait(lambda: is_the_picture(shown(chat)))
    chat.part("close").click()
    chat.open()
    assert [message["author"] for message in chat.messages()][:4] == ["customer", "bot", "customer", "bot"]


def test_stored_nonsense_is_as_good_as_nothing(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(url=None, language="en")
    names = ["session", "outbox", "draft", "language", "greeted"]
    for value in (
        "{",
        '"x"',
        "[1,null,{}]",
        "17",
        '{"token":5,"visitor":[]}',
        "null",
        '{"token":"","visitor":""}',
        "true",
    ):
        chat.page.evaluate(
            "([names, url, value]) => { localStorage.clear(); for (const n of names) localStorage.setItem(`thiqa:${url}:${n}`, value) }",
            [names, shop.url, value],
        )
        chat.page.reload()
        expect(chat.part("launcher")).to_be_visible()
        chat.page.evaluate("Thiqa.open()")
        expect(chat.part("panel")).to_be_visible()
        chat.part("input").fill(QUESTION)
        chat.page.keyboard.press("Enter")
        chat.wait(lambda: any("20" in message["text"] for message in chat.messages("bot")))


# -- frames ------------------------------------------------------------------------------------------------------------


def frame_page(site: Site, shop: Server, name: str, sandbox: str = "") -> str:
    """The address of a page that has the shop in a frame."""
    inner = site.page(f"/{name}-inner", f"{shop.url}/widget.js", language="en")
    return site.put(
        f"/{name}-outer",
        f'<!doctype html><html><body><h1>Mall</h1><iframe src="{inner}" width="900" height="700" {sandbox}></iframe></body></html>',
    )


@pytest.mark.parametrize("sandbox", ["", 'sandbox="allow-scripts allow-same-origin allow-popups allow-forms"'])
def test_the_chat_works_in_a_frame_of_another_site(
    visit: Callable[..., Chat], site: Site, shop: Server, sandbox: str
) -> None:
    """Chromium denies storage there: what was said is there as long as the page is."""
    outer = visit(url=frame_page(site, shop, f"frame{len(sandbox)}", sandbox).replace("localhost", "127.0.0.1"))
    chat = Framed(outer.page)
    chat.open()
    assert "20" in chat.ask(QUESTION)
    place, frame = box(chat.part("panel")), box(outer.page.locator("iframe"))
    assert place["x"] >= frame["x"] and place["x"] + place["width"] <= frame["x"] + frame["width"]
    chat.part("close").click()
    chat.open()
    chat.wait(lambda: len(chat.messages()) == 2)
    assert chat.problems() == []


def test_the_chat_in_a_frame_of_its_own_site_is_there_after_a_reload(
    visit: Callable[..., Chat], site: Site, shop: Server
) -> None:
    outer = visit(url=frame_page(site, shop, "own"))
    chat = Framed(outer.page)
    chat.open()
    chat.ask(QUESTION)
    chat.page.reload()
    chat.open()
    chat.wait(lambda: len(chat.messages()) == 2)


def test_the_session_never_stands_in_an_address_or_the_page(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(url="about:blank")
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    chat.page.on("websocket", lambda socket: asked.append(socket.url))
    twin = visit(language="en", context=chat.page.context)
    chat.page.goto(twin.page.url)
    chat.open()
    chat.ask(QUESTION)
    paste(chat, picture())
    ready(chat, "en")
    chat.part("send").click()
    chat.wait(lambda: len(chat.messages("bot")) == 2)
    token = stored.session(chat.page, shop)["token"]
    assert len(asked) > 2
    assert not any(token in address for address in asked)
    assert token not in chat.page.evaluate("document.documentElement.outerHTML + document.cookie")
    assert token not in shop.log()
    assert chat.page.context.cookies() == []
    names = chat.page.evaluate("Object.keys(localStorage)")
    known = {f"thiqa:{shop.url}:{name}" for name in ("session", "outbox", "draft", "language", "greeted")}
    assert set(names) <= known
    assert QUESTION not in chat.page.evaluate("JSON.stringify(localStorage)"), (
        "what was said is not kept in the browser"
    )
