"""Text as Telegram takes it: counted, cut and kept in its own direction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.connectors.telegram.text import LONGEST, isolated, split, title, units


@pytest.mark.parametrize(
    ("text", "length"), [("", 0), ("abc", 3), ("مرحبا", 5), ("😀", 2), ("👩‍👩‍👧", 8), ("e\u0301", 2)]
)
def test_length_is_counted_in_utf16_units(text: str, length: int) -> None:
    assert units(text) == length


@given(st.text(alphabet=st.sampled_from("ab م😀.؟ \n\u0301"), max_size=400), st.integers(8, 60))
def test_parts_fit_are_not_empty_and_keep_every_word(text: str, longest: int) -> None:
    parts = split(text, longest)
    assert all(part.strip() and units(part) <= longest for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@given(st.text(max_size=300))
def test_any_text_can_be_cut(text: str) -> None:
    parts = split(text, 40)
    assert all(units(part) <= 40 for part in parts)


def test_what_fits_is_one_part() -> None:
    assert split("x" * LONGEST) == ["x" * LONGEST]
    assert len(split("x" * (LONGEST + 1))) == 2
    assert split("  \n ") == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("أ" * 30 + "\n\n" + "ب" * 30, ["أ" * 30, "ب" * 30]),
        ("أ" * 30 + "\n" + "ب" * 30, ["أ" * 30, "ب" * 30]),
        ("أول جملة هنا تنتهي. ثاني جملة هنا تنتهي أيضا؟ نعم", ["أول جملة هنا تنتهي.", "ثاني جملة هنا تنتهي أيضا؟ نعم"]),
        ("كلمة كلمة كلمة كلمة كلمة كلمة كلمة كلمة", ["كلمة كلمة كلمة كلمة كلمة كلمة كلمة كلمة"]),
        ("😀" * 25, ["😀" * 20, "😀" * 5]),
    ],
)
def test_it_is_cut_where_paragraphs_lines_sentences_and_words_end(text: str, parts: list[str]) -> None:
    assert split(text, 40) == parts


def test_a_family_of_emoji_is_not_torn() -> None:
    family = "👩‍👩‍👧"
    assert all(set(part) == set(family) and len(part) % len(family) == 0 for part in split(family * 12, 20))


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("الطلب 1001 في الطريق", "الطلب 1001 في الطريق"),
        ("رقم التتبع AX-5501-0001", "رقم التتبع [AX-5501-0001]"),
        ("اتصل على +966501234567 الآن", "اتصل على [+966501234567] الآن"),
        ("من 10:00 – 18:00 كل يوم", "من [10:00 – 18:00] كل يوم"),
        ("يوم 20/11/2026.", "يوم [20/11/2026]."),
        ("خصم 15% اليوم", "خصم [15%] اليوم"),
        ("iPhone 15 متوفر", "[iPhone 15] متوفر"),
        ("DHL تسلّم الشحنة", "[DHL] تسلّم الشحنة"),
        ("شركة DHL تسلّمها", "شركة DHL تسلّمها"),
        ("الرابط https://shop.example/a-1?b=2 هنا", "الرابط https://shop.example/a-1?b=2 هنا"),
        ("البريد help-me@shop.example", "البريد help-me@shop.example"),
        ("Order ORD-1 +966 is on its way", "Order ORD-1 +966 is on its way"),
        ("Order A-1\nطلب A-1", "Order A-1\nطلب [A-1]"),
    ],
)
def test_numbers_and_codes_keep_their_direction_in_arabic_lines(text: str, marked: str) -> None:
    assert isolated(text) == marked.replace("[", "\u2066").replace("]", "\u2069")


@given(st.text(max_size=200))
def test_marks_are_balanced_and_nothing_else_changes(text: str) -> None:
    plain = text.replace("\u2066", "").replace("\u2069", "")
    marked = isolated(plain)
    assert marked.replace("\u2066", "").replace("\u2069", "") == plain
    assert marked.count("\u2066") == marked.count("\u2069")


@pytest.mark.parametrize(
    ("given_", "shown"), [("نعم", "نعم"), (" a\nb ", "a b"), ("", "…"), ("x" * 80, "x" * 59 + "…")]
)
def test_a_title_is_one_short_line(given_: str, shown: str) -> None:
    assert title(given_) == shown
