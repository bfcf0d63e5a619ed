"""Text in the form that machines compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.brain.nlu.sounds import sounds
from bot.text import normalize, western_digits


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("أَيْنَ طَلَبِي؟", "اين طلبي؟"),
        ("متىىىىى", "متي"),
        ("طلبـــي", "طلبي"),
        ("فاتورة الطلبية", "فاتوره الطلبيه"),
        ("رقم ١٠٤٢ و ۱۰۴۲", "رقم 1042 و 1042"),
        ("WHERE   Is\n it", "where is it"),
        ("noooo", "no"),
        ("گلت لك", "قلت لك"),
        ("", ""),
    ],
)
def test_spellings_of_the_same_word_get_one_form(written: str, normal: str) -> None:
    assert normalize(written) == normal


@given(st.text(max_size=300))
def test_normalising_twice_changes_nothing_more_than_once(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@given(st.text(alphabet=st.sampled_from("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹0123456789 طلبabc#+"), max_size=100))
def test_western_digits_keep_every_position(text: str) -> None:
    mapped = western_digits(text)
    assert len(mapped) == len(text)
    assert all(one == other or other.isascii() and other.isdigit() for one, other in zip(text, mapped, strict=True))


@pytest.mark.parametrize(
    ("arabizi", "arabic"),
    [
        ("3ayez", "عايز"),
        ("araga3", "ارجع"),
        ("gazma", "جزمه"),
        ("7isabi", "حسابي"),
        ("mat3am", "مطعم"),
        ("shakwa", "شكوه"),
    ],
)
def test_arabizi_sounds_like_the_arabic_word_or_nearly(arabizi: str, arabic: str) -> None:
    heard, meant = sounds(normalize(arabizi)), sounds(normalize(arabic))
    assert sum(one == other for one, other in zip(heard, meant, strict=False)) >= len(meant) - 1


@given(st.text(max_size=200))
def test_sounds_of_any_text_are_read(text: str) -> None:
    assert isinstance(sounds(normalize(text)), str)
