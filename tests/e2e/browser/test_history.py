"""What was said stays: after a reload, in a second tab, in a long conversation, and after its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from bot.storage.tables import messages, ratings
from tests.e2e.browser import stored
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUESTION = {"ar": "كم رسوم الشحن؟", "en": "How much is delivery?"}
LANGUAGES = pytest.mark.parametrize("language", ["ar", "en"])
LONG = 500
RIYADH = timezone(timedelta(hours=3))
TOP = "log => log.scrollTo({top: 0})"
AT_BOTTOM = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 2"


def now() -> datetime:
    return datetime.now(timezone.utc)


def visitor(chat: Chat, shop: Server) -> str:
    return stored.session(chat.page, shop)["visitor"]


def numbers(chat: Chat) -> list[int]:
    return [message["number"] for message in chat.messages()]


def long_conversation(visit: Callable[..., Chat], shop: Server, **options: Any) -> Chat:
    """A visitor with LONG messages, one an hour, the newest an hour ago; the panel is closed."""
    chat = visit(**options).open()
    chat.ask("هلا")
    who, newest = visitor(chat, shop), now() - timedelta(hours=1)
    chat.page.goto("about:blank")
    stored.date_first_messages(shop, who, newest - timedelta(hours=LONG - 2))
    lines = [
        (
            ("customer", "bot")[number % 2 == 0],
            f"رسالة {number}. " * (1 + number % 5),
            newest - timedelta(hours=LONG - number),
        )
        for number in range(3, LONG + 1)
    ]
    stored.write(shop, who, lines)
    return visit(**{**options, "context": chat.page.context})


class Net:
    """The visitor's way to the server, which can be cut."""

    def __init__(self) -> None:
        self.up = True
        self._sockets: list[WebSocketRoute] = []

    def socket(self, socket: WebSocketRoute) -> None:
        if self.up:
            socket.connect_to_server()
            self._sockets.append(socket)
        else:
            socket.close()

    def request(self, route: Route) -> None:
        if self.up:
            route.continue_()
        else:
            route.abort()

    def cut(self) -> None:
        self.up = False
        for socket in self._sockets:
            socket.close()


def finish(chat: Chat) -> None:
    """End the conversation by the menu; two clicks, as impatient people do."""
    chat.part("menu").click()
    chat.part("menu-item-end").click()
    chat.part("end-confirm").dblclick()


# -- reload ------------------------------------------------------------------------------------------------------------


@LANGUAGES
def test_a_reload_keeps_history_and_draft(visit: Callable[..., Chat], shop: Server, language: str) -> None:
    chat = visit(language=language).open()
    chat.ask(QUESTION[language])
    chat.part("input").fill("مسودة draft\n2")
    chat.wait(lambda: chat.messages()[0]["state"] == "seen")
    before = chat.messages()
    chat.page.reload()
    chat.open()
    chat.wait(lambda: chat.messages() == before)
    expect(chat.part("input")).to_have_value("مسودة draft\n2")
    chat.part("send").click()
    chat.wait(lambda: len(chat.messages("bot")) >= 2)
    chat.page.reload()
    chat.open()
    expect(chat.part("input")).to_have_value("")
    assert stored.texts(shop, chat.page) == [QUESTION[language], "مسودة draft\n2"]


def test_what_was_unsent_at_a_reload_is_still_there_and_sent_once(visit: Callable[..., Chat], shop: Server) -> None:
    context, net = visit(url="about:blank").page.context, Net()
    context.route_web_socket("**/socket.io/**", net.socket)
    context.route("**/socket.io/**", net.request)
    chat = visit(context=context).open()
    chat.ask("هلا")
    net.cut()
    unsent = ["كم رسوم الشحن؟", "ما سياسة الاسترجاع؟", "شكرا"]
    for text in unsent:
        chat.say(text)
    for _ in range(2):
        chat.wait(lambda: [m["text"] for m in chat.messages("customer") if m["state"] == "sending"] == unsent)
        chat.page.reload()
        chat.open()
    net.up = True
    chat.wait(lambda: [message["state"] for message in chat.messages("customer")] == ["seen"] * 4)
    assert [message["text"] for message in chat.messages("customer")] == ["هلا", *unsent]
    assert stored.texts(shop, chat.page) == ["هلا", *unsent]


# -- a second tab ------------------------------------------------------------------------------------------------------


@LANGUAGES
def test_a_second_tab_is_in_step(visit: Callable[..., Chat], shop: Server, language: str) -> None:
    chat = visit(language=language).open()
    chat.ask(QUESTION[language])
    other = visit(language=language, context=chat.page.context).open()
    other.wait(lambda: other.messages() == chat.messages())
    other.ask("شكرا")
    other.wait(lambda: other.messages("customer")[-1]["state"] == "seen")
    chat.wait(lambda: chat.messages() == other.messages())
    for tab in (chat, other):
        expect(tab.part("typing")).to_be_hidden()
        expect(tab.part("badge")).to_be_hidden()
    assert stored.texts(shop, chat.page) == [QUESTION[language], "شكرا"]


def test_what_one_tab_has_read_is_not_unread_in_another(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    chat.ask("هلا")
    other = visit(context=chat.page.context)
    expect(other.part("launcher")).to_be_visible()
    chat.part("close").click()
    stored.write(shop, visitor(chat, shop), [("bot", "وصل طلبك", now())], read=False)
    expect(chat.part("badge")).to_have_text("1")
    expect(other.part("badge")).to_have_text("1")
    other.page.bring_to_front()
    other.open()
    expect(other.part("badge")).to_be_hidden()
    expect(chat.part("badge")).to_be_hidden()


def test_tabs_opened_together_are_one_visitor(visit: Callable[..., Chat], shop: Server) -> None:
    context = visit(url="about:blank").page.context
    tabs = [visit(context=context, attributes="data-open") for _ in range(4)]
    for place, tab in enumerate(tabs):
        tab.say(f"هلا {place}")
    tabs[0].wait(lambda: len(tabs[0].messages("customer")) == 4)
    for tab in tabs:
        tab.wait(
            lambda tab=tab: (
                sorted(message["text"] for message in tab.messages("customer")) == [f"هلا {i}" for i in range(4)]
            )
        )  # type: ignore[misc]
    assert sorted(stored.texts(shop, tabs[0].page)) == [f"هلا {i}" for i in range(4)]


def test_a_text_sent_in_one_tab_is_no_draft_in_the_next(visit: Callable[..., Chat]) -> None:
    chat = visit().open()
    chat.part("input").fill("هلا")
    other = visit(context=chat.page.context).open()
    expect(other.part("input")).to_have_value("هلا")
    chat.ask("هلا")
    third = visit(context=chat.page.context).open()
    expect(third.part("input")).to_have_value("")


# -- long --------------------------------------------------------------------------------------------------------------


def test_a_long_conversation_opens_at_once_and_unrolls_to_its_first_message(
    visit: Callable[..., Chat], shop: Server
) -> None:
    chat = long_conversation(visit, shop)
    log = chat.part("log")
    began = time.monotonic()
    chat.part("launcher").click()
    chat.wait(lambda: numbers(chat)[-1:] == [LONG])
    assert time.monotonic() - began < 2
    chat.wait(lambda: log.evaluate(AT_BOTTOM))
    assert numbers(chat) == list(range(LONG - 49, LONG + 1))
    for _ in range(30):
        first = numbers(chat)[0]
        if first == 1:
            break
        # The message that stands first on the screen stays where it is while older ones are put above it.
        log.evaluate(TOP)
        row = log.locator(f'[data-number="{first}"]')
        chat.wait(lambda first=first: numbers(chat)[0] < first)  # type: ignore[misc]
        chat.wait(lambda: log.evaluate("log => log.scrollTop") > 80)
        box, frame = row.bounding_box(), log.bounding_box()
        assert box and frame and -5 < box["y"] - frame["y"] < 120, f"{first} jumped to {box['y'] - frame['y']}"
        shown = numbers(chat)
        assert shown == list(range(shown[0], LONG + 1))
    assert numbers(chat) == list(range(1, LONG + 1))
    expect(chat.part("welcome")).to_be_attached()
    expect(chat.part("older")).to_be_hidden()
    expect(chat.part("badge")).to_be_hidden()


def test_whoever_scrolls_like_mad_gets_every_message_once(visit: Callable[..., Chat], shop: Server) -> None:
    chat = long_conversation(visit, shop).open()
    chat.wait(lambda: numbers(chat)[-1:] == [LONG])
    chat.part("log").evaluate(
        """log => new Promise(done => { const turn = () => { log.scrollTop = log.scrollTop < 60 ? 300 : 0;
            document.querySelector('thiqa-chat').shadowRoot.querySelector('[data-part="older"]') ? setTimeout(turn, 5) : done() };
            turn() })"""
    )
    chat.wait(lambda: numbers(chat) == list(range(1, LONG + 1)))


@LANGUAGES
def test_the_transcript_holds_everything_in_order(
    visit: Callable[..., Chat], shop: Server, tmp_path: Path, language: str
) -> None:
    chat = long_conversation(visit, shop, language=language).open()
    chat.wait(lambda: numbers(chat)[-1:] == [LONG])
    chat.part("menu").click()
    with chat.page.expect_download() as download:
        chat.part("menu-item-transcript").click()
    assert download.value.suggested_filename.endswith(".txt")
    kept = tmp_path / "chat.txt"
    download.value.save_as(kept)
    raw = kept.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf") and b"\r\n" in raw
    lines = [line for line in raw.decode("utf-8-sig").split("\r\n") if "رسالة" in line]
    assert [int(line.split("رسالة ")[1].split(".")[0]) for line in lines] == list(range(3, LONG + 1))
    names = {"ar": ("أنت", "المساعد"), "en": ("You", "Assistant")}[language]
    for number, line in enumerate(lines, 3):
        assert f" {names[number % 2 == 0]}: " in line
    assert {"ar": "متجر ثقة", "en": "Thiqa Store"}[language] in raw.decode()


def test_a_new_message_does_not_move_whoever_reads_an_old_one(visit: Callable[..., Chat], shop: Server) -> None:
    chat = long_conversation(visit, shop).open()
    chat.wait(lambda: numbers(chat)[-1:] == [LONG])
    # With everything loaded, the log shows only its newest part.
    chat.part("menu").click()
    with chat.page.expect_download():
        chat.part("menu-item-transcript").click()
    log = chat.part("log")
    log.evaluate("log => log.scrollTo({top: log.scrollHeight / 2})")
    row = log.locator(f'[data-number="{LONG - 40}"]')
    before = row.bounding_box()
    stored.write(shop, visitor(chat, shop), [("bot", "خبر جديد", now())], read=False)
    expect(chat.part("new-messages")).to_be_visible()
    after = row.bounding_box()
    assert before and after and abs(before["y"] - after["y"]) < 2


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_by", [-24, 26])
@LANGUAGES
def test_days_and_times_are_right_whatever_the_devices_clock_says(
    visit: Callable[..., Chat], shop: Server, language: str, wrong_by: int
) -> None:
    context = visit(url="about:blank").page.context
    context.add_init_script(
        f"""const Real = Date, off = {wrong_by} * 3600_000;
        Date = class extends Real {{ constructor(...a) {{ a.length ? super(...a) : super(Real.now() + off) }}
            static now() {{ return Real.now() + off }} }};"""
    )
    chat = visit(context=context, language=language).open()
    assert "20" in chat.ask(QUESTION[language])
    who, today = visitor(chat, shop), now()
    chat.page.goto("about:blank")
    stored.date_first_messages(shop, who, today - timedelta(days=3))
    stored.write(shop, who, [("bot", "أمس", today - timedelta(days=1)), ("bot", "اليوم", today)])
    chat = visit(context=context, language=language).open()
    chat.wait(lambda: len(chat.messages()) == 4)
    chat.ask(QUESTION[language])
    days = chat.part("log").get_by_role("heading").filter(visible=True).all_inner_texts()
    days = [day for day in days if day not in ("أهلًا وسهلًا! كيف يمكننا المساعدة؟", "Hello! How can we help?")]
    past = (today - timedelta(days=3)).astimezone(RIYADH)
    weekday = {
        "en": past.strftime("%A"),
        "ar": ["الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت", "الأحد"][past.weekday()],
    }
    assert weekday[language] in days[0] and str(past.day) in days[0]
    assert days[1:] == {"ar": ["أمس", "اليوم"], "en": ["Yesterday", "Today"]}[language]
    local = today.astimezone(RIYADH)
    shown = f"{local.hour % 12 or 12}:{local.minute:02}"
    assert shown in chat.part("message").nth(3).locator("time").inner_text()
    chat.page.reload()
    chat.open()
    assert len(stored.texts(shop, chat.page)) == 2, "the session goes on"
    chat.wait(lambda: len(chat.messages("customer")) == 2)


# -- end and rating ----------------------------------------------------------------------------------------------------


@LANGUAGES
def test_an_ended_conversation_is_rated_once_and_goes_on_with_a_new_message(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = visit(language=language).open()
    chat.ask(QUESTION[language])
    finish(chat)
    expect(chat.part("rating")).to_be_visible()
    expect(chat.part("rate-send")).to_be_disabled()
    chat.part("star").nth(3).check(force=True)
    chat.part("comment").fill("ممتاز <b>good</b>")
    chat.part("rate-send").dblclick()
    chat.wait(lambda: stored.count(shop, ratings, chat.page) == 1)
    with shop.database().read() as db:
        held = stored.conversation(shop, visitor(chat, shop))
        row = db.execute(ratings.select().where(ratings.c.conversation_id == held)).mappings().one()
    assert (row["score"], row["comment"]) == (4, "ممتاز <b>good</b>")
    if chat.part("rating").is_visible():  # the second click may have put the thanks away
        chat.page.keyboard.press("Escape")
    expect(chat.part("rating")).to_be_hidden()
    said = stored.texts(shop, chat.page)
    assert said[0] == QUESTION[language] and len(said) == 2, "the end is said once"
    before = len(chat.messages("bot"))
    chat.say(QUESTION[language])
    chat.wait(lambda: any("20" in message["text"] for message in chat.messages("bot")[before:]))
    assert stored.count(shop, ratings, chat.page) == 1
    assert stored.count(shop, messages, chat.page) == len(chat.messages())


def test_whoever_thinks_better_of_ending_or_rating_is_back_in_the_chat(
    visit: Callable[..., Chat], shop: Server
) -> None:
    chat = visit(language="en").open()
    chat.ask("How much is delivery?")
    chat.part("menu").click()
    chat.part("menu-item-end").click()
    expect(chat.part("end")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.part("end")).to_be_hidden()
    expect(chat.part("menu")).to_be_focused()
    expect(chat.part("panel")).to_be_visible()
    assert stored.texts(shop, chat.page) == ["How much is delivery?"]
    finish(chat)
    expect(chat.part("rating")).to_be_visible()
    chat.part("rating").get_by_role("button", name="Skip").click()
    expect(chat.part("rating")).to_be_hidden()
    chat.ask("How much is delivery?")  # an ended chat can be ended again only after a new message
    finish(chat)
    expect(chat.part("rating")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.part("rating")).to_be_hidden()
    assert stored.count(shop, ratings, chat.page) == 0
    chat.ask("How much is delivery?")


def test_a_rating_in_a_second_tab_while_the_first_reads_on(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    chat.ask("هلا")
    other = visit(context=chat.page.context).open()
    other.wait(lambda: len(other.messages()) == 2)
    finish(other)
    other.part("star").nth(0).check(force=True)
    other.part("rate-send").click()
    other.wait(lambda: stored.count(shop, ratings, other.page) == 1)
    other.wait(lambda: chat.messages() == other.messages() and len(chat.messages("customer")) == 2)
    expect(chat.part("rating")).to_be_hidden()
