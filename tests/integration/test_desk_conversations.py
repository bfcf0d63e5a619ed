"""Conversations at the desk over HTTP: from a customer who asks for a person to the way back to the bot."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Response

from bot.conversations.model import Author, Button, ConversationId, FileId, Inbound, Owner, OwnerChange, Reply, Turn
from bot.conversations.ports import Received
from bot.desk.conversations import LARGEST_PAGE
from bot.handoff.model import AgentId, HandoffAsked, Presence, Reason, Role, TeamId
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.log import append, new_id
from tests.databases import migrated
from tests.integration.conversations import Core
from tests.integration.desk import AT_DESK, Browser, DeskWorld, code_of

NOBODY = "00000000-0000-0000-0000-000000000000"
EVIL = '<script>alert(1)</script> & "quotes" \'; DROP TABLE messages; --'


def asks_for_person(turn: Turn) -> None:
    if "person" in turn.message.text:
        turn.effects += [HandoffAsked(Reason.ASKED), OwnerChange(Owner.QUEUE)]


class Shop:
    """Customers on one side, the desk on the other, over one database and one clock."""

    def __init__(self, database: Database, home: Path) -> None:
        self.world = DeskWorld(database, home)
        self.core = Core(database, clock=self.world.clock)
        self.core.assistant.before = asks_for_person
        self.database, self.clock, self.people = database, self.world.clock, self.world.people

    def write(self, text: str, address: str = "customer") -> Received:
        """A customer writes, and is answered as far as somebody answers."""
        received = self.core.inbox.receive(Inbound("rest", address, text, language="en"))
        self.core.run_all()
        return received

    def waiting(self, address: str = "customer", text: str = "a person please") -> str:
        """The conversation of a customer who waits in the queue."""
        return str(self.write(text, address).conversation)

    def held_by(self, browser: Browser, address: str = "customer") -> str:
        here = self.waiting(address)
        assert browser.call("POST", f"/conversations/{here}/take").status_code == 200
        return here

    def team(self, name: str) -> TeamId:
        return TeamId(self.world.accounts._records.add_team(name, name, AT_DESK, self.clock()).id)

    def into_team(self, conversation: str, team: TeamId, lead: Browser) -> None:
        assert lead.call("POST", f"/conversations/{conversation}/transfer", {"team": team}).status_code == 200

    def texts(self, conversation: str) -> list[tuple[Author, str]]:
        return [(message.author, message.text) for message in self.core.store.log(ConversationId(conversation))]

    def outbox(self) -> list[Any]:
        return [row for row in self.core.outbox_rows() if row.body.get("author") == "agent"]

    def logged(self, action: str) -> list[Any]:
        return [row for row in self.world.rows(t.desk_audit) if row.action == action]


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    return Shop(database, tmp_path)


@pytest.fixture
def quick(tmp_path: Path) -> Any:
    """On SQLite alone, for what no database does differently."""
    with migrated("sqlite", tmp_path) as database:
        yield Shop(database, tmp_path)


def ok(answer: Response) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def me(browser: Browser) -> str:
    return str(ok(browser.call("GET", "/session"))["agent"]["id"])


# -- one whole escalation ----------------------------------------------------------------------------------------------


def test_a_customer_asks_and_an_agent_sees_takes_answers_and_hands_back(shop: Shop) -> None:
    salma = shop.world.at_desk("salma")
    shop.write("where is my order?")
    here = shop.waiting()
    [line] = ok(salma.call("GET", "/queue"))["conversations"]
    assert (line["id"], line["state"], line["owner"], line["language"]) == (here, "queued", "queue", "en")
    assert line["handoff"]["reason"] == "asked" and line["customer_text"] == "a person please"
    assert shop.people.standing(ConversationId(here)).handoff.noticed_at is not None, "somebody saw that they wait"

    whole = ok(salma.call("GET", f"/conversations/{here}?language=en"))
    assert whole["waiting_since"] is not None and whole["holder"] is None and whole["customer"] is None
    assert "where is my order?" in whole["summary"] and "a person please" in whole["summary"]

    taken = ok(salma.call("POST", f"/conversations/{here}/take"))
    assert (taken["state"], taken["agent"], taken["agent_name"]) == ("taken", me(salma), "salma")
    assert ok(salma.call("GET", "/queue"))["conversations"] == []
    assert ok(salma.call("GET", f"/conversations/{here}"))["holder_name"] == "salma"

    said = ok(salma.call("POST", f"/conversations/{here}/messages", {"text": "It left today.", "key": "k1"}))
    again = ok(salma.call("POST", f"/conversations/{here}/messages", {"text": "It left today.", "key": "k1"}))
    assert said["new"] and not again["new"] and (said["id"], said["number"]) == (again["id"], again["number"])
    assert shop.texts(here).count((Author.AGENT, "It left today.")) == 1
    [sent] = shop.outbox()
    assert (sent.message_id, sent.address, sent.body["text"]) == (said["id"], "customer", "It left today.")

    before = len(shop.texts(here))
    shop.write("thank you")
    assert shop.texts(here)[before:] == [(Author.CUSTOMER, "thank you")], "no bot words after a takeover"
    back = ok(salma.call("POST", f"/conversations/{here}/hand-back", {"note": "done", "agreed": "Arrives Monday."}))
    assert (back["state"], back["note"], back["agreed"]) == ("returned", "done", "Arrives Monday.")
    assert ok(salma.call("GET", f"/conversations/{here}"))["state"] == "bot"
    shop.write("and now?")
    assert shop.texts(here)[-1] == (Author.BOT, "re: and now?")

    done = [event["what"] for event in ok(salma.call("GET", f"/conversations/{here}/events"))]
    assert done == ["asked", "taken", "returned"]
    kept = [row.action for row in shop.world.rows(t.desk_audit) if row.subject == here]
    assert kept == [
        "conversation.read",
        "conversation.taken",
        "conversation.answered",
        "conversation.handed_back",
    ]


def test_messages_tell_who_wrote_from_which_source_with_choices_and_images(quick: Shop) -> None:
    salma = quick.world.at_desk("salma")

    class Choosing:
        def respond(self, turn: Turn) -> list[Reply]:
            turn.state_after = "1"
            asks_for_person(turn)
            return [Reply("Which?", [Button("", "This one", "/secret")], "utter_which", "faq.returns")]

    quick.core.assistant = Choosing()  # type: ignore[assignment]
    quick.core.runner = quick.core.make_runner("worker")
    here = quick.held_by(salma)
    file = FileId(new_id())
    with quick.database.write() as c:
        c.execute(
            t.files.insert().values(
                id=file,
                channel="rest",
                address="customer",
                media_type="image/png",
                width=1,
                height=1,
                content=b"x",
                created_at=quick.clock(),
            )
        )
    body = {"text": "Look", "key": "k", "files": [file]}
    ok(salma.call("POST", f"/conversations/{here}/messages", body))
    customer, bot, agent = ok(salma.call("GET", f"/conversations/{here}/messages"))["messages"]
    assert (customer["author"], customer["text"], customer["number"]) == ("customer", "a person please", 1)
    assert bot["buttons"] == ["This one"] and bot["source"] == "faq.returns" and bot["agent"] is None
    assert (agent["agent"], agent["agent_name"], agent["images"]) == (me(salma), "salma", [file])
    assert "/secret" not in salma.call("GET", f"/conversations/{here}/messages").text
    again = {**body, "key": "another"}
    assert code_of(salma.call("POST", f"/conversations/{here}/messages", again)) == (422, "file"), "sent before"


# -- races and the wrong hands -----------------------------------------------------------------------------------------


def test_of_two_agents_who_take_at_once_one_gets_it_and_the_other_hears_who_has_it(shop: Shop) -> None:
    browsers = [shop.world.at_desk(name) for name in ("salma", "omar")]
    for number in range(5):
        here, start = shop.waiting(f"customer{number}"), threading.Barrier(2)

        def take(browser: Browser, here: str = here, start: threading.Barrier = start) -> Response:
            start.wait(30)
            return browser.call("POST", f"/conversations/{here}/take")

        with ThreadPoolExecutor(2) as pool:
            answers = sorted(pool.map(take, browsers), key=lambda answer: answer.status_code)
        assert code_of(answers[1]) == (409, "already_taken")
        holder = answers[0].json()["agent_name"]
        assert answers[1].json()["error"]["message"] == f"{holder} has this conversation already."
        assert ok(browsers[0].call("GET", f"/conversations/{here}"))["holder_name"] == holder


def test_only_who_has_it_answers_and_only_leads_pass_on_anothers(shop: Shop) -> None:
    salma, omar = shop.world.at_desk("salma"), shop.world.at_desk("omar")
    lead = shop.world.at_desk("lead", Role.LEAD)
    here = shop.held_by(salma)
    for path, body in (
        ("messages", {"text": "me too", "key": "k"}),
        ("transfer", {"agent": me(omar)}),
        ("hand-back", {}),
        ("close", {}),
        ("snooze", {"until": (shop.clock() + timedelta(hours=1)).isoformat()}),
        ("wake", None),
    ):
        refused = omar.call("POST", f"/conversations/{here}/{path}", body)
        assert code_of(refused) == (403, "not_yours"), path
        assert "salma" in refused.json()["error"]["message"]
    assert not shop.outbox()
    passed = ok(lead.call("POST", f"/conversations/{here}/transfer", {"agent": me(omar), "note": "yours"}))
    assert (passed["state"], passed["offered_to"]) == ("offered", me(omar))
    assert code_of(salma.call("POST", f"/conversations/{here}/accept")) == (409, "offer_passed")
    assert [line["id"] for line in ok(omar.call("GET", "/conversations?mine=true"))["conversations"]] == [here]
    assert ok(omar.call("POST", f"/conversations/{here}/accept"))["agent_name"] == "omar"
    assert code_of(omar.call("POST", f"/conversations/{here}/decline")) == (409, "offer_passed")


def test_a_colleague_who_is_away_gets_nothing(quick: Shop) -> None:
    salma, omar = quick.world.at_desk("salma"), quick.world.at_desk("omar")
    to = me(omar)
    here = quick.held_by(salma)
    ok(omar.call("PUT", "/presence", {"presence": "away"}))
    refused = salma.call("POST", f"/conversations/{here}/transfer", {"agent": to})
    assert code_of(refused) == (409, "agent_away") and refused.json()["error"]["message"] == "Omar is not there."
    gone = salma.call("POST", f"/conversations/{here}/transfer", {"agent": NOBODY})
    assert code_of(gone) == (409, "agent_away")


def test_another_teams_conversation_is_as_if_it_were_not_there(shop: Shop) -> None:
    mine, other = shop.team("mine"), shop.team("other")
    salma, noor = shop.world.at_desk("salma", teams=(mine,)), shop.world.at_desk("noor", teams=(other,))
    lead = shop.world.at_desk("lead", Role.LEAD, (mine, other))
    here = shop.waiting()
    shop.into_team(here, other, lead)
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/notes", None),
        ("GET", "/events", None),
        ("POST", "/take", None),
        ("POST", "/accept", None),
        ("POST", "/decline", None),
        ("POST", "/reopen", None),
        ("POST", "/wake", None),
        ("POST", "/transfer", {"team": mine}),
        ("POST", "/hand-back", {}),
        ("POST", "/close", {}),
        ("POST", "/messages", {"text": "x", "key": "k"}),
        ("POST", "/notes", {"text": "x"}),
        ("POST", "/snooze", {"until": (shop.clock() + timedelta(hours=1)).isoformat()}),
    ):
        theirs = salma.call(method, f"/conversations/{here}{path}", body)
        none = salma.call(method, f"/conversations/{NOBODY}{path}", body)
        assert code_of(theirs) == (404, "not_found") and theirs.content == none.content, (method, path)
    for path in ("/queue", "/conversations", "/conversations?q=person", f"/conversations?team={other}"):
        assert ok(salma.call("GET", path))["conversations"] == []
        assert [line["id"] for line in ok(noor.call("GET", path))["conversations"]] == [here]
    assert ok(shop.world.at_desk("admin", Role.ADMIN).call("GET", f"/conversations/{here}"))["id"] == here
    assert not [row for row in shop.logged("conversation.read") if row.agent_id == me(salma)]
    shop.world.accounts._records.drop_team(other, AT_DESK, shop.clock())
    assert len(ok(salma.call("GET", "/queue"))["conversations"]) == 1, "a dropped team leaves nobody waiting unseen"


def test_a_conversation_goes_only_into_a_team_that_exists(quick: Shop) -> None:
    salma = quick.world.at_desk("salma")
    here = quick.held_by(salma)
    assert code_of(salma.call("POST", f"/conversations/{here}/transfer", {"team": NOBODY})) == (422, "no_such_team")
    assert ok(salma.call("GET", f"/conversations/{here}"))["holder_name"] == "salma"


def test_without_a_session_or_its_csrf_token_nothing_happens(quick: Shop) -> None:
    salma, nobody = quick.world.at_desk("salma"), quick.world.browser()
    here = quick.waiting()
    assert code_of(nobody.call("POST", f"/conversations/{here}/take")) == (401, "signed_out")
    assert code_of(nobody.call("GET", f"/conversations/{here}/messages")) == (401, "signed_out")
    assert code_of(salma.call("POST", f"/conversations/{here}/take", csrf=None)) == (403, "csrf")
    assert ok(salma.call("GET", f"/conversations/{here}"))["state"] == "queued"


# -- the rest of what agents do ----------------------------------------------------------------------------------------


def test_an_offer_is_declined_and_another_is_accepted_too_late(quick: Shop) -> None:
    salma = quick.world.at_desk("salma")
    here = quick.waiting()
    quick.people.offer(ConversationId(here), AgentId(me(salma)))
    assert ok(salma.call("POST", f"/conversations/{here}/decline"))["state"] == "queued"
    other = quick.waiting("other")
    quick.people.offer(ConversationId(other), AgentId(me(salma)))
    quick.clock.move(timedelta(minutes=1))
    assert code_of(salma.call("POST", f"/conversations/{other}/accept")) == (409, "offer_passed")


def test_a_conversation_is_closed_and_reopened_and_not_after_three_days(shop: Shop) -> None:
    salma = shop.world.at_desk("salma")
    here = shop.held_by(salma)
    ok(salma.call("POST", f"/conversations/{here}/messages", {"text": "Done.", "key": "k"}))
    closed = ok(salma.call("POST", f"/conversations/{here}/close", {"settle": "resolved", "note": "ok"}))
    assert closed["state"] == "closed" and shop.texts(here)[-1][1] == "utter_handoff_rate.en"
    assert [line["id"] for line in ok(salma.call("GET", "/conversations?state=closed"))["conversations"]] == [here]
    assert code_of(salma.call("POST", f"/conversations/{here}/close", {})) == (409, "not_open")
    late = {"text": "one more", "key": "k2"}
    assert code_of(salma.call("POST", f"/conversations/{here}/messages", late)) == (409, "not_open")
    shop.clock.move(timedelta(hours=71))
    salma.sign_in("salma@shop.example")
    assert ok(salma.call("POST", f"/conversations/{here}/reopen"))["agent"] == me(salma)
    ok(salma.call("POST", f"/conversations/{here}/close", {"rate": False}))
    shop.clock.move(timedelta(hours=73))
    salma.sign_in("salma@shop.example")
    assert code_of(salma.call("POST", f"/conversations/{here}/reopen")) == (409, "not_open")


def test_notes_are_for_colleagues_and_a_snooze_ends_when_asked(shop: Shop) -> None:
    salma, omar = shop.world.at_desk("salma"), shop.world.at_desk("omar")
    here = shop.held_by(salma)
    body = {"text": EVIL, "mentions": [me(omar), me(omar), NOBODY]}
    made = salma.call("POST", f"/conversations/{here}/notes", body)
    assert made.status_code == 201 and made.json()["mentions"] == [me(omar)]
    assert [(n["text"], n["agent_name"]) for n in ok(omar.call("GET", f"/conversations/{here}/notes"))] == [
        (EVIL, "salma")
    ]
    assert EVIL not in repr(shop.texts(here)) and not shop.outbox()
    until = (shop.clock() + timedelta(hours=2)).isoformat()
    assert ok(salma.call("POST", f"/conversations/{here}/snooze", {"until": until}))["snoozed_until"] == until
    assert ok(salma.call("POST", f"/conversations/{here}/wake"))["snoozed_until"] is None
    assert ok(salma.call("POST", f"/conversations/{here}/wake"))["state"] == "taken", "again: nothing"
    assert len(shop.logged("conversation.woken")) == 1
    ok(salma.call("POST", f"/conversations/{here}/hand-back", {}))
    assert code_of(salma.call("POST", f"/conversations/{here}/wake")) == (409, "not_open")


def test_who_calls_is_there_as_what_they_chose(shop: Shop) -> None:
    salma = shop.world.at_desk("salma")
    agent, directory = AgentId(me(salma)), shop.world.desk.directory

    def presence() -> Presence:
        found = directory.agent(agent)
        assert found is not None
        return found.presence

    assert presence() is Presence.ONLINE
    shop.clock.move(timedelta(minutes=2))
    assert presence() is Presence.OFFLINE
    ok(salma.call("GET", "/queue"))
    assert presence() is Presence.ONLINE
    assert ok(salma.call("PUT", "/presence", {"presence": "away"})) == {"presence": "away"}
    shop.clock.move(timedelta(minutes=2))
    here = shop.waiting()
    ok(salma.call("GET", "/queue"))
    assert presence() is Presence.AWAY
    standing = shop.people.standing(ConversationId(here)).handoff
    assert standing is not None and standing.noticed_at is None, "whoever is away was not told"
    assert [row.details for row in shop.logged("presence.chosen")] == [{"presence": "away"}]


# -- lists -------------------------------------------------------------------------------------------------------------


def made(shop: Shop, count: int, messages: int = 1) -> list[str]:
    """Conversations with that many messages each, in the order of their activity; several at each instant."""
    ids = []
    with shop.database.write() as c:
        for number in range(count):
            here, at = new_id(), shop.clock() + timedelta(seconds=number // 7)
            c.execute(
                t.conversations.insert().values(
                    id=here,
                    channel="rest",
                    address=f"made{number}",
                    owner="bot",
                    language="ar",
                    last_number=0,
                    opted_out=False,
                    created_at=at,
                    active_at=at,
                )
            )
            for place in range(messages):
                append(c, ConversationId(here), new_id(), Author.CUSTOMER, f"message {place + 1}", at)  # type: ignore[arg-type]
            ids.append(here)
    return ids


def pages(browser: Browser, path: str, limit: int) -> list[list[Any]]:
    found, after = [], None
    for _ in range(50):
        sign = "&" if "?" in path else "?"
        page = ok(browser.call("GET", f"{path}{sign}limit={limit}" + (f"&after={after}" if after else "")))
        found.append(page["conversations"])
        after = page["after"]
        if after is None:
            return found
    raise AssertionError("the pages do not end")


def test_120_conversations_are_paged_without_gap_or_repeat_newest_first(shop: Shop) -> None:
    salma, ids = shop.world.at_desk("salma"), made(shop, 120)
    for limit in (7, 50, 60, 100):
        found = pages(salma, "/conversations", limit)
        assert all(len(page) == limit for page in found[:-1]) and found[-1]
        lines = [line for page in found for line in page]
        assert sorted(line["id"] for line in lines) == sorted(ids)
        moments = [line["active_at"] for line in lines]
        assert moments == sorted(moments, reverse=True)


def test_a_conversation_that_moves_up_between_two_pages_repeats_nothing(quick: Shop) -> None:
    salma = quick.world.at_desk("salma")
    made(quick, 20)
    first = ok(salma.call("GET", "/conversations?limit=10"))
    quick.clock.move(timedelta(minutes=1))
    moved = quick.write("hello", "made0")
    second = ok(salma.call("GET", f"/conversations?limit=100&after={first['after']}"))
    seen = [line["id"] for line in (*first["conversations"], *second["conversations"])]
    assert len(seen) == len(set(seen)) == 19 and moved.conversation not in seen, "it is at the top now"


def test_the_queue_has_the_services_order_and_is_paged(shop: Shop) -> None:
    salma = shop.world.at_desk("salma")
    ids = []
    for number in range(7):
        ids.append(shop.waiting(f"c{number}"))
        shop.clock.move(timedelta(seconds=1))
    with shop.database.write() as c:  # the keeper ranked the last one first, and two alike
        last, alike = shop.clock() - timedelta(hours=1), shop.clock() + timedelta(hours=1)
        c.execute(t.handoffs.update().where(t.handoffs.c.conversation_id == ids[6]).values(rank_at=last))
        c.execute(t.handoffs.update().where(t.handoffs.c.conversation_id.in_(ids[:2])).values(rank_at=alike))
    found = [line["id"] for page in pages(salma, "/queue", 2) for line in page]
    assert found == [ids[6], *ids[2:6], *ids[:2]]


def test_lists_are_filtered_by_state_holder_and_words(shop: Shop) -> None:
    salma, omar = shop.world.at_desk("salma"), shop.world.at_desk("omar")
    of_bot = str(shop.write("Where is ORDER 100%? أين الطلبيّة", "bot").conversation)
    queued, taken = shop.waiting("queued"), shop.held_by(salma, "taken")
    offered = shop.waiting("offered")
    shop.people.offer(ConversationId(offered), AgentId(me(omar)))

    def found(query: str, browser: Browser = salma) -> set[str]:
        return {line["id"] for line in ok(browser.call("GET", f"/conversations?{query}"))["conversations"]}

    assert found("state=queued") == {queued} and found("state=offered") == {offered}
    assert found("state=taken") == {taken} == found("mine=true") and found("state=bot") == {of_bot}
    assert found("mine=true", omar) == {offered} and found("state=closed") == set()
    assert found("q=order 100") == {of_bot} == found("q=100%25") and found("q=1_0") == set()
    assert found("q=اين") == {of_bot} == found("q=أين")
    assert found("q=person&state=queued") == {queued} and found("q=nothing here") == set()


def test_a_conversation_of_1000_messages_is_paged_both_ways(shop: Shop) -> None:
    salma = shop.world.at_desk("salma")
    [here] = made(shop, 1, 1000)
    path = f"/conversations/{here}/messages"
    latest = ok(salma.call("GET", path))
    assert [m["number"] for m in latest["messages"]] == list(range(951, 1001)) and latest["last_number"] == 1000
    forward: list[int] = []
    while page := ok(salma.call("GET", f"{path}?after={forward[-1] if forward else 0}&limit=200"))["messages"]:
        forward += [message["number"] for message in page]
    assert forward == list(range(1, 1001))
    back: list[int] = []
    while page := ok(salma.call("GET", f"{path}?before={back[0] if back else 1001}&limit=200"))["messages"]:
        back = [message["number"] for message in page] + back
    assert back == forward
    assert len(shop.logged("conversation.read")) == 1, "a desk that reads on is one reading"


# -- texts and bad input -----------------------------------------------------------------------------------------------


def test_scripts_in_texts_stay_text(quick: Shop) -> None:
    salma = quick.world.at_desk("salma")
    here = quick.waiting(text=f"a person {EVIL}")
    ok(salma.call("POST", f"/conversations/{here}/take"))
    ok(salma.call("POST", f"/conversations/{here}/messages", {"text": EVIL + "\u202e\x00", "key": "k"}))
    answer = salma.call("GET", f"/conversations/{here}/messages")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store"
    texts = [message["text"] for message in answer.json()["messages"]]
    assert texts[0] == f"a person {EVIL}" and texts[-1] == EVIL
    assert EVIL in ok(salma.call("GET", f"/conversations/{here}"))["summary"]
    assert len(ok(salma.call("GET", "/conversations?q=%3Cscript%3E"))["conversations"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/conversations?limit=0", None),
        ("GET", f"/conversations?limit={LARGEST_PAGE + 1}", None),
        ("GET", "/conversations?after=x", None),
        ("GET", "/conversations?after=1_%00", None),
        ("GET", f"/conversations?after={'9' * 90}_x", None),
        ("GET", "/conversations?after=%D9%A1_x", None),
        ("GET", f"/conversations?after={'x' * 101}", None),
        ("GET", "/conversations?state=open", None),
        ("GET", "/conversations?team=mine", None),
        ("GET", "/conversations?q=x", None),
        ("GET", f"/conversations?q={'x' * 101}", None),
        ("GET", "/queue?after=1_x", None),
        ("GET", f"/queue?after=1_{'9' * 30}", None),
        ("GET", "/conversations/1", None),
        ("GET", "/conversations/{}?language=fr", None),
        ("GET", "/conversations/{}/messages?after=1&before=2", None),
        ("GET", "/conversations/{}/messages?after=-1", None),
        ("GET", "/conversations/{}/messages?before=99999999999", None),
        ("GET", "/conversations/{}/messages?limit=201", None),
        ("POST", "/conversations/{}/messages", {}),
        ("POST", "/conversations/{}/messages", {"text": "x"}),
        ("POST", "/conversations/{}/messages", {"text": "", "key": "k"}),
        ("POST", "/conversations/{}/messages", {"text": "\u200b\x00", "key": "k"}),
        ("POST", "/conversations/{}/messages", {"text": "x" * 4001, "key": "k"}),
        ("POST", "/conversations/{}/messages", {"text": "x", "key": "k" * 65}),
        ("POST", "/conversations/{}/messages", {"text": "x", "key": "a\x00b"}),
        ("POST", "/conversations/{}/messages", {"text": "x", "key": "k", "files": ["../x"]}),
        ("POST", "/conversations/{}/messages", {"text": "x", "key": "k", "files": [NOBODY] * 2}),
        ("POST", "/conversations/{}/messages", {"text": "x", "key": "k", "author": "bot"}),
        ("POST", "/conversations/{}/notes", {"text": " "}),
        ("POST", "/conversations/{}/notes", {"text": "x", "mentions": ["\x00"]}),
        ("POST", "/conversations/{}/transfer", {}),
        ("POST", "/conversations/{}/transfer", {"agent": NOBODY, "team": NOBODY}),
        ("POST", "/conversations/{}/transfer", {"agent": "x"}),
        ("POST", "/conversations/{}/hand-back", {"note": "x" * 4001}),
        ("POST", "/conversations/{}/close", {"settle": "open"}),
        ("POST", "/conversations/{}/close", {"settle": "with_person"}),
        ("POST", "/conversations/{}/snooze", {}),
        ("POST", "/conversations/{}/snooze", {"until": "2020-01-01T00:00:00Z"}),
        ("POST", "/conversations/{}/snooze", {"until": "2026-11-20T12:00:00"}),
        ("POST", "/conversations/{}/snooze", {"until": "9999-12-31T23:59:59-14:00"}),
        ("POST", "/conversations/{}/snooze", {"until": 1e300}),
        ("PUT", "/presence", {"presence": "invisible"}),
        ("PUT", "/presence", {}),
    ],
)
def test_what_cannot_be_is_422_in_the_one_shape_and_changes_nothing(
    quick: Shop, method: str, path: str, body: Any
) -> None:
    salma = quick.world.at_desk("salma")
    here = quick.held_by(salma)
    before = shop_state(quick)
    assert code_of(salma.call(method, path.replace("{}", here), body)) == (422, "invalid")
    assert shop_state(quick) == before


def test_a_lone_surrogate_is_cleaned_and_stored(shop: Shop) -> None:
    salma = shop.world.at_desk("salma")
    here = shop.held_by(salma)
    raw = salma.http.request(
        "POST",
        f"/desk/api/conversations/{here}/messages",
        content=b'{"text": "hi \\ud800 there", "key": "\\ud800"}',
        headers={"X-CSRF-Token": salma.csrf, "Origin": salma.origin, "Content-Type": "application/json"},
    )
    assert code_of(raw) == (422, "invalid"), "a key is printable"
    raw = salma.http.request(
        "POST",
        f"/desk/api/conversations/{here}/messages",
        content=b'{"text": "hi \\ud800 there", "key": "k"}',
        headers={"X-CSRF-Token": salma.csrf, "Origin": salma.origin, "Content-Type": "application/json"},
    )
    assert ok(raw)["new"] and shop.texts(here)[-1][1].startswith("hi ")


def shop_state(shop: Shop) -> list[Any]:
    tables = (t.messages, t.outbox, t.notes, t.handoffs, t.handoff_events)
    with shop.database.read() as c:
        return [list(c.execute(sa.select(table)).all()) for table in tables]
