"""Promises are rows: made once, reminded of once, settled once, with all that follows in one commit."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.complaints.model import CaseId
from bot.conversations.model import ConversationId, Turn
from bot.metrics import Metrics
from bot.promises.checks import promise_checks
from bot.promises.model import PromiseKind, PromiseMade, PromiseOwner, PromisesSettled, PromiseState
from bot.promises.policy import NEVER_SAID, REMIND_BEFORE
from bot.promises.service import Check, KeptRate, PromiseService
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.outreach import SqlOutreach
from bot.storage.promises import SqlPromises
from tests.integration.conversations import ALERTS, START
from tests.integration.test_outreach import World
from tests.unit.orders import STORE

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHAT = {"case_number": "C204817", "order_number": "1004", "due_on": "2026-11-21"}


class Ledger(World):
    """A world with promises in it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.records = SqlPromises(database)
        self.here = self.talk()
        self.case_id = CaseId(self.case(self.here, state="with_person"))
        self.answers: dict[PromiseKind, bool | None] = {}

    def make(self, key: str = "key", kind: PromiseKind = PromiseKind.PARCEL_ARRIVES, **changes: Any) -> str:
        """Make a promise in a turn; returns its id."""
        made = PromiseMade(
            **{
                "key": key,
                "kind": kind,
                "owner": PromiseOwner.SHOP,
                "due_at": self.core.clock() + DAY,
                "what": WHAT,
                "case": self.case_id,
                **changes,
            }
        )
        self.turn(made)
        with self.database.read() as c:
            return str(c.execute(sa.select(t.promises.c.id).where(t.promises.c.key == key)).scalar_one())

    def turn(self, *effects: Any) -> None:
        """A turn of the conversation with these effects."""

        def add(turn: Turn) -> None:
            turn.effects += effects

        self.core.assistant.before = add
        self.talk()
        self.core.assistant.before = lambda turn: None

    def service_with(self, checks: Mapping[PromiseKind, Check] | None = None) -> PromiseService:
        answers = {kind: (lambda p: self.answers.get(p.kind)) for kind in PromiseKind}
        return PromiseService(self.records, checks or answers, lambda: STORE, self.core.clock, ALERTS)

    def promises(self) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(t.promises).order_by(t.promises.c.made_at, t.promises.c.key)).all())

    def planned(self) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(t.outreach).order_by(t.outreach.c.id)).all())

    def alerts(self) -> list[Any]:
        return [row for row in self.core.outbox_rows() if row.channel in ALERTS]

    def events(self) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(t.case_events).order_by(t.case_events.c.id)).all())


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def at_once(*steps: Any) -> list[Any]:
    """Run the steps in threads that begin together."""
    together = threading.Barrier(len(steps))

    def work(step: Any) -> Any:
        together.wait()
        return step()

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(work, steps))


def test_a_promise_is_a_row_made_in_the_turn_that_says_it_and_made_once(ledger: Ledger) -> None:
    ledger.make()
    ledger.make()
    [row] = ledger.promises()
    assert (row.key, row.conversation_id, row.case_id, row.kind) == (
        "key",
        ledger.here,
        ledger.case_id,
        "parcel_arrives",
    )
    assert (row.owner, row.state, row.what, row.settled_at) == ("shop", "open", WHAT, None)
    [promise] = ledger.records.open_promises()
    assert (promise.id, promise.due_at, promise.kind) == (row.id, row.due_at, PromiseKind.PARCEL_ARRIVES)


def test_the_open_promises_of_a_case_are_settled_all_or_of_one_kind(ledger: Ledger) -> None:
    for number, kind in enumerate((PromiseKind.PERSON_DECIDES, PromiseKind.REFUND_ARRIVES, PromiseKind.PARCEL_ARRIVES)):
        ledger.make(f"key {number}", kind)
    ledger.make("other", PromiseKind.PERSON_DECIDES, case=None)
    ledger.turn(PromisesSettled(ledger.case_id, PromiseState.KEPT, PromiseKind.PERSON_DECIDES))
    ledger.turn(PromisesSettled(ledger.case_id, PromiseState.WITHDRAWN))
    states = {row.key: row.state for row in ledger.promises()}
    assert states == {"key 0": "kept", "key 1": "withdrawn", "key 2": "withdrawn", "other": "open"}
    assert all(row.settled_at for row in ledger.promises() if row.state != "open")


def test_its_owner_is_reminded_once_whatever_races_and_reads_only_ids(ledger: Ledger) -> None:
    number = ledger.make(kind=PromiseKind.PERSON_DECIDES, owner=PromiseOwner.AGENT)
    due_at = ledger.promises()[0].due_at
    ledger.core.clock.at = due_at - REMIND_BEFORE - timedelta(seconds=1)
    assert not ledger.service_with().run_once()
    ledger.core.clock.at = due_at - REMIND_BEFORE
    assert sorted(at_once(*[ledger.service_with().run_once for _ in range(4)]))[-1] is True
    [alert] = ledger.alerts()
    assert alert.body == {
        "event": "promise.due",
        "promise": number,
        "kind": "person_decides",
        "case": "C204817",
        "due_at": due_at.isoformat(),
    }
    assert (alert.channel, alert.address, alert.conversation_id) == (ALERTS[0], ledger.here, ledger.here)
    assert ledger.promises()[0].reminded_at == ledger.core.clock()
    assert not ledger.service_with().run_once()


def test_what_is_broken_is_settled_once_with_a_new_promise_the_message_the_alert_and_a_line_in_its_case(
    ledger: Ledger,
) -> None:
    number = ledger.make()
    ledger.core.clock.move(DAY)
    ledger.answers[PromiseKind.PARCEL_ARRIVES] = False
    assert any(at_once(*[ledger.service_with().run_once for _ in range(4)]))
    broken, again = ledger.promises()
    assert (broken.id, broken.state, broken.settled_at) == (number, "broken", ledger.core.clock())
    assert (again.key, again.state, again.kind, again.case_id) == (
        f"again:{number}",
        "open",
        broken.kind,
        ledger.case_id,
    )
    assert again.due_at > ledger.core.clock() and again.what["was_due_on"] == WHAT["due_on"]
    [told] = ledger.planned()
    assert (told.kind, told.conversation_id, told.case_id) == ("promise_broken", ledger.here, ledger.case_id)
    assert told.what == {**again.what, "promise": "parcel_arrives"} and told.until == again.due_at
    assert [row.body["event"] for row in ledger.alerts()] == ["promise.broken"]
    [event] = ledger.events()
    assert (event.what, event.case_id, event.note["promise"]) == ("promise_broken", ledger.case_id, number)
    assert ledger.records.kept_rate(START) == KeptRate(0, 1)


def test_the_customer_hears_in_daytime_that_it_slipped_and_until_when_it_is_now(ledger: Ledger) -> None:
    """From the broken promise to the sentence in the chat."""
    ledger.make()
    ledger.core.clock.move(DAY + 12 * HOUR)  # the next night
    ledger.answers[PromiseKind.PARCEL_ARRIVES] = False
    ledger.service_with().run_once()
    ledger.run()
    assert ledger.told(ledger.here) == []
    ledger.core.clock.move(8 * HOUR)
    ledger.run()
    [said] = ledger.told(ledger.here)
    assert said.meta["response"] == "utter_outreach_promise_broken_parcel_arrives"
    assert {"due", "was_due", "case_number", "order_number"} <= ledger.words.values[-1].keys()


def test_what_is_kept_is_settled_once_and_asked_about(ledger: Ledger) -> None:
    number = ledger.make()
    ledger.core.clock.move(DAY)
    ledger.answers[PromiseKind.PARCEL_ARRIVES] = True
    at_once(*[ledger.service_with().run_once for _ in range(4)])
    [row] = ledger.promises()
    assert (row.id, row.state) == (number, "kept")
    [told] = ledger.planned()
    assert (told.kind, told.key) == ("promise_kept", f"promise_kept:{number}")
    assert ledger.alerts() == ledger.events() == []
    assert ledger.records.kept_rate(START) == KeptRate(1, 0)
    assert ledger.records.kept_rate(ledger.core.clock() + HOUR) == KeptRate(0, 0)


def test_a_turn_that_settles_it_first_wins(ledger: Ledger) -> None:
    """It is found broken while the customer declines: what the turn wrote stands, and nothing is said of a breach."""
    ledger.make()
    ledger.core.clock.move(DAY)

    def late(promise: Any) -> bool:
        ledger.turn(PromisesSettled(ledger.case_id, PromiseState.WITHDRAWN))
        return False

    assert not ledger.service_with({PromiseKind.PARCEL_ARRIVES: late}).run_once()
    assert [row.state for row in ledger.promises()] == ["withdrawn"]
    assert ledger.planned() == ledger.alerts() == []


def test_a_person_who_decided_in_time_has_kept_it_and_one_who_has_not_hears_of_it(ledger: Ledger) -> None:
    checks = promise_checks(None, ledger.records.case_state, ledger.core.clock)  # type: ignore[arg-type]
    other = CaseId(ledger.case(ledger.here, "resolved", "C300000"))
    for case in (ledger.case_id, other):
        ledger.make(case, PromiseKind.PERSON_DECIDES, owner=PromiseOwner.AGENT, case=case, what={})
    ledger.core.clock.move(2 * DAY)
    assert ledger.service_with(checks).run_once()
    states = {row.key: row.state for row in ledger.promises() if not row.key.startswith("again:")}
    assert states == {ledger.case_id: "broken", other: "kept"}


def test_a_shop_that_is_away_for_a_day_breaks_it_and_not_sooner(ledger: Ledger) -> None:
    ledger.make()
    ledger.core.clock.move(DAY)
    assert not ledger.service_with().run_once()
    ledger.core.clock.move(NEVER_SAID - HOUR)
    assert not ledger.service_with().run_once()
    assert [row.state for row in ledger.promises()] == ["open"]
    ledger.core.clock.move(2 * HOUR)
    assert ledger.service_with().run_once()
    assert ledger.promises()[0].state == "broken"


def test_killed_between_nothing_is_settled_by_half(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the state is written and before the commit: on restart all of it happens once."""
    from bot.storage import promises as adapter

    ledger.make()
    ledger.core.clock.move(DAY)
    ledger.answers[PromiseKind.PARCEL_ARRIVES] = False
    whole = adapter.write_alert

    def dies(*args: Any) -> None:
        whole(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(adapter, "write_alert", dies)
    with pytest.raises(KeyboardInterrupt):
        ledger.service_with().run_once()
    assert [row.state for row in ledger.promises()] == ["open"]
    assert ledger.planned() == ledger.alerts() == ledger.events() == []
    monkeypatch.setattr(adapter, "write_alert", whole)
    ledger.service_with().run_once()
    assert [row.state for row in ledger.promises()] == ["broken", "open"]
    assert len(ledger.planned()) == len(ledger.alerts()) == len(ledger.events()) == 1


def test_one_that_moved_to_another_conversation_meanwhile_is_settled_there(ledger: Ledger) -> None:
    ledger.make()
    ledger.core.clock.move(DAY)
    there = ledger.talk("another")
    moved: list[ConversationId] = []

    def move(promise: Any) -> bool:
        if not moved:
            moved.append(there)
            with ledger.database.write() as c:
                c.execute(t.promises.update().values(conversation_id=there))
        return False

    service = ledger.service_with({PromiseKind.PARCEL_ARRIVES: move})
    assert not service.run_once() and ledger.planned() == []
    assert service.run_once()
    assert [row.conversation_id for row in ledger.planned()] == [there]


def test_clocks_that_jump_settle_nothing_twice_and_nothing_that_is_not_due(ledger: Ledger) -> None:
    ledger.make()
    ledger.answers[PromiseKind.PARCEL_ARRIVES] = True
    right = ledger.core.clock()
    for jump in (-365 * DAY, DAY / 2, DAY, -365 * DAY, 2 * DAY):
        ledger.core.clock.at = right + jump
        ledger.service_with().run_once()
    [row] = ledger.promises()
    assert (row.state, row.settled_at) == ("kept", right + DAY) and len(ledger.planned()) == 1


def test_how_many_are_open_kept_and_broken_is_measured(ledger: Ledger) -> None:
    metrics = Metrics()
    metrics.watch_promises(ledger.records)
    ledger.make("one")
    ledger.make("two", PromiseKind.REFUND_ARRIVES)
    ledger.core.clock.move(DAY)
    ledger.answers = {PromiseKind.PARCEL_ARRIVES: True, PromiseKind.REFUND_ARRIVES: False}
    ledger.service_with().run_once()
    text = metrics.text().decode()
    for state, number in (("open", 1), ("kept", 1), ("broken", 1), ("withdrawn", 0)):
        assert f'thiqa_promises{{state="{state}"}} {number}.0' in text
    assert SqlOutreach(ledger.database).due(ledger.core.clock())
