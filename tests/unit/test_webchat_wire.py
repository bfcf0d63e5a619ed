"""Whatever a stranger's event holds, it is read or refused with a sentence, and nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.connectors.webchat import wire
from bot.conversations.model import Author, Button, ConversationId, Message, MessageId, Owner
from bot.conversations.ports import LogLine, LogState

FIELDS = [
    "session_id", "protocol", "after", "before", "language", "message", "image", "id", "metadata", "customData",
    "number", "on", "score", "comment", "token",
]  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
events = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=12), anything, max_size=8)
READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "session_request": wire.session_request,
    "uttered": wire.uttered,
    "key": wire.key,
    "number": lambda data: wire.number(data, "number"),
    "text": lambda data: wire.text(data, "token", 100),
    "text with a default": lambda data: wire.text(data, "comment", 100, ""),
    "flag": lambda data: wire.flag(data, "on"),
}


@pytest.mark.parametrize("name", READERS)
@given(data=events)
def test_any_object_is_read_or_refused(name: str, data: dict[str, Any]) -> None:
    try:
        READERS[name](data)
    except wire.BadEvent as bad:
        assert str(bad)


@given(st.lists(anything, max_size=4))
def test_any_arguments_are_one_object_or_refused(args: list[Any]) -> None:
    try:
        data = wire.fields(args)
    except wire.BadEvent:
        assert args and args[0] is not None and not isinstance(args[0], dict)
    else:
        assert data == (args[0] if args and args[0] is not None else {})


@given(data=events)
def test_what_is_read_of_a_session_request_has_the_right_types(data: dict[str, Any]) -> None:
    try:
        asked = wire.session_request(data)
    except wire.BadEvent:
        return
    assert asked.token is None or (isinstance(asked.token, str) and asked.token)
    assert asked.protocol in (0, 1) and type(asked.protocol) is int
    assert type(asked.after) is int and 0 <= asked.after < 2**31
    assert asked.language in ("ar", "en")


@given(data=events)
def test_what_is_read_of_a_message_has_the_right_types(data: dict[str, Any]) -> None:
    try:
        said = wire.uttered(data)
    except wire.BadEvent:
        return
    assert isinstance(said.text, str)
    assert said.key is None or (isinstance(said.key, str) and 0 < len(said.key) <= 64 and said.key.isprintable())
    assert said.token is None or (isinstance(said.token, str) and said.token)
    assert said.image is None or (isinstance(said.image, str) and len(said.image) == 36)


@pytest.mark.parametrize("value", [None, False, 0, 17, 1.5, [], {}, "", b"x", ["token"]], ids=repr)
def test_what_a_widget_kept_that_is_no_text_is_no_session(value: Any) -> None:
    assert wire.session_request({"session_id": value}).token is None


@pytest.mark.parametrize("protocol", [None, 0, 2, "1", [1], {}, 1.5, -1], ids=repr)
def test_a_client_that_does_not_ask_for_protocol_1_gets_rasas(protocol: Any) -> None:
    assert wire.session_request({"protocol": protocol}).protocol == 0


def test_the_key_is_the_id_or_what_a_rasa_widget_puts_into_its_metadata() -> None:
    assert wire.uttered({"message": "x", "id": "a", "metadata": {"message_id": "b"}}).key == "a"
    assert wire.uttered({"message": "x", "metadata": {"message_id": "b"}}).key == "b"
    for metadata in (None, {}, [], "b", {"other": 1}, 5):
        assert wire.uttered({"message": "x", "metadata": metadata}).key is None


@pytest.mark.parametrize(
    "key", ["", "x" * 65, "a\nb", "a\x00", "\u200b", "\ud800", "a\u202eb", 5, 0, False, [], {}, ["a"]], ids=ascii
)
def test_an_id_that_is_not_1_to_64_printable_characters_is_refused(key: Any) -> None:
    for data in ({"message": "x", "id": key}, {"message": "x", "metadata": {"message_id": key}}):
        with pytest.raises(wire.BadEvent, match="`id`"):
            wire.uttered(data)
    with pytest.raises(wire.BadEvent, match="`id`"):
        wire.key({"id": key})


def test_an_id_may_be_any_64_printable_characters() -> None:
    for key in ("a", "x" * 64, "رسالة ١", "'; DROP TABLE inbox; --", "<script>", "👍"):
        assert wire.key({"id": key}) == key


@pytest.mark.parametrize("number", [-1, 2**31, 10**30, 1.0, 1.5, "1", True, False, [], {}, float("nan")], ids=repr)
def test_what_is_no_message_number_is_refused(number: Any) -> None:
    with pytest.raises(wire.BadEvent, match="`after`"):
        wire.number({"after": number}, "after")


def test_a_number_goes_up_to_what_the_database_can_compare() -> None:
    assert [wire.number({"n": n}, "n") for n in (None, 0, 1, 2**31 - 1)] == [0, 0, 1, 2**31 - 1]


@pytest.mark.parametrize("image", ["", "x" * 36, "0" * 35, "0" * 37, "../" * 12, "0" * 36 + "\n", 5, [], {}], ids=ascii)
def test_what_cannot_be_the_id_of_an_image_is_refused(image: Any) -> None:
    with pytest.raises(wire.BadEvent, match="`image`"):
        wire.uttered({"message": "x", "image": image})


def test_a_message_may_be_left_out_only_where_an_image_comes() -> None:
    assert wire.uttered({"image": "0" * 36}).text == ""
    assert wire.uttered({"image": "0" * 36, "message": ""}).text == ""
    with pytest.raises(wire.BadEvent, match="`message`"):
        wire.uttered({})


def line(author: Author, key: str | None = None, buttons: tuple[Button, ...] = (), **meta: Any) -> LogLine:
    at = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)
    said = Message(MessageId("m"), ConversationId("c"), 3, author, "نص <b>", at, buttons, MessageId("q"), meta)
    return LogLine(said, key)


def test_a_reply_is_in_rasas_shape_and_ours_and_says_no_payload_and_no_trace() -> None:
    button = Button("b.00000000000001", "نعم", '/secret{"order": "1004"}')
    shaped = wire.bot_uttered(line(Author.BOT, None, (button,), intent="track_order", response="utter_x", score=0.9), 1)
    assert shaped == {
        "number": 3,
        "id": "m",
        "author": "bot",
        "text": "نص <b>",
        "at": "2026-11-20T10:00:00+00:00",
        "buttons": [{"id": button.id, "title": "نعم"}],
        "quick_replies": [{"content_type": "text", "title": "نعم", "payload": button.id}],
    }
    json.dumps(shaped)


def test_rasas_own_widgets_get_no_key_that_they_do_not_know() -> None:
    """They take a message for what it is by its exact keys, and show no other."""
    button = Button("b.00000000000001", "نعم", "/yes")
    quick = [{"content_type": "text", "title": "نعم", "payload": button.id}]
    assert wire.bot_uttered(line(Author.BOT), 0) == {"text": "نص <b>"}
    assert wire.bot_uttered(line(Author.BOT, None, (button,)), 0) == {"text": "نص <b>", "quick_replies": quick}


def test_only_the_customers_own_messages_carry_the_id_that_the_client_gave() -> None:
    assert wire.message(line(Author.CUSTOMER, "k"))["client_id"] == "k"
    assert "client_id" not in wire.message(line(Author.CUSTOMER))
    assert "client_id" not in wire.message(line(Author.AGENT, "k"))
    assert "client_id" not in wire.message(line(Author.BOT, "k"))


def test_marks_of_nothing_are_nought() -> None:
    assert wire.marks(None) == {"delivered": 0, "seen": 0, "read": 0, "owner": "bot"}
    state = LogState(ConversationId("c"), "a", Owner.AGENT, "c-1", 9, 8, 7, 6)
    assert wire.marks(state) == {"delivered": 8, "seen": 7, "read": 6, "owner": "agent"}


def test_a_refusal_says_only_what_there_is_to_say() -> None:
    assert wire.refusal("session") == {"ok": False, "code": "session"}
    assert wire.refusal("rate", 3) == {"ok": False, "code": "rate", "retry_after": 3}
    assert wire.refusal("invalid", detail="x") == {"ok": False, "code": "invalid", "detail": "x"}
