"""Actions in this process do what they do behind Rasa's own HTTP action server; but one that fails ends the turn."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from rasa.utils.endpoints import EndpointConfig

from bot.brain.assistant import RasaAssistant
from bot.brain.in_process_actions import InProcessActions
from bot.brain.wording import DomainWording
from bot.conversations.live import LiveEvents
from bot.conversations.model import ContactOptOut, InboxId, Turn
from bot.conversations.ports import Claimed
from bot.conversations.turns import TurnRunner
from bot.errors import AssistantFailed
from tests.brain.conftest import train_core
from tests.brain.scripted import hear
from tests.brain.stock import StockRasa
from tests.brain.worlds import NOON, PROJECT, World

INTENTS = "start size everything follow reject remember_and_fail remember_and_unknown remember leave".split()
DOMAIN: dict[str, Any] = {
    "version": "3.1",
    "intents": INTENTS,
    "slots": {
        "language": {"type": "text", "initial_value": "en", "mappings": [{"type": "custom"}]},
        "variety": {"type": "any", "mappings": [{"type": "custom"}]},
        "seen": {"type": "any", "mappings": [{"type": "custom"}]},
        "size": {
            "type": "any",
            "mappings": [{"type": "from_text", "conditions": [{"active_loop": "size_form", "requested_slot": "size"}]}],
        },
        "colour": {"type": "any", "mappings": [{"type": "custom"}]},
    },
    "forms": {"size_form": {"required_slots": ["size", "colour"]}},
    "actions": [
        "validate_size_form", "action_everything", "action_follow", "action_reject", "action_remember", "action_fail",
        "action_not_there", "action_leave",
    ],
    "responses": {
        "utter_ask_size": [{"text": "Which size?"}],
        "utter_ask_colour": [{"text": "Which colour?"}],
        "utter_named": [{"text": "Hello {name}"}],
        "utter_done": [{"text": "Got {size} in {colour}"}],
        "utter_default": [{"text": "Pardon?"}],
    },
}  # fmt: skip
RULES: dict[str, Any] = {
    "version": "3.1",
    "rules": [
        {"rule": "form", "steps": [{"intent": "start"}, {"action": "size_form"}, {"active_loop": "size_form"}]},
        {
            "rule": "form done",
            "condition": [{"active_loop": "size_form"}],
            "steps": [{"action": "size_form"}, {"active_loop": None}, {"action": "utter_done"}],
        },
        *(
            {"rule": name, "steps": [{"intent": name}, {"action": f"action_{name}"}]}
            for name in ("everything", "follow", "reject", "leave", "remember")
        ),
        {
            "rule": "fails later",
            "steps": [{"intent": "remember_and_fail"}, {"action": "action_remember"}, {"action": "action_fail"}],
        },
        {
            "rule": "unknown later",
            "steps": [
                {"intent": "remember_and_unknown"},
                {"action": "action_remember"},
                {"action": "action_not_there"},
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def wording() -> DomainWording:
    return DomainWording(DOMAIN["responses"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bot")
    (folder / "domain.yml").write_text(yaml.safe_dump(DOMAIN), "utf-8")
    (folder / "rules.yml").write_text(yaml.safe_dump(RULES), "utf-8")
    return train_core(folder, folder / "domain.yml", folder / "rules.yml")


@pytest.fixture(scope="module")
def in_process() -> InProcessActions:
    return InProcessActions("tests.brain.bot_actions")


@pytest.fixture(scope="module")
def action_server() -> Iterator[str]:
    """`rasa run actions` with the same actions, on a loopback port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rasa_sdk", "--actions", "tests.brain.bot_actions", "--port", str(port)]
    server = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1).close()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline, "the action server did not start"
                time.sleep(0.1)
        yield f"{url}/webhook"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def both(
    model: Path, wording: DomainWording, in_process: InProcessActions, action_server: str
) -> Iterator[tuple[StockRasa, StockRasa]]:
    here = StockRasa(model, wording, in_process)
    in_process.use_domain(here.domain)
    there = StockRasa(model, wording, EndpointConfig(action_server))
    yield here, there
    here.close()
    there.close()


CONVERSATIONS = {
    "a form with validation": ["start", "size:XXL", "size:M", "size:blue", "size:red"],
    "both slots of a form at once": ["start", "size:enormous and red", "size:L"],
    "a form left and begun again": ["start", "leave", "start", "size:S", "leave", "size:M"],
    "all kinds of messages": ["everything"],
    "an action that names the next one": ["follow", "everything"],
    "a rejected action": ["reject", "start", "reject", "size:M"],
    "slots that were set before": ["remember", "start", "size:S", "everything", "size:red"],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_what_an_action_does_is_the_same_here_and_behind_http(name: str, both: tuple[StockRasa, StockRasa]) -> None:
    """Messages as Rasa sends them (buttons, images, custom JSON), slots, form and every event of the conversation."""
    ran = []
    for rasa in both:
        world, seen = World(rasa), []
        for step in CONVERSATIONS[name]:
            intent, _, text = step.partition(":")
            world.play(hear(text or intent, intent, writes="en"))
            tracker = rasa.memory.saved
            assert tracker is not None
            seen.append((rasa.lines, dict(tracker.current_slot_values()), tracker.active_loop_name))
        events = [_timeless(event.as_dict()) for event in tracker.events]
        ran.append((seen, events))
    assert ran[0] == ran[1]
    assert any(lines for lines, _, _ in ran[0][0]), "nothing was compared"


def _timeless(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what differs between any two runs."""
    return {
        key: value for key, value in event.items() if key not in ("timestamp", "message_id", "metadata", "parse_data")
    }


def test_what_came_through_is_what_the_actions_said(both: tuple[StockRasa, StockRasa]) -> None:
    """The comparison above would hold between two that say nothing."""
    here, _ = both
    world = World(here)
    world.play(hear("everything", "everything"))
    assert [line.get("text") for line in here.lines][:2] == ["plain", "Hello ليلى"]
    assert {"recipient_id": "c", "custom": {"kind": "card", "lines": [1, 2.5, None, True], "نص": "é"}} in here.lines
    assert here.memory.saved and here.memory.saved.get_slot("seen") == {"n": [1, 2], "t": "x"}
    world.play(hear("start", "start"))
    world.play(hear("XXL", "size"))
    assert [line["text"] for line in here.lines] == ["XXL is no size", "Which size?"]
    assert here.lines[0]["buttons"] == [{"title": "M", "payload": "/size"}]
    world.play(hear("M", "size"))
    assert {*DOMAIN["slots"]} <= {*here.memory.saved.get_slot("seen")}, "a validation is given the domain"


# Failures


@pytest.fixture
def assistant(model: Path, wording: DomainWording, in_process: InProcessActions) -> RasaAssistant:
    return RasaAssistant(model, wording, in_process, timeout=20)


class OneMessage:
    """A turn store with one message in it that keeps what is done with it."""

    def __init__(self, turn: Turn) -> None:
        self._claimed: Claimed | None = Claimed(InboxId(1), turn, 1)
        self.committed: list[Turn] = []
        self.released: list[str] = []

    def claim(self, worker: str, now: datetime, lease_until: datetime) -> Claimed | None:
        claimed, self._claimed = self._claimed, None
        return claimed

    def commit(self, worker: str, claimed: Claimed, replies: Any, now: datetime) -> None:
        self.committed.append(claimed.turn)

    def release(self, worker: str, *what: Any) -> None:
        self.released.append(worker)


@pytest.mark.parametrize("intent", ["remember_and_fail", "remember_and_unknown"])
def test_an_action_that_fails_or_is_missing_ends_the_turn_and_nothing_of_it_survives(
    intent: str, assistant: RasaAssistant
) -> None:
    """Nor of the actions before it, which had said "it is done" already."""
    world = World(assistant)
    world.play(hear("start", "start", writes="en"))
    world.play(hear("M", "size", writes="en"))
    before = world.state
    with pytest.raises(AssistantFailed):
        world.play(hear(intent, intent, writes="en"))
    assert world.state == before

    turn = world.turn(intent)
    store: Any = OneMessage(turn)
    runner = TurnRunner("w", store, assistant, world.services.handoff, world.wording, lambda: NOON, LiveEvents())
    assert runner.run_once()
    assert (store.committed, store.released) == ([], ["w"])
    assert turn.state_after is None

    replies, after = world.play(hear("red", "size", writes="en"))  # the form is where it was
    assert [reply.text for reply in replies] == ["Got M in red"]
    assert ContactOptOut() not in after.effects


def test_the_same_action_alone_does_what_it_says(assistant: RasaAssistant) -> None:
    """So that the test above has something to lose."""
    replies, turn = World(assistant).play(hear("remember", "remember", writes="en"))
    assert [reply.text for reply in replies] == ["it is done"]
    assert ContactOptOut() in turn.effects


def test_a_failure_does_not_tell_what_the_customer_wrote(assistant: RasaAssistant) -> None:
    """The message of the error is logged; it names the action and the kind of error."""
    world = World(assistant)
    with pytest.raises(AssistantFailed) as failed:
        world.play(hear("my card is 4111", "remember_and_fail", writes="en"))
    assert "action_fail" in str(failed.value) and "4111" not in str(failed.value)


def test_every_action_of_the_product_is_in_the_domain_and_the_other_way_round() -> None:
    domain = yaml.load((PROJECT / "domain.yml").read_text("utf-8"), yaml.CSafeLoader)
    named = {*domain["actions"]}
    registered = {name for name in InProcessActions("actions").names}
    assert named <= registered, "an unknown action ends every turn that asks for it"
    made_here = {"validate_size_form", *(a for a in DOMAIN["actions"])}
    assert registered - made_here <= named
