"""What is read out of messages: a table of writings, and properties that hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.brain.nlu.entities import Extractor, extract, phone_number
from bot.text import western_digits


def found(text: str) -> list[tuple[str, str]]:
    return [(entity.kind, entity.value) for entity in extract(text)]


@pytest.mark.parametrize(
    "text",
    [
        *("#1042", "ORD-1042", "ord 1042", "ORD1042", "1042", "طلب رقم ١٠٤٢", "طلبي ۱۰۴۲ وينه", "رقم الطلب: 1042"),
        *("order number is 1042", "order no. 1042", "talab ra2m 1042 fen", "el order 1042 et2a5ar", "طلب1042"),
        *("الكوموند ديالي رقم 1042", "وين طلبيتي رقم 1042؟", "الاوردر 1042 فين", "my order #1042, please", "(1042)"),
    ],
)
def test_an_order_number_is_read_in_every_writing(text: str) -> None:
    assert ("order_number", "1042") in found(text)
    assert [kind for kind, _ in found(text)] == ["order_number"]


@pytest.mark.parametrize(
    "text",
    [
        *("20000 mAh power bank", "عندي 2450 نقطة", "دفعت 1299 ريال", "AX55010001", "بتاريخ 12/05/2026", "شارع 1042"),
        *(
            "رمز التحقق 482913",
            "موديل 2024",
            "1.5000",
            "1234567890",
            "a1042b",
            "12:3045",
            "mail me at n1042@example.com",
        ),
        *("الجوال آخره 4471", "last four digits 4471", "اخر اربع ارقام 4471"),
    ],
)
def test_other_numbers_are_no_order_numbers(text: str) -> None:
    assert "order_number" not in [kind for kind, _ in found(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0551234567", "+966551234567"),
        ("٠٥٥١٢٣٤٥٦٧", "+966551234567"),
        ("+966 55 123 4567", "+966551234567"),
        ("00966551234567", "+966551234567"),
        ("966551234567", "+966551234567"),
        ("055-123-4567", "+966551234567"),
        ("جوالي 551234567", "+966551234567"),
        ("01001239046", "+201001239046"),
        ("رقمي 0791238825", "+962791238825"),
        ("نمرتي 0612345678", "+212612345678"),
        ("+971 50 111 2233", "+971501112233"),
        ("رقمي 99887766", "+96599887766"),
        ("my phone number is +96170123456 thanks", "+96170123456"),
        ("الجوال ينتهي بـ 4567", "4567"),
    ],
)
def test_a_phone_is_read_with_its_country(text: str, value: str) -> None:
    assert found(text) == [("phone", value)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Noura@Example.COM", [("email", "noura@example.com")]),
        ("ايميلي: ahmed.hassan+shop@example.co.uk.", [("email", "ahmed.hassan+shop@example.co.uk")]),
        ("دفعت 1,299.50 ريال", [("amount", "1299.50")]),
        ("٣٥٠ ريالًا", [("amount", "350")]),
        ("$20 off", [("amount", "20")]),
        ("SAR 99", [("amount", "99")]),
        ("انسحب مني 335", [("amount", "335")]),
        ("بتاريخ 2026-11-03", [("date", "2026-11-03")]),
        ("3/11/2026", [("date", "2026-11-03")]),
        ("بعد بكرة", [("date", "بعد بكره")]),
        ("ليوم الجمعة", [("date", "يوم الجمعه")]),
        ("next Thursday", [("date", "next thursday")]),
        ("٣ مايو", [("date", "3 مايو")]),
        ("ما جاني احد", []),
        ("قطعتين", [("quantity", "2")]),
        ("3 pieces", [("quantity", "3")]),
        ("ثلاث حبات", [("quantity", "3")]),
        ("2 air fryers", [("quantity", "2"), ("product", "AF-55")]),
        ("العباية", [("product", "AB-BLK")]),
        ("عايز البرفان", [("product", "PF-OUD")]),
        ("السباط ديالي", [("product", "RN-SH")]),
        ("noise cancelling wireless headphones", [("product", "HP-210")]),
        ("الساعة الذكية", [("product", "SW-45")]),
        ("الساعة كم تفتحون", []),
        ("بعد ساعة", []),
        ("توصلون للرياض", [("city", "Riyadh")]),
        ("ساكن بجدة", [("city", "Jeddah")]),
        ("طلبتها زرقا", []),
        ("ارسلت لكم صور", []),
        ("any sale today?", [("date", "today")]),
        ("deliver to Abu Dhabi", [("city", "Abu Dhabi")]),
        ("اسمي نورة القحطاني", [("person_name", "نورة القحطاني")]),
        ("my name is Omar Zidan and my order", [("person_name", "Omar Zidan")]),
        ("اسمي مكتوب غلط", []),
        ("وش اسمك", []),
    ],
)
def test_values_are_normal_forms(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_the_written_text_excludes_prefixes_and_stands_at_its_place() -> None:
    text = "الشحن لمراكش و السماعة ١٠٤٢"
    assert [(entity.kind, entity.text) for entity in extract(text)] == [
        ("city", "مراكش"),
        ("product", "سماعة"),
        ("order_number", "١٠٤٢"),
    ]


def test_an_amount_tells_its_currency() -> None:
    (amount,) = extract("50 دولار")
    assert (amount.value, amount.more["currency"]) == ("50", "USD")


def test_products_are_those_of_the_catalogue_given() -> None:
    shop = Extractor([{"sku": "LP-1", "name": {"ar": "مصباح مكتب", "en": "Desk lamp"}}])
    assert [entity.value for entity in shop.extract("بكم مصباح المكتب and the desk lamp")] == ["LP-1", "LP-1"]
    assert shop.extract("السماعة") == []


def test_what_two_products_share_names_neither() -> None:
    shop = Extractor(
        [{"sku": sku, "name": {"ar": f"عطر {name}", "en": name}} for sku, name in (("A", "روز"), ("B", "مسك"))]
    )
    (perfume,) = shop.extract("العطر")
    assert (perfume.kind, perfume.value) == ("product", "عطر")
    assert [entity.value for entity in shop.extract("عطر المسك")] == ["B"]


def test_a_phone_without_a_country_is_the_shops_first() -> None:
    assert phone_number("0551234567") == "+966551234567"
    assert phone_number("12345") is None


PIECES = st.sampled_from(
    [
        "طلبي ",
        "#",
        "ORD-",
        "1042",
        "٠٥٥١٢٣٤٥٦٧",
        "+966",
        "@example.com",
        "noura",
        " ريال",
        "اسمي ",
        "الساعة ",
        "3/11/2026",
        "\u202e",
        "\u200f",
        "😀",
        " ",
        "\n",
        "ـ",
        "َ",
        "2 ",
        "حبات",
        "للرياض",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=20).map("".join)))
def test_any_text_is_read_and_offsets_are_right(text: str) -> None:
    last = 0
    for entity in extract(text):
        assert entity.text == text[entity.start : entity.end] and entity.text
        assert entity.start >= last and entity.value
        last = entity.end


@given(st.lists(PIECES, max_size=12).map("".join))
def test_the_form_of_digits_changes_nothing(text: str) -> None:
    one, other = extract(text), extract(western_digits(text))
    assert [(entity.kind, entity.start, entity.end) for entity in one] == [
        (entity.kind, entity.start, entity.end) for entity in other
    ]


@pytest.mark.parametrize("text", ["x" * 100_000, "1" * 100_000, "٠٥ " * 30_000, "\ud800 1042", "\0", "اسمي " * 20_000])
def test_huge_and_broken_texts_are_read_quickly(text: str) -> None:
    extract(text)
