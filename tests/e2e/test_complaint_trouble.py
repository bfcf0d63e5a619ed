"""A remedy is accepted while the shop fails or the process is killed: it is promised, given once, and told.

The product runs against `thiqa demo-shop` in a process of its own, behind a till that can be made to fail.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from bot.bootstrap import DEMO_SHOP
from bot.complaints.fulfilment import GRACE
from bot.conversations.model import Author
from bot.shops.embedded import reset_demo
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.turns import SqlTurnStore
from tests.e2e.server import THIQA, Server, clean_environment, free_port, link_trained
from tests.e2e.webchat import Chat
from tests.e2e.wires import ShopFront, _Front, until

pytestmark = pytest.mark.slow

SHOP_TOKEN = "token-of-the-shop"
CODE = re.compile(r"TH(?:-[2-9A-Z]{4}){3}")
COMPLAINT, PROOF, YES = "وين طلبي 1004 تأخر كثير", "9046", "اي تمام"
MINUTE = timedelta(minutes=1)
# In the order in which rows may go: those that point to others first.
_OF_COMPLAINTS = (t.outreach, t.promises, t.ledger_entries, t.ledger_locks, t.case_files, t.case_events, t.cases)


class Till(ShopFront):
    """What the shop is asked to do goes through here. `posts`: `pass`; `fail` (503, the shop hears nothing); `lose` (the
    shop does it, and the answer is lost); `before` and `after`: the same, but the caller waits until it is gone, and
    `reached` says that it does; `last`: the shop does it and answers, and then nothing more."""

    def __init__(self, behind: str) -> None:
        self.posts = "pass"
        self.reached, self.left = threading.Event(), threading.Event()
        super().__init__(behind)
        self.RequestHandlerClass = _Till


class _Till(_Front):
    server: Till

    def do_POST(self) -> None:
        till = self.server
        how = till.posts
        if how in ("pass", "last"):
            super().do_POST()
            if how == "last":
                till.trouble = "failing"
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        till.asked.append(f"POST {self.path}")
        if how in ("lose", "after"):
            kept = {name: self.headers[name] for name in ("Authorization", "Content-Type", "Idempotency-Key")}
            assert requests.post(till.behind + self.path, data=body, headers=kept, timeout=10).ok
        if how in ("before", "after"):
            till.reached.set()
            till.left.wait(30)
        if how == "fail":
            self.answer(503, b"{}")
        else:
            self.close_connection = True


@dataclass
class Stage:
    server: Server
    till: Till
    shop: Database

    def rows(self, table: Any, *where: Any) -> Sequence[Any]:
        with self.server.database().read() as c:
            return list(c.execute(sa.select(table).where(*where).order_by(*table.primary_key)).all())

    def entries(self) -> list[str]:
        return [f"{row.kind} {row.option}" for row in self.rows(t.ledger_entries)]

    def vouchers(self) -> list[str]:
        with self.shop.read() as c:
            where = t.shop_records.c.kind == "voucher"
            return [body["code"] for body in c.execute(sa.select(t.shop_records.c.body).where(where)).scalars()]

    def earlier(self, *tables: Any, by: timedelta = 10 * MINUTE) -> None:
        """What stands in these tables happened so much earlier."""
        with self.server.database().write() as c:
            for table in tables:
                for row in c.execute(sa.select(table.c.id, table.c.at)).all():
                    c.execute(table.update().where(table.c.id == row.id).values(at=row.at - by))

    def responses(self, channel: str, address: str) -> list[str]:
        store = SqlTurnStore(self.server.database())
        conversation = store.find(channel, address)
        assert conversation is not None
        return [str(m.meta.get("response")) for m in store.log(conversation.id) if m.author is Author.BOT]

    def answers_again(self) -> None:
        """The shop is well, and the circuit to it closed."""
        self.till.posts, self.till.trouble = "pass", "none"

        def tracks() -> bool:
            sender = f"probe-{time.monotonic_ns()}"
            self.server.post(sender, "وين طلبي 1002")
            self.server.post(sender, "4567")
            return any(name.startswith("utter_order_delivered") for name in self.responses("rest", sender))

        until(tracks, 60, every=1.0)


def noon_zone() -> str:
    """A time zone in which it is about noon now: nobody is written to at night."""
    ahead = 12 - datetime.now(timezone.utc).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def reset(shop: Database) -> None:
    reset_demo(shop, DEMO_SHOP, datetime.now(timezone.utc))
    where = (t.shop_records.c.kind == "store", t.shop_records.c.key == "store")
    with shop.write() as c:
        body = c.execute(sa.select(t.shop_records.c.body).where(*where)).scalar_one()
        changed = {**body, "store": {**body["store"], "timezone": noon_zone()}}
        c.execute(t.shop_records.update().where(*where).values(body=changed))


@pytest.fixture(scope="module")
def demo_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Database]]:
    """`thiqa demo-shop` in a process of its own, and its database."""
    home, port = tmp_path_factory.mktemp("shop"), free_port()
    with (home / "shop.log").open("wb") as log:
        process = subprocess.Popen(
            [THIQA, "demo-shop", "--port", str(port)],
            cwd=home,
            env=clean_environment(THIQA_HOME=str(home), THIQA_SHOP_TOKEN=SHOP_TOKEN),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (home / "shop.log").read_text()
        with suppress(requests.RequestException):
            return requests.get(f"{url}/store", headers={"Authorization": f"Bearer {SHOP_TOKEN}"}, timeout=3).ok
        return False

    try:
        until(answers, 120)
        database = Database(f"sqlite:///{home / 'thiqa.db'}")
        reset(database)
        yield url, database
        database.close()
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def running(
    trained_home: Path, demo_shop: tuple[str, Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    url, shop = demo_shop
    till = Till(url)
    server = Server(
        link_trained(tmp_path_factory.mktemp("trouble"), trained_home),
        THIQA_SHOP_URL=till.url,
        THIQA_SHOP_TOKEN=SHOP_TOKEN,
        THIQA_SHOP_TIMEOUT="5",
    )
    try:
        yield Stage(server.start(), till, shop)
    finally:
        till.left.set()
        server.close()
        till.close()


@pytest.fixture
def stage(running: Stage) -> Stage:
    """Everything in order, nobody has complained, and the shop is as new."""
    with running.server.database().write() as c:
        for table in _OF_COMPLAINTS:
            c.execute(table.delete())
    reset(running.shop)
    running.answers_again()
    return running


def texts(replies: Sequence[dict[str, Any]]) -> str:
    return "\n".join(reply["text"] for reply in replies)


@pytest.fixture
def chat(stage: Stage) -> Iterator[Chat]:
    """A visitor of the shop's website whose parcel is late and who has an offer to accept."""
    with Chat(stage.server.url).open() as chat:
        chat.ask(COMPLAINT)
        chat.ask(PROOF)
        assert [row.state for row in stage.rows(t.cases)] == ["open"]
        yield chat


def address(stage: Stage) -> str:
    [case] = stage.rows(t.cases)
    [found] = stage.rows(t.conversations, t.conversations.c.id == case.conversation_id)
    return str(found.address)


def test_accepted_while_the_shop_fails_it_is_promised_and_later_given_once_and_told(stage: Stage, chat: Chat) -> None:
    stage.till.posts = "fail"
    replies = chat.ask(YES)
    assert stage.responses("webchat", address(stage))[-1] == "utter_given_pending"
    assert not CODE.search(texts(replies)), "nothing is told that is not had"
    [promise] = stage.rows(t.promises)
    assert (promise.kind, promise.owner, promise.state) == ("remedy_done", "bot", "open")
    [case] = stage.rows(t.cases)
    assert case.state == "open" and case.accepted["option"] == "voucher" and not case.offered
    assert stage.entries() == ["grant voucher"]
    assert case.number in texts(replies)

    stage.till.posts = "pass"
    # Ten minutes pass: it was left lying, and the customer is not in the middle of writing.
    stage.earlier(t.ledger_entries, t.messages, by=max(2 * GRACE, 11 * MINUTE))
    said = len(chat.said())
    told = chat.wait_for(lambda: next(iter(chat.said()[said:]), None), "nothing was told", 75)
    [code] = stage.vouchers()
    assert code in told and case.number in told
    assert stage.responses("webchat", address(stage))[-1] == "utter_outreach_remedy_done"
    assert stage.entries() == ["grant voucher", "fulfil voucher"]
    [case] = stage.rows(t.cases)
    assert case.state == "resolved"
    assert [row.state for row in stage.rows(t.promises)] == ["kept"]
    assert sorted((row.kind, row.sent_at is not None) for row in stage.rows(t.outreach)) == [
        ("case_check", False),
        ("remedy_done", True),
    ]
    # Asked for later, in the same conversation, it is the same one.
    assert chat.ask("وش صار على شكواي")
    assert stage.vouchers() == [code]


def test_an_answer_of_the_shop_that_was_lost_is_had_later_and_told_to_who_asks(stage: Stage) -> None:
    """Over REST nobody can be written to: the code is there when the customer asks what became of it."""
    server, sender = stage.server, "lost"
    server.post(sender, COMPLAINT)
    server.post(sender, PROOF)
    stage.till.posts = "lose"
    replies = server.post(sender, YES)
    assert stage.responses("rest", sender)[-1] == "utter_given_pending_ask"
    [code] = stage.vouchers()
    assert code not in texts(replies) and stage.entries() == ["grant voucher"]
    stage.till.posts = "pass"
    stage.earlier(t.ledger_entries, t.messages, by=max(2 * GRACE, 11 * MINUTE))
    until(lambda: stage.entries() == ["grant voucher", "fulfil voucher"], 60)
    assert stage.vouchers() == [code]
    until(lambda: [row.reason for row in stage.rows(t.outreach) if row.kind == "remedy_done"] == ["channel"], 30)
    assert code in texts(server.post(sender, "وش صار على شكواي"))


def test_with_the_shop_away_altogether_nothing_is_promised_and_forgotten(stage: Stage, chat: Chat) -> None:
    """No answer to anything: either it is reserved and promised, or it is admitted and the offer stays on the table."""
    stage.till.trouble = "failing"
    replies = chat.ask(YES)
    said = stage.responses("webchat", address(stage))[-1]
    [case] = stage.rows(t.cases)
    assert not CODE.search(texts(replies)) and stage.vouchers() == []
    if said == "utter_given_pending":
        assert stage.entries() == ["grant voucher"] and [row.kind for row in stage.rows(t.promises)] == ["remedy_done"]
    else:
        assert said == "utter_shop_unavailable"
        assert stage.entries() == [] and stage.rows(t.promises) == []
        assert case.state == "open" and case.offered and case.accepted is None
    stage.answers_again()
    chat.ask("وش صار على شكواي")
    if said == "utter_shop_unavailable":
        assert stage.responses("webchat", address(stage))[-1].startswith("utter_case_offer")
        chat.ask(YES)
    else:
        stage.earlier(t.ledger_entries)
        until(stage.vouchers, 60)
    assert len(stage.vouchers()) == len({row.case_id for row in stage.rows(t.ledger_entries)}) == 1


def test_what_was_given_is_told_though_the_shop_goes_away_right_after(stage: Stage, chat: Chat) -> None:
    stage.till.posts = "last"
    replies = chat.ask(YES)
    [code] = stage.vouchers()
    assert stage.entries() == ["grant voucher", "fulfil voucher"]
    assert code in texts(replies), stage.responses("webchat", address(stage))[-1]
    assert [row.state for row in stage.rows(t.cases)] == ["resolved"]


class Caller(threading.Thread):
    """Sends one message with its id until it is answered, as a caller does whose server is killed."""

    def __init__(self, server: Server, sender: str, message: str) -> None:
        super().__init__(daemon=True)
        self.server, self.sender, self.message = server, sender, message
        self.answer: list[dict[str, Any]] | None = None
        self.trouble: str | None = None

    def run(self) -> None:
        body = {"sender": self.sender, "message": self.message, "metadata": {"message_id": "accept-1"}}
        while self.answer is None:
            try:
                response = self.server.request(body)
            except requests.RequestException:
                time.sleep(0.1)  # it was killed, or is not up yet
                continue
            if response.status_code == 200:
                self.answer = response.json()
            elif response.status_code in (429, 503, 504):
                time.sleep(0.2)
            else:
                self.trouble = f"{response.status_code}: {response.text[:200]}"
                return


def test_killed_three_times_between_the_grant_and_the_answer_there_is_one_voucher(stage: Stage) -> None:
    server, till = stage.server, stage.till
    sender = "killed"
    server.post(sender, COMPLAINT)
    server.post(sender, PROOF)
    caller = Caller(server, sender, YES)
    kills = ["before", "after", "after"]
    till.posts = kills[0]
    caller.start()
    for place, how in enumerate(kills):
        assert till.reached.wait(60), "the shop was not asked"
        assert stage.entries() == ["grant voucher"]
        server.kill()
        till.reached.clear()
        till.left.set()
        assert len(stage.vouchers()) == (0 if how == "before" else 1)
        assert [row.state for row in stage.rows(t.cases)] == ["open"]
        with server.database().write() as c:  # the lease of the dead runs out
            c.execute(t.conversations.update().values(lease_until=datetime.now(timezone.utc) - MINUTE))
        till.left.clear()
        till.posts = [*kills[1:], "pass"][place]
        server.start()
    caller.join(60)
    assert caller.trouble is None and caller.answer is not None
    [code] = stage.vouchers()
    assert code in texts(caller.answer)
    assert stage.entries() == ["grant voucher", "fulfil voucher"]
    [case] = stage.rows(t.cases)
    assert case.state == "resolved" and case.accepted["option"] == "voucher"
    assert [row.kind for row in stage.rows(t.outreach)] == ["case_check"]
    assert stage.responses("rest", sender)[-1] == "utter_given_voucher"
    assert server.post(sender, YES, message_id="accept-1") == caller.answer
    assert stage.vouchers() == [code] and len(stage.rows(t.ledger_entries)) == 2
