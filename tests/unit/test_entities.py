"""What is read out of messages: a table of writings, and properties that hold for any text."""

from __future__ import annotations

from datetime import date

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
        ("ليوم الجمعة", [("date", "الجمعه")]),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hedphones broken", [("product", "HP-210")]),
        ("the air fryr stopped", [("product", "AF-55")]),
        ("السماعت اللاسلكيه ما تشتغل", [("product", "HP-210")]),
        ("write to ali @ gmail . com", [("email", "ali@gmail.com")]),
        ("ali at gmail dot com", [("email", "ali@gmail.com")]),
        ("my email is sara dot omar at outlook dot com", [("email", "sara.omar@outlook.com")]),
        ("ali (at) gmail.com", [("email", "ali@gmail.com")]),
        ("دفعت ٣٥٠ ريال ونص", [("amount", "350.50")]),
        ("٢٠ درهم وربع", [("amount", "20.25")]),
        ("ريالين", [("amount", "2")]),
        ("half a riyal", [("amount", "0.50")]),
        ("order one zero four two", [("order_number", "1042")]),
        ("طلب واحد صفر صفر اربعه", [("order_number", "1004")]),
        ("رقم الطلب الف واربعه", [("order_number", "1004")]),
        ("رقم الجوال 9046", [("phone", "9046")]),
        ("my phone ends with 9046", [("phone", "9046")]),
        ("a new phone 9046", [("order_number", "9046")]),
        ("اخر طلب 1042", [("order_number", "1042")]),
        ("order ten forty-two", [("order_number", "1042")]),
        ("طلب واحد صفر صفر ١", [("order_number", "1001")]),
        ("last four digits four five zero seven", []),
        ("350 ريال ونص الطلب ما وصل", [("amount", "350")]),
        ("مسافر بعد يومين", [("date", "بعد يومين")]),
        ("زهقت من الساعة", [("product", "SW-45")]),
        ("ساعتي وصلت مكسورة", [("product", "SW-45")]),
        ("الساعة الذكية ما تشتغل", [("product", "SW-45")]),
    ],
)
def test_misspelt_spelled_out_and_spoken_forms_are_read(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("wher is my parcel", "I want a refund", "look at the parcel", "meet me at home dot", "الساعة 5", "كم ساعة"),
        *("بعد ساعة", "ساعة ونص", "من ساعة وانا استنى", "from 9 to 5", "between 1000 and 2000"),
        *(
            "contact me at gmail dot com",
            "ordered at noon dot com",
            "I was @ work . so what",
            "see you at outlook mall",
        ),
        *("the speakers are loud", "a blended colour", "barriers", "order one or two", "my order number is one"),
        *("نص الطلب", "نص ساعة", "half of the order", "مية ونص ريال", "يلعن الساعة اللي عرفتكم فيها", "طلبت من ساعة"),
        *("وصل بعد ٣ ايام", "broke in two days", "اكثر من 3 ايام", "من 3 الى 5 ايام", "من شهر ٣", "زبون من خمس سنين"),
        *("هدية لعيد ميلاد بنتي", "بعيد عنكم", "كود رمضان 20%"),
    ],
)
def test_what_only_resembles_an_entity_is_none(text: str) -> None:
    assert found(text) == []


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


def told(text: str, kind: str) -> list[str]:
    return [entity.text for entity in extract(text) if entity.kind == kind]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(("فهد بن سعد الدوسري والجوال ٠٥٥٤٣٢١٠٩٨", "فهد بن سعد الدوسري"), ("هند آل ثاني، الدوحة", "هند آل ثاني")),
        *(
            ("رنا حداد، عبدون الشمالي قبال الصيدلية، عمان", "رنا حداد"),
            ("Mariam Fouad w raqami 01001239046", "Mariam Fouad"),
        ),
        *(
            ("it's under priya nair, +971 55 432 1187", "priya nair"),
            ("Youssef El Amrani 0612345678", "Youssef El Amrani"),
        ),
        *(("0551234567\nسارة بنت محمد العتيبي", "سارة بنت محمد العتيبي"), ("نورة القحطاني", "نورة القحطاني")),
        *(("باسم منيرة العجمي رايحة صلالة", "منيرة العجمي"), ("الاسم Layla Khoury والـ building", "Layla Khoury")),
        *(
            ("الطلب باسم زوجي سامر", "سامر"),
            ("smiti Karim Bennani", "Karim Bennani"),
            ("انا سارة الحربي", "سارة الحربي"),
        ),
        *(("أحمد عبد الله", "أحمد عبد الله"), ("أنا الأستاذة هدى الشمري وأود", "هدى الشمري")),
        *(
            ("name Sarah Jones, phone 07911 123456", "Sarah Jones"),
            ("smiyti: Khadija Ait Lahcen", "Khadija Ait Lahcen"),
        ),
        ("نجلاء فتحي عبد الرحيم ١٧ شارع المحطة طنطا", "نجلاء فتحي عبد الرحيم"),
    ],
)
def test_a_name_is_read_with_and_without_a_cue_and_ends_where_it_ends(text: str, name: str) -> None:
    assert told(text, "person_name") == [name]


@pytest.mark.parametrize(
    "text",
    [
        *("فاتورة باسم الشركة", "اسمي يطلع غلط", "انا سعيد بلقائك", "جميل جدا، شكرا", "صباح النور", "نور المكان حلو"),
        *(
            "under warranty, 0551234567",
            "it's been a month",
            "this is the second time",
            "انس الأمر",
            "وين طلبي، الرياض",
        ),
        *(
            "Where is my order, 0551234567",
            "IS THERE A CHART TO WORK OUT WHICH SIZE",
            "كريم البشرة خلص",
            "I'm in Cairo",
            "for Dubai please",
            "Great Service, Riyadh",
        ),
    ],
)
def test_other_words_are_no_names(text: str) -> None:
    assert told(text, "person_name") == []


@pytest.mark.parametrize(
    ("text", "products"),
    [
        *(("شخبار فلوس الجوتي", ["جوتي"]), ("شلون اختار من العبي", ["عبي"]), ("والسبرديلة ضيقة", ["سبرديلة"])),
        *(
            ("طالب حذا جري", ["حذا جري"]),
            ("اخدت بوط الجري", ["بوط الجري"]),
            ("بهالفناجين وهالعباية", ["فناجين", "عباية"]),
        ),
        *(
            ("kam wat elairfryer", ["airfryer"]),
            ("raddayt elsma3a", ["sma3a"]),
            ("el kotshy w el kotchi", ["kotshy", "kotchi"]),
        ),
        *(
            ("men el fanageen", ["fanageen"]),
            ("parfum d l3oud b 50ml", ["parfum d l3oud"]),
            ("talabt sa3a sooda", ["sa3a"]),
        ),
        *(("3ala el sa3a de", ["sa3a"]), ("شريت ريحة من عندكم", ["ريحة"]), ("عود ملكي", ["عود ملكي"])),
    ],
)
def test_a_product_is_known_by_its_words_in_every_variety(text: str, products: list[str]) -> None:
    assert told(text, "product") == products


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ما حدا عم يشيل السماعة",
            "قفل السماعة في وشي",
            "shal el sama3a",
            "والريحة عامرة الصالة",
            "الساعة كام",
            "كل ساعة",
        ),
        *(
            "el sa3a kam",
            "ba3d sa3a",
            "24 sa3a",
            "عبي الفورم",
            "عود شوف",
            "watch your tone",
            "a cup of tea",
            "too loud",
        ),
        *("in my shopping basket", "they will watch it"),
    ],
)
def test_idioms_name_no_product(text: str) -> None:
    assert told(text, "product") == []


@pytest.mark.parametrize(
    ("text", "days"),
    [
        *(
            ("جاي انهارده ولا", ["انهارده"]),
            ("ميعاده يوم التلات اللي فات", ["يوم التلات اللي فات"]),
            ("طالب يوم الحد", ["يوم الحد"]),
        ),
        *(
            ("twsal elkhamees elli fat", ["khamees elli fat"]),
            ("yom el etnein", ["yom el etnein"]),
            ("msafer bacher", ["bacher"]),
        ),
        *(
            ("by the 14th, not the 21st.", ["14th", "21st"]),
            ("back on the 3rd", ["3rd"]),
            ("يلحق عيد الام؟", ["عيد الام"]),
        ),
        *(
            ("قبل رمضان", ["رمضان"]),
            ("before Black Friday", ["Black Friday"]),
            ("delivered 10/10/2026", ["10/10/2026"]),
        ),
        *(
            ("طلبتها الاثنين", ["الاثنين"]),
            ("ordered on 10/10", ["10/10"]),
            ("اللي طلبته بكرا والا اليوم", ["بكرا", "اليوم"]),
        ),
        *(("lbareh w ghedwa", ["lbareh", "ghedwa"]), ("مش الخميس، السبت", ["الخميس", "السبت"]), ("بالأمس", ["أمس"])),
    ],
)
def test_days_are_read_whole(text: str, days: list[str]) -> None:
    bare = [day.removeprefix("ال") for day in days]
    assert [day.removeprefix("ال") for day in told(text, "date")] == bare


@pytest.mark.parametrize(
    "text",
    [
        *(
            "أنا في الدوام طول اليوم",
            "رسائل في اليوم الواحد",
            "ها نحن في اليوم الحادي عشر",
            "توصيل بنفس اليوم",
            "tool el yom",
        ),
        *(
            "والمفروض الاتنين ييجو مع بعض",
            "كل يوم تقولو بكره بكره",
            "بكرة في المشمش",
            "Lovely, 10/10.",
            "9/10 would buy again",
        ),
        *(
            "the 3rd floor",
            "my 2nd order",
            "رمضان كريم",
            "عيدكم مبارك",
            "كود رمضان",
            "ما جاني احد",
            "بأمس الحاجة",
            "توصيل بيوم واحد",
        ),
        *("الحد الأدنى للطلب", "لحد الان", "خمس ايام", "الغدا", "this may be wrong", "it sat there", "he had 5"),
    ],
)
def test_other_words_are_no_days(text: str) -> None:
    assert told(text, "date") == []


def test_a_day_carries_its_date_as_read_on_a_given_day() -> None:
    (day,) = extract("امبارح", today=date(2026, 11, 22))
    assert (day.value, day.more) == ("امبارح", {"date": "2026-11-21"})
    assert extract("last week", today=date(2026, 11, 22))[0].more == {}
    assert "date" in extract("today")[0].more


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        *(("أربعون ريالا رسوم", [("أربعون ريالا", "40")]), ("ميتين جنيه", [("ميتين جنيه", "200")])),
        *(
            ("خمسين درهم", [("خمسين درهم", "50")]),
            ("miyet geneh", [("miyet geneh", "100")]),
            ("cost me 2k", [("2k", "2000")]),
        ),
        *(("fifty riyals", [("fifty riyals", "50")]), ("دفعت ألف وميتين", [("ألف وميتين", "1200")])),
        *(
            ("مية وعشرين دينار", [("مية وعشرين دينار", "120")]),
            ("three hundred dirhams", [("three hundred dirhams", "300")]),
        ),
        *(
            ("عشرين يوم", []),
            ("باور بانك 20 ألف", []),
            ("خصم عشرين بالمية", []),
            ("50k followers", []),
            ("ألف شكر", []),
        ),
    ],
)
def test_amounts_are_read_in_words(text: str, amounts: list[tuple[str, str]]) -> None:
    assert [(entity.text, entity.value) for entity in extract(text) if entity.kind == "amount"] == amounts


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        *(("Paid for 6, counted 4.", ["6", "4"]), ("دافعة حق ٤ وواصلني ٣، الرابع طار؟", ["4", "3"])),
        *(("انا قايلة ٢ خليهم ٥ لو", ["2", "5"]), ("خلصت على 4 وفالكرتونة غير 3، واش", ["4", "3"])),
        *(("وجدتها خمسا وقد دفعت ثمن سبع", ["5", "7"]), ("elfatoora fiha 3 w elli fel kees 2 bas", ["3", "2"])),
        *(("2 عبايات خليوهم 3 قبل", ["2", "3"]), ("2 men el fanageen", ["2"]), ("make it 3 please", ["3"])),
        *(
            ("after 6 instead", []),
            ("خلوها الساعة 5 بدل 3", []),
            ("خلال 3 ايام", []),
            ("مقاس 42 بدل 40", []),
            ("وصلني 3 رسائل", []),
            ("5 stars", []),
        ),
        *(("انتظرت 2 ساعة", []), ("nemra 42", []), ("طالب 44 وجاني 40", []), ("got 2 messages", []), ("in 3 days", [])),
    ],
)
def test_counts_are_read_without_a_unit(text: str, counts: list[str]) -> None:
    assert [entity.value for entity in extract(text) if entity.kind == "quantity"] == counts


@pytest.mark.parametrize(
    "text",
    [
        *("عندي ١٨٥٠، كم تنزل لي", "رافعة تكت رقمه 7789 من شهر", "noqa6i nzalat mn 1800 ela 300", "عندي almost 2000"),
        *("شكوى رقم 4521", "ticket #7789", "my complaint number is 4521", "customer since 2019", "from 1200 to 900"),
        *("عميلة من 2020", "50000 متابع", "رصيدي 3000", "البلاغ رقم 5512"),
    ],
)
def test_other_counts_and_numbers_are_no_orders(text: str) -> None:
    assert told(text, "order_number") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9988 7766", [("phone", "+96599887766")]),
        ("رقمي 9988 7766", [("phone", "+96599887766")]),
        ("طلب رقم 1234 5678", [("order_number", "12345678")]),
        ("طلب رقم 10 42", [("order_number", "1042")]),
        ("طلب 1042 وطلب 1043", [("order_number", "1042"), ("order_number", "1043")]),
        ("طلب 1042 1043", [("order_number", "1042"), ("order_number", "1043")]),
    ],
)
def test_groups_of_digits_are_one_number(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "city"),
    [
        *(
            ("badal elriyadh", "Riyadh"),
            ("eskenderia", "Alexandria"),
            ("f dar lbida", "Casablanca"),
            ("posted from Leeds", "Leeds"),
        ),
        *(
            ("عزلنا على دمياط الجديدة", "New Damietta"),
            ("حي النصر 2، أريانة", "Ariana"),
            ("فوق عاليه", "Aley"),
            ("dammam", "Dammam"),
        ),
        *(("f bejaia", "Bejaia"), ("للنجف", "Najaf"), ("انا في العين", "Al Ain"), ("عالزرقا", "Zarqa")),
    ],
)
def test_cities_are_known_in_every_spelling(text: str, city: str) -> None:
    assert [value for kind, value in found(text) if kind == "city"] == [city]


@pytest.mark.parametrize(
    "text", ["جودة عالية", "حق العين والحسد", "السلعة ديالي", "اللون البيضاء", "el dahab 8aly", "bardo", "واحد للواد"]
)
def test_everyday_words_are_no_cities(text: str) -> None:
    assert told(text, "city") == []


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("انا في دبي 0501234567", "+971501234567"),
        ("دفعت 50 درهم، رقمي 0501234567", "+971501234567"),
        ("رقمي 0501234567", "+966501234567"),
        ("الدوحة، رقمي 33445566", "+97433445566"),
        ("البحرين، جوالي 33445566", "+97333445566"),
    ],
)
def test_a_phone_is_of_the_country_that_the_message_tells(text: str, phone: str) -> None:
    assert ("phone", phone) in found(text)


def test_a_likely_country_comes_before_the_shops() -> None:
    assert phone_number("0501234567", likely=["AE"]) == "+971501234567"
    assert phone_number("+966501234567", likely=["AE"]) == "+966501234567"


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


def test_reading_keeps_no_word_that_a_customer_wrote() -> None:
    extractor = Extractor([])
    reader = extractor._counts
    extractor.extract("3 pieces of nothing")
    before = len(reader._vocab.strings)
    for one in "abcdefghij":
        for other in "ابتثجحخد":
            extractor.extract(f"word{one * 2} كلم{other * 2}{one} 3 pieces {one}zq")
    assert len(reader._vocab.strings) <= before + 5
