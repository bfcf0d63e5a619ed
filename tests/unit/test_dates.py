"""Which day of the calendar is meant, and where a message names one."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.brain.nlu.entities.dates import find, resolve
from bot.brain.nlu.entities.prefixes import stems
from bot.text import normalize

TODAY = date(2026, 11, 22)  # a Sunday


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *((word, "2026-11-21") for word in ("امس", "أمس", "امبارح", "مبارح", "البارح", "yesterday", "lbare7", "ams")),
        *((word, "2026-11-20") for word in ("أول أمس", "قبل امس", "اول امبارح", "the day before yesterday")),
        *((word, "2026-11-22") for word in ("اليوم", "النهارده", "انهاردة", "lyoum", "enaharda", "today")),
        *((word, "2026-11-23") for word in ("بكرة", "بكرا", "غدًا", "غدوة", "باچر", "bacher", "ghedwa", "bokra")),
        *((word, "2026-11-24") for word in ("بعد بكرة", "بعد غد", "عقب باچر", "ba3d bokra", "day after tomorrow")),
    ],
)
def test_a_relative_day_is_reckoned_from_today(text: str, day: str) -> None:
    assert str(resolve(text, TODAY)) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *(("الأحد", "2026-11-22"), ("يوم الحد", "2026-11-22"), ("Thursday", "2026-11-26"), ("elkhamees", "2026-11-26")),
        *(("نهار الجمعة", "2026-11-27"), ("ليوم التلات", "2026-11-24"), ("yom el etnein", "2026-11-23")),
        *(("الأحد القادم", "2026-11-29"), ("next Sunday", "2026-11-29"), ("الجمعة الجاية", "2026-11-27")),
        *(("الأحد الماضي", "2026-11-15"), ("يوم التلات اللي فات", "2026-11-17"), ("last friday", "2026-11-20")),
        ("elkhamees elli fat", "2026-11-19"),
    ],
)
def test_a_weekday_is_the_coming_one_unless_it_says_last_or_next(text: str, day: str) -> None:
    assert str(resolve(text, TODAY)) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *(("the 14th", "2026-11-14"), ("21st", "2026-11-21"), ("يوم ١٥", "2026-11-15"), ("the 1st", "2026-12-01")),
        *(("12/05/2026", "2026-05-12"), ("2026-11-03", "2026-11-03"), ("3/11", "2026-11-03"), ("3/1", "2027-01-03")),
        *(
            ("٣/١١/٢٦", "2026-11-03"),
            ("5 مايو 2026", "2026-05-05"),
            ("٣ نوفمبر", "2026-11-03"),
            ("Nov 5th", "2026-11-05"),
        ),
        *(("12 غشت 2026", "2026-08-12"), ("3 جانفي", "2027-01-03"), ("5 كانون الثاني", "2027-01-05")),
        *(("10 تشرين الأول", "2026-10-10"), ("3rd of november", "2026-11-03"), ("December 2, 2026", "2026-12-02")),
    ],
)
def test_a_date_without_its_year_or_month_is_the_nearest(text: str, day: str) -> None:
    assert str(resolve(text, TODAY)) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *(("15 رمضان", "2027-02-22"), ("١ شوال ١٤٤٧", "2026-03-20"), ("10 محرم 1448هـ", "2026-06-25")),
        *(("30 رمضان 1447", "2026-03-19"), ("5 رمضان", "2027-02-12"), ("1447/9/15", "2026-03-04")),
    ],
)
def test_a_hijri_day_is_that_of_umm_al_qura_and_without_its_year_the_nearest(text: str, day: str) -> None:
    assert str(resolve(text, TODAY)) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *((text, "2026-11-19") for text in ("من ٣ ايام", "من 3 days", "3 days ago", "منذ ثلاثة أيام")),
        *((text, "2026-11-20") for text in ("من يومين", "since two days", "قبل يومين")),
        *((text, "2026-11-15") for text in ("قبل اسبوع", "a week ago", "قبل أسبوع")),
        *((text, "2026-11-24") for text in ("كمان يومين", "in a couple of days")),
        *(("من اسبوعين", "2026-11-08"), ("قبل شهر", "2026-10-22"), ("بعد ٣ ايام", "2026-11-25")),
    ],
)
def test_a_day_so_far_from_today_is_counted(text: str, day: str) -> None:
    assert str(resolve(text, TODAY)) == day


@pytest.mark.parametrize(
    "text",
    [
        "last week",
        "next week",
        "الأسبوع الماضي",
        "الشهر الجاي",
        "رمضان",
        "عيد الام",
        "31/2",
        "31 April",
        "31 رمضان 1447",
        "عشر ايام",
        "من يومين لخمسة",
        "بعد اسبوع من الشراء",
        "",
        "قلاية",
        "1042",
    ],
)
def test_what_names_no_single_day_has_no_date(text: str) -> None:
    assert resolve(text, TODAY) is None


WORDS = st.sampled_from(
    [
        "يوم ",
        "الخميس ",
        "اللي فات",
        "next ",
        "monday ",
        "the ",
        "31st ",
        "29 ",
        "فبراير ",
        "feb ",
        "2/29",
        "/2026",
        "بعد ",
        "بكرة ",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=6).map("".join)), st.dates())
def test_no_text_and_no_day_is_refused(text: str, today: date) -> None:
    resolve(text, today)
    find(normalize(text).split())


@given(
    st.sampled_from(
        ["الأحد", "الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت", "sunday", "elkhamees", "nhar jem3a"]
    ),
    st.dates(max_value=date(9999, 12, 20)),
)
def test_a_plain_weekday_lies_within_a_week(text: str, today: date) -> None:
    day = resolve(text, today)
    assert day is not None and 0 <= (day - today).days <= 6


@pytest.mark.parametrize(
    ("word", "rest"), [("بهالفناجين", "فناجين"), ("والعباية", "عباية"), ("elsma3a", "sma3a"), ("erriyadh", "riyadh")]
)
def test_prefixes_are_taken_off(word: str, rest: str) -> None:
    assert rest in [stem for _, _, stem in stems(word)]


@pytest.mark.parametrize("word", ["loud", "probe", "address", "belt"])
def test_english_words_keep_their_beginning(word: str) -> None:
    assert [stem for _, _, stem in stems(word)] in ([word], [word, word[2:]])
