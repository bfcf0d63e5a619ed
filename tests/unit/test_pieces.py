"""How many pieces a complaint is about: what is said is read, and what is not said is not guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.complaints.pieces import all_items_in, pieces_answered, pieces_in


@pytest.mark.parametrize(
    ("text", "ordered", "pieces"),
    [
        ("واحد ناقص من اثنين", 2, 1),
        ("طقم واحد ناقص", 2, 1),
        ("وصلني واحد من الاثنين مكسور", 2, 1),
        ("واحد منهم مكسور", 2, 1),
        ("وحدة منها خربانة", 3, 1),
        ("ناقصني حبتين", 3, 2),
        ("ناقص حبتين", 3, 2),
        ("حبتين مكسورة", 3, 2),
        ("وصل واحد بس", 2, 1),
        ("الاثنين مكسورين", 2, 2),
        ("كلهم مكسورين", 3, 3),
        ("one of the two is broken", 2, 1),
        ("1 of 3 is missing", 3, 1),
        ("two of them are cracked", 3, 2),
        ("only one arrived broken", 2, 1),
        ("one was missing from the box", 2, 1),
        ("both are broken", 2, 2),
        ("all of them leak", 3, 3),
        ("we7da menhom maksoura", 2, None),
        ("wa7da menhom maksoura", 2, 1),
    ],
)
def test_what_is_said_of_pieces_is_read(text: str, ordered: int, pieces: int | None) -> None:
    assert pieces_in(text, ordered) == pieces


@pytest.mark.parametrize(
    "text",
    [
        "طلبي 1002 ناقص منه طقم الفناجين",
        "the cup set is missing from order 1002",
        "it is not working at all",
        "وصل يوم الاثنين مكسور",
        "my order came broken 2 days ago",
        "the broken one is the set",
        "three of the two are broken",
        "",
    ],
)
def test_where_nothing_is_said_nothing_is_read(text: str) -> None:
    """An order number, a weekday and a span of time are no pieces; nor are more pieces than were ordered."""
    assert pieces_in(text, 2) is None


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("1", 1), ("٢", 2), ("واحد", 1), ("وحدة", 1), ("اثنين", 2), ("الاثنين", 2), ("قطعة واحدة", 1), ("كلها", 3), ("الكل", 3),
     ("one", 1), ("just one", 1), ("two pieces", 2), ("all", 3), ("all 3", 3), ("3", 3), ("4", None), ("0", None), ("not sure", None)],
)  # fmt: skip
def test_any_number_answers_how_many(text: str, pieces: int | None) -> None:
    assert pieces_answered(text, 3) == pieces


@pytest.mark.parametrize(
    "text",
    [
        "both are broken",
        "both",
        "الاثنين مكسورين",
        "الاتنين",
        "كلهم",
        "all of them",
        "everything",
        "كلها خربانة",
        "التنين",
        "bjouj",
        "kollohom",
    ],
)
def test_both_means_all_of_two_items(text: str) -> None:
    assert all_items_in(text, 2)


def test_both_of_three_is_not_all() -> None:
    """Which two is for the customer to say."""
    assert not all_items_in("both", 3) and all_items_in("all of them", 3)
    assert not all_items_in("the perfume", 2) and not all_items_in("not at all", 2)


@given(text=st.text(max_size=80), ordered=st.integers(1, 50))
def test_never_more_than_was_ordered(text: str, ordered: int) -> None:
    for read in (pieces_in(text, ordered), pieces_answered(text, ordered)):
        assert read is None or 1 <= read <= ordered
