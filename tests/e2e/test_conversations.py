"""Whole conversations over the REST channel against the running product.

`conversations/*.yml` holds them, each named, with the sentence it proves. Of a reply its response key is checked, the
figures and names it must tell, and what it must not; wordings vary. Afterwards the database is checked: every message
answered once and in order, nothing left in inbox or outbox, and owner, proof, wrong tries, handoff and unanswered
questions exactly as the conversation says.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from bot.customers.proof import PAUSE
from bot.formatting import Formatter
from bot.shops.embedded import EmbeddedShop
from bot.storage import tables as t
from tests.e2e.server import Server

pytestmark = pytest.mark.slow

SAYS = {"says", "presses"}
EXPECTS = {"gets", "any_of", "tells", "hides", "buttons", "source"}
ENDS = {"owner", "proof", "failures", "handoff", "unanswered", "language", "opted_out"}
HANDOFF = {"reason", "acknowledged", "contact", "ended"}


def _load() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((Path(__file__).parent / "conversations").glob("*.yml")):
        for name, conversation in yaml.safe_load(path.read_text("utf-8")).items():
            assert name not in found, f"two conversations are called {name}"
            assert set(conversation) <= {"holds", "talk", "ends"}, name
            for step in conversation["talk"]:
                assert len(SAYS & set(step)) == 1 and set(step) <= SAYS | EXPECTS, (name, step)
                assert all(isinstance(step[key], str) for key in SAYS & set(step)), (name, step)
                assert len({"gets", "any_of"} & set(step)) == 1, (name, step)
            ends = conversation.get("ends", {})
            assert set(ends) <= ENDS and set(ends.get("handoff") or {}) <= HANDOFF, name
            found[name] = conversation
    return found


CONVERSATIONS = _load()


class Customer:
    """One customer's side of a conversation, and what the database says about it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sender = f"customer-{uuid.uuid4().hex[:12]}"
        self.buttons: list[dict[str, str]] = []
        self.texts: list[str] = []
        self.stored: list[Any] = []
        self.sent: list[str] = []

    def say(self, text: str) -> list[str | None]:
        """Send a message; the response keys of what came back, which `texts`, `buttons` and `stored` hold."""
        return self._send(text, text)

    def press(self, title: str) -> list[str | None]:
        """Press the first button whose title holds `title`."""
        button = next((b for b in self.buttons if title in b["title"]), None)
        assert button, f"no button {title!r} among {[b['title'] for b in self.buttons]}"
        return self._send(button["payload"], button["title"])

    def _send(self, message: str, logged: str) -> list[str | None]:
        replies = self.server.post(self.sender, message)
        self.sent.append(logged)
        self.texts = [reply["text"] for reply in replies]
        self.buttons = [button for reply in replies for button in reply.get("buttons", [])] or self.buttons
        assert all(reply["recipient_id"] == self.sender for reply in replies)
        last = self.rows(t.messages, t.messages.c.author == "customer", by=t.messages.c.number)[-1]
        assert last.text == logged
        self.stored = self.rows(t.messages, t.messages.c.reply_to == last.id, by=t.messages.c.number)
        assert [row.text for row in self.stored] == self.texts, "what is stored is not what was sent"
        return [row.meta.get("response") for row in self.stored]

    @property
    def row(self) -> Any:
        with self.server.database().read() as c:
            return c.execute(
                sa.select(t.conversations).where(
                    t.conversations.c.channel == "rest", t.conversations.c.address == self.sender
                )
            ).one()

    def rows(self, table: Any, *where: Any, by: Any = None) -> Sequence[Any]:
        """This conversation's rows of a table."""
        query = sa.select(table).where(table.c.conversation_id == self.row.id, *where)
        with self.server.database().read() as c:
            return list(c.execute(query if by is None else query.order_by(by)).all())

    def check_record(self) -> None:
        """Every message is in the log once, its replies right behind it; nothing waits in inbox or outbox."""
        log = self.rows(t.messages, by=t.messages.c.number)
        assert [row.number for row in log] == list(range(1, len(log) + 1)) and self.row.last_number == len(log)
        asked: list[Any] = []
        for row in log:
            if row.author == "customer":
                asked.append(row)
            else:
                assert row.reply_to == asked[-1].id, "a reply does not stand behind its message"
                assert row.text.strip() and not re.search(r"\{[a-z_]+\}", row.text), row.text
        assert [row.text for row in asked] == self.sent
        inbox = self.rows(t.inbox, by=t.inbox.c.id)
        assert [row.message_id for row in inbox] == [row.id for row in asked]
        assert all(row.done_at is not None and row.attempts == 1 for row in inbox), "a turn was not done at once"
        outbox = self.rows(t.outbox, by=t.outbox.c.id)
        assert [row.message_id for row in outbox] == [row.id for row in log if row.author == "bot"]
        assert all(row.sent_at is not None and row.failed_at is None for row in outbox), "a reply was not collected"
        assert self.row.lease_owner is None

    def check_ends(self, ends: Mapping[str, Any]) -> None:
        assert self.row.owner == ends.get("owner", "bot")
        assert self.row.language == ends.get("language", "ar")
        assert self.row.opted_out == ends.get("opted_out", False)
        proof = ends.get("proof")
        assert [row.customer for row in self.rows(t.proofs)] == ([proof] if proof else [])
        failures = self.rows(t.proof_failures, by=t.proof_failures.c.id)
        assert [row.order_number for row in failures] == ends.get("failures", [])
        asked = [row.id for row in self.rows(t.messages)]
        with self.server.database().read() as c:
            unanswered = t.unanswered_questions
            noted = c.execute(sa.select(unanswered).where(unanswered.c.message_id.in_(asked))).all()
        assert [row.text for row in noted] == ends.get("unanswered", [])
        handoffs = self.rows(t.handoffs)
        expected = ends.get("handoff")
        assert len(handoffs) == (1 if expected else 0)
        if expected:
            assert handoffs[0].reason == expected["reason"]
            assert (handoffs[0].acknowledged_at is not None) == expected.get("acknowledged", False)
            assert handoffs[0].contact == expected.get("contact")
            assert (handoffs[0].ended_at is not None) == expected.get("ended", False)
            assert handoffs[0].taken_at is None


def _facts(customer: Customer) -> Callable[[str], str]:
    """Fills `{day +1}` (a day from the day the shop was loaded), `{hours}` and `{pause}` as a customer reads them."""
    shop = EmbeddedShop(customer.server.database())
    figures, store = Formatter(customer.row.language), shop.store()
    order = shop.order("1012")
    assert order is not None and order.placed_on is not None  # placed on day 0
    today = order.placed_on

    def fill(text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match["days"]:
                return figures.date(today + timedelta(days=int(match["days"])), today)
            if match["what"] == "hours":
                return figures.hours(store.support_hours)
            last = customer.rows(t.proof_failures, by=t.proof_failures.c.at)[-1].at
            return figures.time((last + PAUSE).astimezone(store.timezone))

        return re.sub(r"\{(?P<what>day|hours|pause)(?: (?P<days>[+-]\d+))?\}", value, text)

    return fill


def _expected_handoff(server: Server) -> set[str]:
    """What is true now: outside support hours nobody is there."""
    store = EmbeddedShop(server.database()).store()
    if store.support_hours.open_at(datetime.now(timezone.utc), store.timezone):
        return {"utter_handoff_open_first", "utter_handoff_open"}
    return {"utter_handoff_closed"}


def _check_reply(customer: Customer, step: Mapping[str, Any], keys: list[str | None], handoff: set[str]) -> None:
    said = "\n".join(customer.texts)
    heard = customer.stored[0].meta.get("intent") if customer.stored else None
    where = f"{step.get('says', step.get('presses'))!r} (understood: {heard}) got {keys}:\n{said}"
    if "any_of" in step:
        assert keys[0] in step["any_of"], where
    else:
        expected = [handoff if key == "handoff" else {key} for key in step["gets"]]
        assert len(keys) == len(expected) and all(k in e for k, e in zip(keys, expected, strict=True)), where
    fill = _facts(customer)
    for fact in step.get("tells", ()):
        words = [fill(str(word)) for word in (fact if isinstance(fact, list) else [fact])]  # one of several will do
        assert any(word in said for word in words), f"{words} is missing after {where}"
    for secret in step.get("hides", ()):
        assert secret not in said, f"{secret!r} is told after {where}"
    titles = [button["title"] for button in customer.buttons]
    for title in step.get("buttons", ()):
        assert any(title in offered for offered in titles), f"no button {title!r} among {titles} after {where}"
    if "source" in step:
        assert customer.stored[0].meta.get("source") == step["source"], where


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(product: Server, name: str) -> None:
    """What the conversation's `holds` says, and a record in the database that agrees with it."""
    conversation = CONVERSATIONS[name]
    customer = Customer(product)
    for step in conversation["talk"]:
        handoff = _expected_handoff(product)
        keys = customer.say(step["says"]) if "says" in step else customer.press(step["presses"])
        _check_reply(customer, step, keys, handoff | _expected_handoff(product))
    customer.check_record()
    customer.check_ends(conversation.get("ends", {}))


def test_there_are_conversations_enough() -> None:
    """Whole ones, of several messages."""
    assert len(CONVERSATIONS) >= 36
    assert all(3 <= len(conversation["talk"]) <= 8 for conversation in CONVERSATIONS.values())


@pytest.mark.parametrize("language", ["ar", "en"])
def test_wrong_proof_and_unknown_number_sound_the_same(product: Server, language: str) -> None:
    """Nobody learns from the answers whether an order exists or whose it is: an own order with wrong digits, another
    customer's digits, and a number that was never given out get the same responses, buttons and count of tries."""
    ask = {"ar": "وين طلبي {}", "en": "where is my order {}"}[language]
    heard = []
    for number, proof in (("1001", "1234"), ("1001", "9046"), ("9999", "1234"), ("9999", "noura@example.com")):
        customer = Customer(product)
        asked = customer.say(ask.format(number))
        titles = [b["title"] for b in customer.buttons]
        refused = customer.say(proof)
        tries = re.findall(r"\d+", customer.texts[0])
        heard.append((asked, titles, refused, tries, [b["title"] for b in customer.buttons]))
        assert [row.order_number for row in customer.rows(t.proof_failures)] == [number]
        assert not customer.rows(t.proofs)
        customer.check_record()
    assert heard[0][0] == ["utter_ask_proof"] and heard[0][2] == ["utter_proof_refused"]
    assert all(other == heard[0] for other in heard)


@contextmanager
def _support_hours(server: Server, **hours: Any) -> Iterator[None]:
    """The merchant's shop says other support hours for a while."""
    where = (t.shop_records.c.kind == "store", t.shop_records.c.key == "store")
    with server.database().write() as c:
        body = c.execute(sa.select(t.shop_records.c.body).where(*where)).scalar_one()
        changed = {**body, "store": {**body["store"], "support_hours": hours}}
        c.execute(t.shop_records.update().where(*where).values(body=changed))
    try:
        yield
    finally:
        with server.database().write() as c:
            c.execute(t.shop_records.update().where(*where).values(body=body))


DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def test_inside_support_hours_the_place_in_the_queue_is_told(product: Server) -> None:
    """Within hours the customer hears who waits before them, and is not asked for a phone number."""
    with _support_hours(product, days=DAYS, **{"from": "00:00", "to": "23:59"}):
        first, second = Customer(product), Customer(product)
        assert first.say("I want to talk to a person please")[0] in ("utter_handoff_open_first", "utter_handoff_open")
        with product.database().read() as c:
            ahead = c.execute(
                sa.select(sa.func.count())
                .select_from(t.handoffs)
                .where(t.handoffs.c.ended_at.is_(None), t.handoffs.c.taken_at.is_(None))
            ).scalar_one()
        assert second.say("I want to talk to a person please") == ["utter_handoff_open"]
        assert Formatter("en").counted(ahead, "conversation") in second.texts[0]
    for customer in (first, second):
        customer.check_record()
        customer.check_ends({"owner": "queue", "language": "en", "handoff": {"reason": "asked"}})


@pytest.mark.parametrize(("language", "message"), [("ar", "ابي اكلم موظف"), ("en", "can I talk to a human please")])
def test_outside_support_hours_the_hours_are_told(product: Server, language: str, message: str) -> None:
    """Outside hours nobody is promised: the hours are told, and a contact that is left is kept with the wait."""
    yesterday = DAYS[(datetime.now(timezone.utc) - timedelta(days=2)).isoweekday() % 7]
    with _support_hours(product, days=[yesterday], **{"from": "09:00", "to": "10:00"}):
        customer = Customer(product)
        assert customer.say(message) == ["utter_handoff_closed"]
        hours = EmbeddedShop(product.database()).store().support_hours
        assert Formatter(language).hours(hours) in customer.texts[0]
        assert customer.say("someone@example.com") == ["utter_contact_saved"]
        assert customer.say("thanks" if language == "en" else "شكرا") == []
    customer.check_record()
    customer.check_ends(
        {
            "owner": "queue",
            "language": language,
            "handoff": {"reason": "asked", "acknowledged": True, "contact": "someone@example.com"},
        }
    )


def test_a_conversation_is_its_senders_alone(product: Server) -> None:
    """Proof given by one sender opens nothing for another, and one sender's buttons mean nothing to another."""
    owner, stranger = Customer(product), Customer(product)
    owner.say("where is order 1001")
    assert owner.say("4567") == ["utter_order_shipped"]
    assert stranger.say("where is order 1001") == ["utter_ask_proof"]
    assert owner.say("where is my order") == ["utter_ask_order_choice"]
    stolen = next(b["payload"] for b in owner.buttons if "1003" in b["title"])
    stranger.server.post(stranger.sender, stolen)
    assert not stranger.rows(t.proofs)
    said = [row.text for row in stranger.rows(t.messages, t.messages.c.author == "bot")]
    assert not any("abaya" in text for text in said)
