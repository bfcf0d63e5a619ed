"""What customers send on Telegram, from the update to the answer, over real HTTP and a real database."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from bot.bootstrap import utc_now
from bot.conversations.model import Button, Reply
from bot.orders.model import CustomerId
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.identities import SqlIdentities
from tests.databases import KINDS, migrated
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


def picture(width: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, 30), (200, 30, 30)).save(out, "JPEG")
    return out.getvalue()


@BOTH
def test_a_message_is_answered_once_and_its_update_is_forgotten(here: World, customer: Customer) -> None:
    customer.says("السلام عليكم")
    assert customer.hears() == ["re: السلام عليكم"]
    here.quiet()
    (update,) = here.rows(t.telegram_updates)
    assert update.done_at is not None and update.body is None and update.error is None
    (conversation,) = here.rows(t.conversations)
    assert (conversation.channel, conversation.address) == ("telegram", "700001:5001")


@BOTH
def test_the_same_update_delivered_again_is_no_second_message(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    update = customer.says("مرحبا")
    customer.hears()
    server.again(update)
    customer.says("ثانية")
    assert customer.hears(2) == ["re: مرحبا", "re: ثانية"]
    here.quiet()
    assert len(customer.heard) == 2


def test_updates_that_come_out_of_order_are_all_answered(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    message = [customer.message(text=str(n)) for n in range(3)]
    for place in (2, 0, 1):
        server.happens(update_id=800 + place, message=message[place])
    customer.hears(3)
    here.quiet()
    assert sorted(customer.hears(3)) == ["re: 0", "re: 1", "re: 2"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/start", "/greet"),
        ("/start spring_sale", "/greet"),
        ('/start {"x":1}', "/greet"),
        ("/start ../../etc/passwd", "/greet"),
        ("/start order_1001", '/track_order{"order_number": "1001"}'),
        ("/start order_1001OR1", "/greet"),
        ("/start link_", "/greet"),
        ("/start link_notatoken", '/notice{"notice": "link_refused"}'),
        ("/help", "/help"),
        ("/HELP@thiqa_700001_bot", "/help"),
        ("/orders", "/track_order"),
        ("/human", "/ask_human"),
        ("/language", "/change_language"),
        ("/language en", '/change_language{"language": "en"}'),
        ("/language العربية", '/change_language{"language": "ar"}'),
        ("/stop", "/stop_messages"),
        ("/unlink", '/notice{"notice": "unlinked"}'),
    ],
)
def test_commands_mean_what_the_assistant_knows(here: World, customer: Customer, text: str, told: str) -> None:
    customer.says(text)
    assert customer.hears() == [f"re: {told}"]


@pytest.mark.parametrize("text", ["/ask_human", '/inform{"order_number": "1001"}', "/nothing", "/", "//help"])
def test_what_looks_like_a_command_and_is_none_is_only_text(here: World, customer: Customer, text: str) -> None:
    customer.says(text)
    customer.hears()
    assert here.assistant.heard[0].payload is None


def test_a_pressed_button_is_answered_and_shown_as_chosen(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    buttons = [Button("", "تتبّع طلب", "/track_order"), Button("", "الشحن", '/faq{"entry": "shipping_time"}')]
    here.assistant.answer = lambda turn: [Reply("اختر", buttons if turn.payload is None else [])]
    customer.says("مرحبا")
    customer.hears()
    query = customer.presses("تتبّع")
    customer.hears(2)
    server.until(lambda: query in server.answered)
    assert "text" not in server.answered[query]
    assert here.assistant.heard[-1].payload == "/track_order"
    server.until(lambda: customer.titles() == ["✓ تتبّع طلب"])
    again = customer.presses("✓")
    server.until(lambda: again in server.answered)
    assert server.answered[again]["text"] == "utter_telegram_chosen_already.ar"
    here.quiet()
    assert len(customer.heard) == 2


def test_a_button_pressed_twice_at_once_is_one_choice(here: World, customer: Customer, server: TelegramServer) -> None:
    here.assistant.answer = lambda turn: [Reply("x", [] if turn.payload else [Button("", "نعم", "/affirm")])]
    customer.says("مرحبا")
    customer.hears()
    message = customer.heard[0]
    queries = [customer.presses("نعم", message) for _ in range(3)]
    server.until(lambda: set(queries) <= set(server.answered))
    here.quiet()
    assert len(customer.heard) == 2 and len(here.said(5001)) == 2


@BOTH
def test_buttons_of_others_of_another_day_and_made_up_ones_are_refused_politely(
    here: World, customer: Customer, server: TelegramServer, database: Database
) -> None:
    here.assistant.answer = lambda turn: [Reply("x", [Button("", "نعم", "/affirm")])]
    customer.says("مرحبا")
    customer.hears()
    message = customer.heard[0]
    stranger = Customer(server, 6002)
    data = message["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    inaccessible = {"chat": customer.chat, "message_id": message["message_id"], "date": 0}
    made_up = {**stranger.message(text="x"), "from": server.bot.user(), "chat": stranger.chat}
    queries = [
        customer.presses("نعم", message, person=stranger.user),
        customer.sends_query("b.00000000000000", message),
        customer.sends_query("/affirm", message),
        customer.sends_query(data, inaccessible),
        customer.sends_query(data, None),
        stranger.sends_query(data, made_up),
    ]
    server.until(lambda: set(queries) <= set(server.answered))
    assert {server.answered[query]["text"] for query in queries} == {"utter_telegram_stale_button.ar"}
    with database.write() as c:
        day = here.rows(t.messages)[0].at.replace(year=2020)
        c.execute(t.messages.update().values(at=day))
    old = customer.presses("نعم", message)
    server.until(lambda: old in server.answered)
    assert server.answered[old]["text"] == "utter_telegram_stale_button.ar"
    here.quiet()
    assert len(here.said(5001)) == 1 and not here.said(6002)


@BOTH
def test_an_edit_before_the_answer_takes_the_place_of_the_message(here: World, customer: Customer) -> None:
    began = time.monotonic()

    def slowly(turn: object) -> list[Reply]:
        text = here.assistant.heard[-1].message.text
        if "1001" in text:
            while time.monotonic() < began + 3 and not any("1002" in m.text for m in here.said(5001)):
                time.sleep(0.02)
        return [Reply(f"re: {text}")]

    here.assistant.answer = slowly
    update = customer.says("طلبي 1001")
    customer.server.until(lambda: here.assistant.heard)
    customer.edits(update, "طلبي 1002")
    customer.hears()
    here.quiet()
    assert customer.hears() == ["re: طلبي 1002"]
    (message,) = here.said(5001)
    assert message.text == "طلبي 1002" and message.meta["edited"] is True


@BOTH
def test_an_edit_after_the_answer_is_a_message_with_its_context_and_never_answered_twice(
    here: World, customer: Customer
) -> None:
    update = customer.says("طلبي 1001")
    customer.hears()
    edit = customer.edits(update, "طلبي 1002")
    assert customer.hears(2)[1] == "re: طلبي 1002"
    customer.server.again(edit)
    customer.edits(update, "طلبي 1002", at=9)  # a preview was added: the words are the same
    customer.edits(update, "طلبي 1003", at=12)
    assert customer.hears(3)[2] == "re: طلبي 1003"
    here.quiet()
    assert len(customer.heard) == 3
    messages = here.said(5001)
    assert messages[1].meta["corrects"] == messages[0].id and messages[2].meta["corrects"] == messages[1].id


@BOTH
def test_an_edit_of_a_message_that_never_came_is_that_message(here: World, customer: Customer) -> None:
    message = customer.message(text="كما كتبته أولا")
    customer.edits({"message": message}, "أين طلبي؟")
    customer.hears()
    customer.server.happens(message=message)
    here.quiet()
    customer.says("شكرا")
    assert customer.hears(2) == ["re: أين طلبي؟", "re: شكرا"]


@BOTH
def test_a_photo_is_kept_written_anew_and_goes_with_its_caption(here: World, customer: Customer) -> None:
    customer.sends_photo(picture(), caption="وصل مكسورًا")
    assert customer.hears() == ["re: وصل مكسورًا"]
    (message,) = here.said(5001)
    (file,) = here.rows(t.files)
    assert file.message_id == message.id and message.meta["image"]["id"] == file.id
    assert (file.channel, file.address, file.media_type, file.width) == ("telegram", "700001:5001", "image/jpeg", 40)
    assert b"JFIF" in file.content


def test_a_photo_without_words_and_an_image_as_a_document_are_pictures(here: World, customer: Customer) -> None:
    customer.sends_photo(picture())
    assert customer.hears() == ['re: /notice{"notice": "image"}']
    customer.server.files["doc1"] = picture(50)
    customer.sends(document={"file_id": "doc1", "file_unique_id": "d", "mime_type": "image/jpeg", "file_size": 900})
    assert customer.hears(2)[1] == 're: /notice{"notice": "image"}'
    assert [row.width for row in here.rows(t.files)] == [40, 50]


@BOTH
def test_an_album_is_one_message_with_all_its_pictures(here: World, customer: Customer) -> None:
    for place in range(3):
        customer.sends_photo(picture(40 + place), caption="ثلاث صور" if place == 0 else "", album="77")
        time.sleep(0.2)
    assert customer.hears() == ["re: ثلاث صور"]
    here.quiet()
    (message,) = here.said(5001)
    assert [image["width"] for image in message.meta["images"]] == [40, 41, 42]
    assert {row.message_id for row in here.rows(t.files)} == {message.id}
    assert len(customer.heard) == 1


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"voice": {"file_id": "v", "file_unique_id": "v", "duration": 12}}, "voice"),
        ({"audio": {"file_id": "v", "file_unique_id": "v", "duration": 12}}, "voice"),
        ({"video": {"file_id": "v", "file_unique_id": "v", "duration": 5, "width": 1, "height": 1}}, "video"),
        ({"video_note": {"file_id": "v", "file_unique_id": "v", "duration": 5, "length": 9}}, "video"),
        ({"sticker": {"file_id": "s", "file_unique_id": "s", "emoji": "👍", "type": "regular"}}, "sticker"),
        ({"document": {"file_id": "d", "file_unique_id": "d", "file_name": "a.pdf"}}, "document"),
        ({"location": {"latitude": 24.71, "longitude": 46.67}}, "location"),
        ({"venue": {"location": {"latitude": 24.7, "longitude": 46.6}, "title": "x", "address": "y"}}, "location"),
        ({"contact": {"phone_number": "+966500000001", "first_name": "x", "user_id": 42}}, "contact"),
        ({"contact": {"phone_number": "+966500000001", "first_name": "x"}}, "contact"),
        ({"dice": {"emoji": "🎲", "value": 3}}, "other"),
        ({"something_new": {"a": 1}}, "other"),
    ],
)
def test_what_cannot_be_read_is_said_so(here: World, customer: Customer, content: dict[str, object], kind: str) -> None:
    customer.sends(**content)
    assert customer.hears() == [f're: /notice{{"notice": "{kind}"}}']


def test_words_that_come_with_a_video_are_answered_and_the_video_is_owned_up_to(
    here: World, customer: Customer
) -> None:
    customer.sends(video={"file_id": "v", "file_unique_id": "v", "duration": 5}, caption="وصل مكسورًا")
    assert customer.hears(2) == ["utter_telegram_unread.ar", "re: وصل مكسورًا"]


def test_a_file_that_is_too_large_gone_or_no_image_is_said_so(here: World, customer: Customer) -> None:
    huge = {"file_id": "h", "file_unique_id": "h", "mime_type": "image/png", "file_size": 20 * 1024 * 1024}
    customer.sends(document=huge)
    customer.sends_photo(None)  # Telegram knows no such file
    customer.sends_photo(None, name="vanished")  # known, and gone at the download
    customer.sends_photo(b"%PDF-1.4 not an image")
    assert customer.hears(4) == [
        're: /notice{"notice": "file_too_large"}',
        're: /notice{"notice": "file_gone"}',
        're: /notice{"notice": "file_gone"}',
        're: /notice{"notice": "not_image"}',
    ]
    assert not here.rows(t.files)


def test_a_download_that_fails_for_a_while_is_tried_again(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    server.fails("getFile", "status", status=502)
    server.floods("getFile")
    customer.sends_photo(picture(), caption="صورة")
    assert customer.hears() == ["re: صورة"]
    assert len(here.rows(t.files)) == 1


@BOTH
def test_ones_own_contact_is_a_verified_phone_and_anothers_is_none(here: World, customer: Customer) -> None:
    customer.shares_contact("966501234567")
    assert customer.hears() == ['re: /inform{"phone": "+966501234567"}']
    assert [row.phone for row in here.rows(t.verified_phones)] == ["+966501234567"]
    stranger = Customer(customer.server, 6003)
    stranger.shares_contact("966501234567", user_id=5001)
    assert stranger.hears() == ['re: /notice{"notice": "contact"}']
    assert len(here.rows(t.verified_phones)) == 1
    customer.says("/unlink")
    customer.hears(2)
    here.quiet()
    assert not here.rows(t.verified_phones)


def test_what_is_replied_to_and_forwarded_stays_with_the_message(here: World, customer: Customer) -> None:
    quoted = {"message_id": 3, "chat": customer.chat, "date": 1, "text": "بطاقتي 4111 1111 1111 1111 وطلبي 1001"}
    customer.says("هذا متى يصل؟", reply_to_message=quoted)
    customer.says("منقول", forward_origin={"type": "hidden_user", "date": 1, "sender_user_name": "x"})
    customer.hears(2)
    first, second = here.said(5001)
    assert "1001" in first.meta["quoted"] and "4111 1111" not in first.meta["quoted"]
    assert second.meta["forwarded"] is True


@pytest.mark.parametrize(
    ("quoted", "order"),
    [
        ("طلبك رقم \u2066#1004\u2069 في الطريق، رقم التتبع AX55010004، يصل 28 نوفمبر", "1004"),
        ("الطلب ١٠٠٤ (سماعة) الآن: قيد التجهيز", "1004"),
        ("Order 1004 is on its way, order 1004 arrives on 28 November", "1004"),
        ("ORD-1004", "1004"),
        ("الطلب 1001 والطلب 1004", None),
        ("يصل خلال 3 أيام، 120 ر.س", None),
        ("", None),
    ],
)
def test_the_one_order_that_a_quoted_text_names_stays_with_the_message(
    here: World, customer: Customer, quoted: str, order: str | None
) -> None:
    replied = {"message_id": 3, "chat": customer.chat, "date": 1, "text": quoted}
    customer.says("وين هذا؟", **({"reply_to_message": replied} if quoted else {}))
    customer.hears()
    assert here.said(5001)[0].meta.get("quoted_order") == order


def test_a_card_number_is_stored_nowhere(here: World, customer: Customer) -> None:
    customer.says("بطاقتي 4111 1111 1111 1111")
    customer.hears(1)
    here.quiet()
    assert "4111 1111 1111" not in repr(here.rows(t.messages)) + repr(here.rows(t.telegram_updates))


@pytest.mark.parametrize("text", ["\u200b\u200b", "||", "​", "\u2066\u2069", "🙂"])
def test_text_of_only_marks_or_spoilers_is_answered(here: World, customer: Customer, text: str) -> None:
    customer.sends(text=text, entities=[{"type": "spoiler", "offset": 0, "length": 1}])
    assert len(customer.hears()) == 1


def test_times_of_telegrams_clock_decide_nothing(here: World, customer: Customer) -> None:
    for date in (1, 2**31 - 1, int(time.time()) + 10**6):
        customer.sends(text=f"في {date}", **{})
    customer.server.happens(message={**customer.message(text="قديمة"), "date": 1})
    customer.server.happens(message={**customer.message(text="من الغد"), "date": 2**31 - 1})
    assert len(customer.hears(5)) == 5


@BOTH
def test_nothing_in_a_group_but_a_word_and_goodbye(here: World, server: TelegramServer) -> None:
    group = {"id": -4001, "type": "group", "title": "عائلة"}
    person = Customer(server, 5001)
    change = {
        "chat": group,
        "from": person.user,
        "date": 1,
        "old_chat_member": {"user": server.bot.user(), "status": "left"},
        "new_chat_member": {"user": server.bot.user(), "status": "member"},
    }
    server.happens(my_chat_member=change)
    for text in ("مرحبا", "هلا"):
        server.happens(
            message={"message_id": server.number(), "from": person.user, "chat": group, "date": 1, "text": text}
        )
    server.until(lambda: server.left == [-4001])
    here.quiet()
    assert server.texts(-4001) == ["utter_telegram_private_only.ar"]
    assert not here.rows(t.conversations)


def test_channels_and_unknown_updates_are_consumed_in_silence(here: World, server: TelegramServer) -> None:
    channel = {"id": -100500, "type": "channel", "title": "قناة"}
    server.happens(channel_post={"message_id": 1, "chat": channel, "date": 1, "text": "خبر"})
    server.happens(of_tomorrow={"a": {"b": [1, None]}})
    server.happens(message=None)
    customer = Customer(server, 5001)
    customer.sends(pinned_message={"message_id": 1, "chat": customer.chat, "date": 0})
    customer.says("مرحبا")
    assert customer.hears() == ["re: مرحبا"]
    here.quiet()
    assert server.pending() == 0 or server.until(lambda: server.pending() == 0)
    assert len(here.said(5001)) == 1


@BOTH
def test_who_blocks_the_bot_is_unreachable_until_they_come_back(
    here: World, customer: Customer, server: TelegramServer
) -> None:
    customer.says("مرحبا")
    customer.hears()
    customer.membership("kicked")
    server.until(lambda: here.records.unreachable("700001:5001"))
    customer.membership("member")
    server.until(lambda: not here.records.unreachable("700001:5001"))


def test_a_customer_who_writes_too_much_loses_nothing(
    database: Database, server: TelegramServer, tmp_path: Path
) -> None:
    customer = Customer(server, 5001)
    with world(database, server, tmp_path / "home", max_pending=2) as here:
        for number in range(5):
            customer.says(str(number))
        assert customer.hears(5, 40) == [f"re: {number}" for number in range(5)]
        here.quiet()


@BOTH
def test_a_link_from_the_website_makes_the_chat_that_customers_once(
    here: World, customer: Customer, server: TelegramServer, database: Database
) -> None:
    SqlIdentities(database).identify("webchat", "visitor", CustomerId("c1"), "ar", utc_now())
    link, expires = server.until(lambda: here.telegram.link("webchat", "visitor"))
    assert timedelta(minutes=14) < expires - utc_now() <= timedelta(minutes=15)
    assert here.telegram.link("webchat", "stranger") is None and link.startswith(f"{here.telegram.address}?")
    name, _, payload = link.removeprefix("https://t.me/").partition("?start=")
    assert name == "thiqa_700001_bot" and len(payload) <= 64
    customer.says(f"/start {payload}")
    assert customer.hears() == ['re: /notice{"notice": "linked"}']
    here.quiet()
    (mine,) = here.rows(t.conversations, t.conversations.c.channel == "telegram")
    assert mine.customer == "c1"
    assert [row.customer for row in here.rows(t.proofs, t.proofs.c.conversation_id == mine.id)] == ["c1"]
    assert payload.removeprefix("link_") not in repr(here.rows(t.messages)) + repr(here.rows(t.telegram_links))
    thief = Customer(server, 6006)
    thief.says(f"/start {payload}")
    assert thief.hears() == ['re: /notice{"notice": "link_refused"}']
    customer.says("/unlink")
    customer.hears(2)
    here.quiet()
    (mine,) = here.rows(t.conversations, t.conversations.c.address == "700001:5001")
    assert mine.customer is None and not here.rows(t.proofs, t.proofs.c.conversation_id == mine.id)
    customer.says(f"/start {payload}")
    assert customer.hears(3)[2] == 're: /notice{"notice": "link_refused"}'


def test_a_link_that_is_too_old_is_refused(here: World, customer: Customer, database: Database) -> None:
    SqlIdentities(database).identify("webchat", "visitor", CustomerId("c1"), "ar", utc_now())
    token = here.records.make_link("webchat", "visitor", utc_now() - timedelta(seconds=1))
    customer.says(f"/start link_{token}")
    assert customer.hears() == ['re: /notice{"notice": "link_refused"}']
