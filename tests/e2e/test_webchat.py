"""The chat on the shop's website, over real sockets: nothing lost, nothing twice, and nobody hears another's words."""

from __future__ import annotations

import io
import json
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import socketio.exceptions
import sqlalchemy as sa
from PIL import Image as Pillow

from bot.connectors.webchat.sessions import LIFE, Sessions
from bot.conversations.inbox import Inbox
from bot.conversations.live import LiveEvents
from bot.conversations.model import Author, Inbound, Message
from bot.customers.identity import identity_token
from bot.orders.model import CustomerId
from bot.storage import tables as t
from bot.storage.turns import SqlTurnStore
from tests.databases import empty_url
from tests.e2e.server import Server, link_trained
from tests.e2e.webchat import Chat, until

pytestmark = pytest.mark.slow

SECRET = "secret-of-the-shop-that-is-long-enough"
SHOP = "https://shop.example"
TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]
NAMES = ["websocket", "polling", "upgrade"]


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def shop(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Thiqa that a shop's website shows, whose customers it signs in."""
    server = Server(
        link_trained(tmp_path_factory.mktemp("shop"), trained_home),
        THIQA_IDENTITY_SECRET=SECRET,
        THIQA_ALLOWED_ORIGINS=f"{SHOP}, https://www.shop.example",
    )
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def chats() -> Iterator[Callable[..., Chat]]:
    """Make clients that are closed in the end."""
    made: list[Chat] = []

    def make(server: Server, **options: Any) -> Chat:
        made.append(Chat(server.url, **options))
        return made[-1]

    yield make
    for chat in made:
        chat.close()


def visitor(chat: Chat) -> str:
    return str(jwt.decode(chat.session or "", options={"verify_signature": False})["sub"])


def log_at(server: Server, address: str) -> list[Message]:
    store = SqlTurnStore(server.database())
    conversation = store.find("webchat", address)
    return list(store.log(conversation.id)) if conversation else []


def log_of(server: Server, chat: Chat) -> list[Message]:
    return log_at(server, visitor(chat))


def lines(log: Sequence[Message]) -> list[tuple[int, str, str]]:
    """A log as a chat has it."""
    return [(message.number, message.author.value, message.text) for message in log]


def typed(log: Sequence[Message]) -> list[str]:
    return [message.text for message in log if message.author is Author.CUSTOMER]


def responses(log: Sequence[Message]) -> list[str]:
    return [str(message.meta.get("response")) for message in log if message.author is Author.BOT]


def told_of_order(names: Sequence[str]) -> list[str]:
    """Those of the responses that told how an order is doing."""
    return [name for name in names if re.match(r"utter_order_(?!number|choice)|utter_last_scan", name)]


def uncollected(server: Server, chat: Chat) -> int:
    with server.database().read() as c:
        return int(
            c.execute(
                sa.select(sa.func.count())
                .select_from(t.outbox)
                .where(t.outbox.c.address == visitor(chat), t.outbox.c.sent_at.is_(None))
            ).scalar_one()
        )


def assert_whole(server: Server, chat: Chat) -> None:
    """The chat has all of the log, in order; each message was answered once and each reply counts as delivered."""
    log = log_of(server, chat)
    assert [message.number for message in log] == list(range(1, len(log) + 1))
    assert chat.log() == lines(log)
    came = [data["number"] for name, data in chat.events if name in ("bot_uttered", "customer_uttered")]
    assert came == sorted(set(came)), "a message came twice or out of order"
    until(lambda: uncollected(server, chat) == 0, "a reply that was shown does not count as delivered")


# -- talking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transports", TRANSPORTS, ids=NAMES)
def test_a_conversation_in_arabic_with_a_wrong_and_a_right_proof(
    product: Server, chats: Callable[..., Chat], transports: list[str]
) -> None:
    chat = chats(product, transports=transports).open()
    assert chat.ask("السلام عليكم")
    chat.ask("وين طلبي 1004")
    assert responses(log_of(product, chat))[-1] == "utter_ask_proof"
    wrong = " ".join(message["text"] for message in chat.ask("1111"))
    assert "1004" not in wrong or "utter_order" not in responses(log_of(product, chat))[-1]
    assert not any(name.startswith("utter_order_") for name in responses(log_of(product, chat)))
    chat.ask("9046")
    assert any(name.startswith("utter_order_") for name in responses(log_of(product, chat)))
    assert_whole(product, chat)


@pytest.mark.parametrize("transports", TRANSPORTS, ids=NAMES)
def test_a_conversation_in_english_over_every_transport(
    product: Server, chats: Callable[..., Chat], transports: list[str]
) -> None:
    chat = chats(product, transports=transports).connect()
    answer = chat.request_session(language="en")
    assert answer["ok"] and answer["last"] == 0 and answer["messages"] == []
    assert answer["limits"]["image"] == 10 * 1024 * 1024 and set(answer["shop"]) == {"ar", "en"}
    chat.ask("where is my order 1004?")
    chat.ask("9046")
    names = responses(log_of(product, chat))
    assert names[0] == "utter_ask_proof" and told_of_order(names)
    assert chat.messages[2]["text"].isascii() or "order" in chat.messages[2]["text"].lower()
    assert_whole(product, chat)


def test_a_visitor_costs_nothing_until_the_first_message(product: Server, chats: Callable[..., Chat]) -> None:
    with product.database().read() as c:
        before = c.execute(sa.select(sa.func.count()).select_from(t.conversations)).scalar_one()
    chat = chats(product).open()
    chat.call("typing", {"on": True}), chat.call("read", {"number": 5}), chat.call("history", {})
    with product.database().read() as c:
        assert c.execute(sa.select(sa.func.count()).select_from(t.conversations)).scalar_one() == before
    assert log_of(product, chat) == []


def test_the_button_is_pressed_by_its_id_and_the_log_shows_its_title(
    product: Server, chats: Callable[..., Chat]
) -> None:
    chat = chats(product).open()
    (reply,) = [message for message in chat.ask("وين طلبي") if message.get("buttons")]
    button = reply["buttons"][0]
    assert set(button) == {"id", "title"} and not button["title"].startswith("/")
    assert reply["quick_replies"][0] == {"content_type": "text", "title": button["title"], "payload": button["id"]}
    assert chat.ask(button["id"])
    assert typed(log_of(product, chat)) == ["وين طلبي", button["title"]]
    assert_whole(product, chat)


def test_a_button_of_another_visitor_does_nothing(product: Server, chats: Callable[..., Chat]) -> None:
    one, other = chats(product).open(), chats(product).open()
    (reply,) = [message for message in one.ask("وين طلبي") if message.get("buttons")]
    other.ask(reply["buttons"][0]["id"])
    log = log_of(product, other)
    assert typed(log) == [reply["buttons"][0]["id"]] and "handoff" not in responses(log)


@pytest.mark.parametrize("text", ['/track_order{"order_number": "1004"}', "/restart", "/handoff", '/notice{"notice": "ended"}', "/session_start"])  # fmt: skip
def test_what_looks_like_a_command_is_only_text(product: Server, chats: Callable[..., Chat], text: str) -> None:
    chat = chats(product).open()
    chat.ask(text)
    log = log_of(product, chat)
    assert typed(log) == [text]
    assert not told_of_order(responses(log))
    with product.database().read() as c:
        payload = sa.select(t.inbox.c.payload).where(t.inbox.c.message_id == log[0].id)
        assert c.execute(payload).scalar_one() is None, "it was taken for a command"


@pytest.mark.parametrize("opening", ["/get_started", "/greet", "/start"])
def test_what_widgets_send_when_they_open_is_greeted(product: Server, chats: Callable[..., Chat], opening: str) -> None:
    chat = chats(product).open()
    chat.ask(opening)
    assert responses(log_of(product, chat)) == ["utter_greet"]


# -- once and only once ------------------------------------------------------------------------------------------------


def test_a_message_sent_again_with_its_id_is_the_same_message(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product).open()
    first = chat.say("مرحبا", id="m-1")
    assert first["ok"] and first["number"] == 1
    for _ in range(3):
        assert chat.say("مرحبا", id="m-1") == first
    assert chat.say("another text", id="m-1") == first
    chat.close()
    chat.open()
    assert chat.say("مرحبا", id="m-1") == first
    chat.wait_for(lambda: chat.marks.get("seen") == 1)
    assert typed(log_of(product, chat)) == ["مرحبا"]
    assert len(responses(log_of(product, chat))) == 1


def test_the_same_message_from_two_tabs_at_once_is_one_message(product: Server, chats: Callable[..., Chat]) -> None:
    one = chats(product).open()
    other = chats(product, session=one.session).open()
    waits = [chat.later("user_uttered", {"message": "مرحبا", "id": "m-1"}) for chat in (one, other) for _ in range(5)]
    answers = [wait() for wait in waits]
    assert all(answer == answers[0] and answer["ok"] for answer in answers)
    one.wait_for(lambda: one.marks.get("seen") == 1)
    assert typed(log_of(product, one)) == ["مرحبا"] and len(responses(log_of(product, one))) == 1


def test_messages_sent_without_waiting_keep_their_order(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product).open()
    waits = [chat.later("user_uttered", {"message": f"hello {n}", "id": f"m-{n}"}) for n in range(12)]
    answers = [wait() for wait in waits]
    assert [answer["ok"] for answer in answers] == [True] * 12
    assert typed(log_of(product, chat)) == [f"hello {n}" for n in range(12)]
    chat.wait_for(lambda: chat.marks.get("seen", 0) >= answers[-1]["number"])
    assert_whole(product, chat)


def test_the_answer_to_a_message_says_number_id_and_time_as_they_are_stored(
    product: Server, chats: Callable[..., Chat]
) -> None:
    chat = chats(product).open()
    answer = chat.say("مرحبا", id="m-1")
    stored = log_of(product, chat)[0]
    assert answer == {"ok": True, "number": stored.number, "id": stored.id, "at": stored.at.isoformat()}
    heard = chat.wait_for(lambda: chat.messages.get(1))
    assert (heard["client_id"], heard["author"], heard["at"]) == ("m-1", "customer", answer["at"])


# -- several tabs ------------------------------------------------------------------------------------------------------


def test_two_tabs_are_in_step_whichever_of_them_speaks(product: Server, chats: Callable[..., Chat]) -> None:
    one = chats(product).open()
    other = chats(product, session=one.session, transports=["polling"]).open()
    one.ask("مرحبا")
    other.ask("كم مدة التوصيل؟")
    one.ask("شكرا")
    last = len(log_of(product, one))
    for chat in (one, other):
        chat.wait_for(lambda chat=chat: len(chat.messages) == last)  # type: ignore[misc]
        assert_whole(product, chat)
    assert one.log() == other.log()


def test_what_one_tab_has_read_every_tab_has_read_and_the_mark_never_goes_back(
    product: Server, chats: Callable[..., Chat]
) -> None:
    one = chats(product).open()
    other = chats(product, session=one.session).open()
    one.ask("مرحبا")
    assert one.call("read", {"number": 2}) == {"ok": True}
    other.wait_for(lambda: other.marks.get("read") == 2)
    for number in (1, 0, 99, 2**31 - 1):
        assert other.call("read", {"number": number}) == {"ok": True}
    third = chats(product, session=one.session).open()
    assert third.marks["read"] == 2
    assert all(a["read"] <= b["read"] for a, b in zip(one.of("marks"), one.of("marks")[1:], strict=False))


def test_marks_go_forward_from_sent_to_seen(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product).open()
    chat.ask("مرحبا")
    chat.ask("شكرا")
    marks = chat.of("marks")
    for name in ("delivered", "seen", "read"):
        assert [m[name] for m in marks] == sorted(m[name] for m in marks), name
    assert marks[-1]["delivered"] >= marks[-1]["seen"] == 3


# -- catching up -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_talk(product: Server) -> Iterator[Chat]:
    """A conversation of more than a hundred messages, most of them written into the database."""
    with Chat(product.url) as chat:
        chat.open()
        chat.ask("مرحبا")
        with product.database().write() as c:
            row = t.conversations.c.address == visitor(chat)
            conversation = c.execute(sa.select(t.conversations).where(row)).one()
            c.execute(
                t.messages.insert(),
                [
                    {
                        "id": str(uuid.uuid4()), "conversation_id": conversation.id, "number": number, "author": "bot",
                        "text": f"line {number}", "meta": {}, "at": utc_now(),
                    }
                    for number in range(conversation.last_number + 1, 261)
                ],
            )  # fmt: skip
            c.execute(t.conversations.update().where(row).values(last_number=260, active_at=utc_now()))
        yield chat


def test_what_another_process_wrote_comes_by_itself(product: Server, long_talk: Chat) -> None:
    long_talk.wait_for(lambda: 260 in long_talk.messages)
    assert long_talk.log() == lines(log_of(product, long_talk))


@pytest.mark.parametrize("after", [1, 2, 49, 50, 100, 159, 160, 161, 210, 259, 260])
def test_from_every_point_the_rest_is_caught_up_and_equals_the_log(
    product: Server, long_talk: Chat, chats: Callable[..., Chat], after: int
) -> None:
    chat = chats(product, session=long_talk.session).connect()
    answer = chat.request_session(after=after)
    assert (answer["ok"], answer["reset"], answer["last"]) == (True, False, 260)
    assert [message["number"] for message in answer["messages"]] == list(range(after + 1, min(260, after + 100) + 1))
    assert answer["more"] is (after + 100 < 260)
    while answer["more"]:
        answer = chat.call("history", {"after": max(chat.messages)})
        chat.messages.update({message["number"]: message for message in answer["messages"]})
    assert chat.log() == lines(log_of(product, long_talk))[after:]


def test_without_a_point_the_newest_fifty_come_and_pages_lead_back_to_the_first(
    product: Server, long_talk: Chat, chats: Callable[..., Chat]
) -> None:
    chat = chats(product, session=long_talk.session).connect()
    answer = chat.request_session()
    assert [message["number"] for message in answer["messages"]] == list(range(211, 261)) and answer["more"] is True
    pages = 0
    while answer["more"]:
        answer = chat.call("history", {"before": min(chat.messages)})
        assert answer["ok"] and len(answer["messages"]) <= 50
        chat.messages.update({message["number"]: message for message in answer["messages"]})
        pages += 1
    assert pages == 5
    assert chat.log() == lines(log_of(product, long_talk))
    assert chat.call("history", {"before": 1}) == {"ok": True, "messages": [], "more": False}
    assert chat.call("history", {"after": 260}) == {"ok": True, "messages": [], "more": False}


def test_a_point_that_no_message_has_tells_the_client_to_start_anew(
    product: Server, long_talk: Chat, chats: Callable[..., Chat]
) -> None:
    chat = chats(product, session=long_talk.session).connect()
    answer = chat.request_session(after=261)
    assert answer["reset"] is True and [message["number"] for message in answer["messages"]] == list(range(211, 261))
    fresh = chats(product).connect().request_session(after=1)
    assert fresh["reset"] is True and fresh["messages"] == []


def test_what_was_said_while_away_is_there_on_coming_back(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product).open()
    number = chat.ask("مرحبا")[-1]["number"]
    chat.close()
    other = chats(product, session=chat.session).open()
    other.ask("كم مدة التوصيل؟")
    last = len(log_of(product, chat))
    answer = chat.connect().request_session(after=number)
    assert [message["number"] for message in answer["messages"]] == list(range(number + 1, last + 1))
    assert chat.log() == lines(log_of(product, chat))


# -- end and rating ----------------------------------------------------------------------------------------------------


def test_the_customer_ends_and_rates_once(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product).open()
    early = chat.call("rate", {"score": 5, "id": "r-0"})
    assert (early["ok"], early["code"]) == (False, "invalid"), "nothing was said yet"
    chat.ask("مرحبا")
    ended = chat.call("end", {"id": "e-1"})
    assert ended["ok"]
    assert chat.call("end", {"id": "e-1"}) == ended
    chat.wait_for(lambda: chat.marks["seen"] >= ended["number"])
    assert chat.messages[ended["number"]]["author"] == "customer"
    for _ in range(2):
        assert chat.call("rate", {"score": 4, "comment": "  شكرا 4111 1111 1111 1111\x00 ", "id": "r-1"}) == {
            "ok": True
        }
    assert chat.call("rate", {"score": 1, "id": "r-1"}) == {"ok": True}
    conversation = log_of(product, chat)[0].conversation
    with product.database().read() as c:
        found = c.execute(sa.select(t.ratings).where(t.ratings.c.conversation_id == conversation)).all()
    assert [(row.key, row.score, row.comment) for row in found] == [("r-1", 4, "شكرا ••••1111")]
    assert_whole(product, chat)


# -- clients of Rasa's protocol ----------------------------------------------------------------------------------------


def test_a_rasa_widget_gets_its_session_as_a_bare_string_and_replies_in_rasas_shape(
    product: Server, chats: Callable[..., Chat]
) -> None:
    chat = chats(product, protocol=0).connect()
    chat.emit("session_request", {"session_id": None})
    token = chat.wait_for(lambda: chat.of("session_confirm"))[0]
    assert isinstance(token, str)
    chat.emit(
        "user_uttered", {"message": "وين طلبي", "session_id": token, "customData": {"language": "ar"}, "metadata": {}}
    )
    reply = chat.wait_for(lambda: chat.of("bot_uttered"))[0]
    assert reply["text"]
    assert all(set(b) == {"content_type", "title", "payload"} for b in reply["quick_replies"])
    chat.emit("user_uttered", {"message": reply["quick_replies"][0]["payload"], "session_id": token})
    chat.wait_for(lambda: len(chat.of("bot_uttered")) >= 2)
    assert typed(log_of(product, chat)) == ["وين طلبي", reply["quick_replies"][0]["title"]]
    assert not chat.of("customer_uttered") and not chat.of("marks") and not chat.of("typing")


def test_a_rasa_widget_may_speak_before_it_has_a_session(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product, protocol=0).connect()
    chat.emit("user_uttered", {"message": "مرحبا"})
    assert chat.wait_for(chat.said)
    assert isinstance(chat.session, str), "it was given one"
    chat.emit("user_uttered", {"message": "شكرا"})
    chat.wait_for(lambda: len(chat.said()) >= 2)
    assert typed(log_of(product, chat)) == ["مرحبا", "شكرا"]


def test_a_rasa_widget_gets_what_it_missed_exactly_once(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product, protocol=0).connect()
    chat.emit("session_request", {})
    chat.wait_for(lambda: chat.session)
    chat.emit("user_uttered", {"message": "مرحبا", "session_id": chat.session})
    chat.wait_for(chat.said)
    # It says something and is gone before the answer: the message is written as another process would.
    chat.close()
    inbox = Inbox(SqlTurnStore(product.database()), utc_now, 50, LiveEvents())
    inbox.receive(Inbound("webchat", visitor(chat), "كم مدة التوصيل؟", "missed"))
    until(lambda: len(responses(log_of(product, chat))) == 2)
    replies = [message.text for message in log_of(product, chat) if message.author is Author.BOT]
    before = len(chat.events)
    chat.connect()
    chat.emit("session_request", {"session_id": chat.session})
    chat.wait_for(lambda: len(chat.said()) >= 2)
    until(lambda: uncollected(product, chat) == 0)
    for _ in range(2):
        chat.close()
        chat.connect()
        confirmed = len(chat.of("session_confirm"))
        chat.emit("session_request", {"session_id": chat.session})
        chat.wait_for(lambda confirmed=confirmed: len(chat.of("session_confirm")) > confirmed)  # type: ignore[misc]
        chat.emit("user_uttered", {"message": "شكرا", "session_id": chat.session})
        told = len(chat.said())
        chat.wait_for(lambda told=told: len(chat.said()) > told)  # type: ignore[misc]
    assert chat.said()[:2] == replies
    assert [name for name, _ in chat.events[before:]].count("bot_uttered") == 3, "one missed, two answers"


def test_a_rasa_widget_that_floods_is_told_in_words(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product, protocol=0).connect()
    chat.emit("session_request", {})
    chat.wait_for(lambda: chat.session)
    for number in range(25):
        chat.emit("user_uttered", {"message": f"hello {number}", "session_id": chat.session})
    chat.wait_for(lambda: [data for data in chat.of("bot_uttered") if "number" not in data])
    assert len(typed(log_of(product, chat))) <= 21


def test_a_rasa_widget_with_a_dead_session_is_told_in_words(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product, protocol=0).connect()
    chat.emit("user_uttered", {"message": "hello", "session_id": "long gone"})
    told = chat.wait_for(lambda: chat.of("bot_uttered"))
    assert "number" not in told[0] and told[0]["text"]


# -- sessions ----------------------------------------------------------------------------------------------------------


def our_keys(server: Server) -> list[bytes]:
    return [line.encode() for line in (server.home / "secret_keys").read_text().split()]


def test_a_foreign_forged_or_expired_session_is_refused_and_the_victim_hears_nothing(
    product: Server, chats: Callable[..., Chat]
) -> None:
    victim = chats(product).open()
    victim.ask("secret of the victim")
    name, heard = visitor(victim), len(victim.events)
    body = {"sub": name, "aud": "thiqa.webchat", "iat": utc_now(), "exp": utc_now() + LIFE}
    head, claims, signature = (victim.session or "").split(".")
    tokens = {
        "foreign": Sessions([b"another server's key"], utc_now).issue(name),
        "expired": Sessions(our_keys(product), lambda: utc_now() - LIFE - timedelta(days=1)).issue(name),
        "unsigned": jwt.encode(body, None, algorithm="none"),
        "bare key": jwt.encode(body, our_keys(product)[0], algorithm="HS256"),
        "cut": f"{head}.{claims}.{signature[:-4]}",
        "name": name,
        "empty": "",
        "long": "e" * 5000,
    }
    for kind, token in tokens.items():
        thief = chats(product, session=token).connect()
        answer = thief.request_session()
        assert answer["ok"] and answer["visitor"] != name and answer["messages"] == [] and answer["last"] == 0, kind
        assert answer["refused"] == {"expired": "expired", "empty": None}.get(kind, "invalid"), kind
        if token:
            spoken = thief.call("user_uttered", {"message": "hello", "id": "x", "session_id": token})
            assert spoken == {"ok": False, "code": "session"}, kind
        assert thief.ask("from the thief"), kind
    assert typed(log_of(product, victim)) == ["secret of the victim"]
    time.sleep(1.2)  # the server looks for news once a second
    assert len(victim.events) == heard, victim.events[heard:]


def test_an_old_session_is_renewed_silently(product: Server, chats: Callable[..., Chat]) -> None:
    old = Sessions(our_keys(product), lambda: utc_now() - timedelta(days=30)).issue("visitor-of-last-month")
    chat = chats(product, session=old).connect()
    answer = chat.request_session()
    assert answer["refused"] is None and answer["visitor"] == "visitor-of-last-month" and answer["session"] != old
    spoken = chat.say("مرحبا", session_id=old)
    assert spoken["ok"] and spoken["session"] != old
    again = chats(product, session=spoken["session"]).connect().request_session()
    assert again["visitor"] == "visitor-of-last-month" and again["session"] == spoken["session"]


@pytest.mark.parametrize("event", ["history", "read", "typing", "identify", "end", "rate"])
def test_without_a_session_only_speaking_works(product: Server, chats: Callable[..., Chat], event: str) -> None:
    data = {"number": 1, "on": True, "token": "x", "id": "x", "score": 5}
    assert chats(product).connect().call(event, data) == {"ok": False, "code": "session"}


def test_sign_out_gives_a_new_and_empty_session(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product).open()
    chat.ask("مرحبا")
    other = chats(product, session=chat.session).open()
    before = visitor(chat)
    answer = chat.sign_out()
    assert answer["ok"] and answer["visitor"] != before and answer["messages"] == [] and answer["last"] == 0
    assert other.wait_for(lambda: other.of("session_changed")) == [{}]
    chat.messages.clear()
    chat.ask("hello")
    assert typed(log_of(product, chat)) == ["hello"] and typed(log_at(product, before)) == ["مرحبا"]


# -- identity ----------------------------------------------------------------------------------------------------------


def test_a_customer_whom_the_shop_signed_in_is_told_of_their_orders_and_of_no_others(
    shop: Server, chats: Callable[..., Chat]
) -> None:
    chat = chats(shop).open()
    chat.ask("مرحبا")
    answer = chat.identify(identity_token(SECRET, CustomerId("c2"), utc_now()))
    assert answer["ok"] and answer["identified"] is True
    assert [message["text"] for message in answer["messages"]] == [m.text for m in log_at(shop, answer["visitor"])]
    chat.ask("وين طلبي 1004")
    names = responses(log_of(shop, chat))
    assert "utter_ask_proof" not in names and told_of_order(names), names
    chat.ask("وين طلبي 1001")
    assert not told_of_order(responses(log_of(shop, chat))[len(names) :]), "another customer's order"
    fresh = chats(shop).open()
    assert fresh.identify(identity_token(SECRET, CustomerId("c6"), utc_now()))["ok"]
    fresh.ask("وين طلبي")
    assert not {"utter_ask_proof", "utter_ask_order_number"} & set(responses(log_of(shop, fresh)))


def test_a_second_device_sees_the_history_and_both_are_in_step(shop: Server, chats: Callable[..., Chat]) -> None:
    token = identity_token(SECRET, CustomerId("c3"), utc_now())
    phone, tablet = chats(shop).open(), chats(shop).open()
    second_tab = chats(shop, session=tablet.session).open()
    phone.ask("كلام من الجوال")
    assert phone.identify(token)["ok"]
    tablet.ask("كلام من الجهاز")
    tablet.messages.clear()
    answer = tablet.identify(token)
    assert answer["ok"] and visitor(tablet) == visitor(phone)
    log = log_of(shop, phone)
    assert typed(log) == ["كلام من الجوال", "كلام من الجهاز"]
    assert [message["number"] for message in answer["messages"]] == list(range(1, len(log) + 1))
    for chat in (phone, second_tab):
        assert chat.wait_for(lambda chat=chat: chat.of("session_changed")) == [{}]  # type: ignore[misc]
    second_tab.session = tablet.session
    second_tab.messages.clear()
    assert second_tab.request_session()["visitor"] == visitor(phone)
    phone.wait_for(lambda: len(phone.messages) == len(log), "the phone does not hear what the tablet brought")
    tablet.ask("شكرا")
    last = len(log_of(shop, phone))
    for chat in (phone, tablet, second_tab):
        chat.wait_for(lambda chat=chat: len(chat.messages) == last)  # type: ignore[misc]
        assert chat.log() == lines(log_of(shop, phone))


def test_after_signing_out_nothing_of_the_customer_is_left(shop: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(shop).open()
    chat.ask("مرحبا")
    assert chat.identify(identity_token(SECRET, CustomerId("c4"), utc_now()))["ok"]
    of_customer = visitor(chat)
    answer = chat.sign_out()
    assert (answer["identified"], answer["messages"], answer["last"]) == (False, [], 0)
    chat.messages.clear()
    chat.ask("وين طلبي 1008")
    assert responses(log_of(shop, chat)) == ["utter_ask_proof"]
    assert typed(log_at(shop, of_customer)) == ["مرحبا"]


def test_another_customer_on_the_same_device_sees_nothing_of_the_first(
    shop: Server, chats: Callable[..., Chat]
) -> None:
    chat = chats(shop).open()
    chat.ask("سر العميل الأول")
    assert chat.identify(identity_token(SECRET, CustomerId("c5"), utc_now()))["ok"]
    first = visitor(chat)
    answer = chat.identify(identity_token(SECRET, CustomerId("c7"), utc_now()))
    assert answer["ok"] and answer["visitor"] != first
    assert all("سر العميل" not in message["text"] for message in answer["messages"])
    assert "سر العميل الأول" in typed(log_at(shop, first))


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: identity_token("another secret, as long as the real one", CustomerId("c2"), utc_now()), "identity_invalid"),
        (lambda: identity_token(SECRET, CustomerId("c2"), utc_now() - timedelta(days=1)), "identity_expired"),
        (lambda: identity_token(SECRET, CustomerId("c2"), utc_now(), timedelta(days=30)), "identity_invalid"),
        (lambda: "x", "identity_invalid"),
        (lambda: "", "identity_invalid"),
    ],
    ids=["forged", "expired", "for a month", "garbage", "empty"],
)  # fmt: skip
def test_what_the_shop_did_not_sign_for_now_identifies_nobody(
    shop: Server, chats: Callable[..., Chat], token: Callable[[], str], code: str
) -> None:
    chat = chats(shop).open()
    assert chat.identify(token()) == {"ok": False, "code": code}
    chat.ask("وين طلبي 1004")
    assert responses(log_of(shop, chat)) == ["utter_ask_proof"]


@pytest.mark.parametrize("round_", range(5))
def test_messages_on_their_way_while_the_shop_signs_in_are_in_the_joined_conversation(
    shop: Server, chats: Callable[..., Chat], round_: int
) -> None:
    """The widget opens on a page of the signed-in shop: its queue and `identify` leave together."""
    token = identity_token(SECRET, CustomerId(f"queue-{round_}"), utc_now())
    phone = chats(shop).open()
    phone.ask("مرحبا")
    assert phone.identify(token)["ok"]
    tablet = chats(shop).open()
    assert tablet.say("first", id="first")["ok"]
    waits = [tablet.later("user_uttered", {"message": f"hello {n}", "id": f"m-{n}"}) for n in range(3)]
    joined = tablet.later("identify", {"token": token})
    waits += [tablet.later("user_uttered", {"message": f"hello {n}", "id": f"m-{n}"}) for n in range(3, 6)]
    assert all(wait()["ok"] for wait in waits) and joined()["ok"]
    said = typed(log_of(shop, phone))
    assert sorted(said) == sorted(["مرحبا", "first", *[f"hello {n}" for n in range(6)]]), "acknowledged, and not there"


# -- images ------------------------------------------------------------------------------------------------------------


def picture(form: str = "JPEG", size: tuple[int, int] = (60, 40)) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", size, (200, 30, 30)).save(file, form)
    return file.getvalue()


def upload(server: Server, session: str | None, content: Any, **headers: str) -> requests.Response:
    if session is not None:
        headers["Authorization"] = f"Bearer {session}"
    return requests.post(f"{server.url}/webchat/images", data=content, headers=headers, timeout=60)


def download(server: Server, session: str | None, file: str) -> requests.Response:
    headers = {} if session is None else {"Authorization": f"Bearer {session}"}
    return requests.get(f"{server.url}/webchat/images/{file}", headers=headers, timeout=30)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_uploaded_sent_shown_and_the_visitors_alone(
    product: Server, chats: Callable[..., Chat], form: str
) -> None:
    chat, other, stranger = chats(product).open(), chats(product), chats(product).open()
    other.session = chat.session
    other.open()
    uploaded = upload(product, chat.session, picture(form))
    assert uploaded.status_code == 201, uploaded.text
    file = uploaded.json()
    assert (file["width"], file["height"]) == (60, 40)
    sent = chat.say("شوفي المنتج", image=file["id"])
    assert sent["ok"]
    for tab in (chat, other):
        shown = tab.wait_for(lambda tab=tab: tab.messages.get(sent["number"]))  # type: ignore[misc]
        assert shown["image"] == file and shown["text"] == "شوفي المنتج"
    chat.wait_for(lambda: chat.marks.get("seen") == sent["number"])
    seen = download(product, chat.session, file["id"])
    assert seen.status_code == 200 and seen.headers["Content-Type"] == f"image/{form.lower()}"
    assert seen.headers["X-Content-Type-Options"] == "nosniff"
    assert seen.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert seen.headers["Cache-Control"].startswith("private")
    assert Pillow.open(io.BytesIO(seen.content)).size == (60, 40)
    assert download(product, stranger.session, file["id"]).status_code == 404
    nobody = download(product, None, file["id"])
    assert nobody.status_code == 401 and nobody.headers["WWW-Authenticate"] == "Bearer"
    assert download(product, "x" + (chat.session or ""), file["id"]).status_code == 401
    in_url = requests.get(f"{product.url}/webchat/images/{file['id']}?token={chat.session}", timeout=30)
    assert in_url.status_code == 401, "a token in a URL is none"


def test_an_image_is_sent_once_and_only_by_its_visitor(product: Server, chats: Callable[..., Chat]) -> None:
    chat, thief = chats(product).open(), chats(product).open()
    file = upload(product, chat.session, picture()).json()["id"]
    assert thief.say("", image=file) == {"ok": False, "code": "image"}
    first = chat.say("", id="m-1", image=file)
    assert first["ok"]
    assert chat.say("", id="m-1", image=file) == first, "the same message sent again"
    assert chat.say("again", image=file) == {"ok": False, "code": "image"}
    assert chat.say("", image=str(uuid.uuid4())) == {"ok": False, "code": "image"}
    assert len(typed(log_of(product, chat))) == 1 and log_of(product, thief) == []
    chat.wait_for(lambda: chat.marks.get("seen") == 1)
    assert responses(log_of(product, chat)), "an image alone is answered"


def test_an_upload_without_a_session_is_refused(product: Server) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
        response = requests.post(f"{product.url}/webchat/images", data=picture(), headers=headers, timeout=30)
        assert (response.status_code, response.json()["error"]) == (401, "session")


def test_many_uploads_in_a_short_time_are_told_to_wait(product: Server, chats: Callable[..., Chat]) -> None:
    chat = chats(product).open()
    answers = [upload(product, chat.session, picture()) for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.status_code for answer in answers[:10]] == [201] * 10 and refused
    assert refused[0].json()["error"] == "rate" and 1 <= int(refused[0].headers["Retry-After"]) <= 10


# -- too much ----------------------------------------------------------------------------------------------------------


def test_a_flood_is_told_to_wait_and_after_waiting_goes_on_with_the_same_id(
    product: Server, chats: Callable[..., Chat]
) -> None:
    chat = chats(product).open()
    answers = [chat.say(f"hello {n}", id=f"m-{n}") for n in range(25)]
    refused = [n for n, answer in enumerate(answers) if not answer["ok"]]
    assert refused and refused[0] >= 20, "twenty at once are nobody's flood"
    first = answers[refused[0]]
    assert first["code"] == "rate" and 1 <= first["retry_after"] <= 5
    assert len(typed(log_of(product, chat))) == 25 - len(refused), "what is refused is not stored"
    time.sleep(first["retry_after"])
    again = chat.say(f"hello {refused[0]}", id=f"m-{refused[0]}")
    assert again["ok"] and typed(log_of(product, chat))[-1] == f"hello {refused[0]}"
    calm = chats(product).open()
    assert calm.ask("مرحبا"), "others are not held up"


# -- kills and processes -----------------------------------------------------------------------------------------------


def test_killed_between_message_and_reply_each_reply_comes_once_after_coming_back(
    serve: Callable[..., Server], chats: Callable[..., Chat]
) -> None:
    server = serve(THIQA_WORKERS="1")
    chat = chats(server).open()
    sent = []
    for round_ in range(2):
        waits = [
            chat.later("user_uttered", {"message": f"hello {round_} {n}", "id": f"m-{round_}-{n}"}) for n in range(6)
        ]
        sent += [wait()["number"] for wait in waits]
        server.kill()
        chat.disconnected.wait(30)
        before = log_of(server, chat)
        assert len(responses(before)) < len(typed(before)), "it was killed too late to prove anything"
        server.start()
        chat.connect()
        known = max(chat.messages, default=0)
        answer = chat.request_session(after=known)
        assert answer["refused"] is None and answer["reset"] is False, "the same token, the same conversation"
        assert chat.say("changed", id=f"m-{round_}-0")["number"] == sent[-6], "a message sent again is the same one"
        last = sent[-1]
        chat.wait_for(lambda last=last: chat.marks.get("seen", 0) >= last, timeout=60)  # type: ignore[misc]
    log = log_of(server, chat)
    assert typed(log) == [f"hello {round_} {n}" for round_ in range(2) for n in range(6)]
    answered = [message.reply_to for message in log if message.author is Author.BOT]
    assert len(answered) == len(set(answered)) == 12
    assert chat.log() == lines(log)
    came = [data["number"] for name, data in chat.events if name == "bot_uttered"]
    assert len(came) == len(set(came)), "a reply came twice"
    until(lambda: uncollected(server, chat) == 0)


@pytest.mark.parametrize("transports", TRANSPORTS[:2], ids=NAMES[:2])
def test_a_stop_is_quick_while_chats_are_open_and_says_goodbye(
    serve: Callable[..., Server], chats: Callable[..., Chat], transports: list[str]
) -> None:
    server = serve()
    chat = chats(server, transports=transports).open()
    chat.ask("مرحبا")
    started = time.monotonic()
    assert server.stop() in (0, -signal.SIGTERM)
    assert time.monotonic() - started < 8, "a request that waits for news held up the stop"
    assert chat.disconnected.wait(30)


def test_with_a_shop_and_without_a_secret_identify_is_off(
    serve: Callable[..., Server], chats: Callable[..., Chat]
) -> None:
    chat = chats(serve(THIQA_SHOP_URL="http://127.0.0.1:9")).open()
    for secret in (SECRET, " "):
        answer = chat.identify(identity_token(secret, CustomerId("c2"), utc_now()))
        assert answer == {"ok": False, "code": "identity_off"}


def test_two_processes_on_one_database_show_the_same_conversation(
    serve: Callable[..., Server], chats: Callable[..., Chat], tmp_path: Path
) -> None:
    with empty_url("postgresql", tmp_path) as url:
        both = {"THIQA_DATABASE_URL": url, "THIQA_SECRET_KEYS": "k" * 40, "THIQA_IDENTITY_SECRET": SECRET}
        first, second = serve(**both), serve(**both)
        try:
            here = chats(first).open()
            there = chats(second, session=here.session).open()
            rasa = chats(second, session=here.session, protocol=0).connect()
            rasa.emit("session_request", {"session_id": here.session})
            for number in range(4):
                (here if number % 2 else there).ask(f"hello {number}")
            last = len(log_of(first, here))
            for chat in (here, there):
                chat.wait_for(lambda chat=chat: len(chat.messages) == last)  # type: ignore[misc]
                assert_whole(first, chat)
            rasa.wait_for(lambda: len(rasa.said()) == last - 4)
            assert rasa.said() == [text for _, author, text in here.log() if author == "bot"]
            # Read here, signed in here: known there.
            here.call("read", {"number": last})
            there.wait_for(lambda: there.marks.get("read") == last)
            assert there.identify(identity_token(SECRET, CustomerId("c2"), utc_now()))["ok"]
            here.ask("وين طلبي 1004")
            assert "utter_ask_proof" not in responses(log_of(first, here))
        finally:
            for server in (first, second):
                server.close()


# -- websites ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transports", TRANSPORTS[:2], ids=NAMES[:2])
@pytest.mark.parametrize("origin", [None, SHOP, "https://www.shop.example", "own"])
def test_the_shops_pages_and_our_own_may_open_a_chat(
    shop: Server, chats: Callable[..., Chat], transports: list[str], origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": shop.url if origin == "own" else origin}
    assert chats(shop, transports=transports, headers=headers).open().ask("مرحبا")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://shop.example", "https://shop.example.evil.example", "http://["]
)
def test_other_websites_may_not_open_a_chat(shop: Server, chats: Callable[..., Chat], origin: str) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        chats(shop, transports=["websocket"], headers={"Origin": origin}).connect()
    response = requests.get(f"{shop.url}/socket.io/?EIO=4&transport=polling", headers={"Origin": origin}, timeout=30)
    assert response.status_code in (400, 403), "refused, and no failure of ours"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_browsers_are_told_that_the_shops_pages_may_upload_and_others_may_not(shop: Server) -> None:
    def preflight(origin: str, path: str = "/webchat/images", method: str = "POST") -> requests.Response:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        return requests.options(shop.url + path, headers=headers, timeout=30)

    allowed = preflight(SHOP)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert preflight(SHOP, "/webchat/images/x", "GET").headers["Access-Control-Allow-Origin"] == SHOP
    for origin in ("https://evil.example", "null"):
        assert "Access-Control-Allow-Origin" not in preflight(origin).headers
    refused = requests.post(f"{shop.url}/webchat/images", headers={"Origin": SHOP}, timeout=30)
    assert refused.status_code == 401 and refused.headers["Access-Control-Allow-Origin"] == SHOP


def test_polling_from_the_shops_page_is_answered_with_one_header_for_it(shop: Server) -> None:
    response = requests.get(f"{shop.url}/socket.io/?EIO=4&transport=polling", headers={"Origin": SHOP}, timeout=30)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == SHOP
    assert json.loads(response.text[1:])["maxPayload"] == 100_000


# -- after all that ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["product", "shop"])
def test_nothing_has_failed_and_no_log_holds_a_session_or_words(request: pytest.FixtureRequest, name: str) -> None:
    """Runs last in this file."""
    server: Server = request.getfixturevalue(name)
    assert server.is_ready()
    log = server.log()
    # Who asked for a person here is noticed by nobody, and that is said as an error, rightly.
    lines = [line for line in log.splitlines() if '"handoff.unnoticed"' not in line]
    assert [line for line in lines if '"level": "error"' in line or "Traceback" in line] == []
    for word in ("eyJ", "secret of the victim", "كم مدة التوصيل", "Bearer", "session_id", "transport=", "sid="):
        assert word not in log, word
