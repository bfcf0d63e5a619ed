"""Pictures: attached in every way, sent, seen again, and kept from everyone else."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import pytest
import requests
import sqlalchemy as sa
from PIL import Image, ImageDraw
from playwright.sync_api import FilePayload, Locator, Route, expect

from bot.storage.tables import files
from tests.e2e.browser import stored
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

LANGUAGES = pytest.mark.parametrize("language", ["ar", "en"])
RED, BLUE = (200, 30, 30), (20, 60, 200)
REFUSED = {
    "not_image": {"ar": "JPEG أو PNG أو WebP", "en": "JPEG, PNG and WebP"},
    "too_large": {"ar": "10 ميغابايت", "en": "10 MB"},
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
GIVE_20_MB = """input => { const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(20_000_000)], 'huge.png', {type: 'image/png'}));
    input.files = data.files; input.dispatchEvent(new Event('change', {bubbles: true})) }"""


def picture(kind: str = "PNG", size: tuple[int, int] = (400, 300)) -> bytes:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    ImageDraw.Draw(image).rectangle((size[0] // 2, 0, *size), BLUE)
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def file(content: bytes, name: str = "photo.png", kind: str = "image/png") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}


def paste(chat: Chat, content: bytes, name: str = "image.png", kind: str = "image/png") -> None:
    _give(chat.part("input"), "paste", "clipboardData", content, name, kind)


def drop(chat: Chat, content: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
    _give(chat.part("log"), "drop", "dataTransfer", content, name, kind)


def _give(target: Locator, event: str, field: str, content: bytes, name: str, kind: str) -> None:
    target.evaluate(
        """(target, {event, field, content, name, kind}) => {
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name, {type: kind}));
            const make = event === 'paste' ? ClipboardEvent : DragEvent;
            target.dispatchEvent(new make(event, {[field]: data, bubbles: true, composed: true, cancelable: true}));
        }""",
        {"event": event, "field": field, "content": base64.b64encode(content).decode(), "name": name, "kind": kind},
    )


def ready(chat: Chat, language: str = "ar") -> None:
    expect(chat.part("preview")).to_contain_text({"ar": "جاهزة", "en": "ready"}[language])


def is_the_picture(canvas: Locator) -> bool:
    """Whether a canvas shows red on the left and blue on the right."""
    found = canvas.evaluate(
        """canvas => { const context = canvas.getContext('2d'), at = x => [...context.getImageData(
            canvas.width * x, canvas.height / 2, 1, 1).data].slice(0, 3); return [at(0.2), at(0.8)] }"""
    )
    return all(
        abs(part - wanted) < 25
        for seen, colour in zip(found, (RED, BLUE), strict=True)
        for part, wanted in zip(seen, colour, strict=True)
    )


def shown(chat: Chat) -> Locator:
    return chat.part("image").locator("canvas")


def kept(shop: Server, chat: Chat) -> list[str]:
    """The ids of the visitor's files."""
    visitor = stored.session(chat.page, shop)["visitor"]
    with shop.database().read() as db:
        return list(db.execute(sa.select(files.c.id).where(files.c.address == visitor)).scalars())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_attached_sent_and_seen_again_after_a_reload_and_in_another_tab(
    visit: Callable[..., Chat], shop: Server, kind: str
) -> None:
    chat = visit().open()
    chat.part("file").set_input_files(file(picture(kind), f"x.{kind.lower()}", f"image/{kind.lower()}"))
    ready(chat)
    chat.wait(lambda: is_the_picture(chat.part("preview").locator("canvas")))
    chat.part("input").fill("وصلني هكذا")
    chat.part("send").click()
    expect(chat.part("preview")).to_be_hidden()
    chat.wait(lambda: is_the_picture(shown(chat)))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    assert chat.messages()[0]["text"] == "وصلني هكذا"
    assert stored.texts(shop, chat.page) == ["وصلني هكذا"]
    assert len(kept(shop, chat)) == 1
    other = visit(context=chat.page.context).open()
    other.wait(lambda: is_the_picture(shown(other)))
    chat.page.reload()
    chat.open()
    chat.wait(lambda: is_the_picture(shown(chat)))


@pytest.mark.parametrize("way", ["button", "paste", "drop"])
def test_a_picture_alone_may_be_chosen_pasted_or_dropped(visit: Callable[..., Chat], shop: Server, way: str) -> None:
    chat = visit(language="en").open()
    if way == "button":
        with chat.page.expect_file_chooser() as chooser:
            chat.part("attach").click()
        chooser.value.set_files(file(picture()))
    else:
        {"paste": paste, "drop": drop}[way](chat, picture())
    ready(chat, "en")
    assert chat.page.url.startswith("http://localhost"), "a dropped file does not replace the page"
    chat.part("send").dblclick()
    chat.wait(lambda: is_the_picture(shown(chat)))
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    assert stored.texts(shop, chat.page) == [""]


def test_a_picture_taken_back_is_not_sent_and_can_be_chosen_again(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit(language="en").open()
    chat.part("input").fill("hello")
    for _ in range(2):
        chat.part("file").set_input_files(file(picture()))
        ready(chat, "en")
        chat.part("preview").get_by_role("button").click()
        expect(chat.part("preview")).to_be_hidden()
    expect(chat.part("input")).to_have_value("hello")
    chat.part("send").click()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    expect(chat.part("image")).to_have_count(0)


def test_the_last_of_several_pictures_is_the_one_that_is_sent(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en").open()
    chat.part("file").set_input_files(file(picture(size=(90, 90))))
    paste(chat, picture(size=(640, 320)))
    ready(chat, "en")
    chat.part("send").click()
    chat.wait(lambda: is_the_picture(shown(chat)))
    box = shown(chat).bounding_box()
    assert box and abs(box["width"] / box["height"] - 2) < 0.05


def test_the_viewer_shows_the_whole_picture_and_gives_the_focus_back(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en").open()
    paste(chat, picture(size=(800, 600)))
    ready(chat, "en")
    chat.part("send").click()
    chat.wait(lambda: is_the_picture(shown(chat)))
    viewer, keyboard = chat.part("viewer"), chat.page.keyboard
    for leave in ("Escape", "button", "outside"):
        chat.part("image").focus()
        keyboard.press("Enter")
        expect(viewer).to_be_visible()
        chat.wait(lambda: is_the_picture(viewer.locator("canvas")))
        size = viewer.locator("canvas").bounding_box()
        assert size and size["width"] <= 1280 and size["height"] <= 800 and size["width"] > 400
        for _ in range(5):  # the focus stays inside
            keyboard.press("Tab")
            assert chat.page.evaluate(
                """() => { const root = document.querySelector('thiqa-chat').shadowRoot;
                    return !root.activeElement || !!root.activeElement.closest('[data-part="viewer"]') }"""
            )
        if leave == "Escape":
            keyboard.press("Escape")
        elif leave == "button":
            viewer.get_by_role("button", name="Close").click()
        else:
            chat.page.mouse.click(3, 400)
        expect(viewer).to_be_hidden()
        expect(chat.part("panel")).to_be_visible()
        expect(chat.part("image")).to_be_focused()
    chat.part("image").click()
    chat.wait(lambda: chat.part("download").is_visible())
    with chat.page.expect_download() as download:
        chat.part("download").click()
    assert download.value.suggested_filename.startswith("image.")


def test_nobody_else_can_fetch_a_picture(visit: Callable[..., Chat], shop: Server) -> None:
    chat = visit().open()
    paste(chat, picture())
    ready(chat)
    address = f"{shop.url}/webchat/images/{kept(shop, chat)[0]}"
    chat.part("send").click()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    stranger = visit().open()
    stranger.ask("هلا")
    fetch = """([address, token]) => fetch(address, token ? {headers: {Authorization: `Bearer ${token}`}} : {})
        .then(answer => answer.status)"""
    tokens = [stored.session(tab.page, shop)["token"] for tab in (chat, stranger)]
    assert chat.page.evaluate(fetch, [address, tokens[0]]) == 200
    assert stranger.page.evaluate(fetch, [address, tokens[1]]) == 404
    assert requests.get(address, timeout=10).status_code == 401
    assert requests.get(f"{address}?token={tokens[0]}", timeout=10).status_code == 401


@LANGUAGES
def test_what_is_no_picture_is_refused_in_words_and_the_message_stays(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = visit(language=language).open()
    expect(chat.part("starter")).to_have_count(4)
    chat.part("input").fill("my text نصي")
    for content, name, kind, code in (
        (SVG, "photo.png", "image/png", "not_image"),
        (SVG, "photo.svg", "image/svg+xml", "not_image"),
        (b"GIF89a" + bytes(40), "x.gif", "image/gif", "not_image"),
        (b"hello", "notes.txt", "text/plain", "not_image"),
        (b"hello", "notes", "", "not_image"),
        (b"", "empty.png", "image/png", "not_image"),
        (picture()[:400], "half.png", "image/png", "not_image"),
        (None, "huge.png", "image/png", "too_large"),
    ):
        if content is None:
            chat.part("file").evaluate(GIVE_20_MB)
        elif name.startswith("n"):
            chat.part("file").set_input_files(file(content, name, kind))
        else:
            drop(chat, content, name, kind)
        expect(chat.part("notice"), name).to_contain_text(REFUSED[code][language])
        expect(chat.part("preview")).to_be_hidden()
        expect(chat.part("input")).to_have_value("my text نصي")
        chat.part("notice").get_by_role("button").click()
        expect(chat.part("notice")).to_be_hidden()
    assert kept(shop, chat) == []
    chat.part("send").click()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    assert stored.texts(shop, chat.page) == ["my text نصي"]


def test_a_picture_on_its_way_up_is_not_lost_to_a_starter(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en").open()
    expect(chat.part("starter")).to_have_count(4)
    waiting: list[Route] = []
    chat.page.route("**/webchat/images", lambda route: waiting.append(route))
    paste(chat, picture())
    chat.wait(lambda: len(waiting) == 1)
    chat.part("starter").first.click()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    waiting[0].continue_()
    chat.wait(lambda: chat.part("preview").is_visible() or is_the_picture(shown(chat)), timeout=5)


def test_an_upload_that_fails_says_so_and_can_be_tried_again(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en").open()
    expect(chat.part("starter")).to_have_count(4)
    chat.part("input").fill("look")
    chat.page.route("**/webchat/images", lambda route: route.abort())
    paste(chat, picture())
    expect(chat.part("notice")).to_contain_text("could not be uploaded")
    expect(chat.part("input")).to_have_value("look")
    chat.page.unroute("**/webchat/images")
    paste(chat, picture())
    ready(chat, "en")
    expect(chat.part("notice")).to_be_hidden()


def test_a_picture_that_cannot_be_loaded_says_so(visit: Callable[..., Chat]) -> None:
    chat = visit(language="en").open()
    paste(chat, picture())
    ready(chat, "en")
    chat.part("send").click()
    chat.wait(lambda: len(chat.messages("bot")) == 1)
    chat.page.context.route("**/webchat/files/**", lambda route: route.fulfill(status=404, json={"error": "not_found"}))
    other = visit(language="en", context=chat.page.context).open()
    expect(other.part("image")).to_contain_text("could not be shown")


def test_a_file_name_and_what_a_picture_carries_go_nowhere(visit: Callable[..., Chat], shop: Server) -> None:
    name = '"><img src=x onerror=alert(1)>\u202egnp.exe.png'
    image = Image.new("RGB", (40, 20), RED)
    exif = Image.Exif()
    exif[0x010E] = "a secret in the metadata"
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    chat = visit().open()
    paste(chat, out.getvalue(), name, "image/jpeg")
    ready(chat)
    assert "onerror" not in chat.part("composer").inner_text()
    with shop.database().read() as db:
        content = db.execute(sa.select(files.c.content).where(files.c.id == kept(shop, chat)[0])).scalar()
    assert b"a secret" not in bytes(content)
