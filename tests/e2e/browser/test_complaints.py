"""A complaint in the widget, from the broken parcel to the question, a day later, whether it is right again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from bot.bootstrap import DEMO_SHOP
from bot.shops.embedded import EmbeddedShop, reset_demo
from bot.storage import tables as t
from tests.e2e.browser import stored
from tests.e2e.browser.test_images import file, picture
from tests.e2e.browser.test_images import ready as picture_ready
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server
from tests.e2e.test_complaint_trouble import noon_zone

pytestmark = pytest.mark.slow

LANGUAGES = pytest.mark.parametrize("language", ["ar", "en"])
COMPLAINT = {
    "ar": "وصلتني القلاية مكسورة من الجنب والباب ما يقفل، رقم الطلب 1006",
    "en": "The air fryer of order 1006 arrived broken, its side is cracked and the drawer does not close",
}
PROOF = "3456"
REFUND = {"ar": "استرداد 399", "en": "Refund of SAR 399"}
OPTIONS = {
    "ar": ["إرسال طرد جديد", "استرداد 399 ريالًا", "هذا لا يكفي", "لا أحتاج إلى شيء"],
    "en": ["New parcel", "Refund of SAR 399", "That's not enough", "I don't need anything"],
}
RIGHT = {"ar": "نعم، كل شيء على ما يرام", "en": "Yes, all is well"}
NOT_RIGHT = {"ar": "لا، ليس بعد", "en": "No, not yet"}
RATES = {
    "ar": ["5 ممتاز", "4", "3", "2", "1"],
    "en": ["5 Excellent", "4", "3", "2", "1"],
}
WORD = {"ar": "الفريق كان سريع ولطيف جدا معي", "en": "Your team was quick and very kind to me"}
# In the order in which rows may go: those that point to others first.
_OF_COMPLAINTS = (
    t.outreach,
    t.promises,
    t.ledger_entries,
    t.ledger_locks,
    t.case_files,
    t.case_events,
    t.cases,
)


@pytest.fixture(autouse=True)
def _noon(shop: Server) -> Iterator[None]:
    """A shop as new, where nobody has complained and it is noon: nobody is asked anything at night."""
    database = shop.database()
    with database.write() as c:
        for table in _OF_COMPLAINTS:
            c.execute(table.delete())
    reset_demo(database, DEMO_SHOP, datetime.now(timezone.utc))
    where = (t.shop_records.c.kind == "store", t.shop_records.c.key == "store")
    with database.write() as c:
        body = c.execute(sa.select(t.shop_records.c.body).where(*where)).scalar_one()
        changed = {**body, "store": {**body["store"], "timezone": noon_zone()}}
        c.execute(t.shop_records.update().where(*where).values(body=changed))
    yield
    with database.write() as c:
        c.execute(t.shop_records.update().where(*where).values(body=body))


def rows(shop: Server, table: Any) -> Sequence[Any]:
    with shop.database().read() as c:
        return list(c.execute(sa.select(table).order_by(*table.primary_key)).all())


def responses(shop: Server, chat: Chat) -> list[str]:
    return [row["meta"].get("response") for row in stored.said(shop, chat.page) if row["author"] == "bot"]


def wait_response(shop: Server, chat: Chat, response: str, timeout: float = 15.0) -> None:
    """Until that is the last thing the assistant has said, and the widget shows all it has said."""

    def holds() -> bool:
        said = responses(shop, chat)
        return bool(said) and said[-1] == response and len(chat.messages("bot")) == len(said)

    try:
        chat.wait(holds, timeout)
    except AssertionError:
        assert responses(shop, chat)[-1:] == [response]
        raise


def titles(chat: Chat) -> list[str]:
    return [title.strip() for title in chat.part("button").all_inner_texts()]


def offered(chat: Chat, expected: Sequence[str]) -> None:
    """The last buttons in the widget, by how they begin."""

    def holds() -> bool:
        last = titles(chat)[-len(expected) :]
        return len(last) == len(expected) and all(a.startswith(b) for a, b in zip(last, expected, strict=True))

    chat.wait(holds)


def a_day_passes(shop: Server, chat: Chat) -> None:
    """The check is due, and the customer has written nothing for an hour."""
    held = stored.conversation(shop, stored.session(chat.page, shop)["visitor"])
    now = datetime.now(timezone.utc)
    with shop.database().write() as c:
        of_this = t.messages.c.conversation_id == held
        for row in c.execute(sa.select(t.messages.c.id, t.messages.c.at).where(of_this)).all():
            c.execute(t.messages.update().where(t.messages.c.id == row.id).values(at=row.at - timedelta(hours=1)))
        c.execute(t.outreach.update().values(due_at=now - timedelta(minutes=1)))


def refunded(visit: Callable[..., Chat], shop: Server, language: str) -> Chat:
    """A visitor whose broken fryer was paid back."""
    chat = visit(language=language).open()
    chat.say(COMPLAINT[language])
    wait_response(shop, chat, "utter_ask_proof")
    chat.say(PROOF)
    wait_response(shop, chat, "utter_case_offers")
    offered(chat, OPTIONS[language])
    chat.part("file").set_input_files(file(picture()))
    picture_ready(chat, language)
    chat.part("send").click()
    # The picture is with the case, and the offers are still there.
    wait_response(shop, chat, "utter_case_offers_again")
    offered(chat, OPTIONS[language])
    chat.press(REFUND[language])
    wait_response(shop, chat, "utter_given_refund")
    [case] = rows(shop, t.cases)
    assert (case.state, case.order_number, case.item, case.accepted["option"]) == (
        "resolved",
        "1006",
        "AF-55",
        "refund",
    )
    assert [(row.case_id, row.file_id) for row in rows(shop, t.case_files)] == [
        (case.id, row.id) for row in rows(shop, t.files) if row.address == stored.session(chat.page, shop)["visitor"]
    ]
    assert [f"{row.kind} {row.option}" for row in rows(shop, t.ledger_entries)] == ["grant refund", "fulfil refund"]
    order = EmbeddedShop(shop.database()).order("1006")  # type: ignore[arg-type]
    assert order is not None and order.refund is not None and str(order.refund.amount) == "399.00"
    said = chat.messages("bot")[-1]["text"]
    assert "399" in said and case.number in " ".join(message["text"] for message in chat.messages("bot"))
    return chat


def asked(visit: Callable[..., Chat], shop: Server, language: str) -> Chat:
    """The same visitor, a day later, still with the widget open, asked whether it is right again."""
    chat = refunded(visit, shop, language)
    before = len(chat.messages("bot"))
    a_day_passes(shop, chat)
    wait_response(shop, chat, "utter_outreach_case_check", 30)
    assert len(chat.messages("bot")) == before + 1
    [case] = rows(shop, t.cases)
    assert case.number in chat.messages("bot")[-1]["text"]
    offered(chat, [RIGHT[language], NOT_RIGHT[language]])
    return chat


@LANGUAGES
def test_it_is_right_again_and_the_customer_says_how_it_was(
    visit: Callable[..., Chat], shop: Server, language: str
) -> None:
    chat = asked(visit, shop, language)
    chat.press(RIGHT[language])
    wait_response(shop, chat, "utter_case_right")
    offered(chat, RATES[language])
    chat.press(RATES[language][0])
    wait_response(shop, chat, "utter_rated_high")
    chat.say(WORD[language])
    wait_response(shop, chat, "utter_comment_thanks")
    [case] = rows(shop, t.cases)
    [rating] = [row for row in rows(shop, t.ratings) if row.case_id == case.id]
    assert (rating.score, rating.comment, rating.key) == (5, WORD[language], f"case:{case.number}")
    assert rating.conversation_id == case.conversation_id
    assert case.state == "resolved"
    # It is said once: what was sent is not planned again, and a reload shows the same.
    [check] = [row for row in rows(shop, t.outreach) if row.kind == "case_check"]
    assert check.sent_at is not None and check.dropped_at is None
    log = chat.messages("bot")
    chat.page.reload()
    chat.open()
    chat.wait(lambda: chat.messages("bot") == log)


@LANGUAGES
def test_it_is_not_right_and_a_person_takes_it(visit: Callable[..., Chat], shop: Server, language: str) -> None:
    chat = asked(visit, shop, language)
    chat.press(NOT_RIGHT[language])
    chat.wait(lambda: "utter_case_to_person" in responses(shop, chat))
    said = responses(shop, chat)
    assert said.index("utter_case_not_right") < said.index("utter_case_to_person")
    [case] = rows(shop, t.cases)
    assert case.state == "with_person" and case.closed_at is None
    [handoff] = [row for row in rows(shop, t.handoffs) if row.conversation_id == case.conversation_id]
    assert (handoff.reason, handoff.ended_at) == ("low_rating", None)
    [conversation] = [row for row in rows(shop, t.conversations) if row.id == case.conversation_id]
    assert conversation.owner == "queue"
    promises = {row.kind: row.state for row in rows(shop, t.promises)}
    assert promises["person_decides"] == "open"
    assert [f"{row.kind} {row.option}" for row in rows(shop, t.ledger_entries)] == ["grant refund", "fulfil refund"]
    chat.wait(lambda: len(chat.messages("bot")) == len(responses(shop, chat)))


def test_a_picture_that_comes_with_the_complaint_is_kept_with_its_case(
    visit: Callable[..., Chat], shop: Server
) -> None:
    """It is shown before the order is known: the case is opened two messages later."""
    chat = visit(language="en").open()
    chat.part("file").set_input_files(file(picture()))
    picture_ready(chat, "en")
    chat.part("input").fill(COMPLAINT["en"])
    chat.part("send").click()
    wait_response(shop, chat, "utter_ask_proof")
    expect(chat.part("image")).to_have_count(1)
    chat.say(PROOF)
    wait_response(shop, chat, "utter_case_offers")
    [case] = rows(shop, t.cases)
    assert [row.case_id for row in rows(shop, t.case_files)] == [case.id]
