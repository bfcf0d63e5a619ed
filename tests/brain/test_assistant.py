"""Rasa behind the port: what it is told, what it answers, and what happens when it cannot."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from actions.conversation import Greet
from bot.brain.assistant import RasaAssistant, said_salam
from bot.brain.in_process_actions import InProcessActions
from bot.brain.scope import current_scope
from bot.brain.wording import DomainWording
from bot.conversations.model import LanguageRead, Owner, OwnerChange
from bot.conversations.turn_in_progress import turn_in_progress
from bot.customers.proof import ProofGiven
from bot.errors import AssistantFailed
from bot.handoff.model import HandoffAsked, Reason
from bot.orders.model import OrderNumber
from tests.brain.scripted import HEARD, hear
from tests.brain.worlds import World, plain_wording


@pytest.fixture(scope="module")
def wording() -> DomainWording:
    return plain_wording()


@pytest.fixture(scope="module")
def assistant(core_model: Path, wording: DomainWording) -> RasaAssistant:
    return RasaAssistant(core_model, wording, InProcessActions("actions"), timeout=20)


@pytest.fixture
def world(assistant: RasaAssistant) -> World:
    return World(assistant)


def keys(replies: Any) -> list[str]:
    return [reply.response for reply in replies]


# Typed commands


@pytest.mark.parametrize(
    "text",
    [
        "/ask_human",
        "/greet",
        '/inform{"order_number": "1001"}',
        '/faq{"entry": "return_policy"}',
        "/restart",
        "/session_start",
        "/back",
        '/change_language{"language": "en"}',
        "//greet",
        "/",
    ],
)
def test_what_is_typed_is_never_taken_for_an_intent(text: str, world: World, assistant: RasaAssistant) -> None:
    """Rasa itself obeys such a text, from anyone, and fills slots from it."""
    replies, turn = world.play(text)
    assert turn.trace["intent"] == "nlu_fallback"
    assert replies
    assert not any(isinstance(effect, HandoffAsked) for effect in turn.effects)
    assert assistant.parse(text)["intent"]["name"] == "nlu_fallback"


def test_the_same_from_a_button_is_one(world: World) -> None:
    """So that the test above has something to refuse."""
    replies, turn = world.play("Talk to a person", "/ask_human")
    assert turn.trace["intent"] == "ask_human"
    assert keys(replies) == ["utter_handoff_open_first"]
    asked = [effect for effect in turn.effects if isinstance(effect, HandoffAsked)]
    assert [effect.reason for effect in asked] == [Reason.ASKED] and OwnerChange(Owner.QUEUE) in turn.effects


def test_a_typed_command_in_a_form_fills_no_slot(world: World) -> None:
    world.play(hear("where is my order", "track_order"))
    replies, turn = world.play('/inform{"order_number": "1001", "proof": "granted"}')
    assert not any(isinstance(effect, ProofGiven) for effect in turn.effects)
    assert "utter_order_shipped" not in keys(replies)
    assert slots(world).get("order_number") is None and slots(world).get("proof") is None


# Salam


@pytest.mark.parametrize(
    "text",
    [
        "السلام عليكم", "سلام عليكم", "السلامُ عليكم ورحمةُ الله", "السّلام علیکم", "السلام عليكم وين طلبي",
        "السلاام عليكم", "السلااااام عليكم", "السلامو عليكم", "سلامو عليكو", "سلام عليكو", "السلام عليك", "سلام عليك",
        "السلام علكم", "السلام وعليكم", "السلامعليكم", "سلام الله عليكم", "هلا والسلام عليكم", "السلام", "السلام، وين طلبي",
        "صباح الخير السلام عليكم",
        "salam alaikum", "Salam Alaykum", "salam alaykom", "assalamu alaikum", "Assalamualaikum", "as-salamu alaykum",
        "as salam alaikom", "asalam alikom", "asalamu alaikum", "salam 3alaikum", "salam 3alaykom", "salam 3likom",
        "salam 3lykm", "salam 3aleikom", "salamo 3alaykom", "slm 3likom", "slam 3likom", "selam aleykum",
        "salaam alaikum", "assalam o alaikum", "essalam alaykoum", "salam alaykoum", "salamou alaykoum",
        "esselemou 3alaykom", "asslamo 3alikom", "slm 3lkm", "assalamoualaikoum", "SALAM ALAIKUM where is 1001",
    ],
)  # fmt: skip
def test_the_greeting_of_peace_is_heard_in_any_spelling(text: str) -> None:
    assert said_salam(text)


@pytest.mark.parametrize(
    "text",
    [
        "مع السلامة", "سلامتك", "الله يسلمك", "سلام", "وعليكم السلام", "عليكم بالصبر", "فندق السلام", "أين فرع حي السلام",
        "الإسلام", "السلامة أولًا", "سلالم", "علي سلام", "استلام الطلب عليكم", "التسليم عليكم", "islam", "salami",
        "salamat", "salam", "wa alaikum assalam", "hello", "alaska", "salmon milk", "is lamb like him", "",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_answered_with_it(text: str) -> None:
    assert not said_salam(text)


def test_a_salam_is_returned_first_also_when_a_request_follows(world: World) -> None:
    replies, turn = world.play(hear("السلام عليكم وين طلبي", "track_order"))
    first, _, rest = replies[0].text.partition("\n")
    assert first.startswith("<utter_return_salam ar>") and rest.startswith("<utter_ask_order_number ar>")
    assert keys(replies) == ["utter_ask_order_number"]
    assert [button.payload for button in replies[0].buttons] == ["/ask_human"]


def test_a_salam_in_english_is_returned_in_latin_letters(world: World) -> None:
    replies, _ = world.play(hear("assalamu alaikum", "greet", writes="en"))
    assert replies[0].text.startswith("<utter_return_salam en>")


def test_no_salam_is_returned_where_none_was_said_nor_for_a_button(world: World) -> None:
    assert "salam" not in world.play(hear("مرحبا", "greet"))[0][0].text
    assert "salam" not in world.play("السلام عليكم", "/greet")[0][0].text


# Replies and effects


def test_replies_come_in_the_order_in_which_they_were_said(world: World) -> None:
    world.play(hear("1004", "inform", order_number="1004"))
    order = world.shop.order(OrderNumber("1004"))
    assert order and order.contact.email
    replies, turn = world.play(hear(order.contact.email, "inform", email=order.contact.email))
    assert keys(replies) == ["utter_order_shipped_late", "utter_last_scan"]
    assert [effect for effect in turn.effects if isinstance(effect, ProofGiven)] == [ProofGiven(order.customer)]


def test_which_entry_answered_is_kept_with_the_reply(world: World) -> None:
    (reply,), _ = world.play(hear("return?", "faq"))
    assert (reply.response, reply.source) == ("utter_answer", "return_policy")


def test_only_the_last_turns_replies_are_returned(world: World) -> None:
    world.play(hear("return?", "faq"))
    replies, _ = world.play(hear("thanks", "thank"))
    assert keys(replies) == ["utter_thanks"]


def test_the_language_that_is_written_is_an_effect_and_the_answers(world: World) -> None:
    replies, turn = world.play(hear("hello", "greet", writes="en", variety="en"))
    assert replies[0].text.startswith("<utter_greet en>")
    assert LanguageRead("en", "en") in turn.effects
    assert (turn.trace["language"], turn.trace["variety"]) == ("en", "en")
    replies, turn = world.play(hear("شكرا", "thank", writes="ar", variety="gulf"))
    assert replies[0].text.startswith("<utter_thanks ar>")
    assert LanguageRead("ar", "gulf") in turn.effects


def test_a_language_that_was_chosen_stays(world: World) -> None:
    world.play(hear("in english please", "change_language", language="en"))
    replies, _ = world.play(hear("شكرا", "thank", writes="ar"))
    assert replies[0].text.startswith("<utter_thanks en>")


def test_what_was_understood_is_in_the_trace(world: World) -> None:
    _, turn = world.play(hear("hello", "greet"))
    assert {key: turn.trace[key] for key in ("intent", "confidence", "emotion")} == {
        "intent": "greet",
        "confidence": 0.9,
        "emotion": "neutral",
    }


# Several requests


def hear_two(first: str, second: str) -> str:
    """A message of two parts, each understood by itself and as what it is told as."""
    for part, intent in ((first, "cancel_order"), (second, "voucher")):
        number = {"order_number": "1005"} if "1005" in part else {}
        hear(part, intent, **number)
    return f"{first} {second}"


def test_the_second_request_is_noted_and_answered_when_the_first_is_through(world: World) -> None:
    replies, turn = world.play(hear_two("الغوا 1005 لو سمحتوا،", "وكمان الكوبون ما يشتغل"))
    assert keys(replies) == ["utter_requests_noted", "utter_ask_proof"]
    assert turn.trace["intent"] == "cancel_order"
    replies, _ = world.play(hear("9046", "inform", order_number="9046"))
    assert keys(replies) == ["utter_cancel_possible", "utter_voucher"]
    assert replies[1].text.startswith("<utter_next_request ar>")
    replies, _ = world.play(hear("شكرا", "thank"))
    assert keys(replies) == ["utter_thanks"]


def test_requests_that_need_nothing_are_answered_in_one_turn(world: World) -> None:
    hear("the coupon fails.", "voucher", writes="en")
    hear("also when do I get my invoice back?", "faq", writes="en")
    replies, _ = world.play("the coupon fails. also when do I get my invoice back?")
    assert keys(replies)[0] == "utter_voucher" and len(replies) == 2


def test_what_waits_is_dropped_when_a_person_takes_over(world: World) -> None:
    world.play(hear_two("الغوا 1005 لو سمحتوا،", "وكمان الكوبون ما يشتغل"))
    replies, turn = world.play(hear("ابغى موظف", "ask_human"))
    assert keys(replies) == ["utter_handoff_open_first"]
    assert "الكوبون ما يشتغل" not in json.dumps(slots(world), ensure_ascii=False)


def slots(world: World) -> dict[str, Any]:
    return {e["name"]: e["value"] for e in json.loads(world.state or "")["events"] if e["event"] == "slot"}


@pytest.mark.parametrize("said", ["لا مو هذا", "لا مش ده", "no, not this one", "la mesh da"])
def test_not_this_one_asks_for_another_order_and_a_plain_no_leaves_it(said: str, world: World) -> None:
    world.play(hear("وين طلبي 1004", "track_order", order_number="1004"))
    replies, _ = world.play(hear(said, "deny"))
    assert keys(replies) == ["utter_ask_order_number"] and slots(world).get("order_number") is None
    replies, _ = world.play(hear("1001", "inform", order_number="1001"))
    assert keys(replies) == ["utter_ask_proof"] and slots(world)["order_number"] == "1001"
    replies, _ = world.play(hear("لا", "deny"))
    assert keys(replies) == ["utter_nevermind"]


def test_a_choice_may_be_typed(world: World) -> None:
    world.play(hear("change the language", "change_language", writes="en"))
    replies, turn = world.play("the second one")
    assert keys(replies) == ["utter_language_en"] and turn.trace["intent"] == "change_language"


def test_a_number_is_no_choice_where_none_was_offered(world: World) -> None:
    world.play(hear("hi", "thank"))
    replies, turn = world.play(hear("2", "inform"))
    assert turn.trace["intent"] == "inform"


def test_tension_rises_with_anger_and_is_in_the_trace(world: World) -> None:
    hear("worst shop", "insult")
    HEARD["worst shop"]["emotion"] = {"name": "angry", "confidence": 0.9}
    _, first = world.play("worst shop")
    _, second = world.play("worst shop")
    _, third = world.play(hear("ok", "thank"))
    assert 0.4 < first.trace["tension"] < second.trace["tension"] > third.trace["tension"] > 0


def test_close_calls_become_a_choice_that_keeps_what_was_said(world: World) -> None:
    hear("1005 no more", "nlu_fallback", order_number="1005")
    HEARD["1005 no more"]["alternatives"] = ["cancel_order", "return_item"]
    (reply,), _ = world.play("1005 no more")
    assert reply.response == "utter_ask_back"
    assert [button.payload for button in reply.buttons] == [
        '/cancel_order{"order_number": "1005"}',
        '/return_item{"order_number": "1005"}',
        '/faq{"entry": "none"}',
    ]


# Memory


@pytest.mark.parametrize(
    "broken",
    ["", "{", "[]", "null", "{}", '{"events": null, "said": {}}', '{"events": [{"event": "martian"}], "said": {}}',
     '{"events": [{"event": "user"}], "said": {}}', '{"events": [{"event": "slot"}], "said": {}}',
     '{"events": [], "said": []}', '{"events": [1], "said": {}}', '{"events": [], "said": {"utter_thanks": "x"}}'],
)  # fmt: skip
def test_a_memory_that_cannot_be_read_is_forgotten_and_the_conversation_goes_on(world: World, broken: str) -> None:
    world.play(hear("where is my order", "track_order"))
    world.state = broken
    replies, turn = world.play(hear("thanks", "thank"))
    assert keys(replies) == ["utter_thanks"]
    assert turn.state_after and json.loads(turn.state_after)["events"]
    replies, _ = world.play(hear("return?", "faq"))
    assert keys(replies) == ["utter_answer"]


def test_wordings_do_not_repeat_over_turns(core_model: Path) -> None:
    from tests.brain.worlds import PROJECT

    real = DomainWording.load(PROJECT / "domain.yml")
    world = World(RasaAssistant(core_model, real, InProcessActions("actions"), timeout=20), wording=real)
    said = [world.play(hear("شكرا", "thank"))[0][0].text for _ in range(12)]
    assert all(one != other for one, other in zip(said, said[1:], strict=False))
    assert len(set(said)) > 2


# Failures


@pytest.fixture
def greeting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Do something in the middle of the action that greets."""

    def during(work: Callable[[], Any]) -> None:
        before = Greet.handle

        def handle(self: Greet, talk: Any) -> Any:
            work()
            return before(self, talk)

        monkeypatch.setattr(Greet, "handle", handle)

    return during


def test_a_turn_that_takes_too_long_fails(core_model: Path, wording: DomainWording, monkeypatch: Any) -> None:
    assistant = RasaAssistant(core_model, wording, InProcessActions("actions"), timeout=0.2)

    async def stuck(*args: Any, **kwargs: Any) -> None:
        import asyncio

        await asyncio.sleep(30)

    monkeypatch.setattr(assistant._actions, "request", stuck)
    world, started = World(assistant), time.monotonic()
    with pytest.raises(AssistantFailed, match="0.2 s"):
        world.play(hear("hello", "greet"))
    assert time.monotonic() - started < 10
    assert world.state is None
    monkeypatch.undo()
    assert keys(world.play(hear("thanks", "thank"))[0])


def test_after_a_failure_nothing_of_the_turn_is_left_in_the_thread(world: World, greeting: Any) -> None:
    def fail() -> None:
        raise ValueError("broken on purpose")

    greeting(fail)
    with pytest.raises(AssistantFailed):
        world.play(hear("hello", "greet"))
    assert turn_in_progress.get() is None and current_scope.get() is None
    assert keys(world.play(hear("thanks", "thank"))[0]) == ["utter_thanks"]


# Reload and threads


def test_a_turn_ends_with_the_model_it_began_with(
    core_model: Path, wording: DomainWording, greeting: Callable[[Callable[[], Any]], None]
) -> None:
    assistant = RasaAssistant(core_model, wording, InProcessActions("actions"), timeout=60)
    before = assistant._agent
    begun, reloaded = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert reloaded.wait(50)

    greeting(wait)
    world = World(assistant)
    hear("hello", "greet")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(world.play, "hello")
        assert begun.wait(20)
        assistant.reload(core_model)
        reloaded.set()
        replies, turn = running.result(60)
    assert keys(replies) == ["utter_greet"] and turn.state_after
    assert assistant._agent is not before
    assert keys(world.play(hear("thanks", "thank"))[0]) == ["utter_thanks"]


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_in_place(
    core_model: Path, wording: DomainWording, tmp_path: Path
) -> None:
    assistant = RasaAssistant(core_model, wording, InProcessActions("actions"), timeout=20)
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"not an archive")
    with pytest.raises(Exception):  # noqa: B017  whatever Rasa raises
        assistant.reload(broken)
    assert keys(World(assistant).play(hear("thanks", "thank"))[0]) == ["utter_thanks"]


def test_several_threads_hold_several_conversations_apart(assistant: RasaAssistant) -> None:
    """Each has its own language, form and memory; none sees another's turn."""
    hear("ابي طلبي", "track_order")
    hear("my order", "track_order", writes="en")
    for n in range(8):
        hear(f"{1001 + n}", "inform", order_number=f"{1001 + n}", writes="ar" if n % 2 else "en")
    shared = World(assistant)
    together = threading.Barrier(8)

    def converse(n: int) -> list[str]:
        world, language = World(assistant, shop=shared.shop, wording=shared.wording), "ar" if n % 2 else "en"
        world.services = shared.services  # what actions use is one for the process
        together.wait(20)
        said = []
        for _ in range(3):
            world.state = None
            for text in ("ابي طلبي" if n % 2 else "my order", f"{1001 + n}"):
                replies, turn = world.play(text)
                assert len(replies) == 1, replies
                assert turn.trace["language"] == language
                said.append(replies[0].text)
        return said

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(converse, range(8)))
    for n, said in enumerate(results):
        language = "ar" if n % 2 else "en"
        asked = f"<utter_ask_order_number {language}>"
        proof = f"<utter_ask_proof {language}> order_number={1001 + n}"
        assert [text.strip() for text in said] == [asked, proof] * 3
