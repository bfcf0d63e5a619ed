"""The level of tension of a conversation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.feelings import TENSE, next_level

EMOTIONS = st.sampled_from(["positive", "neutral", "frustrated", "angry", None, "unknown"])
SHARE = st.floats(0, 1)


@given(SHARE, EMOTIONS, SHARE)
def test_the_level_stays_between_nought_and_one(level: float, emotion: str | None, confidence: float) -> None:
    assert 0 <= next_level(level, emotion, confidence) <= 1


@given(SHARE, SHARE)
def test_anger_never_lowers_it_and_joy_never_raises_it(level: float, confidence: float) -> None:
    assert next_level(level, "angry", confidence) >= level
    assert next_level(level, "positive", confidence) <= level


@given(SHARE)
def test_what_was_not_read_changes_nothing(level: float) -> None:
    assert next_level(level, None) == next_level(level, "angry", 0) == level


def test_two_furious_messages_are_tense_and_one_grumble_is_not() -> None:
    assert next_level(next_level(0, "angry", 0.9), "angry", 0.9) >= TENSE
    assert next_level(0, "frustrated", 0.9) < TENSE


def test_calm_comes_back_more_slowly_than_anger_comes() -> None:
    level, messages = next_level(next_level(0, "angry"), "angry"), 0
    while level >= 0.3:
        level, messages = next_level(level, "neutral"), messages + 1
    assert 3 <= messages <= 8
