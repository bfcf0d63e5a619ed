"""Tabs of one visitor are one conversation."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import jwt
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from bot.storage import tables as t
from tests.e2e.browser.conftest import IDENTITY_SECRET
from tests.e2e.browser.records import log_of, said_by_customer, shown, stored_session, visitor_of, visitors
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

SHIPPING = "كم رسوم الشحن؟ ({})"
NO_LOCKS = "<script>Object.defineProperty(navigator, 'locks', {value: undefined})</script>"  # as on plain http
_AT = """([at, text]) => {
    const part = name => document.querySelector('thiqa-chat').shadowRoot.querySelector(`[data-part="${name}"]`);
    const tick = () => new Promise(done => setTimeout(done));
    setTimeout(async () => {
        if (!part('input')) { part('launcher').click(); await tick(); await tick(); }
        if (!text) return;
        part('input').value = text;
        part('input').dispatchEvent(new Event('input', {bubbles: true}));
        await tick();
        part('send').click();
    }, at - Date.now());
}"""


def at_once(chats: list[Chat], texts: list[str]) -> None:
    """Have every tab open the panel and say its text, all at the same moment. An empty text only opens."""
    at = time.time() * 1000 + 300
    for chat, text in zip(chats, texts, strict=True):
        chat.page.evaluate(_AT, [at, text])


def in_step(chats: list[Chat], shop: Server, visitor: str, count: int) -> None:
    """Until each tab shows the visitor's log, of so many messages."""
    for chat in chats:
        chat.wait(lambda chat=chat: len(log_of(shop, visitor)) == count and shown(chat) == log_of(shop, visitor), 20)


def identity(customer: str) -> str:
    return jwt.encode({"sub": customer, "exp": int(time.time()) + 3600}, IDENTITY_SECRET, algorithm="HS256")


def customer_of(shop: Server, visitor: str) -> str | None:
    with shop.database().read() as c:
        found = c.execute(sa.select(t.conversations.c.customer).where(t.conversations.c.address == visitor)).first()
        return found[0] if found else None


def test_five_tabs_are_in_step(visit: Callable[..., Chat], shop: Server) -> None:
    first = visit().open()
    first.ask(SHIPPING.format(0))
    tabs = [first, *(visit(context=first.page.context).open() for _ in range(4))]
    visitor = visitor_of(first, shop.url)
    in_step(tabs, shop, visitor, 2)
    for number, tab in enumerate(tabs, 1):
        tab.say(SHIPPING.format(number))
    in_step(tabs, shop, visitor, 12)
    assert sorted(said_by_customer(shop, visitor)) == [SHIPPING.format(number) for number in range(6)]
    tabs[2].page.close()
    tabs[4].ask(SHIPPING.format(6))
    in_step([tabs[0], tabs[1], tabs[3], tabs[4]], shop, visitor, 14)
    tabs[1].wait(lambda: {message["state"] for message in tabs[1].messages("customer")} == {"seen"})


def test_what_is_read_in_one_tab_is_read_in_all(visit: Callable[..., Chat], shop: Server) -> None:
    first = visit().open()
    first.ask(SHIPPING.format(0))
    first.part("close").click()
    others = [visit(context=first.page.context) for _ in range(4)]
    # Said, and the panel closed before the answer comes.
    at_once([first], [SHIPPING.format(1)])
    first.page.evaluate(
        """() => { const root = document.querySelector('thiqa-chat').shadowRoot;
        const close = () => root.querySelector('[data-part="message"][data-state]:last-child')
            && root.querySelectorAll('[data-author="customer"]').length == 2
            ? root.querySelector('[data-part="close"]').click() : setTimeout(close, 1);
        close(); }"""
    )
    for tab in [first, *others]:
        expect(tab.part("badge")).to_have_text("1")
    others[2].open()
    for tab in [first, *others]:
        expect(tab.part("badge")).to_have_count(0)
    visitor = visitor_of(first, shop.url)
    with shop.database().read() as c:
        read = sa.select(t.conversations.c.read_by_customer).where(t.conversations.c.address == visitor)
        assert c.execute(read).scalar_one() == 4
    first.page.reload()
    first.wait(lambda: first.page.evaluate("!!window.Thiqa"))
    first.open()
    first.wait(lambda: len(first.messages()) == 4)
    expect(first.part("badge")).to_have_count(0)


@pytest.mark.parametrize("head", ["", NO_LOCKS], ids=["locks", "no locks"])
def test_two_tabs_opened_at_once_on_a_first_visit_are_one_visitor(
    visit: Callable[..., Chat], shop: Server, head: str
) -> None:
    for _ in range(4):
        before = set(visitors(shop))
        first = visit(head=head)
        tabs = [first, visit(context=first.page.context, head=head)]
        at_once(tabs, ["", ""])
        for tab in tabs:
            tab.wait(lambda tab=tab: stored_session(tab, shop.url) is not None)
        for number, tab in enumerate(tabs):
            tab.say(SHIPPING.format(number))
        first.wait(lambda first=first: len(log_of(shop, visitor_of(first, shop.url))) == 4)
        visitor = visitor_of(first, shop.url)
        in_step(tabs, shop, visitor, 4)
        assert set(visitors(shop)) - before == {visitor}


def test_two_tabs_that_say_something_at_once_on_a_first_visit_are_one_visitor(
    visit: Callable[..., Chat], shop: Server
) -> None:
    for _ in range(3):
        before = set(visitors(shop))
        first = visit()
        tabs = [first, visit(context=first.page.context)]
        at_once(tabs, [SHIPPING.format(0), SHIPPING.format(1)])
        first.wait(lambda before=before: len(set(visitors(shop)) - before) > 0)

        def stored(before: set[str] = before) -> list[tuple[str, list[str]]]:
            return [(one, said_by_customer(shop, one)) for one in set(visitors(shop)) - before]

        try:
            first.wait(lambda stored=stored: sum(len(said) for _, said in stored()) == 2, 8)
        except AssertionError:
            pass  # below it says what is wrong
        visitor = visitor_of(first, shop.url)
        found = [(one, sorted(said)) for one, said in stored()]
        assert found == [(visitor, [SHIPPING.format(0), SHIPPING.format(1)])]
        in_step(tabs, shop, visitor, 4)


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_tabs_that_write_at_the_same_moment_lose_nothing(
    visit: Callable[..., Chat], shop: Server, offline: bool
) -> None:
    """The tabs share one list of what waits to be sent, in storage that each may see a moment late."""
    first = visit().open()
    first.ask(SHIPPING.format("x"))
    tabs = [first, *(visit(context=first.page.context).open() for _ in range(2))]
    visitor = visitor_of(first, shop.url)
    said = [SHIPPING.format("x")]
    for number in range(6):  # 19 in all, within what the server takes at once
        first.page.context.set_offline(offline)
        texts = [SHIPPING.format(f"{number}-{tab}") for tab in range(3)]
        at_once(tabs, texts)
        for tab in tabs:
            tab.page.wait_for_function("at => Date.now() > at", arg=time.time() * 1000 + 450)
        said += texts
    first.page.context.set_offline(False)
    first.wait(lambda: not any(line[0] == 0 for tab in tabs for line in shown(tab)), 40)  # none shows one on its way
    assert sorted(said_by_customer(shop, visitor)) == sorted(said)
    in_step(tabs, shop, visitor, 2 * len(said))


def test_signing_in_and_out_in_one_tab_carries_over_to_the_others(visit: Callable[..., Chat], shop: Server) -> None:
    customer = f"customer-{uuid.uuid4().hex}"
    first = visit().open()
    first.ask(SHIPPING.format(1))
    context = first.page.context
    tabs = [first, visit(context=context).open(), visit(context=context).open()]
    anonymous = visitor_of(first, shop.url)
    in_step(tabs, shop, anonymous, 2)
    first.page.evaluate("token => Thiqa.identify(token)", identity(customer))
    signed_in = visitor_of(first, shop.url)
    assert customer_of(shop, signed_in) == customer
    in_step(tabs, shop, signed_in, 2)
    tabs[1].ask(SHIPPING.format(2))
    in_step(tabs, shop, signed_in, 4)

    first.page.evaluate("() => Thiqa.identify(null)")
    for tab in tabs:
        tab.wait(lambda tab=tab: shown(tab) == [])
    signed_out = visitor_of(first, shop.url)
    assert signed_out not in (signed_in, anonymous)
    first.ask(SHIPPING.format(3))
    in_step(tabs, shop, signed_out, 2)
    assert customer_of(shop, signed_out) is None
    assert len(log_of(shop, signed_in)) == 4

    # Back in: the customer's conversation is there again, with what was said before at its end.
    first.page.evaluate("token => Thiqa.identify(token)", identity(customer))
    back = visitor_of(first, shop.url)
    assert customer_of(shop, back) == customer
    in_step(tabs, shop, back, 6)
    assert said_by_customer(shop, back) == [SHIPPING.format(number) for number in (1, 2, 3)]

    # Another customer on the same device sees nothing of it.
    other = f"customer-{uuid.uuid4().hex}"
    tabs[0].page.evaluate("token => Thiqa.identify(token)", identity(other))
    for tab in tabs:
        tab.wait(lambda tab=tab: shown(tab) == [])
    tabs[2].ask(SHIPPING.format(4))
    theirs = visitor_of(first, shop.url)
    in_step(tabs, shop, theirs, 2)
    assert customer_of(shop, theirs) == other and len(log_of(shop, back)) == 6


@pytest.mark.parametrize("how", ["attribute", "call"])
def test_signing_out_in_one_tab_is_not_undone_by_another_whose_page_signed_in_too(
    visit: Callable[..., Chat], shop: Server, how: str
) -> None:
    """Every page of the shop carries the customer's token; the one that was open before the sign-out still has it."""
    customer = f"customer-{uuid.uuid4().hex}"
    token = identity(customer)
    attributes = f'data-identity="{token}"' if how == "attribute" else ""
    first = visit(attributes=attributes).open()
    second = visit(attributes=attributes, context=first.page.context).open()
    if how == "call":
        for tab in (first, second):
            tab.page.evaluate("token => Thiqa.identify(token)", token)
    first.ask(SHIPPING.format(1))
    signed_in = visitor_of(first, shop.url)
    assert customer_of(shop, signed_in) == customer
    in_step([first, second], shop, signed_in, 2)
    first.page.evaluate("() => Thiqa.identify(null)")
    for tab in (second, first):
        tab.wait(lambda tab=tab: shown(tab) == [])
    second.page.wait_for_timeout(1000)  # whatever the tabs tell each other has been told
    second.ask(SHIPPING.format(2))
    assert said_by_customer(shop, signed_in) == [SHIPPING.format(1)]
    signed_out = visitor_of(first, shop.url)
    assert signed_out != signed_in and customer_of(shop, signed_out) is None
    in_step([first, second], shop, signed_out, 2)
