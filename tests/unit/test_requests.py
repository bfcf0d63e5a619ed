"""More than one thing in one message, and short answers to a choice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.brain.choices import chosen
from bot.brain.requests import FAMILIES, MOST_REQUESTS, answer_and_requests, parts_of, requests_in

_WORDS = {
    "cancel_order": ("cancel", "الغ", "نلغي", "elghi"),
    "voucher": ("coupon", "كوبون", "كود", "code"),
    "track_order": ("where is", "وين", "فين", "wen"),
    "faq": ("رسوم", "how much is shipping", "الشحن"),
    "return_item": ("ارجع", "return", "فلوسي"),
    "complaint_damaged": ("مكسور", "broken"),
    "greet": ("السلام", "hello"),
}


def understand(text: str) -> dict[str, Any]:
    """Reads by one word, so that the cut alone is tested."""
    for intent, words in _WORDS.items():
        if any(word in text.lower() for word in words):
            numbers = [{"entity": "order_number"}] if "100" in text else []
            return {"intent": {"name": intent, "confidence": 0.9}, "entities": numbers}
    if any(sign.isdigit() for sign in text) or "الاسود" in text:
        return {"intent": {"name": "inform", "confidence": 0.8}, "entities": [{"entity": "phone"}]}
    return {"intent": {"name": "out_of_scope", "confidence": 0.4}}


def requests(text: str) -> list[tuple[str, str]]:
    return requests_in(text, {part: understand(part) for part in parts_of(text)})


@pytest.mark.parametrize(
    ("text", "goal", "answer", "intents"),
    [
        ("9046، وكم رسوم الشحن؟", "track", "9046،", ["faq"]),
        ("it is 9046, and the coupon doesn't work", "cancel", "it is 9046,", ["voucher"]),
        ("9046، وين طلبي", "track", "9046، وين طلبي", []),  # the same matter once more
        ("الاسود، وبغيت ارجع السماعة", "complaint_damaged", "الاسود، وبغيت ارجع السماعة", []),  # one story
        ("9046، وين طلبي 1004", "cancel", "9046،", ["track_order"]),
        ("كم رسوم الشحن لجدة؟ رقمي 9046", "track", "كم رسوم الشحن لجدة؟ رقمي 9046", []),  # a new wish comes first
        ("9046", "track", "9046", []),
        ("sorry, how much is shipping", "track", "sorry, how much is shipping", []),  # it answers nothing
    ],
)
def test_what_comes_with_an_answer_is_a_request_of_its_own(
    text: str, goal: str, answer: str, intents: list[str]
) -> None:
    told, later = answer_and_requests(text, {part: understand(part) for part in parts_of(text)}, goal)
    assert (told, [intent for _, intent in later]) == (answer, intents)


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("cancel it and also the coupon doesn't work", ["cancel_order", "voucher"]),
        ("cancel order 1005. where is order 1004?", ["cancel_order", "track_order"]),
        ("الغوا الطلب 1005 وكمان الكوبون ما يشتغل", ["cancel_order", "voucher"]),
        ("وين طلبي 1004؟ وكم رسوم الشحن لجدة؟", ["track_order", "faq"]),
        ("السلام عليكم وين طلبي 1004، وبالنسبة للكود ما ضبط معي", ["track_order", "voucher"]),
        ("بغيت نلغي الكوموند، زيد الكود ديالي ما خدامش", ["cancel_order", "voucher"]),
        ("where is order 1004? also I want to return 1001", ["track_order", "return_item"]),
        ("الغوا الطلب 1005 لو سمحتوا\nكود الخصم ما يشتغل معي", ["cancel_order", "voucher"]),
        ("wen talabi 1004 w kaman el code ma zabat", ["track_order", "voucher"]),
        ("الغوا الطلب، وين طلبي الثاني؟ وكم رسوم الشحن", ["cancel_order", "track_order", "faq"]),
    ],
)
def test_two_wishes_are_two_requests_in_their_order(text: str, intents: list[str]) -> None:
    assert [intent for _, intent in requests(text)] == intents


@pytest.mark.parametrize(
    "text",
    [
        "السلام عليكم، وين طلبي 1004 تأخر",  # a greeting is no request
        "وين طلبي؟ وين طلبي 1004؟",  # the same twice
        "وصلني مكسور، ابغى ارجع المنتج وابغى فلوسي",  # one story
        "وين طلبي تأخرتوا كثير، وابغى فلوسي",
        "cancel it please, thank you",
        "وين طلبي",
        "",
        "و",
        "cancel. coupon",  # parts of one word say too little
        "How much is\nshipping? where is",  # a line that was only broken
    ],
)
def test_one_matter_is_not_cut(text: str) -> None:
    assert requests(text) == []


def test_a_part_that_is_no_request_stays_with_what_it_belongs_to() -> None:
    first, second = requests("hello there, cancel my order 1005. it was a mistake. also the coupon fails. so odd!")
    assert first[0] == "hello there, cancel my order 1005. it was a mistake."
    assert second[0] == "also the coupon fails. so odd!"


@given(st.text(max_size=200))
def test_parts_lose_nothing_but_spaces(text: str) -> None:
    parts = parts_of(text)
    if parts:
        assert "".join("".join(parts).split()) == "".join(text.split())


@given(
    st.lists(
        st.sampled_from(["cancel it now.", "the coupon fails,", "where is it?", "also how much is shipping", "ok"])
    )
)
def test_requests_are_few_distinct_and_in_order(pieces: list[str]) -> None:
    found = requests(" ".join(pieces))
    families = [FAMILIES[intent] for _, intent in found]
    assert len(found) != 1 and len(found) <= MOST_REQUESTS and len(set(families)) == len(families)


BUTTONS = [
    {"title": "رسوم الشحن", "payload": "/a"},
    {"title": "مدة التوصيل", "payload": "/b"},
    {"title": "لا شيء منها", "payload": "/c"},
]


@pytest.mark.parametrize(
    ("said", "payload"),
    [
        *(("1", "/a"), ("٢", "/b"), ("الثاني", "/b"), ("التاني لو سمحت", "/b"), ("ابي الاول", "/a"), ("the second one", "/b")),
        *(("second", "/b"), ("الأولى", "/a"), ("أبغى الثاني", "/b"), ("2nd", "/b"), ("option 3", "/c"), ("الأخير", "/c"), ("رقم ١", "/a"), ("el tani", "/b")),
        *(("مُدّة التوصيل", "/b"), ("مدة التوصيل؟", "/b"), ("4", None), ("0", None), ("وين طلبي", None), ("", None), ("1004", None)),
        ("the second", "/b"),
    ],
)  # fmt: skip
def test_a_typed_choice_is_the_button_it_names(said: str, payload: str | None) -> None:
    button = chosen(said, BUTTONS)
    assert (button and button["payload"]) == payload


def test_one_button_is_no_choice() -> None:
    assert chosen("1", BUTTONS[:1]) is None


@given(st.text(max_size=100))
def test_any_text_is_a_button_of_those_offered_or_none(text: str) -> None:
    assert chosen(text, BUTTONS) in (*BUTTONS, None)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", [" ", "\u00a0", "\n", "a\n", "و", "و ", ". ", "، ", "also ", "ab cd "])
def test_no_text_takes_long_to_cut(piece: str) -> None:
    """4,000 signs are the most that is read; a pattern that tried each pair of them would take minutes."""
    for _ in range(20):
        parts_of((piece * 4000)[:4000])
