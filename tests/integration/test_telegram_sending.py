"""What leaves for Telegram: in order, within its limits, once, and whatever Telegram answers."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.bootstrap import utc_now
from bot.connectors.telegram.pacing import Limits
from bot.conversations.model import Button, Reply
from bot.files.model import Image
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.files import SqlFiles
from tests.databases import KINDS, migrated
from tests.telegram.rules import units
from tests.telegram.server import Customer, TelegramServer, telegram
from tests.telegram.world import World, world

BOTH = pytest.mark.parametrize("database", KINDS, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """SQLite, unless a test asks for both kinds: it does where what is stored matters."""
    with migrated(getattr(request, "param", "sqlite"), tmp_path) as database:
        yield database


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with telegram(strict_pace=False) as server:
        yield server


@pytest.fixture
def here(database: Database, server: TelegramServer, tmp_path: Path) -> Iterator[World]:
    with world(database, server, tmp_path / "home") as made:
        yield made


@pytest.fixture
def customer(server: TelegramServer) -> Customer:
    return Customer(server, 5001)


@BOTH
def test_a_long_answer_comes_in_parts_whole_and_in_order(here: World, customer: Customer) -> None:
    paragraphs = [f"فقرة {n}: " + "كلمة 😀 " * 200 for n in range(6)]
    here.assistant.answer = lambda turn: [Reply("\n\n".join(paragraphs), [Button("", "نعم", "/affirm")]), Reply("آخر")]
    customer.says("طويل")
    here.quiet()
    texts = customer.hears(1)
    assert texts[-1] == "آخر" and len(texts) >= 3
    assert all(units(text) <= 4096 for text in texts)
    assert "".join("".join(texts[:-1]).split()) == "".join("".join(paragraphs).split())
    markups = ["reply_markup" in message for message in customer.heard]
    assert markups == [False] * (len(texts) - 2) + [True, False], "the buttons stand below the last part"


def test_a_part_that_was_sent_is_not_sent_again(here: World, customer: Customer, server: TelegramServer) -> None:
    here.assistant.answer = lambda turn: [Reply("أ" * 4000 + "\n\n" + "ب" * 4000)]
    customer.says("طويل")
    customer.hears(1)
    server.fails("sendMessage", "status", status=502)
    here.quiet()
    assert [text[0] for text in customer.hears()] == ["أ", "ب"]


@pytest.mark.parametrize(
    "said",
    ["<b>a & b</b>", "*a* _b_ [c](d)", "`x` \\ ~y~ || z", "a\u0000b".replace("\u0000", ""), "🙂" * 10, "/start @x #y"],
)
def test_any_text_arrives_as_it_is(here: World, customer: Customer, said: str) -> None:
    here.assistant.answer = lambda turn: [Reply(said)]
    customer.says("x")
    assert customer.hears() == [said]


def test_buttons_have_short_ids_and_readable_titles(here: World, customer: Customer) -> None:
    many = [Button("", title, "/affirm") for title in ("نعم", "لا", "ع" * 200, "سطر\nوآخر", " ")]
    here.assistant.answer = lambda turn: [Reply("اختر", many)]
    customer.says("x")
    customer.hears()
    rows = customer.heard[0]["reply_markup"]["inline_keyboard"]
    assert [len(row) for row in rows][0] == 2, "short titles stand side by side"
    assert all(len(button["callback_data"].encode()) <= 64 for row in rows for button in row)
    assert customer.titles()[3:] == ["سطر وآخر", "…"]


def test_a_pause_that_telegram_asks_for_is_kept(here: World, customer: Customer, server: TelegramServer) -> None:
    server.floods("sendMessage", seconds=3)
    customer.says("مرحبا")
    customer.hears()
    first, second = (call.at for call in server.called("sendMessage"))
    assert second - first >= 3.0
    assert len(customer.heard) == 1


@BOTH
def test_what_comes_in_meanwhile_stays_in_order(here: World, customer: Customer, server: TelegramServer) -> None:
    server.floods("sendMessage", seconds=2)
    for number in range(5):
        customer.says(str(number))
    assert customer.hears(5) == [f"re: {number}" for number in range(5)]


def test_one_slow_chat_keeps_no_other_waiting(here: World, server: TelegramServer) -> None:
    slow, quick = Customer(server, 5001), Customer(server, 5002)
    server.fails("sendMessage", "slow", seconds=6.0)
    slow.says("بطيء")
    server.until(lambda: server.called("sendMessage"))
    began = time.monotonic()
    quick.says("سريع")
    quick.hears()
    assert time.monotonic() - began < 5
    slow.hears()


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "status", "status": 500, "description": "Internal Server Error"},
        {"kind": "status", "status": 502, "description": "Bad Gateway"},
        {"kind": "drop"},
    ],
)
def test_what_did_not_arrive_is_sent_again_and_arrives_once(
    here: World, customer: Customer, server: TelegramServer, trouble: dict[str, object]
) -> None:
    server.fails("sendMessage", **trouble)
    customer.says("مرحبا")
    customer.says("وثانية")
    assert customer.hears(2) == ["re: مرحبا", "re: وثانية"]
    here.quiet()
    assert len(customer.heard) == 2


def test_a_slow_answer_is_waited_for(here: World, customer: Customer, server: TelegramServer) -> None:
    server.fails("sendMessage", "slow", seconds=6.0)
    customer.says("مرحبا")
    customer.hears()
    here.quiet()
    assert len(customer.heard) == 1


def test_a_message_whose_answer_was_lost_is_sent_again_and_logged(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    """Telegram has no key by which it could tell a repeat: a message that is there twice is better than a lost one."""
    server.fails("sendMessage", "drop_after")
    with capture_logs() as logs:
        customer.says("مرحبا")
        assert customer.hears(2) == ["re: مرحبا"] * 2
        here.quiet()
    assert "telegram.perhaps_twice" in [line["event"] for line in logs]


@BOTH
def test_who_has_blocked_the_bot_is_sent_nothing_more_and_is_unreachable(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    server.blocked.add(5001)
    customer.says("مرحبا")
    here.quiet()
    (row,) = here.rows(t.outbox)
    assert row.failed_at is not None and row.error == "403" and row.attempts == 1
    assert here.records.unreachable("700001:5001")


def test_a_chat_that_is_not_there_is_given_up(here: World, customer: Customer, server: TelegramServer) -> None:
    server.unknown_chats.add(5001)
    customer.says("مرحبا")
    here.quiet()
    (row,) = here.rows(t.outbox)
    assert row.failed_at is not None and "Chat not found" in row.error
    assert here.records.unreachable("700001:5001") and len(server.called("sendMessage")) == 1


@BOTH
def test_a_chat_with_a_new_id_is_followed(here: World, server: TelegramServer, database: Database) -> None:
    with database.write() as c:
        c.execute(
            t.outbox.insert().values(
                channel="telegram",
                address="700001:-42",
                body={"text": "إلى المجموعة"},
                attempts=0,
                next_at=utc_now(),
                created_at=utc_now(),
            )
        )
    server.moved[-42] = -100777
    server.until(lambda: server.texts(-100777) == ["إلى المجموعة"])
    here.quiet()
    assert here.rows(t.outbox)[0].address == "700001:-100777"


def test_a_keyboard_that_telegram_refuses_does_not_keep_the_words(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    here.assistant.answer = lambda turn: [Reply("الكلمات", [Button("", "نعم", "/affirm")])]
    server.fails("sendMessage", "status", status=400, description="Bad Request: BUTTON_DATA_INVALID")
    customer.says("x")
    assert customer.hears() == ["الكلمات"]
    assert "reply_markup" not in customer.heard[0]


@BOTH
def test_proof_is_asked_for_with_a_button_that_shares_the_phone(here: World, customer: Customer) -> None:
    asks = Reply("ما الرقم؟", [Button("", "التحدث مع موظف", "/ask_human")], response="utter_ask_proof")
    here.assistant.answer = lambda turn: [asks if turn.message.text == "طلبي" else Reply("شكرا")]
    customer.says("طلبي")
    customer.hears()
    markup = customer.heard[0]["markup_given"]
    assert markup["keyboard"][0][0]["request_contact"] is True and markup["keyboard"][1][0]["text"] == "التحدث مع موظف"
    customer.shares_contact("966501234567")
    customer.hears(2)
    assert customer.heard[1]["markup_given"] == {"remove_keyboard": True}
    customer.says("طلبي")
    customer.hears(3)
    assert "keyboard" not in customer.heard[2]["markup_given"], "the phone is known"


def test_typing_is_shown_while_a_turn_runs_and_not_for_quick_ones(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    customer.says("سريع")
    customer.hears()
    assert not server.called("sendChatAction")

    def slowly(turn: object) -> list[Reply]:
        time.sleep(1.0)
        return [Reply("تم")]

    here.assistant.answer = slowly
    customer.says("بطيء")
    customer.hears(2)
    (call,) = server.called("sendChatAction")
    assert call.given["action"] == "typing" and call.given["chat_id"] == "5001"


def test_no_chat_gets_more_than_a_message_a_second_and_all_no_more_than_thirty(
    database: Database, tmp_path: Path
) -> None:
    """The server counts, as Telegram does."""
    with telegram(strict_pace=True) as server, world(database, server, tmp_path / "home", limits=Limits()) as here:
        here.assistant.answer = lambda turn: [Reply("واحد"), Reply("اثنان")]
        customers = [Customer(server, 5001 + number) for number in range(20)]
        for customer in customers:
            customer.says("x")
        for customer in customers:
            assert customer.hears(2) == ["واحد", "اثنان"]
        here.quiet()


def test_a_dispatcher_that_was_killed_with_a_message_in_hand_says_that_it_may_come_twice(
    here: World, customer: Customer, database: Database
) -> None:
    row = {"body": {"text": "x"}, "attempts": 0, "next_at": utc_now(), "taken_at": utc_now(), "created_at": utc_now()}
    with capture_logs() as logs:
        with database.write() as c:
            c.execute(t.outbox.insert().values(channel="telegram", address="700001:5001", **row))
        customer.hears()
        here.quiet()
    assert "outbox.perhaps_again" in [line["event"] for line in logs]


def test_an_answer_to_a_bot_that_is_no_longer_set_up_waits(
    here: World, database: Database, server: TelegramServer
) -> None:
    with database.write() as c:
        c.execute(
            t.outbox.insert().values(
                channel="telegram",
                address="700009:5001",
                body={"text": "x"},
                attempts=0,
                next_at=utc_now(),
                created_at=utc_now(),
            )
        )
    server.until(lambda: here.rows(t.outbox)[0].attempts == 1)
    assert here.rows(t.outbox)[0].next_at - here.rows(t.outbox)[0].created_at > timedelta(minutes=4)


def put(database: Database, body: dict[str, object]) -> None:
    with database.write() as c:
        c.execute(
            t.outbox.insert().values(
                channel="telegram",
                address="700001:5001",
                body=body,
                attempts=0,
                next_at=utc_now(),
                created_at=utc_now(),
            )
        )


@BOTH
def test_images_and_documents_are_sent_with_their_words(
    here: World, customer: Customer, database: Database, server: TelegramServer
) -> None:
    image = Image(b"\xff\xd8pixels", "image/jpeg", 4, 3)
    file = SqlFiles(database).keep("telegram", "700001:5001", image, utc_now())
    strangers = SqlFiles(database).keep("telegram", "700001:6002", image, utc_now())
    put(database, {"text": "صورة القطعة", "image": file})
    put(database, {"text": "", "document": {"name": "فاتورة.pdf", "content": base64.b64encode(b"%PDF-1.4").decode()}})
    put(database, {"text": "ط" * 2000, "image": file})
    put(database, {"text": "x", "image": strangers})
    put(database, {"text": "x", "document": {"name": "a"}})
    here.quiet()
    photo, document, long, words = customer.heard
    assert photo["photo"].encode("latin-1") == image.content and photo["caption"] == "صورة القطعة"
    assert document["document"] == "%PDF-1.4"
    assert long["caption"] == "" and words["text"] == "ط" * 2000
    assert [row.error for row in here.rows(t.outbox)][3:] == ["the file is not there", "the document cannot be read"]


def test_what_an_agent_says_comes_under_their_name(here: World, customer: Customer, database: Database) -> None:
    put(database, {"text": "مساء الخير", "author": "agent", "agent": "7", "name": "سارة"})
    put(database, {"text": "مرحبًا"})
    here.quiet()
    assert [message["text"] for message in customer.heard] == ["سارة:\nمساء الخير", "مرحبًا"]
