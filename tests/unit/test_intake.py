"""What customers type is safe to store and to show, and card and identity numbers are never stored."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversations.intake import LONGEST, clean

CARD, AMEX, LONG_CARD = "4111111111111111", "378282246310005", "6304000000000000000"
EASTERN, PERSIAN, WIDE = "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９"


def in_digits(text: str, digits: str) -> str:
    return text.translate(str.maketrans("0123456789", digits))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("", ""),
        (" \t\n ", ""),
        ("\u200b\u200f\u202e\u2066\ufeff", ""),
        ("\u3164", ""),
        ("\u2800\u2800", ""),
        ("أين\u200f \u202eطلبي\u202c؟", "أين طلبي؟"),
        ("طل\u200cبي", "طلبي"),
        ("a\x00b\x07c\x1b[31md\x7f", "abc[31md"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("a      b", "a  b"),
        ("\ud83d where", "? where"),
        ("a\ue000b\uf8ffc\ufffed", "abcd"),
        ("hid\U000e0041\U000e0042den", "hidden"),
        ("<b>bold</b> **md** /cancel{}", "<b>bold</b> **md** /cancel{}"),
        ("السَّلامُ عَلَيْكُم", "السَّلامُ عَلَيْكُم"),
    ],
)
def test_hidden_and_control_characters_go_and_the_rest_stays(raw: str, text: str) -> None:
    assert clean(raw).text == text


@pytest.mark.parametrize("emoji", ["😡", "👨‍👩‍👧", "👩🏽‍💻", "❤️‍🔥", "🏳️‍🌈", "🧔🏻‍♂️", "🐈‍⬛", "🫠", "🩷", "🇸🇦", "1️⃣"])
def test_emoji_stay_whole_also_those_younger_than_python(emoji: str) -> None:
    assert clean(f"شكرا {emoji}!").text == f"شكرا {emoji}!"


@pytest.mark.parametrize("raw", ["a\u200db", "👩\u200d", "\u200d👩", "👩\u200d\u200d💻", "👩\u200d a"])
def test_joiners_that_join_no_emoji_go(raw: str) -> None:
    assert "\u200d" not in clean(raw).text


def test_a_long_text_is_cut_and_said_to_be() -> None:
    cleaned = clean("س" * 100_000)
    assert (len(cleaned.text), cleaned.cut) == (LONGEST, True)
    assert not clean("س" * LONGEST).cut


def test_a_card_number_on_the_cut_is_not_stored_in_half() -> None:
    for seen in range(1, 16):
        start = "س" * (LONGEST - seen - 1) + " "
        cleaned = clean(start + CARD + " more")
        assert cleaned.cut
        assert cleaned.text == start.strip()


@pytest.mark.parametrize(
    "written",
    [
        CARD,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111–1111–1111–1111",
        "4111 - 1111 - 1111 - 1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111/1111/1111/1111",
        "41 11 11 11 11 11 11 11",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111\u200b1111\u200b1111\u200b1111",
        in_digits(CARD, EASTERN),
        in_digits("4111 1111 1111 1111", EASTERN),
        in_digits(CARD, PERSIAN),
        in_digits(CARD, WIDE),
        "5555555555554444",
        "2223003122003222",
        AMEX,
        "3782 822463 10005",
        "30569309025904",
        "3056 930902 5904",
        LONG_CARD,
        "6304 0000 0000 0000 000",
    ],
)
@pytest.mark.parametrize("around", ["{}", "بطاقتي {} شكرا", "card:{}.", "{} 12/27 123", "1042 {}", "({})\nthanks"])
def test_card_numbers_are_masked_in_every_writing_and_among_other_numbers(written: str, around: str) -> None:
    cleaned = clean(around.format(written))
    last = "".join(str(unicodedata.digit(c)) for c in written if c.isdigit())[-4:]
    assert cleaned.masked
    assert cleaned.text == around.format(f"••••{last}")


@pytest.mark.parametrize(
    "number",
    [
        "1000000008",  # Saudi citizen
        "2000000006",  # resident in Saudi Arabia
        "٢٠٠٠٠٠٠٠٠٦",
        "784-1990-1234567-1",  # Emirates
        "784199012345671",
        "29001011234567",  # Egypt
        "2 900101 12 34567",
        "30512312112345",
        "290010112346",  # Kuwait
    ],
)
def test_identity_numbers_are_masked(number: str) -> None:
    cleaned = clean(f"رقم هويتي {number}")
    assert cleaned.masked
    assert "••••" in cleaned.text and number not in cleaned.text


@pytest.mark.parametrize(
    "text",
    [
        "1042",
        "#1042",
        "ORD-2025-1042",
        "طلب رقم ١٠٤٢",
        "0551234567",
        "055 123 4567",
        "055-123-4567",
        "٠٥٥١٢٣٤٥٦٧",
        "00966551234567",
        "00 966 55 123 4567",
        "966551234567",
        "01001239046",
        "201001239046",
        "+201001239046",
        "212612345678",
        "249123456789",
        "254110123456",
        "+4915123456783",  # passes Luhn
        "+49 1512 3456783",
        "+966 55 123 4567",
        "+٩٦٦٥٥١٢٣٤٥٦٧",
        "1042 0551234567",
        "20345 966551234561",
        "0551234567, 0559876543",
        "51234567 61234567",
        "2025-11-20 14:30",
        "2025-11-20 10",
        "20251120103015",
        "AX55010001",
        "AX4111111111111111",
        "290112345678",  # a waybill of 12 digits
        "150 200 300 450",
        "4111111111111112",  # fails Luhn
        "0000000000000000",
        "11.500,00 ريال",
        "41111111111111111111111111",
    ],
)
def test_orders_phones_waybills_dates_and_prices_are_left_as_they_are(text: str) -> None:
    assert clean(text) == clean(clean(text).text)
    assert clean(text).text == text
    assert not clean(text).masked


def test_a_card_after_a_phone_number_is_masked_and_the_phone_is_not() -> None:
    assert clean(f"+966551234567 {CARD}").text == "+966551234567 ••••1111"
    assert clean(f"+966 55 123 4567 / {CARD}").text == "+966 55 123 4567 / ••••1111"


def test_two_cards_in_a_row_are_both_masked() -> None:
    assert clean(f"{CARD} {AMEX}").text == "••••1111 ••••0005"
    assert clean("4111 1111 1111 1111 5555 5555 5555 4444").text == "••••1111 ••••4444"


hostile = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Cf", "Cc", "Co"]),
        st.sampled_from("0123456789٠٤٥ -.+•\t\n👩💻🏽\u200d\ufe0f"),
    ),
    max_size=200,
)
digits = st.text("0123456789 -.+•/", max_size=120)


@given(st.one_of(hostile, digits))
def test_cleaning_never_fails_hides_nothing_and_twice_is_once(raw: str) -> None:
    cleaned = clean(raw)
    assert len(cleaned.text) <= LONGEST
    assert clean(cleaned.text).text == cleaned.text
    assert cleaned.text == cleaned.text.strip()
    cleaned.text.encode("utf-8")
    for place, c in enumerate(cleaned.text):
        category = unicodedata.category(c)
        if c == "\u200d":
            assert 0 < place < len(cleaned.text) - 1
        elif c not in "\n\t\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u08e2":
            assert category not in {"Cc", "Cf", "Cs", "Co"}, hex(ord(c))


@given(st.integers(0, 40), st.text(st.sampled_from("01459 -\u200b\n"), max_size=100))
def test_cutting_leaves_nothing_that_another_look_would_mask(before: int, tail: str) -> None:
    cleaned = clean("س" * (LONGEST - before) + tail)
    assert len(cleaned.text) <= LONGEST
    assert clean(cleaned.text).text == cleaned.text


def luhn_complete(body: str) -> str:
    for check in "0123456789":
        total = 0
        for place, digit in enumerate(reversed(body + check)):
            value = int(digit) * (1 + place % 2)
            total += value // 10 + value % 10
        if total % 10 == 0:
            return body + check
    raise AssertionError


@given(
    st.from_regex(r"\A[2-6]\d{11,17}\Z").map(luhn_complete).filter(lambda n: len(set(n)) > 1),
    st.sampled_from(["{}", "رقمها {} والسلام", "pay {} please"]),
)
def test_no_valid_card_number_passes(number: str, around: str) -> None:
    cleaned = clean(around.format(number))
    assert cleaned.masked
    assert number not in cleaned.text


@given(st.from_regex(r"\A\+[1-9]\d{6,14}\Z"))
def test_no_number_with_a_plus_is_masked(number: str) -> None:
    assert clean(f"اتصلوا على {number} شكرا").text == f"اتصلوا على {number} شكرا"
