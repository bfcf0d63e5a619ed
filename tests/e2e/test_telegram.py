"""Whole conversations on Telegram: `thiqa run` against a strict Bot API server, by polling and by webhook."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from PIL import Image

from bot.bootstrap import utc_now
from bot.customers.identity import identity_token
from bot.orders.model import CustomerId
from bot.storage import tables as t
from tests.e2e.server import Server
from tests.e2e.webchat import Chat
from tests.e2e.wires import until
from tests.telegram.server import TOKEN, Customer, TelegramServer, telegram

pytestmark = pytest.mark.slow

NUMBERS = itertools.count(8001)
IDENTITY_SECRET = "the shop's own secret, known to its site and to Thiqa"
PHONE = "966551234567"  # of the demo shop's customer c1


@dataclass
class Here:
    telegram: TelegramServer
    server: Server

    def customer(self, language: str = "ar") -> Customer:
        return Customer(self.telegram, next(NUMBERS), language)


@pytest.fixture(scope="module")
def here(request: pytest.FixtureRequest, trained_home: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """One product for all tests that only talk to it: by polling, or as a test asks for."""
    from tests.e2e.server import link_trained

    with telegram() as bot_api:
        home = link_trained(tmp_path_factory.mktemp("telegram"), trained_home)
        server = Server(
            home,
            THIQA_TELEGRAM_TOKEN=TOKEN,
            THIQA_TELEGRAM_API_URL=bot_api.url,
            THIQA_TELEGRAM_MODE=getattr(request, "param", "polling"),
            THIQA_IDENTITY_SECRET=IDENTITY_SECRET,
        )
        try:
            yield Here(bot_api, server.start())
            log = server.log()
            assert TOKEN not in log and TOKEN.partition(":")[2] not in log
        finally:
            server.close()


def conversation(server: Server, customer: Customer) -> Any:
    with server.database().read() as c:
        return c.execute(
            sa.select(t.conversations).where(t.conversations.c.address == f"{customer.account.id}:{customer.id}")
        ).one()


def rows(server: Server, table: Any, customer: Customer) -> list[Any]:
    with server.database().read() as c:
        return list(
            c.execute(sa.select(table).where(table.c.conversation_id == conversation(server, customer).id)).all()
        )


BOTH = pytest.mark.parametrize("here", ["polling", "webhook"], indirect=True)


@BOTH
def test_an_arabic_conversation_from_the_start_to_the_parcel(here: Here) -> None:
    customer = here.customer()
    customer.says("/start")
    customer.hears()
    assert any("تتبّع" in title for title in customer.titles())
    customer.presses("تتبّع")
    assert "رقم" in customer.hears(2)[1]
    here.telegram.until(lambda: customer.heard[0]["reply_markup"]["inline_keyboard"][0][0]["text"].startswith("✓"))
    customer.says("1001")
    asked = customer.hears(3)[2]
    assert "1001" in asked and "سماعة" not in asked
    assert customer.heard[2]["markup_given"]["keyboard"][0][0]["request_contact"] is True
    customer.says("٤٥٦٧")
    told = customer.hears(4)[3]
    assert "سماعة" in told and "AX55010001" in told
    assert customer.heard[3]["markup_given"] == {"remove_keyboard": True} or "markup_given" in customer.heard[3]
    assert [proof.customer for proof in rows(here.server, t.proofs, customer)] == ["c1"]


def test_an_english_conversation(here: Here) -> None:
    customer = here.customer("en")
    customer.says("/start")
    assert any(title == "Track an order" for title in (customer.hears() and customer.titles()))
    customer.says("where is my order 1001?")
    customer.hears(2)
    customer.says("4567")
    assert "AX55010001" in customer.hears(3)[2]
    customer.says("/language ar")
    customer.hears(4)
    customer.says("/help")
    assert any("؀" < letter < "ۿ" for letter in customer.hears(5)[4])


@BOTH
def test_ones_own_contact_is_the_proof_and_stays_it(here: Here) -> None:
    customer = here.customer()
    customer.says("وين طلبي 1001")
    customer.hears()
    customer.shares_contact(PHONE)
    told = customer.hears(2)[1]
    assert "AX55010001" in told
    row = conversation(here.server, customer)
    with here.server.database().read() as c:
        owner = c.execute(sa.select(t.conversations.c.address).where(t.conversations.c.customer == "c1")).scalar_one()
    assert row.customer == "c1" and owner == row.address
    customer.says("/unlink")
    customer.hears(3)
    customer.says("وين طلبي 1001")
    assert "AX55010001" not in customer.hears(4)[3]


def test_a_customer_of_the_website_goes_on_here_unasked_and_reads_it_there_until_they_unlink(here: Here) -> None:
    customer = here.customer()
    with Chat(here.server.url).open() as chat:
        assert chat.identify(identity_token(IDENTITY_SECRET, CustomerId("c2"), utc_now()))["ok"]
        sent = {"Authorization": f"Bearer {chat.session}"}
        answer = requests.post(f"{here.server.url}/webchat/telegram-link", headers=sent, timeout=10)
        assert answer.status_code == 201, answer.text
        customer.says(f"/start {answer.json()['url'].partition('?start=')[2]}")
        assert "/unlink" in customer.hears()[0]
        customer.says("وين طلباتي؟")
        told = customer.hears(2)[1]
        assert [proof.customer for proof in rows(here.server, t.proofs, customer)] == ["c2"]
        chat.wait_for(lambda: chat.of("session_changed"))

        def shown() -> list[str]:
            elsewhere = chat.request_session()["elsewhere"]
            return [message["text"] for message in elsewhere["messages"]] if elsewhere else []

        assert shown()[:1] == ["/start"] and "وين طلباتي؟" in shown() and told in shown()
        customer.says("/unlink")
        customer.hears(3)
        until(lambda: shown() == [])
    assert conversation(here.server, customer).customer is None


def test_a_phone_that_was_shared_before_opens_ones_own_order_and_no_other(here: Here) -> None:
    customer = here.customer()
    customer.shares_contact(PHONE)
    customer.hears()
    customer.says("وين طلبي 1004")  # of another customer
    assert "1004" in customer.hears(2)[1]
    assert not rows(here.server, t.proofs, customer)
    customer.says("وين طلبي رقم 1001")
    assert "AX55010001" in customer.hears(3)[2]
    assert not rows(here.server, t.proof_failures, customer)
    customer.says("/unlink")
    customer.hears(4)


def test_anothers_contact_opens_nothing(here: Here) -> None:
    customer = here.customer()
    customer.says("وين طلبي 1001")
    customer.hears()
    customer.shares_contact(PHONE, user_id=1)
    customer.hears(2)
    assert not rows(here.server, t.proofs, customer) and not rows(here.server, t.verified_phones, customer)


def test_a_photo_with_a_complaint_is_kept_and_answered(here: Here) -> None:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), (10, 120, 10)).save(out, "JPEG")
    customer = here.customer()
    customer.sends_photo(out.getvalue(), caption="المنتج وصلني مكسور")
    customer.hears()
    message = next(m for m in rows(here.server, t.messages, customer) if m.author == "customer")
    assert message.meta["image"]["width"] == 60
    with here.server.database().read() as c:
        file = c.execute(sa.select(t.files).where(t.files.c.id == message.meta["image"]["id"])).one()
    assert file.message_id == message.id and file.address == f"{customer.account.id}:{customer.id}"
    customer.sends(voice={"file_id": "v", "file_unique_id": "v", "duration": 9})
    here.telegram.until(lambda: any("الصوتية" in text for text in customer.hears(0)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"sticker": {"file_id": "s", "file_unique_id": "s", "emoji": "👍"}}, ("sticker",)),
        ({"location": {"latitude": 24.7, "longitude": 46.6}}, ("location",)),
        ({"video_note": {"file_id": "v", "file_unique_id": "v", "duration": 9, "length": 1}}, ("video",)),
        ({"document": {"file_id": "d", "file_unique_id": "d", "file_name": "a.pdf"}}, ("file",)),
        ({"dice": {"emoji": "🎲", "value": 1}}, ("message",)),
    ],
)
def test_what_cannot_be_read_is_said_in_the_customers_language(
    here: Here, content: dict[str, Any], words: tuple[str, ...]
) -> None:
    customer = here.customer("en")
    customer.sends(**content)
    heard = customer.hears()[0].lower()
    assert any(word in heard for word in words), heard


def test_a_person_takes_over_and_stop_still_works_while_waiting(here: Here) -> None:
    customer = here.customer("en")
    customer.says("/human")
    customer.hears()
    assert conversation(here.server, customer).owner == "queue"
    customer.says("/stop")
    customer.hears(2)
    assert conversation(here.server, customer).opted_out is True
    customer.presses(customer.titles()[0])
    customer.hears(3)
    assert conversation(here.server, customer).owner == "bot"


def test_a_corrected_order_number_is_the_one_that_counts(here: Here) -> None:
    customer = here.customer()
    update = customer.says("وين طلبي 1009")
    customer.hears()
    customer.edits(update, "وين طلبي 1001")
    assert "1001" in customer.hears(2)[1]


def test_killed_again_and_again_every_message_is_answered_in_order_and_hardly_ever_twice(
    serve: Callable[..., Server],
) -> None:
    """Updates are redelivered, the process is killed; a message that Telegram has and our record has not may come twice."""
    kills = 3
    with telegram() as bot_api:
        server = serve(THIQA_TELEGRAM_TOKEN=TOKEN, THIQA_TELEGRAM_API_URL=bot_api.url)
        customers = [Customer(bot_api, next(NUMBERS)) for _ in range(8)]
        asked = 0
        for kill in range(kills):
            for customer in customers:
                customer.says(("كم مدة التوصيل؟", "شكرا", "what is your return policy?")[kill])
            asked += 1
            time.sleep(0.4 + 0.3 * kill)
            server.kill()
            server.start()
        for customer in customers:
            customer.says("شكرا جزيلا")
        asked += 1

        def answered() -> bool:
            with server.database().read() as c:
                waits = sa.select(sa.func.count()).select_from(t.outbox).where(t.outbox.c.sent_at.is_(None))
                opened = sa.select(sa.func.count()).select_from(t.inbox).where(t.inbox.c.done_at.is_(None))
                updates = sa.select(sa.func.count()).where(t.telegram_updates.c.done_at.is_(None))
                return not any(c.execute(query).scalar_one() for query in (waits, opened, updates))

        until(lambda: answered() and not bot_api.pending(), 150)
        sent = sum(len(customer.heard) for customer in customers)
        with server.database().read() as c:
            said = c.execute(sa.select(t.messages).where(t.messages.c.author == "bot")).all()
            taken = c.execute(sa.select(t.messages).where(t.messages.c.author == "customer")).all()
        assert len(taken) == asked * len(customers)
        assert {row.reply_to for row in said} == {row.id for row in taken}
        assert len(said) <= sent <= len(said) + kills
        for customer in customers:
            conversation_id = conversation(server, customer).id
            texts = [row.text for row in sorted(said, key=lambda r: r.number) if row.conversation_id == conversation_id]
            heard = [text.replace("\u2066", "").replace("\u2069", "") for text in bot_api.texts(customer.id)]
            assert [text for text, _ in itertools.groupby(heard)] == [text for text, _ in itertools.groupby(texts)]
