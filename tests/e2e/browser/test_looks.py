"""The pictures in docs/ are what a visitor sees. `make screenshots` takes them anew."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import expect

from bot.settings import PROJECT
from tests.e2e.browser.conftest import missing
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

PICTURES = PROJECT / "docs" / "pictures"
_SEEN = PROJECT / "var" / "test" / "pictures"
_SAME_COLOUR = 48  # of 255: letters are smoothed a little differently by another Chromium
_DIFFERENT_AT_MOST = 0.01  # of all pixels
_TALK = {
    "ar": ["كم رسوم الشحن؟", "ما سياسة الإرجاع لديكم؟"],
    "en": ["How much is shipping?", "What is your return policy?"],
}


@pytest.fixture(scope="module", autouse=True)
def _letters() -> None:
    """Pictures can only be compared where the letters are the same."""
    if (
        shutil.which("fc-list") is None
        or "NotoSansArabic" not in subprocess.run(["fc-list"], capture_output=True, text=True, check=True).stdout
    ):
        missing("no Noto fonts: apt-get install fonts-noto-core fonts-noto-color-emoji")


def _still(chat: Chat) -> None:
    """Nothing moves, and no time of day is shown but one."""
    chat.page.evaluate(
        """() => {
            const root = document.querySelector('thiqa-chat').shadowRoot;
            for (const time of root.querySelectorAll('[data-part="log"] time'))
                for (const node of time.childNodes)
                    if (node.nodeType === 3 && /\\d/.test(node.data))
                        node.data = root.querySelector('[lang]').lang === 'ar' ? '10:24 ص' : '10:24 AM';
        }"""
    )


def _compare(chat: Chat, name: str) -> None:
    _still(chat)
    taken = chat.page.screenshot(animations="disabled", caret="hide")
    kept = PICTURES / f"{name}.png"
    if os.environ.get("THIQA_SCREENSHOTS"):
        PICTURES.mkdir(exist_ok=True)
        Image.open(io.BytesIO(taken)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(kept, optimize=True)
        return
    assert kept.is_file(), f"docs/pictures/{name}.png is missing: make screenshots"
    seen, known = Image.open(io.BytesIO(taken)).convert("RGB"), Image.open(kept).convert("RGB")
    assert seen.size == known.size
    difference = ImageChops.difference(seen, known)
    channels = [channel.point(lambda value: 255 * (value > _SAME_COLOUR)) for channel in difference.split()]
    differs = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    share = differs.histogram()[255] / (seen.width * seen.height)
    if share > _DIFFERENT_AT_MOST:
        _SEEN.mkdir(parents=True, exist_ok=True)
        (_SEEN / f"{name}.png").write_bytes(taken)
        differs.save(_SEEN / f"{name}.difference.png")
        pytest.fail(f"{share:.1%} of {name}.png differ: look at {_SEEN}, and `make screenshots` if it is right so")


@pytest.mark.parametrize("language", ["ar", "en"])
def test_the_shop_with_a_conversation_looks_as_in_its_picture(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = visit(url=f"{shop.url}/?lang={language}", language=language, viewport={"width": 1280, "height": 800})
    expect(chat.part("launcher")).to_be_visible()
    chat.page.evaluate("() => Thiqa.open()")
    for question in _TALK[language]:
        chat.ask(question)
    chat.page.mouse.move(5, 5)
    _compare(chat, f"shop-{language}")


@pytest.mark.parametrize("language", ["ar", "en"])
def test_the_welcome_on_a_phone_looks_as_in_its_picture(visit: Callable[..., Chat], language: str) -> None:
    chat = visit(language=language, phone=True).open()
    expect(chat.part("starter").first).to_be_visible()
    _compare(chat, f"phone-{language}")


@pytest.mark.parametrize("language", ["ar", "en"])
def test_a_conversation_in_the_dark_looks_as_in_its_picture(visit: Callable[..., Chat], language: str) -> None:
    chat = visit(
        language=language,
        color_scheme="dark",
        viewport={"width": 460, "height": 720},
        head="<style>body { background: #15191d }</style>",
    ).open()
    for question in _TALK[language]:
        chat.ask(question)
    _compare(chat, f"dark-{language}")


@pytest.mark.parametrize("language", ["ar", "en"])
def test_a_chat_without_its_server_looks_as_in_its_picture(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    """It says that the service cannot be reached, and how else the shop can be."""
    chat = visit(
        language=language,
        attributes='data-contact-email="care@example.com" data-contact-phone="+966112000000"',
        viewport={"width": 460, "height": 720},
        errors=True,
    )
    chat.page.context.set_offline(True)
    chat.open()
    expect(chat.part("other-ways")).to_be_visible(timeout=15_000)
    _compare(chat, f"unreachable-{language}")
