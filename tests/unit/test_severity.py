"""How serious a complaint is: its kind, and what raises it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.complaints.model import Kind, Severity
from bot.complaints.policy import severity

MINOR, MODERATE, SERIOUS = Severity.MINOR, Severity.MODERATE, Severity.SERIOUS
CALM = (Decimal(100), 0, "neutral", False, "basic")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.LATE, MINOR),
        (Kind.NOT_RECEIVED, SERIOUS),
        (Kind.DAMAGED, MODERATE),
        (Kind.WRONG_ITEM, MODERATE),
        (Kind.MISSING_ITEM, MODERATE),
        (Kind.QUALITY, MODERATE),
        (Kind.SERVICE, MINOR),
        (Kind.BILLING, MODERATE),
        (Kind.REFUND_DELAY, MODERATE),
        (Kind.OTHER, MINOR),
    ],
)
def test_each_kind_has_a_severity_of_its_own(kind: Kind, expected: Severity) -> None:
    assert severity(kind, *CALM) is expected


@pytest.mark.parametrize(
    ("value", "days_late", "emotion", "repeat", "tier", "expected"),
    [
        ("499.99", 4, "neutral", False, "silver", MINOR),
        ("500", 0, "neutral", False, "basic", MODERATE),
        ("10", 5, "neutral", False, "basic", MODERATE),
        ("10", 0, "angry", False, "basic", MODERATE),
        ("10", 0, "frustrated", False, "basic", MINOR),
        ("10", 0, "neutral", True, "basic", MODERATE),
        ("10", 0, "neutral", False, "gold", MODERATE),
        ("10", 0, "neutral", False, "vip", MODERATE),
        ("10", 6, "angry", False, "basic", SERIOUS),
        ("900", 9, "angry", True, "vip", SERIOUS),
    ],
)
def test_value_delay_anger_repetition_and_tier_raise_it_by_one_each(
    value: str, days_late: int, emotion: str, repeat: bool, tier: str, expected: Severity
) -> None:
    assert severity(Kind.LATE, Decimal(value), days_late, emotion, repeat, tier) is expected


facts = st.tuples(
    st.sampled_from(Kind),
    st.decimals(0, 5000, places=2),
    st.integers(0, 60),
    st.booleans(),
    st.sampled_from(["basic", "silver", "gold", "vip"]),
)


@given(facts)
def test_anger_raises_by_one_at_most_and_other_emotions_by_nothing(
    given_facts: tuple[Kind, Decimal, int, bool, str],
) -> None:
    kind, value, days_late, repeat, tier = given_facts
    by_emotion = {
        emotion: severity(kind, value, days_late, emotion, repeat, tier)
        for emotion in ("neutral", "positive", "frustrated", "angry", "")
    }
    calm = by_emotion.pop("neutral")
    assert calm <= by_emotion.pop("angry") <= calm + 1
    assert set(by_emotion.values()) == {calm}
