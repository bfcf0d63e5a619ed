"""`window.Thiqa`, as a shop's own scripts use it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, WebSocket, expect

from bot.customers.identity import identity_token
from bot.orders.model import CustomerId
from bot.storage.tables import conversations
from tests.e2e.browser import stored
from tests.e2e.browser.conftest import IDENTITY_SECRET
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

METHODS = ["close", "destroy", "identify", "on", "open", "setLanguage", "toggle"]
EVENTS = ["ready", "open", "close", "message", "sent", "unread", "connection", "identified", "rated", "error"]
RECORD = """names => { window.heard = []; window.off = {};
    for (const name of names) off[name] = Thiqa.on(name, detail => heard.push([name, detail])) }"""
# The outcome of a promise, in words.
SETTLE = """.then(value => ['done', String(value)], error => ['failed', error.name, error.message])"""


def token(customer: str, life: timedelta = timedelta(hours=1), secret: str = IDENTITY_SECRET) -> str:
    return identity_token(secret, CustomerId(customer), datetime.now(timezone.utc), life)


def unknown() -> str:
    """A customer who has not been here before."""
    return f"c-{uuid.uuid4().hex[:12]}"


def identify(chat: Chat, given: Any) -> list[str]:
    settled: list[str] = chat.page.evaluate("token => Thiqa.identify(token)" + SETTLE, given)
    return settled


def heard(page: Page, name: str) -> list[Any]:
    return [detail for event, detail in page.evaluate("heard") if event == name]


def customers_of(shop: Server, *visitors: str) -> list[str | None]:
    with shop.database().read() as db:
        query = sa.select(conversations.c.customer).where(conversations.c.address.in_(visitors))
        return list(db.execute(query).scalars())


# -- opening, language, events -----------------------------------------------------------------------------------------


def test_a_page_opens_closes_and_toggles_the_chat(visit: Callable[..., Chat]) -> None:
    chat = visit()
    assert chat.page.evaluate("Object.keys(Thiqa).sort()") == METHODS
    for call, opened in [
        ("open", True),
        ("open", True),
        ("close", False),
        ("close", False),
        ("toggle", True),
        ("toggle", False),
    ]:
        chat.page.evaluate(f"Thiqa.{call}()")
        expect(chat.part("panel")).to_be_visible(visible=opened)


def test_a_page_hears_what_happens_until_it_unsubscribes(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en")
    chat.page.evaluate(RECORD, EVENTS)
    assert heard(chat.page, "ready") == [None], "whoever subscribes late hears it too"
    chat.open()
    chat.ask("How much is delivery?")
    chat.wait(lambda: len(heard(chat.page, "sent")) == 1)
    assert heard(chat.page, "open") == [None]
    assert heard(chat.page, "connection") == ["online"]
    assert heard(chat.page, "sent")[0]["text"] == "How much is delivery?"
    assert heard(chat.page, "sent")[0]["number"] == 1
    replies = heard(chat.page, "message")
    assert [(reply["author"], reply["number"]) for reply in replies] == [("bot", 2)]
    assert isinstance(replies[0]["at"], datetime)
    chat.page.evaluate("Thiqa.close()")
    assert heard(chat.page, "close") == [None]
    line = ("bot", "وصل", datetime.now(timezone.utc))
    stored.write(shop, stored.session(chat.page, shop)["visitor"], [line], read=False)
    chat.wait(lambda: heard(chat.page, "unread")[-1:] == [1])
    chat.page.evaluate("heard.length = 0; for (const name in off) { off[name](); off[name]() }")
    chat.open()
    chat.ask("thanks")
    assert chat.page.evaluate("heard") == []


def test_history_is_no_news(visit: Callable[..., Chat]) -> None:
    """Messages from before the page was opened raise no `message` event."""
    chat = visit().open()
    chat.ask("هلا")
    other = visit(context=chat.page.context)
    other.page.evaluate(RECORD, EVENTS)
    other.open()
    other.wait(lambda: len(other.messages()) == 2)
    assert heard(other.page, "message") == []
    assert heard(other.page, "sent") == []


def test_a_listener_that_throws_harms_nobody(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en", errors=True)
    chat.page.evaluate(
        """() => { window.after = 0;
            for (const name of ['open', 'message', 'unread', 'sent', 'connection']) {
                Thiqa.on(name, () => { throw new Error('the shop\\'s own mistake') });
                Thiqa.on(name, () => after++); } }"""
    )
    chat.open()
    assert "20" in chat.ask("How much is delivery?")
    chat.wait(lambda: chat.page.evaluate("after") >= 4)


def test_a_page_sets_the_language(visit: Callable[..., Chat]) -> None:
    chat = visit(language="ar").open()
    chat.part("input").fill("مسودة")
    chat.page.evaluate("Thiqa.setLanguage('en')")
    expect(chat.part("close")).to_have_accessible_name("Close chat")
    expect(chat.part("input")).to_have_value("مسودة")
    chat.page.evaluate("Thiqa.setLanguage('ar')")
    expect(chat.part("close")).to_have_accessible_name("إغلاق المحادثة")


def test_wrong_arguments_are_named_in_the_console_and_change_nothing(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en", errors=True)
    said: list[str] = []
    chat.page.on("console", lambda message: said.append(message.text))
    for code in (
        "Thiqa.setLanguage('fr')",
        "Thiqa.setLanguage()",
        "Thiqa.setLanguage('arabic')",
        "Thiqa.setLanguage({})",
        "Thiqa.on('nothing', () => {})()",
        "Thiqa.on('open')()",
        "Thiqa.on('toString', () => {})()",
        "Thiqa.on()()",
    ):
        said.clear()
        chat.page.evaluate(f"() => {{ {code} }}")
        assert any(code.split("(")[0] in text for text in said), f"{code}: {said}"
    for wrong in ("undefined", "''", "42", "{}", "[]"):
        outcome = chat.page.evaluate(f"Thiqa.identify({wrong})" + SETTLE)
        assert outcome[:2] == ["failed", "TypeError"], f"identify({wrong}): {outcome}"
        assert "Thiqa.identify" in outcome[2]
    expect(chat.part("launcher")).to_have_accessible_name("Open chat")


# -- who the customer is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["api", "attribute"])
def test_a_customer_whom_the_shop_knows_needs_no_proof(visit: Callable[..., Chat], shop: Server, by: str) -> None:
    customer = {"api": "c3", "attribute": "c8"}[by]
    attributes = f'data-identity="{token(customer)}"' if by == "attribute" else ""
    chat = visit(attributes=attributes)
    chat.page.evaluate(RECORD, EVENTS)
    if by == "api":
        assert identify(chat, token(customer)) == ["done", "undefined"]
    else:
        chat.open()
    chat.wait(lambda: heard(chat.page, "identified") == [True])
    chat.page.evaluate("Thiqa.open()")
    chat.say("وين طلبي")
    chat.wait(lambda: len(chat.messages("bot")) >= 1)
    answer = " ".join(message["text"] for message in chat.messages("bot"))
    assert "آخر 4" not in answer and "رقم الطلب، وهو مكتوب" not in answer, answer
    assert customers_of(shop, stored.session(chat.page, shop)["visitor"]) == [customer]


def test_a_customer_finds_their_conversation_on_every_device_and_strangers_do_not(
    visit: Callable[..., Chat], shop: Server
) -> None:
    sara = unknown()
    phone = visit(language="en").open()
    phone.ask("How much is delivery?")
    assert identify(phone, token(sara))[0] == "done"
    phone.wait(lambda: [message["text"] for message in phone.messages("customer")] == ["How much is delivery?"])
    computer = visit(language="en").open()
    computer.ask("hello")
    assert identify(computer, token(sara))[0] == "done"
    wanted = ["How much is delivery?", "hello"]
    computer.wait(lambda: [message["text"] for message in computer.messages("customer")] == wanted)
    phone.wait(lambda: [message["text"] for message in phone.messages("customer")] == wanted)
    computer.ask("thanks")
    phone.wait(lambda: phone.messages("customer")[-1]["text"] == "thanks")
    stranger = visit(language="en").open()
    expect(stranger.part("starter")).to_have_count(4)


def test_signing_out_leaves_nothing_of_the_customer_in_any_tab(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en").open()
    youssef = unknown()
    assert identify(chat, token(youssef))[0] == "done"
    chat.ask("How much is delivery?")
    other = visit(language="en", context=chat.page.context).open()
    other.wait(lambda: len(other.messages()) == 2)
    before = stored.session(chat.page, shop)["visitor"]
    chat.part("input").fill("my secret draft")
    chat.page.evaluate(RECORD, EVENTS)
    assert identify(chat, None) == ["done", "undefined"]
    assert heard(chat.page, "identified")[-1] is False
    for tab in (chat, other):
        expect(tab.part("message")).to_have_count(0)
        expect(tab.part("starter")).to_have_count(4)
    assert stored.session(chat.page, shop)["visitor"] != before
    expect(chat.part("input")).to_have_value("")
    chat.page.reload()
    chat.open()
    expect(chat.part("starter")).to_have_count(4)
    expect(chat.part("input")).to_have_value("")
    assert "number" in chat.ask("where is my order")


def test_signing_out_before_anything_was_said_is_no_error(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en")
    assert identify(chat, None) == ["done", "undefined"]
    chat.open()
    assert "20" in chat.ask("How much is delivery?")


@pytest.mark.parametrize("known", [False, True])
def test_a_sign_out_right_after_a_sign_in_has_the_last_word(
    visit: Callable[..., Chat], shop: Server, known: bool
) -> None:
    chat = visit(language="en")
    if known:
        chat.open()
        chat.ask("How much is delivery?")
    customer = unknown()
    chat.page.evaluate(RECORD, EVENTS)
    chat.page.evaluate("token => Promise.allSettled([Thiqa.identify(token), Thiqa.identify(null)])", token(customer))
    if not chat.part("panel").is_visible():
        chat.open()
    chat.ask("hello")
    assert customers_of(shop, stored.session(chat.page, shop)["visitor"]) == [None]
    assert stored.texts(shop, chat.page) == ["hello"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("no token at all", "identity_invalid"),
        (token("c1", secret="another secret, which the shop does not have"), "identity_invalid"),
        (token("c1", timedelta(hours=-2)), "identity_expired"),
        (token("c1", timedelta(days=30)), "identity_invalid"),
        ("x" * 5000, "invalid"),
    ],
    ids=["nonsense", "other-secret", "expired", "too-long-lived", "huge"],
)
def test_a_bad_identity_is_refused_by_name_and_the_chat_goes_on(
    visit: Callable[..., Chat], shop: Server, given: str, code: str
) -> None:
    chat = visit(language="en")
    chat.page.evaluate(RECORD, EVENTS)
    outcome = identify(chat, given)
    assert outcome == ["failed", "Error", f"Thiqa: {code}"]
    assert heard(chat.page, "error") == [{"code": code}]
    chat.open()
    assert "number" in chat.ask("where is my order")
    assert customers_of(shop, stored.session(chat.page, shop)["visitor"]) == [None]
    attribute = visit(language="en", attributes=f'data-identity="{given}"').open()
    assert "20" in attribute.ask("How much is delivery?")


def test_one_customer_after_another_on_one_device_see_only_their_own(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en").open()
    maryam, faisal = unknown(), unknown()
    identify(chat, token(maryam))
    chat.ask("How much is delivery?")
    assert identify(chat, token(faisal))[0] == "done"
    expect(chat.part("message")).to_have_count(0)
    chat.ask("hello")
    assert identify(chat, token(maryam))[0] == "done"
    chat.wait(lambda: [message["text"] for message in chat.messages("customer")] == ["How much is delivery?"])


# -- gone --------------------------------------------------------------------------------------------------------------

LISTENERS = """
    window.open_listeners = [];
    for (const target of [window, document]) {
        const add = target.addEventListener, remove = target.removeEventListener;
        target.addEventListener = function (name, listener, options) {
            if (new Error().stack.includes('widget.js')) open_listeners.push([name, listener]);
            options?.signal?.addEventListener('abort', () => {
                open_listeners = open_listeners.filter(([n, l]) => n !== name || l !== listener) });
            return add.apply(this, arguments);
        };
        target.removeEventListener = function (name, listener) {
            open_listeners = open_listeners.filter(([n, l]) => n !== name || l !== listener);
            return remove.apply(this, arguments);
        };
    }"""


def test_a_destroyed_chat_leaves_nothing_and_can_be_loaded_again(visit: Callable[..., Chat], shop: Server) -> None:
    context = visit(url="about:blank").page.context
    context.add_init_script(LISTENERS)
    chat = visit(language="en", context=context, attributes='data-greeting="Hi"').open()
    chat.ask("How much is delivery?")
    sockets: list[WebSocket] = []
    chat.page.on("websocket", lambda socket: sockets.append(socket))
    chat.page.reload()
    chat.open()
    chat.wait(lambda: len(chat.messages()) == 2)
    chat.part("emoji").click()
    chat.part("menu").click()
    assert chat.page.evaluate("open_listeners.length") > 0
    chat.page.evaluate("window.first = Thiqa; Thiqa.destroy()")
    assert chat.page.evaluate("'Thiqa' in window") is False
    expect(chat.page.locator("thiqa-chat")).to_have_count(0)
    assert chat.page.evaluate("open_listeners.map(([name]) => name)") == []
    chat.wait(lambda: all(socket.is_closed() for socket in sockets))

    chat.page.evaluate("for (const call of ['destroy', 'close', 'toggle', 'open']) first[call]()")
    chat.page.evaluate("dispatchEvent(new Event('focus'))")
    chat.page.wait_for_timeout(1000)  # nothing may happen: there is nothing to wait for
    assert len(sockets) == 1, "a destroyed chat connects again"

    chat.page.add_script_tag(url=f"{shop.url}/widget.js")
    chat.open()
    chat.wait(lambda: len(chat.messages()) == 2)
    chat.ask("thanks")
    chat.page.evaluate("first.destroy()")
    assert chat.page.evaluate("'Thiqa' in window"), "a chat that is gone takes the next one's name away"
    assert stored.texts(shop, chat.page) == ["How much is delivery?", "thanks"]


def test_destroying_in_the_middle_of_everything_is_quiet(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en")
    chat.page.evaluate("Thiqa.open(); Thiqa.destroy()")
    expect(chat.page.locator("thiqa-chat")).to_have_count(0)
    chat.page.add_script_tag(url=f"{shop.url}/widget.js")
    chat.open()
    chat.part("input").fill("How much is delivery?")
    chat.part("send").click()
    chat.page.evaluate("Thiqa.destroy()")
    chat.page.add_script_tag(url=f"{shop.url}/widget.js")
    chat.open()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    chat.part("menu").click()
    chat.part("menu-item-end").click()
    chat.page.evaluate("Thiqa.destroy()")
    expect(chat.page.locator("thiqa-chat")).to_have_count(0)
    chat.page.locator("h1").click()
    assert stored.texts(shop, chat.page) == ["How much is delivery?"]
