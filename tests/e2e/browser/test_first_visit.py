"""A stranger's first visit, in Arabic and in English."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.browser import stored
from tests.e2e.browser.site import Site
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

QUESTION = {"ar": "كم رسوم الشحن؟", "en": "How much is delivery?"}
LANGUAGES = pytest.mark.parametrize("language", ["ar", "en"])


def now() -> datetime:
    return datetime.now(timezone.utc)


def direction(chat: Chat) -> str:
    return str(chat.part("panel").evaluate("panel => getComputedStyle(panel).direction"))


def type_in_composition(page: Page, text: str) -> None:
    """Let an input method propose `text`, which is not in the field for good yet."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    for kind in ("rawKeyDown", "keyUp"):  # an Enter that the input method takes for itself
        cdp.send(
            "Input.dispatchKeyEvent", {"type": kind, "key": "Process", "windowsVirtualKeyCode": 229, "code": "Enter"}
        )


# -- being met ---------------------------------------------------------------------------------------------------------


def test_a_question_is_asked_and_answered(visit: Callable[..., Chat]) -> None:
    chat = visit().open()
    assert "20" in chat.ask("كم رسوم الشحن؟")
    assert [message["author"] for message in chat.messages()] == ["customer", "bot"]
    expect(chat.part("badge")).to_be_hidden()


@LANGUAGES
def test_a_greeting_is_shown_once_can_be_put_away_and_opens_the_chat(visit: Callable[..., Chat], language: str) -> None:
    words = {"ar": "هلا! نقدر نساعد؟", "en": "Hi! May we help?"}
    attributes = f'data-greeting-ar="{words["ar"]}" data-greeting="{words["en"]}"'
    chat = visit(language=language, attributes=attributes)
    expect(chat.part("greeting")).to_contain_text(words[language])
    chat.part("greeting-close").click()
    expect(chat.part("greeting")).to_be_hidden()
    expect(chat.part("panel")).to_be_hidden()
    chat.page.context.clock.install()
    again = visit(language=language, attributes=attributes, context=chat.page.context)
    expect(again.part("launcher")).to_be_visible()
    again.page.clock.run_for(10_000)
    expect(again.part("greeting")).to_be_hidden()

    other = visit(language=language, attributes=attributes)
    other.part("greeting").get_by_text(words[language]).click()
    expect(other.part("panel")).to_be_visible()
    expect(other.part("greeting")).to_be_hidden()


def test_the_launcher_opens_and_closes_the_panel_and_says_so(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en")
    launcher = chat.part("launcher")
    expect(launcher).to_have_attribute("aria-expanded", "false")
    expect(launcher).to_have_accessible_name("Open chat")
    launcher.click()
    expect(chat.part("panel")).to_be_visible()
    expect(chat.part("input")).to_be_focused()
    expect(launcher).to_have_attribute("aria-expanded", "true")
    chat.page.wait_for_timeout(600)  # sooner it would be the second click of a double click, which is none
    launcher.click()
    expect(chat.part("panel")).to_be_hidden()
    chat.open().part("close").click()
    expect(chat.part("panel")).to_be_hidden()
    expect(launcher).to_be_focused()
    chat.open()
    expect(chat.part("input")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(chat.part("panel")).to_be_hidden()


@LANGUAGES
def test_a_stranger_is_welcomed_and_a_starter_pressed_twice_asks_once(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = visit(language=language).open()
    expect(chat.part("welcome")).to_contain_text({"ar": "أهلًا وسهلًا", "en": "Hello"}[language])
    expect(chat.part("starter")).to_have_count(4)
    starter = chat.part("starter").filter(has_text=QUESTION[language])
    starter.dblclick()
    chat.wait(lambda: "20" in "".join(message["text"] for message in chat.messages("bot")))
    expect(chat.part("starter")).to_have_count(0)
    assert stored.texts(shop, chat.page) == [QUESTION[language]]


def test_looking_costs_the_server_nothing_until_the_first_message(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    expect(chat.part("starter")).to_have_count(4)
    chat.wait(lambda: bool(stored.session(chat.page, shop)))
    visitor = stored.session(chat.page, shop)["visitor"]
    assert stored.conversation(shop, visitor) is None
    chat.ask("هلا")
    assert stored.conversation(shop, visitor) is not None


# -- talking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "question", "number", "wrong", "right", "tracking"),
    [
        ("ar", "وين طلبي", "1001", "0000", "٤٥٦٧", "AX55010001"),
        ("en", "where is my order", "1004", "1111", "9046", "AX55010004"),
    ],
)
def test_an_order_is_shown_to_whoever_proves_to_own_it_with_a_safe_link(
    visit: Callable[..., Chat], language: str, question: str, number: str, wrong: str, right: str, tracking: str
) -> None:
    chat = visit(language=language).open()
    chat.ask(question)
    assert number in chat.ask(number)
    assert tracking not in chat.ask(wrong)
    chat.say(right)
    link = chat.part("message").get_by_role("link")
    expect(link).to_have_attribute("href", f"https://www.aramex.com/track/results?ShipmentNumber={tracking}")
    expect(link).to_have_attribute("target", "_blank")
    assert {"noopener", "noreferrer"} <= set((link.get_attribute("rel") or "").split())
    assert link.evaluate("link => getComputedStyle(link).direction") == "ltr"


def test_a_button_pressed_twice_is_said_once_and_then_gone(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    chat.ask("وين طلبي")
    button = chat.part("button").filter(has_text="موظف")
    button.dblclick()
    chat.wait(lambda: len(chat.messages("bot")) == 2)
    assert chat.messages("customer")[-1]["text"] == "التحدث مع موظف"
    expect(chat.part("button").filter(has_text="التحدث مع موظف")).to_have_count(0)
    assert stored.texts(shop, chat.page) == ["وين طلبي", "التحدث مع موظف"]
    chat.page.reload()
    chat.open()
    chat.wait(lambda: [message["text"] for message in chat.messages("customer")] == ["وين طلبي", "التحدث مع موظف"])


def test_buttons_of_an_older_message_cannot_be_pressed(visit: Callable[..., Chat]) -> None:
    chat = visit().open()
    chat.ask("وين طلبي")
    expect(chat.part("button")).not_to_have_count(0)
    chat.ask("كم رسوم الشحن؟")
    for row in chat.part("message").all()[:-1]:
        expect(row.locator('[data-part="button"]')).to_have_count(0)


def test_send_pressed_twice_or_enter_held_sends_one_message(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    chat.part("input").fill("كم رسوم الشحن؟")
    chat.part("send").dblclick()
    chat.part("input").fill("هلا")
    chat.page.keyboard.down("Enter")
    chat.page.keyboard.down("Enter")
    chat.page.keyboard.up("Enter")
    chat.wait(lambda: len(chat.messages("bot")) >= 2)
    assert stored.texts(shop, chat.page) == ["كم رسوم الشحن؟", "هلا"]


def test_enter_sends_and_shift_enter_begins_a_line(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en").open()
    field, keyboard = chat.part("input"), chat.page.keyboard
    height = field.bounding_box()["height"]  # type: ignore[index]
    field.press_sequentially("How much")
    keyboard.press("Shift+Enter")
    field.press_sequentially("is delivery?")
    expect(field).to_have_value("How much\nis delivery?")
    assert field.bounding_box()["height"] > height  # type: ignore[index]
    assert chat.messages() == []
    keyboard.press("Enter")
    expect(field).to_have_value("")
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    assert chat.messages("customer")[0]["text"] == "How much\nis delivery?"
    assert stored.texts(shop, chat.page) == ["How much\nis delivery?"]
    keyboard.press("Enter")
    field.fill("  \n ")
    keyboard.press("Enter")
    assert len(chat.messages("customer")) == 1


def test_enter_in_an_input_method_chooses_and_does_not_send(visit: Callable[..., Chat]) -> None:
    chat = visit().open()
    chat.part("input").focus()
    type_in_composition(chat.page, "كم رسوم الشحن")
    chat.part("input").dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    assert chat.messages() == []
    chat.page.context.new_cdp_session(chat.page).send("Input.insertText", {"text": "كم رسوم الشحن؟"})
    expect(chat.part("input")).to_have_value("كم رسوم الشحن؟")
    chat.page.keyboard.press("Enter")
    chat.wait(lambda: [message["text"] for message in chat.messages("customer")] == ["كم رسوم الشحن؟"])


@LANGUAGES
def test_an_emoji_is_picked_with_the_keyboard_where_the_caret_is(visit: Callable[..., Chat], language: str) -> None:
    chat = visit(language=language).open()
    keyboard, field, grid = chat.page.keyboard, chat.part("input"), chat.part("emoji-grid")
    field.fill("ab")
    field.evaluate("field => field.setSelectionRange(1, 1)")
    chat.part("emoji").focus()
    keyboard.press("Enter")
    first, second = grid.get_by_role("button").nth(0), grid.get_by_role("button").nth(1)
    expect(first).to_be_focused()
    keyboard.press("ArrowLeft" if language == "ar" else "ArrowRight")
    expect(second).to_be_focused()
    keyboard.press("ArrowDown")
    expect(grid.get_by_role("button").nth(9)).to_be_focused()
    keyboard.press("ArrowUp")
    keyboard.press("Enter")
    picked = second.inner_text()
    expect(field).to_have_value(f"a{picked}b")
    chat.wait(lambda: field.evaluate("field => field.selectionStart") == 1 + len(picked.encode("utf-16-le")) // 2)
    keyboard.press("Escape")
    expect(grid).to_be_hidden()
    expect(chat.part("panel")).to_be_visible()
    expect(field).to_be_focused()


def test_emoji_picked_quickly_follow_each_other(visit: Callable[..., Chat]) -> None:
    chat = visit().open()
    chat.part("input").fill("ab")
    chat.part("input").evaluate("field => field.setSelectionRange(1, 1)")
    chat.part("emoji").click()
    buttons = chat.part("emoji-grid").get_by_role("button")
    first, second = buttons.nth(0).inner_text(), buttons.nth(1).inner_text()
    chat.part("emoji-grid").evaluate(
        """async grid => { const [first, second] = grid.querySelectorAll('button'); first.click();
            for (let i = 0; i < 20; i++) await null; // drawn, but no new frame begun
            second.click() }"""
    )
    expect(chat.part("input")).to_have_value(f"a{first}{second}b")


@LANGUAGES
def test_a_text_over_the_limit_is_held_back_with_a_word_and_one_at_the_limit_is_sent(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = visit(language=language).open()
    expect(chat.part("starter")).to_have_count(4)
    field, letter = chat.part("input"), {"ar": "ش", "en": "😀"}[language]
    field.fill(letter * 4001)
    expect(chat.part("send")).to_have_attribute("aria-disabled", "true")
    expect(chat.part("composer")).to_contain_text("4001 / 4000")
    chat.page.keyboard.press("Enter")
    expect(chat.part("notice")).to_contain_text("4000")
    expect(field).to_have_value(letter * 4001)
    field.fill(letter * 4000)
    chat.page.keyboard.press("Enter")
    expect(field).to_have_value("")
    chat.wait(lambda: len(chat.messages("bot")) >= 1)
    assert [len(text) for text in stored.texts(shop, chat.page)] == [4000]


@pytest.mark.parametrize("text", ["\u200b\u2060", "\u0001", "\ud800"])
def test_a_text_of_nothing_visible_does_not_hold_up_what_follows(visit: Callable[..., Chat], text: str) -> None:
    chat = visit().open()
    expect(chat.part("starter")).to_have_count(4)
    chat.part("input").evaluate(
        """(field, codes) => { field.value = String.fromCharCode(...codes);
            field.dispatchEvent(new Event('input', {bubbles: true})) }""",
        [ord(letter) for letter in text],
    )
    chat.page.keyboard.press("Enter")
    chat.say("كم رسوم الشحن؟")
    chat.wait(lambda: any("20" in message["text"] for message in chat.messages("bot")))
    chat.wait(lambda: chat.messages("customer")[-1]["state"] == "seen")


def test_a_message_goes_from_sending_to_sent_to_seen(visit: Callable[..., Chat]) -> None:
    chat = visit().open()
    expect(chat.part("starter")).to_have_count(4)
    chat.part("log").evaluate(
        """log => { window.states = []; new MutationObserver(() => {
            const own = log.querySelector('[data-part="message"][data-author="customer"]');
            if (own && own.dataset.state !== states.at(-1)) states.push(own.dataset.state);
        }).observe(log, {subtree: true, childList: true, attributes: true}) }"""
    )
    chat.say("كم رسوم الشحن؟")
    chat.wait(lambda: chat.messages("customer")[0]["state"] == "seen")
    states = chat.page.evaluate("states")
    assert states == sorted(states, key=["sending", "sent", "delivered", "seen"].index)
    assert states[0] == "sending" and states[-1] == "seen"


def test_a_card_number_is_shown_masked_as_it_is_stored(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en").open()
    chat.ask("my card is 4111 1111 1111 1111 ok")
    assert stored.texts(shop, chat.page) == ["my card is ••••1111 ok"]
    assert [message["text"] for message in chat.messages("customer")] == ["my card is ••••1111 ok"]


# -- what happens meanwhile --------------------------------------------------------------------------------------------


@LANGUAGES
def test_a_reply_to_a_closed_panel_is_counted_until_it_is_seen(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = visit(language=language).open()
    chat.ask(QUESTION[language])
    chat.part("close").click()
    visitor = stored.session(chat.page, shop)["visitor"]
    stored.write(shop, visitor, [("bot", "1", now()), ("agent", "2", now())], read=False)
    expect(chat.part("badge")).to_have_text("2")
    name = {"ar": re.compile("فتح المحادثة.*رسالتان غير مقروءتين"), "en": re.compile("Open chat.*2 unread messages")}
    expect(chat.part("launcher")).to_have_accessible_name(name[language])
    chat.page.reload()
    expect(chat.part("badge")).to_have_text("2")
    chat.open()
    expect(chat.part("badge")).to_be_hidden()
    chat.wait(lambda: stored.read_up_to(shop, visitor) == 4)
    chat.page.reload()
    chat.open()
    chat.wait(lambda: len(chat.messages()) == 4)
    expect(chat.part("badge")).to_be_hidden()


def test_the_assistant_is_shown_typing_until_it_has_answered(visit: Callable[..., Chat]) -> None:
    context = visit(url="about:blank").page.context
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    context.route_web_socket("**/socket.io/**", between)
    chat = visit(context=context).open()
    expect(chat.part("starter")).to_have_count(4)
    sockets[-1].send('42["typing",{"author":"bot","on":true}]')
    expect(chat.part("typing")).to_contain_text("المساعد يكتب")
    sockets[-1].send('42["typing",{"author":"bot","on":false}]')
    expect(chat.part("typing")).to_be_hidden()
    sockets[-1].send('42["typing",{"author":"bot","on":true}]')
    expect(chat.part("typing")).to_be_visible()
    chat.ask("كم رسوم الشحن؟")
    expect(chat.part("typing")).to_be_hidden()


def test_whoever_reads_further_up_is_told_of_a_new_message_and_not_moved(
    visit: Callable[..., Chat], shop: Server
) -> None:
    chat = visit().open()
    for _ in range(4):
        chat.ask("كم رسوم الشحن؟")
    log = chat.part("log")
    expect(chat.part("new-messages")).to_be_hidden()
    log.evaluate("log => log.scrollTo({top: 100})")
    visitor = stored.session(chat.page, shop)["visitor"]
    stored.write(shop, visitor, [("bot", "خبر جديد", now())], read=False)
    expect(chat.part("new-messages")).to_be_visible()
    assert log.evaluate("log => log.scrollTop") == 100
    assert stored.read_up_to(shop, visitor) == 8, "it is not read before it is on the screen"
    chat.part("new-messages").click()
    expect(chat.part("new-messages")).to_be_hidden()
    chat.wait(lambda: log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight < 2"))
    chat.wait(lambda: stored.read_up_to(shop, visitor) == 9)
    log.evaluate("log => log.scrollTo({top: 0})")
    chat.say("هلا")
    chat.wait(lambda: log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight < 2"))


@LANGUAGES
def test_an_ended_conversation_can_be_ended_again_only_after_a_new_message(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = visit(language=language).open()
    chat.ask(QUESTION[language])
    chat.part("menu").click()
    word = chat.part("menu-item-end").inner_text().strip()
    chat.part("menu-item-end").click()
    chat.part("end-confirm").click()
    expect(chat.part("rating")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.part("rating")).to_be_hidden()
    # That it has ended is known when the server has taken it.
    chat.wait(lambda: len(stored.texts(shop, chat.page)) == 2)
    chat.part("menu").click()
    expect(chat.part("menu-item-transcript")).to_be_visible()
    expect(chat.part("menu-item-end")).to_have_count(0)
    chat.wait(lambda: len(chat.messages("customer")) == 2)
    assert stored.texts(shop, chat.page) == [QUESTION[language], word], "menu and log say the same"
    expect(chat.part("menu-item-end")).to_have_count(0)
    chat.page.reload()
    chat.open()
    chat.wait(lambda: len(chat.messages("customer")) == 2)
    chat.part("menu").click()
    expect(chat.part("menu-item-transcript")).to_be_visible()
    expect(chat.part("menu-item-end")).to_have_count(0)
    chat.page.keyboard.press("Escape")
    chat.ask(QUESTION[language])
    chat.part("menu").click()
    expect(chat.part("menu-item-end")).to_be_visible()


@LANGUAGES
def test_where_copying_is_refused_the_visitor_is_told(visit: Callable[..., Chat], language: str) -> None:
    refuse = "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    # Browsers give the clipboard to safe pages only.
    head = f"<script>navigator.clipboard ?? Object.defineProperty(navigator, 'clipboard', {{value: {{}}}}); {refuse}</script>"
    chat = visit(language=language, head=head).open()
    chat.ask(QUESTION[language])
    chat.part("copy").first.click()
    expect(chat.part("notice")).to_contain_text({"ar": "تعذّر النسخ", "en": "Copying is not allowed"}[language])


# -- language ----------------------------------------------------------------------------------------------------------


@LANGUAGES
def test_the_language_changes_from_the_menu_with_nothing_lost_and_everything_mirrored(
    visit: Callable[..., Chat], site: Site, shop: Server, language: str
) -> None:
    other = {"ar": "en", "en": "ar"}[language]
    chat = visit(language=language).open()
    chat.ask(QUESTION[language])
    chat.part("input").fill("draft مسودة")
    before, box = chat.messages(), chat.part("panel").bounding_box()
    assert direction(chat) == {"ar": "rtl", "en": "ltr"}[language]
    chat.part("menu").click()
    chat.part("menu-item-language").click()
    assert direction(chat) == {"ar": "rtl", "en": "ltr"}[other]
    expect(chat.part("input")).to_have_value("draft مسودة")
    expect(chat.part("input")).to_have_attribute("placeholder", re.compile({"ar": "رسالة", "en": "message"}[other]))
    assert chat.messages() == before
    moved = chat.part("panel").bounding_box()
    assert box and moved and abs(box["x"] - (1280 - moved["x"] - moved["width"])) < 1, "the other corner of the page"
    assert stored.texts(shop, chat.page) == [QUESTION[language]]
    again = visit(language=language, context=chat.page.context).open()
    expect(again.part("close")).to_have_accessible_name({"ar": "إغلاق المحادثة", "en": "Close chat"}[other])


def test_the_pages_language_decides_unless_the_tag_says_otherwise(visit: Callable[..., Chat]) -> None:
    context = visit(url="about:blank").page.context
    for page, attributes, shown in (
        ("ar", "", "ar"),
        ("en", "", "en"),
        ("ar-EG", "", "ar"),
        ("en-GB", "", "en"),
        ("fr", "", "ar"),
        ("", "", "ar"),
        ("en", 'data-language="ar"', "ar"),
        ("ar", 'data-language="en-US"', "en"),
    ):
        head = f"<script>document.documentElement.lang = '{page}'</script>"
        chat = visit(context=context, attributes=attributes, head=head)
        expect(chat.part("launcher")).to_have_accessible_name({"ar": "فتح المحادثة", "en": "Open chat"}[shown])
        chat.page.close()


# -- options -----------------------------------------------------------------------------------------------------------


def test_the_chat_stands_in_the_corner_that_the_tag_names(visit: Callable[..., Chat]) -> None:
    context = visit(url="about:blank", reduced_motion="reduce").page.context
    for language, position, side in (
        ("ar", "end", "left"),
        ("en", "end", "right"),
        ("ar", "start", "right"),
        ("en", "start", "left"),
        ("ar", "left", "left"),
        ("ar", "right", "right"),
        ("en", "nowhere", "right"),
    ):
        chat = visit(language=language, attributes=f'data-position="{position}"', context=context).open()
        chat.page.mouse.move(640, 10)
        for name in ("launcher", "panel"):
            box = chat.part(name).bounding_box()
            assert box is not None
            assert (box["x"] if side == "left" else 1280 - box["x"] - box["width"]) == 20, f"{language} {position}"
            assert box["y"] >= 0 and box["y"] + box["height"] <= 800
        chat.page.close()


def test_offsets_and_layer_are_those_of_the_tag(visit: Callable[..., Chat]) -> None:
    chat = visit(
        language="en", attributes='data-offset-x="44" data-offset-y="70px" data-z-index="77"', reduced_motion="reduce"
    )
    box = chat.part("launcher").bounding_box()
    assert box and (1280 - box["x"] - box["width"], 800 - box["y"] - box["height"]) == (44, 70)
    assert chat.part("launcher").evaluate("launcher => getComputedStyle(launcher).zIndex") == "77"
    chat.open()
    box = chat.part("panel").bounding_box()
    assert box and box["y"] >= 0 and 1280 - box["x"] - box["width"] == 44


def test_bad_options_are_as_good_as_none(visit: Callable[..., Chat]) -> None:
    chat = visit(
        language="en",
        attributes='data-offset-x="1;}*{display:none" data-offset-y="-5" data-z-index="top" data-theme="pink" '
        'data-accent="url(javascript:alert(1))" data-privacy-url="javascript:alert(1)" data-contact-url="data:text/html,x"',
        reduced_motion="reduce",
    ).open()
    chat.page.mouse.move(640, 10)
    box = chat.part("launcher").bounding_box()
    assert box and (1280 - box["x"] - box["width"], 800 - box["y"] - box["height"]) == (20, 20)
    assert chat.part("launcher").evaluate("launcher => getComputedStyle(launcher).backgroundColor") == "rgb(13, 92, 74)"
    expect(chat.part("panel").get_by_role("link")).to_have_count(0)


@pytest.mark.parametrize(("accent", "background"), [("#ffee00", "rgb(255, 238, 0)"), ("navy", "rgb(0, 0, 128)")])
def test_the_accent_colours_the_chat_and_stays_readable(
    visit: Callable[..., Chat], accent: str, background: str
) -> None:
    chat = visit(attributes=f'data-accent="{accent}"').open()
    for name in ("launcher", "panel"):
        part = chat.part(name) if name == "launcher" else chat.part("panel").locator(".header")
        assert part.evaluate("part => getComputedStyle(part).backgroundColor") == background
        ink = part.evaluate("part => getComputedStyle(part).color")
        assert ink == ("rgb(0, 0, 0)" if accent == "#ffee00" else "rgb(255, 255, 255)")


@LANGUAGES
def test_title_and_subtitle_are_the_tags_by_language_or_the_shops_own(
    visit: Callable[..., Chat], language: str
) -> None:
    attributes = 'data-title="Rana" data-title-ar="رنا" data-subtitle-en="Ask away" data-subtitle="اسألوا"'
    chat = visit(language=language, attributes=attributes).open()
    expect(chat.part("panel").get_by_role("heading", level=2)).to_have_text({"ar": "رنا", "en": "Rana"}[language])
    expect(chat.part("panel").locator(".header")).to_contain_text({"ar": "اسألوا", "en": "Ask away"}[language])
    plain = visit(language=language).open()
    shop_name = {"ar": "متجر ثقة", "en": "Thiqa Store"}[language]
    expect(plain.part("panel").get_by_role("heading", level=2)).to_have_text(shop_name)


def test_the_theme_is_the_tags_or_the_systems_and_follows_it(visit: Callable[..., Chat]) -> None:
    context = visit(url="about:blank").page.context
    dark, light = "rgb(22, 26, 24)", "rgb(251, 250, 247)"
    for theme, by_system in (
        ("auto", {"dark": dark, "light": light}),
        ("light", {"dark": light, "light": light}),
        ("dark", {"dark": dark, "light": dark}),
    ):
        chat = visit(attributes=f'data-theme="{theme}"', context=context).open()
        for system in ("dark", "light", "dark"):
            chat.page.emulate_media(color_scheme=system)  # type: ignore[arg-type]
            expect(chat.part("panel")).to_have_css("background-color", by_system[system])
        chat.page.close()


def test_the_tag_may_open_the_chat(visit: Callable[..., Chat]) -> None:
    context = visit(url="about:blank").page.context
    for attribute, opened in (("data-open", True), ('data-open="true"', True), ('data-open="false"', False)):
        chat = visit(attributes=attribute, context=context)
        expect(chat.part("launcher")).to_be_visible()
        expect(chat.part("panel")).to_be_visible(visible=opened)
        chat.page.close()
