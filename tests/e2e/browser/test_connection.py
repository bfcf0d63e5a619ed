"""The visitor's connection fails in every way there is: nothing is lost, nothing doubled, and they are told."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from bot.connectors.webchat.sessions import LIFE, Sessions
from bot.widget_file import WIDGET
from tests.e2e.browser.records import (
    log_of,
    said_by_customer,
    session_key,
    shown,
    stored_session,
    visitor_of,
    wait_answered,
    waiting,
)
from tests.e2e.browser.site import Site
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server, link_trained
from tests.e2e.wires import Cable

pytestmark = pytest.mark.slow

SHIPPING = "كم رسوم الشحن؟ ({})"  # answered at once by one message, whatever the number
CONTACTS = 'data-contact-email="help@shop.example" data-contact-phone="+966 11 555 0000" data-contact-url="/contact"'


@pytest.fixture
def cable(shop: Server) -> Iterator[Cable]:
    """Lies between a page and the shared server."""
    with Cable("127.0.0.1", shop.port) as cable:
        yield cable


@pytest.fixture(scope="module")
def mortal(trained_home: Path, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is there to be killed; not started."""
    home = link_trained(tmp_path_factory.mktemp("mortal"), trained_home)
    server = Server(home, THIQA_ALLOWED_ORIGINS=site.origin)
    yield server
    server.close()


def alive(server: Server) -> Server:
    if not server.is_ready():
        server.restart()
    return server


def texts(*numbers: int) -> list[str]:
    return [SHIPPING.format(number) for number in numbers]


def say_all(chat: Chat, said: list[str]) -> None:
    for text in said:
        chat.say(text)


def expect_offline(chat: Chat, timeout: float = 15.0) -> None:
    expect(chat.part("offline")).to_be_visible(timeout=timeout * 1000)


def expect_online(chat: Chat, timeout: float = 30.0) -> None:
    expect(chat.part("offline")).to_have_count(0, timeout=timeout * 1000)


# -- the server goes away ----------------------------------------------------------------------------------------------


def test_on_a_dead_server_the_panel_says_so_offers_other_ways_and_sends_when_it_comes_up(
    visit: Callable[..., Chat], site: Site, mortal: Server
) -> None:
    mortal.kill()
    script = site.put("/widget-of-the-site.js", WIDGET, "text/javascript")
    attributes = f'data-server="{mortal.url}" {CONTACTS}'
    chat = visit(url=site.page("/dead", script, attributes=attributes)).open()
    chat.say(SHIPPING.format(1))  # before anything is known
    expect_offline(chat)
    ways = chat.part("other-ways")
    expect(ways.locator('a[href="mailto:help@shop.example"]')).to_have_text("help@shop.example")
    expect(ways.locator('a[href="tel:+966115550000"]')).to_be_visible()
    expect(ways.locator(f'a[href="{site.origin}/contact"]')).to_be_visible()
    chat.say(SHIPPING.format(2))
    chat.part("input").fill("نصف رسالة")
    # A visitor who gives up, and comes back to the page while it is still down, finds it all again.
    chat.page.reload()
    chat.open()
    assert [(message["text"], message["state"]) for message in chat.messages()] == [
        (text, "sending") for text in texts(1, 2)
    ]
    expect(chat.part("input")).to_have_value("نصف رسالة")
    expect_offline(chat)
    mortal.start(wait=False)
    expect_online(chat, 120)
    wait_answered(chat, mortal, visitor_of(chat, mortal.url), texts(1, 2))
    expect(chat.part("input")).to_have_value("نصف رسالة")


def test_killed_while_turns_run_and_a_message_is_on_its_way_all_are_answered_once_and_in_order(
    visit: Callable[..., Chat], mortal: Server
) -> None:
    busy, late = visit(server=alive(mortal)).open(), visit(server=mortal).open()
    for chat in (busy, late):
        chat.ask(SHIPPING.format(1))
    visitor = visitor_of(busy, mortal.url)
    # All in one go, so that turns lie behind each other.
    busy.page.evaluate(
        """async texts => {
            const parts = document.querySelector('thiqa-chat').shadowRoot;
            const input = parts.querySelector('[data-part="input"]');
            const tick = () => new Promise(done => setTimeout(done));
            for (const text of texts) {
                input.value = text;
                input.dispatchEvent(new Event('input', {bubbles: true}));
                await tick();
                parts.querySelector('[data-part="send"]').click();
                await tick();
            }
        }""",
        texts(*range(2, 8)),
    )
    deadline = time.monotonic() + 15
    while waiting(mortal, visitor) == 0:
        assert time.monotonic() < deadline, "no turn was under way"
    assert mortal.process is not None
    os.kill(mortal.process.pid, signal.SIGSTOP)  # from here on, what is sent gets as far as the server's door
    assert waiting(mortal, visitor), "the server was done before it was stopped"
    say_all(late, texts(2, 3))
    late.wait(lambda: [message["state"] for message in late.messages("customer")][1:] == ["sending"] * 2)
    mortal.kill()
    for chat in (busy, late):
        expect_offline(chat)
    assert "محفوظ" in late.part("offline").inner_text()
    say_all(late, texts(4, 5))
    mortal.start(wait=False)
    say_all(busy, texts(8))
    for chat, said in ((busy, texts(*range(1, 9))), (late, texts(*range(1, 6)))):
        expect_online(chat, 120)
        wait_answered(chat, mortal, visitor_of(chat, mortal.url), said)


def test_a_graceful_restart_passes_by_itself(visit: Callable[..., Chat], mortal: Server) -> None:
    first = visit(server=alive(mortal)).open()
    first.ask(SHIPPING.format(1))
    polls = visit(server=mortal, head="<script>window.WebSocket = undefined</script>").open()
    polls.ask(SHIPPING.format(1))
    # One more, by polling, whose device was switched off: it never says goodbye.
    opened = requests.get(f"{mortal.url}/socket.io/?EIO=4&transport=polling", timeout=10).text
    gone = f"{mortal.url}/socket.io/?EIO=4&transport=polling&sid={json.loads(opened[1:])['sid']}"
    assert requests.post(gone, data="40", timeout=10).text == "OK"
    began = time.monotonic()
    mortal.stop()
    assert time.monotonic() - began < 10, "a chat held up the stop"
    expect_offline(first)
    expect_offline(polls)
    mortal.start(wait=False)
    for chat in (first, polls):
        expect_online(chat, 120)
        chat.say(SHIPPING.format(2))
        wait_answered(chat, mortal, visitor_of(chat, mortal.url), texts(1, 2))


def test_over_a_wiped_database_the_chat_begins_anew_and_sends_what_waits(
    visit: Callable[..., Chat], mortal: Server
) -> None:
    chat = visit(server=alive(mortal)).open()
    chat.ask(SHIPPING.format(1))
    chat.ask(SHIPPING.format(2))
    visitor = visitor_of(chat, mortal.url)
    mortal.stop()
    chat.say(SHIPPING.format(3))
    mortal.database().close()
    mortal._database = None
    for file in mortal.home.glob("thiqa.db*"):
        file.unlink()
    assert (mortal.home / "secret_keys").exists()
    mortal.start(wait=False)
    chat.wait(lambda: mortal.is_ready() and len(chat.messages("bot")) == 1, 120)
    assert visitor_of(chat, mortal.url) == visitor, "the key is the same, and so is the visitor"
    wait_answered(chat, mortal, visitor, texts(3))
    assert [message["number"] for message in chat.messages()] == [1, 2]


# -- the network goes away ---------------------------------------------------------------------------------------------


def test_a_cut_network_is_told_and_what_was_typed_goes_out_when_it_is_mended(
    visit: Callable[..., Chat], shop: Server, cable: Cable
) -> None:
    chat = visit(server=cable, attributes=CONTACTS).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    cable.cut()
    expect_offline(chat)
    expect(chat.part("other-ways")).to_be_visible()
    say_all(chat, texts(2, 3, 4))
    assert [message["state"] for message in chat.messages("customer")][1:] == ["sending"] * 3
    cable.mend()
    expect_online(chat)
    wait_answered(chat, shop, visitor_of(chat, cable.url), texts(1, 2, 3, 4))


def test_a_device_that_goes_offline_and_comes_back_loses_nothing(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    visitor = visitor_of(chat, shop.url)
    chat.page.context.set_offline(True)
    say_all(chat, texts(2, 3))
    chat.page.context.set_offline(False)
    wait_answered(chat, shop, visitor, texts(1, 2, 3))


@pytest.mark.parametrize("polls", [False, True], ids=["websocket", "polling"])
def test_a_device_that_goes_offline_says_so_at_once_and_sends_once_it_is_back(
    visit: Callable[..., Chat], shop: Server, polls: bool
) -> None:
    head = "<script>window.WebSocket = undefined</script>" if polls else ""
    chat = visit(head=head).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    header = chat.part("panel").locator(".header")
    chat.page.context.set_offline(True)
    expect_offline(chat, 5)
    expect(header).to_contain_text("غير متصل")
    say_all(chat, texts(2))
    assert chat.messages("customer")[-1]["state"] == "sending"
    chat.page.context.set_offline(False)
    expect_online(chat)
    expect(header).not_to_contain_text("غير متصل")
    wait_answered(chat, shop, visitor_of(chat, shop.url), texts(1, 2))


def test_a_device_that_only_says_it_is_offline_is_back_by_itself(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    chat.page.evaluate("window.states = []; void Thiqa.on('connection', state => states.push(state))")
    chat.page.evaluate("window.dispatchEvent(new Event('offline'))")
    say_all(chat, texts(2))
    expect_online(chat)
    wait_answered(chat, shop, visitor_of(chat, shop.url), texts(1, 2))
    assert chat.page.evaluate("states") == ["offline", "online"]


def test_a_page_reloaded_while_the_network_is_away_still_sends_what_was_typed(
    visit: Callable[..., Chat], site: Site, shop: Server, cable: Cable
) -> None:
    script = site.put("/widget-of-the-site.js", WIDGET, "text/javascript")
    chat = visit(url=site.page("/reload", script, attributes=f'data-server="{cable.url}"')).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    visitor = visitor_of(chat, cable.url)
    cable.cut()
    say_all(chat, texts(2, 3))
    chat.page.reload()
    chat.open()
    assert [message["text"] for message in chat.messages()] == texts(2, 3)
    say_all(chat, texts(4))
    cable.mend()
    wait_answered(chat, shop, visitor, texts(1, 2, 3, 4))


def test_when_the_acknowledgement_is_lost_the_message_is_not_doubled(
    visit: Callable[..., Chat], shop: Server, cable: Cable
) -> None:
    chat = visit(server=cable).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    visitor = visitor_of(chat, cable.url)
    cable.swallow(answers_only=True)
    say_all(chat, texts(2))
    chat.wait(lambda: said_by_customer(shop, visitor) == texts(1, 2))
    assert chat.messages("customer")[-1]["state"] == "sending"
    cable.cut()
    say_all(chat, texts(3))
    cable.mend()
    wait_answered(chat, shop, visitor, texts(1, 2, 3))


@pytest.mark.parametrize("event", ["focus", "online", "pageshow", "visibilitychange", "button"])
def test_it_comes_back_at_once_when_the_visitor_or_the_network_does(
    visit: Callable[..., Chat], shop: Server, cable: Cable, event: str
) -> None:
    """The page's clock stands still, so no back-off ever ends: only the event can be what brings it back."""
    chat = visit(server=cable).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    chat.page.clock.install()
    chat.page.reload()
    chat.open()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    cable.cut()
    for _ in range(6):  # attempts that fail, so that the pause before the next is long
        chat.page.clock.run_for(4000)
        chat.page.wait_for_timeout(50)
    expect_offline(chat)
    chat.page.clock.pause_at(datetime.now() + timedelta(hours=1))
    chat.page.wait_for_timeout(200)  # what the jump set off has failed
    say_all(chat, texts(2))
    cable.mend()
    tried = cable.accepted
    chat.page.wait_for_timeout(1000)
    assert cable.accepted == tried, "it did not wait"
    expect(chat.part("offline")).to_be_visible()
    if event == "online":
        chat.page.context.set_offline(True)
        chat.page.context.set_offline(False)
    elif event == "visibilitychange":
        chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    elif event == "button":
        chat.part("retry-now").click()
    else:
        chat.page.evaluate("event => window.dispatchEvent(new Event(event))", event)
    wait_answered(chat, shop, visitor_of(chat, cable.url), texts(1, 2))


def test_two_tabs_one_of_them_cut_are_in_step_after_mending(
    visit: Callable[..., Chat], shop: Server, cable: Cable
) -> None:
    whole = visit(server=cable).open()
    say_all(whole, texts(1))
    whole.wait(lambda: len(whole.messages("bot")) == 1)
    visitor = visitor_of(whole, cable.url)
    before = cable.lines()
    lame = visit(server=cable, context=whole.page.context).open()
    lame.wait(lambda: len(lame.messages("bot")) == 1)
    cable.cut(only=cable.lines() - before)
    expect_offline(lame)
    say_all(lame, texts(2))
    say_all(whole, texts(3))
    whole.wait(lambda: SHIPPING.format(3) in said_by_customer(shop, visitor))
    expect(whole.part("offline")).to_have_count(0)
    expect(lame.part("offline")).to_be_visible()
    cable.mend()
    for chat in (whole, lame):
        chat.wait(lambda chat=chat: shown(chat) == log_of(shop, visitor) and len(shown(chat)) == 6, 30)
    assert sorted(said_by_customer(shop, visitor)) == sorted(texts(1, 2, 3))


# -- the network lies --------------------------------------------------------------------------------------------------


def test_a_half_open_connection_is_noticed_by_its_silence(
    visit: Callable[..., Chat], shop: Server, cable: Cable
) -> None:
    chat = visit(server=cable).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    chat.page.clock.install()  # waiting is the page's, so its clock may run fast
    chat.page.reload()
    chat.open()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    cable.swallow()
    say_all(chat, texts(2))
    for _ in range(13):  # the server's 15 and 10 seconds
        chat.page.clock.run_for(2000)
        chat.page.wait_for_timeout(20)
    assert chat.messages("customer")[-1]["state"] == "sending"
    cable.mend()
    for _ in range(30):
        chat.page.clock.run_for(500)
        chat.page.wait_for_timeout(20)
    wait_answered(chat, shop, visitor_of(chat, cable.url), texts(1, 2), 20)


def test_a_half_open_connection_is_noticed_when_the_visitor_comes_back_to_the_page(
    visit: Callable[..., Chat], shop: Server, cable: Cable
) -> None:
    chat = visit(server=cable).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    cable.swallow()
    chat.page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect_offline(chat, 15)
    cable.mend()
    chat.page.evaluate("window.dispatchEvent(new Event('focus'))")
    chat.say(SHIPPING.format(2))
    wait_answered(chat, shop, visitor_of(chat, cable.url), texts(1, 2))


@pytest.mark.parametrize("how", ["refused", "silent", "absent"])
def test_where_websockets_are_blocked_a_whole_conversation_goes_by_polling(
    visit: Callable[..., Chat], shop: Server, cable: Cable, how: str
) -> None:
    head = ""
    if how == "absent":
        head = "<script>window.WebSocket = class { constructor() { throw new DOMException('blocked') } }</script>"
    else:
        cable.upgrades = how
    chat = visit(server=cable, head=head).open()
    polled: list[str] = []
    chat.page.on("request", lambda request: polled.append(request.url) if "transport=polling" in request.url else None)
    assert "20" in chat.ask(SHIPPING.format(1))
    assert how == "absent" or cable.stopped_upgrades > 0
    chat.say("وين طلبي")
    expect(chat.part("button").first).to_be_visible()
    title = chat.part("button").last.inner_text()
    before = len(chat.messages("bot"))
    chat.press(title)
    chat.wait(lambda: len(chat.messages("bot")) > before)
    visitor = visitor_of(chat, cable.url)
    cable.cut()
    expect_offline(chat)
    cable.mend()
    expect_online(chat)
    chat.wait(lambda: waiting(shop, visitor) == 0 and shown(chat) == log_of(shop, visitor))
    assert said_by_customer(shop, visitor) == [SHIPPING.format(1), "وين طلبي", title]
    assert polled
    second = visit(server=cable, context=chat.page.context, head=head).open()
    second.wait(lambda: shown(second) == log_of(shop, visitor))


def test_a_page_that_blocks_the_websockets_address_is_served_by_polling(
    visit: Callable[..., Chat], shop: Server, site: Site
) -> None:
    """As a content blocker does it: not the network but the browser says no."""
    policy = f"connect-src {shop.url}"  # http: only, which in Chromium leaves ws: out
    chat = visit(headers={"Content_Security_Policy": policy}, errors=True).open()  # Chromium reports what it forbids
    assert "20" in chat.ask(SHIPPING.format(1))
    wait_answered(chat, shop, visitor_of(chat, shop.url), texts(1))


def test_answers_that_are_not_the_servers_own_do_no_harm(
    visit: Callable[..., Chat], shop: Server, cable: Cable
) -> None:
    """A captive portal: every request gets its page, with status 200."""
    chat = visit(server=cable).open()
    say_all(chat, texts(1))
    chat.wait(lambda: len(chat.messages("bot")) == 1)

    def portal(route: Route) -> None:
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(status=200, content_type="text/html", body="<html>Please log in</html>", headers=headers)

    cable.upgrades = "refused"
    chat.page.route(re.compile(r"/socket\.io/"), portal)
    cable.cut()
    cable.mend()
    expect_offline(chat)
    say_all(chat, texts(2))
    chat.page.unroute(re.compile(r"/socket\.io/"), portal)
    cable.upgrades = "pass"
    with suppress(PlaywrightTimeout):  # it may be trying, or back, by itself
        chat.part("retry-now").click(timeout=5000)
    expect_online(chat)
    wait_answered(chat, shop, visitor_of(chat, cable.url), texts(1, 2))


# -- the server says: slowly -------------------------------------------------------------------------------------------


def test_thirty_messages_in_a_burst_are_told_when_to_go_on_and_are_all_sent_once_in_order(
    visit: Callable[..., Chat], shop: Server
) -> None:
    chat = visit().open()
    say_all(chat, texts(*range(30)))
    notice = chat.part("notice")
    expect(notice).to_be_visible(timeout=30_000)
    assert re.search(r"(?:ثاني|ثوان)", notice.inner_text()), "it does not say when"
    wait_answered(chat, shop, visitor_of(chat, shop.url), texts(*range(30)), 60)
    expect(notice).to_have_count(0)


# -- the session is refused --------------------------------------------------------------------------------------------


def _token(server: Server, case: str) -> Any:
    keys = [key.encode() for key in (server.home / "secret_keys").read_text().split()]
    if case == "expired":
        return Sessions(keys, lambda: datetime.now(timezone.utc) - LIFE - timedelta(days=1)).issue()
    if case == "of another server":
        return Sessions([b"another server's key"], lambda: datetime.now(timezone.utc)).issue()
    return {"junk": "junk", "a number": 17, "long junk": "x" * 5000, "an object": {"a": 1}}[case]


@pytest.mark.parametrize("case", ["expired", "of another server", "junk", "a number", "long junk", "an object"])
def test_a_refused_session_gives_a_fresh_one_and_what_waits_is_sent_in_it(
    visit: Callable[..., Chat], shop: Server, cable: Cable, case: str
) -> None:
    chat = visit(server=cable).open()
    chat.ask(SHIPPING.format(1))
    before = visitor_of(chat, cable.url)
    cable.cut()
    expect_offline(chat)
    say_all(chat, texts(2))
    account = {"token": _token(shop, case), "visitor": before}
    chat.page.evaluate(
        "([key, account]) => localStorage.setItem(key, JSON.stringify(account))", [session_key(cable.url), account]
    )
    cable.mend()
    chat.part("retry-now").click()
    expect_online(chat)
    after = visitor_of(chat, cable.url)
    assert after != before
    wait_answered(chat, shop, after, texts(2))
    assert said_by_customer(shop, before) == texts(1)
    if case in ("expired", "of another server", "junk"):
        expect(chat.part("notice")).to_contain_text("محادثة جديدة")


@pytest.mark.parametrize("name", ["session", "outbox", "draft", "language"])
def test_junk_in_the_pages_storage_is_no_session_and_no_crash(
    visit: Callable[..., Chat], shop: Server, name: str
) -> None:
    """Other scripts of the site, and earlier versions of this one, write to the same storage."""
    chat = visit()
    trouble = []
    for junk in ("{{{", "null", "17", '"text"', "[]", "[null, 5, {}]", "{}", '{"token": null, "visitor": 5}'):
        chat.page.evaluate(
            "([key, junk]) => { localStorage.clear(); localStorage.setItem(key, junk) }",
            [f"thiqa:{shop.url}:{name}", junk],
        )
        chat.page.reload()
        chat.part("launcher").click()
        try:
            expect(chat.part("input")).to_be_visible(timeout=2000)
            if junk == "{}":
                chat.part("input").fill("")
                assert "20" in chat.ask(SHIPPING.format(1))
                assert isinstance(stored_session(chat, shop.url), dict)
        except AssertionError:
            trouble.append(junk)
    assert trouble == []
