"""One customer, one history: what is written on Telegram shows in the chat of the website while they are linked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.bootstrap import utc_now
from bot.files.model import Image
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.files import SqlFiles
from bot.storage.log import new_id
from tests.telegram.server import Customer, TelegramServer, telegram
from tests.telegram.website import Visitor, Website, website
from tests.telegram.world import World, world

ADDRESS = "700001:5001"


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with telegram(strict_pace=False) as server:
        yield server


@pytest.fixture
def here(database: Database, server: TelegramServer, tmp_path: Path) -> Iterator[World]:
    with world(database, server, tmp_path / "home") as made:
        yield made


@pytest.fixture
def site(here: World, server: TelegramServer) -> Iterator[Website]:
    with website(here) as site:
        server.until(lambda: here.telegram.address)
        yield site


@pytest.fixture
def customer(server: TelegramServer) -> Customer:
    return Customer(server, 5001)


def linked(site: Website, customer: Customer, who: str = "c1") -> Visitor:
    """A visitor who has pressed the button and followed the link."""
    visitor = site.visitor(who)
    customer.says(f"/start {site.link(visitor)}")
    customer.hears()
    assert visitor.told_to_ask_again(1)["elsewhere"]["channel"] == "telegram"
    return visitor


def test_a_linked_customer_sees_here_what_they_write_there_as_they_write_it(
    here: World, site: Website, customer: Customer
) -> None:
    visitor = linked(site, customer)
    with visitor:
        visitor.ask("من الموقع")
        customer.says("من تيليجرام")
        customer.hears(2)
        visitor.wait_for(lambda: visitor.elsewhere()[2:] == ["من تيليجرام", "re: من تيليجرام"])
        assert [text for _, _, text in visitor.log()] == ["من الموقع", "re: من الموقع"], "each keeps its own log"
        (data,) = [d for d in visitor.of("elsewhere_uttered") if d["message"]["text"] == "من تيليجرام"]
        assert data["channel"] == "telegram" and data["message"]["author"] == "customer"
        assert not {"client_id", "buttons"} & set(data["message"])
        again = visitor.request_session()
        assert [m["text"] for m in again["elsewhere"]["messages"]][-1] == "re: من تيليجرام"
        assert again["telegram"] == "https://t.me/thiqa_700001_bot"
    here.quiet()
    sent = here.rows(t.outbox, t.outbox.c.channel == "telegram")
    assert len(sent) == 2 and len(customer.heard) == 2, "shown here, and brought there all the same"


def test_unlinked_it_is_gone_from_the_page_at_once_and_stays_so(site: Website, customer: Customer) -> None:
    with linked(site, customer) as visitor:
        customer.says("مع الربط")
        visitor.wait_for(lambda: "مع الربط" in visitor.elsewhere())
        conversation = visitor.answer["elsewhere"]["conversation"]
        customer.says("/unlink")
        customer.hears(3)
        assert visitor.told_to_ask_again(2)["elsewhere"] is None
        customer.says("سر")
        customer.hears(4)
        shown = [data["message"]["text"] for data in visitor.of("elsewhere_uttered")]
        assert not any("سر" in text or "unlink" in text for text in shown)
        answer = visitor.call("history", {"conversation": conversation, "before": 1000})
        assert answer == {"ok": True, "messages": [], "more": False}


def test_nobody_else_sees_any_of_it(site: Website, customer: Customer) -> None:
    with linked(site, customer) as visitor, site.visitor("c2") as another, site.visitor() as stranger:
        conversation = visitor.answer["elsewhere"]["conversation"]
        customer.says("خاص")
        visitor.wait_for(lambda: "خاص" in visitor.elsewhere())
        for other in (another, stranger):
            assert other.request_session()["elsewhere"] is None
            assert other.call("history", {"conversation": conversation, "before": 9})["messages"] == []
            assert not other.of("elsewhere_uttered")
        assert visitor.sign_out()["elsewhere"] is None, "nor does the next person at this device"


def test_what_is_far_back_is_fetched_in_pages_and_nothing_from_before_the_link(
    here: World, site: Website, customer: Customer
) -> None:
    customer.says("قبل الربط")
    customer.hears()
    with linked(site, customer) as visitor:
        for number in range(40):
            customer.says(f"م{number}")
        customer.hears(42, 60)
        here.quiet()
        told = visitor.request_session()["elsewhere"]
        assert len(told["messages"]) == 50 and told["more"] is True
        asked = {"conversation": told["conversation"], "before": told["messages"][0]["number"]}
        older = visitor.call("history", asked)
        assert older["more"] is False and older["messages"][0]["text"] == "/start"
        numbers = [m["number"] for m in (*older["messages"], *told["messages"])]
        assert numbers == list(range(3, 85))


def test_two_tabs_and_another_process_hear_of_it_too(
    here: World, site: Website, customer: Customer, server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process tells this one nothing: it is found by looking."""
    with linked(site, customer) as visitor, site.visitor("c1") as tablet:
        assert tablet.answer["elsewhere"] is not None
        monkeypatch.setattr(here.live, "_listeners", here.live._listeners[:0])
        customer.says("من عملية أخرى")
        for tab in (visitor, tablet):
            tab.wait_for(lambda tab=tab: "من عملية أخرى" in tab.elsewhere())  # type: ignore[misc]


# -- what we attach ----------------------------------------------------------------------------------------------------


def attach(here: World, channel: str, address: str, text: str, **files: Any) -> None:
    """What a producer of images and documents will write in its commit: the contract for both channels."""
    with here.database.write() as c:
        conversation = c.execute(
            t.conversations.select().where(t.conversations.c.channel == channel, t.conversations.c.address == address)
        ).one()
        message, number, now = new_id(), conversation.last_number + 1, utc_now()
        body = {name: file["id"] if name == "image" else file for name, file in files.items()}
        c.execute(t.conversations.update().where(t.conversations.c.id == conversation.id).values(last_number=number))
        c.execute(
            t.messages.insert().values(
                id=message,
                conversation_id=conversation.id,
                number=number,
                author="bot",
                text=text,
                meta=files,
                at=now,
            )
        )
        for file in files.values():
            c.execute(t.files.update().where(t.files.c.id == file["id"]).values(message_id=message))
        c.execute(
            t.outbox.insert().values(
                channel=channel,
                address=address,
                conversation_id=conversation.id,
                message_id=message,
                body={"text": text, **body},
                attempts=0,
                next_at=now,
                created_at=now,
            )
        )


def test_an_image_and_a_document_of_ours_reach_the_customer_on_either_channel(
    here: World, site: Website, customer: Customer
) -> None:
    files, picture, invoice = SqlFiles(here.database), b"\xff\xd8pixels", b"%PDF-1.4 invoice"
    with linked(site, customer) as visitor, site.visitor("c2") as stranger:
        visitor.ask("هلا")
        places = {"telegram": ADDRESS, "webchat": visitor.answer["visitor"]}
        kept: dict[str, tuple[str, str]] = {}
        for channel, address in places.items():
            image = files.keep(channel, address, Image(picture, "image/jpeg", 4, 3), utc_now())
            document = files.keep(channel, address, Image(invoice, "application/pdf", 0, 0), utc_now())
            kept[channel] = image, document
            attach(here, channel, address, "صورة", image={"id": image, "width": 4, "height": 3})
            attach(here, channel, address, "", document={"id": document, "name": "فاتورة.pdf"})
        customer.server.until(lambda: len(customer.heard) == 3)
        _, photo, file = customer.heard
        assert photo["photo"].encode("latin-1") == picture and photo["caption"] == "صورة"
        assert file["document"].encode("latin-1") == invoice
        answer = visitor.request_session()
        for channel, shown in (("webchat", answer["messages"]), ("telegram", answer["elsewhere"]["messages"])):
            image, document = kept[channel]
            assert shown[-2]["image"] == {"id": image, "width": 4, "height": 3} and shown[-2]["text"] == "صورة"
            assert shown[-1]["document"] == {"id": document, "name": "فاتورة.pdf"}
            got = site.file(visitor, image)
            assert (got.content, got.headers["Content-Type"]) == (picture, "image/jpeg")
            got = site.file(visitor, document)
            assert got.content == invoice and got.headers["Content-Disposition"] == "attachment"
            assert {site.file(stranger, id_).status_code for id_ in (image, document)} == {404}
        customer.says("/unlink")
        customer.server.until(lambda: len(customer.heard) == 4)
        assert site.file(visitor, kept["telegram"][0]).status_code == 404
        assert site.file(visitor, kept["webchat"][0]).status_code == 200
