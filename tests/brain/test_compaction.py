"""The compacted memory decides as the whole history does: long random conversations are played against both.

Over the product's own domain, rules and actions. One side is `RasaAssistant`, its memory put into JSON and out again
each turn; the other is a stock Rasa agent with its stock in-memory tracker store, which forgets nothing.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActiveLoop, Event, SlotSet, UserUttered
from rasa.shared.core.slots import Slot
from rasa.shared.core.trackers import DialogueStateTracker

import bot.brain.tracker_store
from bot.brain.assistant import RasaAssistant
from bot.brain.compaction import KEEP_TURNS, compact, from_json, to_json
from bot.brain.in_process_actions import InProcessActions
from bot.brain.wording import DomainWording
from bot.conversations.model import Button, Effect, LanguageRead, Owner
from bot.errors import AssistantFailed
from tests.brain.scripted import hear
from tests.brain.stock import StockRasa
from tests.brain.worlds import NOON, MemoryShop, World, plain_wording

pytestmark = pytest.mark.slow

SEEDS = range(6)
TURNS = 250
EXPIRIES = [0.008, 0.03, 0.03, 0.04, 0.04, 0.04]  # chance a turn; Rasa itself looks back no further than a session
EXPIRED = timedelta(hours=25).total_seconds()


@dataclass
class Said:
    """What the comparison looks at after one turn."""

    replies: list[tuple[str, list[tuple[str, str]]]]
    slots: dict[str, Any]
    loop: str | None
    requested: str | None
    effects: list[Effect]
    owner: Owner
    failed: bool = False


@dataclass
class Step:
    """A customer's next move. `press`: which of the buttons offered last, counted from the first, round and round."""

    text: str = ""
    payload: str | None = None
    press: int | None = None
    idle: timedelta = timedelta(minutes=1)
    shop_away: bool = False


@dataclass
class Customer:
    """Somebody who tracks, gives wrong proof, asks in between, changes the mind, mumbles, goes away and comes back."""

    seed: int
    shop: MemoryShop
    expiries: float
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.plans: list[Step] = []
        self.orders = [order for order in self.shop.every_order() if order.contact.phone]

    def next(self) -> Step:
        if not self.plans:
            plan = self.chance.choices(
                [
                    self.track,
                    self.long_form,
                    self.talk,
                    self.mumble,
                    self.buttons,
                    self.person,
                    self.wrong,
                    self.wishes,
                    self.complain,
                ],
                [5, 5, 5, 3, 4, 1, 3, 3, 5],
            )[0]
            self.plans = plan()
        step = self.plans.pop(0)
        roll = self.chance.random()
        if roll < self.expiries:
            step.idle = timedelta(hours=25)
        elif roll < 0.12:
            step.idle = timedelta(minutes=self.chance.choice([16, 31, 90]))
        step.shop_away = self.chance.random() < 0.02
        return step

    def say(self, intent: str, text: str = "", **entities: str | list[str]) -> Step:
        language = "en" if self.chance.random() < 0.2 else "ar"
        # In one word: "not received" is an answer to some questions, which the stock side is not told.
        text = (
            text
            or f"{intent.replace('_', '')} {' '.join(v if isinstance(v, str) else ' '.join(v) for v in entities.values())}"
        )
        text = f"{text} .{language}"
        return Step(hear(text, intent, writes=language, **entities))

    def number(self, digits: str) -> Step:
        return self.say("inform", digits, order_number=digits)

    def right(self, order: Any) -> Step:
        way = self.chance.random()
        if way < 0.3 and order.contact.email:
            return self.say("inform", order.contact.email, email=order.contact.email)
        if way < 0.5:
            return self.say("inform", order.contact.phone, phone=order.contact.phone)
        return self.number(order.contact.phone[-4:])

    def wrong_proof(self) -> Step:
        return self.chance.choice(
            [self.number("0000"), self.say("inform", "x@example.org", email="x@example.org"), self.number("1357")]
        )

    def wish(self, **entities: str | list[str]) -> Step:
        intent = self.chance.choice(
            "track_order track_order complaint_late complaint_not_received refund_status cancel_order change_order "
            "change_address return_item request_invoice loyalty_points complaint_refund_delay complaint_damaged "
            "complaint_quality complaint_missing_item complaint_billing".split()
        )
        return self.say(intent, **entities)

    def aside(self) -> Step:
        return self.chance.choice(
            [
                lambda: self.say("faq", self.chance.choice(["return?", "shipping?", "which?", "never heard of?"])),
                lambda: self.say("product_question", self.chance.choice(["ساعة ذكية", "نعال", "watch", "spaceship"])),
                lambda: self.say("greet"),
                lambda: self.say("thank"),
                lambda: self.say("affirm"),
                lambda: self.say("deny"),
                lambda: self.say("nevermind"),
                lambda: self.say("bot_challenge"),
                lambda: self.say("help"),
                lambda: self.say("insult"),
                lambda: self.say("change_language", language=self.chance.choice(["ar", "en"])),
                lambda: self.say("change_language", "in a language"),
                lambda: self.say("nlu_fallback", "brabbel"),
                lambda: self.say("out_of_scope", "weather"),
                lambda: self.say("complaint_damaged"),
                lambda: self.say("voucher"),
                lambda: self.say("complaint_service", "nobody ever answers me and they were rude"),
                lambda: self.say("complaint_other"),
                lambda: self.say("complaint_status"),
                lambda: self.say("suggest", "open earlier"),
                lambda: self.say("stop_messages"),
                lambda: self.say("praise"),
                lambda: self.say("goodbye"),
                lambda: self.say("inform", "Riyadh", city="Riyadh"),
                lambda: Step("", '/notice{"notice": "stale_button"}'),
            ]
        )()

    # Plans

    def track(self) -> list[Step]:
        order = self.chance.choice(self.orders)
        if self.chance.random() < 0.3:
            return [self.wish(order_number=[order.number, (order.contact.phone or "")[-4:]])]
        return [self.wish(order_number=order.number), self.right(order)]

    def long_form(self) -> list[Step]:
        """Asks in between again and again before, perhaps, giving what was asked for."""
        order = self.chance.choice(self.orders)
        steps = [self.wish() if self.chance.random() < 0.5 else self.wish(order_number=order.number)]
        for _ in range(self.chance.randint(2, 14)):
            kind = self.chance.random()
            steps.append(
                self.aside() if kind < 0.55 else self.wrong_proof() if kind < 0.8 else self.say("inform", "rubbish")
            )
        return [*steps, *([self.number(order.number), self.right(order)] if self.chance.random() < 0.6 else [])]

    def wrong(self) -> list[Step]:
        order = self.chance.choice(self.orders)
        tries = [self.wrong_proof() for _ in range(self.chance.randint(3, 8))]
        return [self.wish(order_number=order.number), *tries, self.right(order)]

    def wishes(self) -> list[Step]:
        """Changes the mind, with and without a number."""
        order = self.chance.choice(self.orders)
        return [self.wish(order_number=order.number), self.wish(), self.right(order), self.wish(), self.wish()]

    def complain(self) -> list[Step]:
        """A complaint to its end, with questions and other wishes on the way."""
        order = self.chance.choice(self.orders)
        kind = self.chance.choice("late damaged missing_item quality not_received wrong_item refund_delay".split())
        told = [self.say(f"complaint_{kind}", order_number=order.number), self.right(order)]
        details = [self.chance.choice([self.aside(), self.say("nlu_fallback", "it is cracked and it leaks")])]
        answers = [self.chance.choice([Step(press=self.chance.randrange(4)), self.say("affirm"), self.say("deny")])]
        again = [self.say(f"complaint_{kind}")] if self.chance.random() < 0.3 else []
        return [*told, *details, *details, *answers, self.aside(), *answers, *again]

    def talk(self) -> list[Step]:
        return [self.aside() for _ in range(self.chance.randint(1, 6))]

    def mumble(self) -> list[Step]:
        return [self.say("nlu_fallback", f"mumble {n}") for n in range(self.chance.randint(1, 4))]

    def buttons(self) -> list[Step]:
        return [Step(press=self.chance.randrange(12)) for _ in range(self.chance.randint(1, 5))]

    def person(self) -> list[Step]:
        waits = [self.aside() for _ in range(self.chance.randint(0, 3))]
        return [self.say(self.chance.choice(["ask_human", "delete_my_data"])), *waits, Step("", "/back_to_bot")]


@pytest.fixture(scope="module")
def wording() -> DomainWording:
    return plain_wording()


@pytest.fixture(scope="module")
def actions() -> InProcessActions:
    return InProcessActions("actions")


@pytest.fixture(scope="module")
def assistant(core_model: Path, wording: DomainWording, actions: InProcessActions) -> RasaAssistant:
    return RasaAssistant(core_model, wording, actions, timeout=30)


@pytest.fixture
def stock(core_model: Path, wording: DomainWording, actions: InProcessActions) -> Iterator[StockRasa]:
    rasa = StockRasa(core_model, wording, actions)
    yield rasa
    rasa.close()


def age(world: World, seconds: float) -> None:
    """Make a compacted memory that much older."""
    if world.state:
        stored = json.loads(world.state)
        for event in stored["events"]:
            event["timestamp"] -= seconds
        world.state = json.dumps(stored)


def tracker_of(world: World, domain: Domain) -> DialogueStateTracker | None:
    if world.state is None:
        return None
    events = from_json(json.loads(world.state)["events"])
    return DialogueStateTracker.from_events("c", events, slots=domain.slots, domain=domain)


def observe(world: World, step: Step, now: datetime, tracker: Any) -> tuple[Said, list[Button]]:
    """Play a step and say what came of it. `tracker` is called for the memory afterwards."""
    failed, replies, effects = False, [], []
    world.shop.away = step.shop_away
    try:
        replies, turn = world.play(step.text, step.payload, now)
        effects = [e for e in turn.effects if not isinstance(e, LanguageRead)]
    except AssistantFailed:
        failed = True
    after = tracker()
    slots = dict(after.current_slot_values()) if after else {}
    said = [(r.text, [(b.title, b.payload) for b in r.buttons]) for r in replies]
    loop = after.active_loop_name if after else None
    offered = [button for reply in replies for button in reply.buttons]
    return Said(said, slots, loop, slots.pop("requested_slot", None), effects, world.owner, failed), offered


@pytest.fixture(autouse=True)
def _events_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rasa searches all its event classes for every stored event: remembered, the whole history is read in time."""
    monkeypatch.setattr(Event, "resolve_by_type", staticmethod(lru_cache(Event.resolve_by_type)))


def play_both(seed: int, turns: int, expiries: float, assistant: RasaAssistant, stock: StockRasa) -> list[str]:
    """A conversation against both; returns what was played. Fails at the first turn in which they differ."""
    short, whole = World(assistant), World(stock)
    customer = Customer(seed, short.shop, expiries)
    now, offered, played = NOON, [], []
    for turn in range(turns):
        step = customer.next()
        if step.press is not None:
            if not offered:
                continue
            button = offered[step.press % len(offered)]
            step = Step(button.title, button.payload, idle=step.idle, shop_away=step.shop_away)
        if short.owner is Owner.BOT and step.payload == "/back_to_bot":
            step.payload = '/notice{"notice": "stale_button"}'
        elif short.owner is Owner.QUEUE and customer.chance.random() < 0.5:
            step.payload = "/back_to_bot"
        if step.idle.total_seconds() >= EXPIRED:
            age(short, EXPIRED)
            stock.age(EXPIRED)
            played.append("(a day later)")
        now += step.idle
        if not 6 <= now.hour < 19:  # the queue opens and closes on both sides alike
            now += timedelta(hours=1)
        played.append(step.payload or step.text)
        one, offered_now = observe(short, step, now, lambda: tracker_of(short, stock.domain))
        other, _ = observe(whole, step, now, lambda: stock.memory.saved)
        assert one == other, f"seed {seed}, turn {turn}, after {played[-14:]}"
        assert not one.failed, f"seed {seed}, turn {turn}: no answer after {played[-14:]}"
        offered = offered_now or offered
    return played


@pytest.mark.parametrize("seed", SEEDS)
def test_a_compacted_conversation_goes_on_as_the_whole_one_would(
    seed: int, assistant: RasaAssistant, stock: StockRasa
) -> None:
    """Replies with their values and buttons, slots, form, what is asked for, effects and owner, turn by turn."""
    played = play_both(seed, TURNS, EXPIRIES[seed], assistant, stock)
    assert len(played) >= TURNS * 0.9


@pytest.mark.parametrize("forgotten", ["slots", "requested_slot", "form"])
def test_the_comparison_notices_what_a_memory_lacks(
    forgotten: str, assistant: RasaAssistant, stock: StockRasa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A summary without slots, or without what the form asks for, or without the form, is found out."""

    def lost(event: Event) -> bool:
        if forgotten == "form":
            return isinstance(event, ActiveLoop)
        return isinstance(event, SlotSet) and (event.key == "requested_slot") is (forgotten == "requested_slot")

    def careless(tracker: DialogueStateTracker, slots: Sequence[Slot]) -> list[Event]:
        events = compact(tracker, slots)
        heard = [place for place, event in enumerate(events) if isinstance(event, UserUttered)]
        tail = heard[-KEEP_TURNS] if len(heard) >= KEEP_TURNS else 0
        return [event for place, event in enumerate(events) if place >= tail or not lost(event)]

    monkeypatch.setattr(bot.brain.tracker_store, "compact", careless)
    with pytest.raises(AssertionError, match=r"seed \d, turn"):
        for seed in reversed(SEEDS):
            play_both(seed, TURNS, EXPIRIES[seed], assistant, stock)
            stock.forget()


def test_a_long_conversation_costs_what_a_short_one_costs(assistant: RasaAssistant) -> None:
    """After 500 turns the memory is as large as after 50, a few kilobytes; the time a turn takes is printed only."""
    world = World(assistant)
    customer = Customer(99, world.shop, 0.0)
    now, took, sizes = NOON, [], []
    for _ in range(500):
        step = customer.next()
        payload = "/back_to_bot" if world.owner is Owner.QUEUE else step.payload
        if step.press is not None and payload is None:
            payload = "/track_order"
        now += timedelta(minutes=1)
        started = time.perf_counter()
        world.play(step.text or "button", payload, now)
        took.append(time.perf_counter() - started)
        sizes.append(len((world.state or "").encode()))
    early, late = max(sizes[20:100]), max(sizes[420:])
    assert late <= 1.3 * early
    assert max(sizes) <= 64 * 1024
    near, far = statistics.median(took[20:40]), statistics.median(took[290:310])
    print(
        f"a turn at message 30: {near * 1000:.1f} ms, at 300: {far / near:.2f} times that; largest memory {max(sizes)} bytes"
    )


def test_a_form_that_never_ends_does_not_grow_the_memory(assistant: RasaAssistant) -> None:
    world = World(assistant)
    world.play(hear("where is 1001", "track_order", order_number="1001"))
    sizes = []
    for n in range(120):
        text = ["return?", "thanks", "rubbish", "shipping?"][n % 4]
        world.play(hear(text, ["faq", "thank", "inform", "faq"][n % 4]), now=NOON + timedelta(minutes=n))
        sizes.append(len((world.state or "").encode()))
    after = from_json(json.loads(world.state or "")["events"])
    tracker = DialogueStateTracker.from_events("c", after, slots=assistant._agent.domain.slots)
    assert tracker.active_loop_name == "order_form" and tracker.get_slot("requested_slot") == "proof"
    assert max(sizes[80:]) <= 1.05 * max(sizes[10:40])
    assert max(sizes) <= 40 * 1024


def test_memory_survives_json(assistant: RasaAssistant, stock: StockRasa) -> None:
    """Events come back from JSON as they went in, but for what nobody reads again."""
    world = World(assistant)
    world.play(hear("where is 1001", "track_order", order_number="1001"))
    world.play(hear("return?", "faq"))
    stored = json.loads(world.state or "")["events"]
    assert json.loads(json.dumps(to_json(from_json(stored)))) == stored
    tracker = DialogueStateTracker.from_events("c", from_json(stored), slots=stock.domain.slots)
    again = to_json(compact(tracker, stock.domain.slots))
    assert [event["event"] for event in again] == [event["event"] for event in stored]


def test_as_many_turns_are_kept_as_the_module_says(assistant: RasaAssistant) -> None:
    world = World(assistant)
    for n in range(12):
        world.play(hear(f"thanks {n}", "thank"))
    events = from_json(json.loads(world.state or "")["events"])
    heard = [event.text for event in events if isinstance(event, UserUttered)]
    assert heard == [f"thanks {n}" for n in range(12 - KEEP_TURNS, 12)]
