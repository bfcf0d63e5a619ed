"""Updates are read for what they say, and whatever is missing or wrong in them is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.connectors.telegram.handling import command
from bot.connectors.telegram.pacing import Limits, Pace
from bot.connectors.telegram.reading import (
    InGroup,
    Membership,
    Nothing,
    Pressed,
    RemoteFile,
    Said,
    What,
    chat_of,
    read,
    update_id,
)

CHAT = {"id": 5001, "type": "private", "first_name": "x"}
USER = {"id": 5001, "is_bot": False, "first_name": "x", "language_code": "en-GB"}


def message(**content: Any) -> dict[str, Any]:
    return {"update_id": 1, "message": {"message_id": 9, "from": USER, "chat": CHAT, "date": 1, **content}}


def test_words_are_read_with_where_and_by_whom() -> None:
    said = read(message(text="hi"))
    assert isinstance(said, Said)
    assert (said.chat, said.message, said.what, said.text, said.language) == (5001, 9, What.TEXT, "hi", "en")


def test_the_largest_size_of_a_photo_is_taken() -> None:
    sizes = [{"file_id": "b", "width": 90, "height": 90}, {"file_id": "c", "width": 900, "height": 900, "file_size": 7}]
    said = read(message(photo=[*sizes, {"file_id": "a", "width": 10, "height": 10}, "x"], caption="y"))
    assert isinstance(said, Said) and said.image == RemoteFile("c", 7) and said.text == "y"


def test_a_message_without_a_sender_is_still_read() -> None:
    update = message(text="hi")
    del update["message"]["from"]
    assert isinstance(read(update), Said)


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        (message(text="x", chat={"id": -5, "type": "group"}), InGroup),
        (message(left_chat_member={}, chat={"id": -5, "type": "group"}), Nothing),
        (message(pinned_message={}), Nothing),
        (message(text="x", **{"from": {**USER, "is_bot": True}}), Nothing),
        ({"update_id": 1, "channel_post": {"text": "x"}}, Nothing),
        ({"update_id": 1}, Nothing),
        ({"update_id": 1, "message": 5}, Nothing),
        ({"update_id": 1, "message": {"chat": CHAT, "text": "x"}}, Nothing),
        ({"update_id": 1, "my_chat_member": {"chat": CHAT, "new_chat_member": {"status": "kicked"}}}, Membership),
        ({"update_id": 1, "callback_query": {"id": "1", "from": USER, "data": "x"}}, Pressed),
        ("text", Nothing),
        (None, Nothing),
    ],
)
def test_each_kind_of_update_is_told_apart(update: Any, kind: type) -> None:
    assert type(read(update)) is kind


@pytest.mark.parametrize(
    ("status", "inside"),
    [
        ({"status": "member"}, True),
        ({"status": "administrator"}, True),
        ({"status": "restricted", "is_member": True}, True),
        ({"status": "restricted", "is_member": False}, False),
        ({"status": "left"}, False),
        ({"status": "kicked"}, False),
        ({}, False),
    ],
)
def test_being_inside_a_chat_is_read_from_the_status(status: dict[str, Any], inside: bool) -> None:
    change = read({"update_id": 1, "my_chat_member": {"chat": CHAT, "new_chat_member": status}})
    assert isinstance(change, Membership) and change.inside is inside


@pytest.mark.parametrize(
    ("update", "number"),
    [
        ({"update_id": 7}, 7),
        ({"update_id": True}, None),
        ({"update_id": "7"}, None),
        ({"update_id": -1}, None),
        ([], None),
    ],
)
def test_an_update_has_a_number(update: Any, number: int | None) -> None:
    assert update_id(update) == number


def test_updates_of_a_chat_stay_together() -> None:
    query = {"callback_query": {"id": "1", "from": {"id": 3}, "message": {"chat": {"id": 5001}}}}
    assert chat_of(message(text="x")) == chat_of(query) == 5001
    assert chat_of({"callback_query": {"from": {"id": 3}}}) == 3
    assert chat_of({"update_id": 1, "poll": {}}) == 0


_names = st.sampled_from(
    [
        "message", "edited_message", "callback_query", "my_chat_member", "chat", "from", "id", "type", "text", "photo",
        "message_id", "document", "mime_type", "contact", "location", "latitude", "longitude", "venue", "reply_markup",
        "inline_keyboard", "new_chat_member", "status", "quote", "voice", "duration", "reply_to_message", "caption",
    ]
)  # fmt: skip
_any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=20,
)


@given(_any)
def test_anything_can_be_read(update: Any) -> None:
    read(update)
    update_id(update)
    if isinstance(update, dict):
        chat_of(update)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("/start", ("start", "")),
        ("/start  abc ", ("start", "abc")),
        ("/Help@bot", ("help", "")),
        ("/start a\nb", ("start", "a\nb")),
        ("/ask_human now", ("ask_human", "now")),
        ("hello /start", None),
        ("/", None),
        ("/1a", None),
        ('/inform{"a": 1}', None),
    ],
)
def test_commands_are_told_from_text(typed: str, found: tuple[str, str] | None) -> None:
    assert command(typed) == found


def test_a_chat_waits_a_second_and_all_chats_together_a_thirtieth() -> None:
    now = [100.0]
    pace = Pace(Limits(1.0, 30.0), lambda: now[0])
    assert pace.wait(1) == 0 and pace.wait(1) == pytest.approx(1.0)
    sent = 0
    for tick in range(1000):
        now[0] = 200 + tick / 100
        sent += sum(pace.wait(1000 + tick * 10 + place) == 0 for place in range(5))
    assert 290 <= sent <= 305
    pace.hold(7, 5.0)
    assert pace.wait(7) == pytest.approx(5.0, abs=0.2)


UPDATES = {
    one["name"]: one["update"]
    for one in json.loads((Path(__file__).parents[1] / "telegram" / "updates.json").read_text("utf-8"))
}
READ_AS = {
    "text": What.TEXT, "command": What.TEXT, "spoiler": What.TEXT, "reply": What.TEXT, "forward": What.TEXT,
    "photo": What.IMAGE, "album photo": What.IMAGE, "image as a file": What.IMAGE, "pdf": What.DOCUMENT,
    "voice": What.VOICE, "audio": What.VOICE, "video": What.VIDEO, "video note": What.VIDEO, "animation": What.VIDEO,
    "sticker": What.STICKER, "own contact": What.CONTACT, "another's contact": What.CONTACT,
    "location": What.LOCATION, "live location": What.LOCATION, "venue": What.LOCATION, "poll": What.OTHER,
    "edited text": What.TEXT, "edited live location": What.LOCATION, "pressed button": Pressed,
    "pressed button of an old message": Pressed, "blocked": Membership, "unblocked": Membership,
    "added to a group": Membership, "group message": InGroup, "group member joined": InGroup, "channel post": Nothing,
    "pinned": Nothing, "reaction": Nothing, "kind of tomorrow": Nothing,
}  # fmt: skip


@pytest.mark.parametrize("name", UPDATES)
def test_updates_of_every_kind_are_read_for_what_they_are(name: str) -> None:
    event = read(UPDATES[name])
    assert (event.what if isinstance(event, Said) else type(event)) == READ_AS[name]
    if isinstance(event, Said):
        assert event.chat == 5001 and event.language == "ar" and bool(event.edited) == name.startswith("edited")


def test_details_of_updates_are_read() -> None:
    events = {name: read(update) for name, update in UPDATES.items()}
    assert events["reply"].quoted == "1001" and events["forward"].forwarded and events["album photo"].album  # type: ignore[union-attr]
    assert events["photo"].image == RemoteFile("AgACAgQAAxkBAAIl", 90000)  # type: ignore[union-attr]
    assert (events["own contact"].own, events["another's contact"].own) == (True, False)  # type: ignore[union-attr]
    assert events["venue"].shown == "📍 24.70000, 46.60000 برج الرياض"  # type: ignore[union-attr]
    assert events["pressed button"].keyboard == [[("تتبّع طلب", "b.0123456789abcd")]]  # type: ignore[union-attr]
    assert events["pressed button of an old message"].keyboard is None  # type: ignore[union-attr]
    assert (events["blocked"].inside, events["unblocked"].inside) == (False, True)  # type: ignore[union-attr]
