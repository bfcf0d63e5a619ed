"""What is not understood, and what could be two things."""

from __future__ import annotations

from typing import Any

import pytest
from rasa.shared.nlu.training_data.message import Message

from bot.brain.nlu.doubt import Doubt


def read(*ranking: tuple[str, float], **more: Any) -> Message:
    """A message as the classifier leaves it, after `Doubt`."""
    ranked = [{"name": name, "confidence": confidence} for name, confidence in ranking]
    message = Message({"intent": dict(ranked[0]), "intent_ranking": ranked, **more})
    return Doubt(Doubt.get_default_config()).process([message])[0]


@pytest.mark.parametrize(
    ("ranking", "intent", "alternatives"),
    [
        ([("track_order", 0.9), ("faq", 0.1)], "track_order", None),
        ([("greet", 0.2), ("thank", 0.05)], "nlu_fallback", None),
        ([("cancel_order", 0.45), ("return_item", 0.4)], "nlu_fallback", ["cancel_order", "return_item"]),
        ([("cancel_order", 0.45), ("return_item", 0.3)], "cancel_order", None),
        # Both are answered alike: nothing to ask.
        ([("track_order", 0.45), ("complaint_late", 0.44)], "track_order", None),
        # No choice to offer a customer.
        ([("greet", 0.45), ("thank", 0.44)], "greet", None),
        ([("ask_human", 0.45), ("faq", 0.44)], "ask_human", None),
    ],
)
def test_close_calls_that_matter_become_a_question(
    ranking: list[tuple[str, float]], intent: str, alternatives: list[str] | None
) -> None:
    message = read(*ranking)
    assert (message.get("intent")["name"], message.get("alternatives")) == (intent, alternatives)


def test_made_up_words_are_not_understood_and_an_unheard_of_address_is() -> None:
    sure = ("insult", 0.99), ("thank", 0.01)
    assert read(*sure, familiar=0.1).get("intent")["name"] == "nlu_fallback"
    assert read(*sure, familiar=0.0).get("intent")["name"] == "nlu_fallback"
    assert read(*sure, familiar=0.6).get("intent")["name"] == "insult"
    assert read(*sure, familiar=0.1, entities=[{"entity": "email"}]).get("intent")["name"] == "insult"


def test_a_message_that_no_classifier_read_is_left_alone() -> None:
    message = Message({"text": "x"})
    assert Doubt(Doubt.get_default_config()).process([message])[0].get("intent") is None
