"""One customer on the website and on Telegram: what of the other conversation is theirs to see, from when, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversations.model import ConversationId, Inbound, Turn
from bot.customers.channels import Moved, OtherChat
from bot.customers.proof import IDLE, CustomerKnown, ProofGiven, ProofService
from bot.files.model import Image
from bot.orders.model import CustomerId
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.files import SqlFiles
from bot.storage.identities import SqlIdentities
from bot.storage.other_chats import SqlOtherChats
from bot.storage.records import SqlProofRecords
from bot.storage.telegram import SqlTelegram
from bot.storage.transcripts import SqlTranscripts
from tests.integration.conversations import START, Core

NOURA, AHMED = CustomerId("c1"), CustomerId("c2")
CHAT, OTHER_CHAT = "700001:5001", "700001:6002"
LIFE = timedelta(minutes=15)


class Shop:
    def __init__(self, database: Database) -> None:
        self.database, self.core = database, Core(database)
        self.others, self.telegram = SqlOtherChats(database), SqlTelegram(database)
        self.identities, self.files = SqlIdentities(database), SqlFiles(database)
        self.proofs = ProofService(SqlProofRecords(database))

    def sign_in(self, visitor: str, customer: CustomerId) -> None:
        assert self.identities.identify("webchat", visitor, customer, "ar", self.core.clock()) == visitor

    def link(self, visitor: str = "noura") -> str:
        token = self.telegram.make_link("webchat", visitor, self.core.clock() + LIFE)
        assert token is not None
        return token

    def follow(self, token: str, chat: str = CHAT) -> CustomerId | None:
        return self.telegram.use_link(token, chat, "ar", self.core.clock())

    def write(self, text: str, chat: str = CHAT, **more: Any) -> None:
        """A message on Telegram, and its answer."""
        self.core.clock.move(timedelta(seconds=1))
        self.telegram.recognise(chat, self.core.clock())
        self.core.inbox.receive(Inbound("telegram", chat, text, **more))
        self.core.run_all()

    def sees(self, visitor: str = "noura") -> list[str]:
        """What of Telegram a visitor of the website may see."""
        other = self.others.beside("webchat", visitor)
        if other is None:
            return []
        lines = SqlTranscripts(self.database).after(other.conversation, other.first - 1, 100)
        assert [line.message.number for line in lines] == list(range(other.first, other.last + 1))
        return [line.message.text for line in lines]

    def chat(self, address: str = CHAT) -> Any:
        with self.database.read() as c:
            return c.execute(sa.select(t.conversations).where(t.conversations.c.address == address)).one()

    def proven(self, address: str = CHAT) -> CustomerId | None:
        """Whom a turn in the chat would take its writer for."""
        with self.database.read() as c:
            row = c.execute(sa.select(t.conversations.c.id).where(t.conversations.c.address == address)).one()
        turn: Any = type("T", (), {"effects": [], "now": self.core.clock()})()
        turn.conversation = type("C", (), {"id": ConversationId(row.id)})()
        return self.proofs.customer_of(turn)


@pytest.fixture
def shop(database: Database) -> Shop:
    made = Shop(database)
    made.sign_in("noura", NOURA)
    made.sign_in("ahmed", AHMED)
    return made


def test_who_followed_their_link_sees_what_they_write_from_then_on(shop: Shop) -> None:
    shop.write("قبل الربط")
    assert shop.sees() == []
    shop.core.clock.move(timedelta(seconds=1))
    assert shop.follow(shop.link()) == NOURA
    shop.write("بعد الربط")
    assert shop.sees() == ["بعد الربط", "re: بعد الربط"]
    assert shop.sees("ahmed") == [] and shop.sees("stranger") == []


def test_a_chat_may_begin_with_the_link(shop: Shop) -> None:
    assert shop.follow(shop.link()) == NOURA
    assert (shop.chat().customer, shop.chat().last_number) == (NOURA, 0)
    assert shop.sees() == []
    shop.write("/start")
    assert shop.sees() == ["/start", "re: /start"]


def test_a_used_an_expired_and_a_made_up_link_open_nothing(shop: Shop) -> None:
    token = shop.link()
    assert shop.follow(token) == NOURA
    assert shop.follow(token, OTHER_CHAT) is None, "used by another"
    late = shop.link()
    shop.core.clock.move(LIFE + timedelta(seconds=1))
    assert shop.follow(late, OTHER_CHAT) is None
    assert shop.follow("made up", OTHER_CHAT) is None
    assert shop.telegram.make_link("webchat", "stranger", START + LIFE) is None
    shop.write("من أنا؟", OTHER_CHAT)
    assert shop.chat(OTHER_CHAT).customer is None and shop.proven(OTHER_CHAT) is None


def test_the_same_update_handled_again_moves_nothing(shop: Shop) -> None:
    token = shop.link()
    shop.follow(token)
    shop.write("أولى")
    assert shop.follow(token) == NOURA
    assert shop.sees() == ["أولى", "re: أولى"]


def test_unlinked_nothing_is_seen_any_more_and_the_old_link_is_worth_nothing(shop: Shop) -> None:
    token = shop.link()
    shop.follow(token)
    shop.write("مع الربط")
    shop.telegram.unlink(CHAT)
    shop.write("بعد الإلغاء")
    assert shop.sees() == [] and shop.proven() is None
    assert shop.follow(token) is None, "its fifteen minutes are not over, its one time is"
    shop.core.clock.move(timedelta(seconds=1))
    shop.follow(shop.link())
    shop.write("ربط جديد")
    assert shop.sees() == ["ربط جديد", "re: ربط جديد"], "what was said in between is nobody's"


def test_a_chat_that_was_anothers_brings_nothing_of_theirs_along(shop: Shop) -> None:
    """Also where somebody had the link of their own account followed by a customer who is linked already."""
    shop.follow(shop.link("noura"))
    shop.write("سر نورة")
    shop.core.clock.move(timedelta(seconds=1))
    shop.follow(shop.link("ahmed"))
    shop.write("أحمد هنا")
    assert shop.sees("ahmed") == ["أحمد هنا", "re: أحمد هنا"]
    assert shop.sees("noura") == []


def test_a_second_chat_takes_the_place_of_the_first(shop: Shop) -> None:
    shop.follow(shop.link())
    shop.write("الجوال القديم")
    shop.core.clock.move(timedelta(seconds=1))
    shop.follow(shop.link(), OTHER_CHAT)
    shop.write("الجوال الجديد", OTHER_CHAT)
    assert shop.sees() == ["الجوال الجديد", "re: الجوال الجديد"]
    assert shop.chat(CHAT).customer is None


def test_ones_own_phone_that_proved_an_order_joins_from_when_it_was_shared(shop: Shop) -> None:
    shop.write("وين طلبي 1001")
    shop.write("☎", verified_phone="+966551234567")

    def prove(turn: Turn) -> None:
        turn.effects += [ProofGiven(NOURA), CustomerKnown(NOURA)]

    shop.core.assistant.before = prove
    shop.write("1001")
    assert shop.sees() == ["☎", "re: ☎", "1001", "re: 1001"]


def test_proof_without_the_channels_own_word_joins_nothing(shop: Shop) -> None:
    """Four digits of a phone prove an order for half an hour; they do not open what somebody has written elsewhere."""
    shop.core.assistant.before = lambda turn: turn.effects.append(ProofGiven(NOURA))
    shop.write("1001 4567")
    assert shop.proven() == NOURA and shop.sees() == []


def test_a_linked_chat_stays_proven_and_another_customers_order_does_not_change_whose_it_is(shop: Shop) -> None:
    shop.follow(shop.link())
    shop.core.clock.move(IDLE + timedelta(minutes=1))
    assert shop.proven() is None
    shop.write("بعد ساعة")
    assert shop.proven() == NOURA
    shop.core.assistant.before = lambda turn: turn.effects.append(ProofGiven(AHMED))
    shop.write("طلب أخي 1004")
    shop.core.assistant.before = lambda turn: None
    shop.write("وماذا عنه؟")
    assert shop.proven() == AHMED and shop.chat().customer == NOURA
    shop.core.clock.move(IDLE + timedelta(minutes=1))
    shop.write("طلباتي")
    assert shop.proven() == NOURA


def test_links_that_were_followed_are_kept_and_others_are_tidied_away(shop: Shop) -> None:
    shop.link()
    shop.follow(shop.link())
    shop.write("أولى")
    shop.telegram.tidy(START + timedelta(days=30))
    assert shop.sees() == ["أولى", "re: أولى"]
    with shop.database.read() as c:
        assert [row.used_by for row in c.execute(sa.select(t.telegram_links))] == [CHAT]


def test_what_has_moved_is_found_with_whose_it_is_now(shop: Shop) -> None:
    shop.follow(shop.link())
    shop.write("أولى")
    assert shop.others.moved("webchat", START) == [Moved(CHAT, 2, "noura")]
    shop.telegram.unlink(CHAT)
    assert shop.others.moved("webchat", START) == [Moved(CHAT, 2, None)]
    assert shop.others.moved("webchat", shop.core.clock() + timedelta(seconds=1)) == []


def test_a_file_is_shown_with_its_message_and_not_without(shop: Shop) -> None:
    pixel = Image(b"content", "image/png", 4, 3)
    before = shop.files.keep("telegram", CHAT, pixel, START)
    shop.write("قبل", file=before)
    shop.core.clock.move(timedelta(seconds=1))
    shop.follow(shop.link())
    after, unsent = (shop.files.keep("telegram", CHAT, pixel, START) for _ in range(2))
    shop.write("بعد", file=after)
    other = shop.others.beside("webchat", "noura")
    assert isinstance(other, OtherChat)
    assert [shop.others.holds(other, file) for file in (before, after, unsent)] == [False, True, False]
