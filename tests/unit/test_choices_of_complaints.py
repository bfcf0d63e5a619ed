"""What a typed message chooses where a complaint's offers are on the table: one of them, the way on, the way out, or none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.brain.choices import chosen
from bot.complaints.wishes import NAMES, changes_mind

CASE = "C204817"
Buttons = Sequence[Mapping[str, str]]


def choose(title: str, option: str) -> dict[str, str]:
    return {"title": title, "payload": "/choose" + json.dumps({"case": CASE, "option": option})}


def way(title: str, intent: str) -> dict[str, str]:
    return {"title": title, "payload": f"/{intent}" + json.dumps({"case": CASE})}


WAYS_AR = [way("هذا لا يكفي", "not_enough"), way("لا أحتاج إلى شيء", "decline_offers")]
WAYS_EN = [way("That's not enough", "not_enough"), way("I don't need anything", "decline_offers")]
DAMAGED = [choose("إرسال طرد جديد", "resend"), choose("استرداد 399 ريالًا", "refund"), *WAYS_AR]
DAMAGED_EN = [choose("New parcel", "resend"), choose("Refund of SAR 399", "refund"), *WAYS_EN]
WRONG = [choose("استبدال المنتج", "exchange"), choose("استرداد 315 ريالًا", "refund"), *WAYS_AR]
MISSING = [choose("إرسال ما نقص", "missing_part"), choose("استرداد 190 ريالًا", "refund"), *WAYS_AR]
LATE = [choose("نعم، هذا مناسب", "voucher"), *WAYS_AR]
GOODWILL = [
    choose("قسيمة قيمتها 50 ريالًا", "voucher"),
    choose("رد رسوم الشحن 20 ريالًا", "shipping_refund"),
    choose("3000 نقطة في رصيدك", "points"),
    *WAYS_AR,
]
GOODWILL_EN = [
    choose("Voucher for SAR 50", "voucher"),
    choose("Shipping refund of SAR 20", "shipping_refund"),
    choose("3,000 points on your balance", "points"),
    *WAYS_EN,
]
ALL = [DAMAGED, DAMAGED_EN, WRONG, MISSING, LATE, GOODWILL, GOODWILL_EN]


def meant(text: str, buttons: Buttons) -> str | None:
    """The option or the intent of the button that the text chooses."""
    button = chosen(text, buttons)
    if button is None:
        return None
    intent, values = button["payload"].split("{", 1)
    name = intent.removeprefix("/")
    return str(json.loads("{" + values)["option"]) if name == "choose" else name


def asked_beyond(text: str, buttons: Buttons) -> str | None:
    """The option, or "more", that a text asks for beyond what is offered."""
    button = chosen(text, buttons)
    if button is None or not button["payload"].startswith("/not_enough"):
        return None
    values = json.loads(button["payload"].removeprefix("/not_enough"))
    return values.get("option", "more") if values.get("why") == "beyond" else None


@pytest.mark.parametrize(
    ("text", "buttons", "option"),
    [
        # the words of the buttons themselves
        ("استرداد 399 ريالًا", DAMAGED, "refund"),
        ("إرسال طرد جديد", DAMAGED, "resend"),
        ("new parcel", DAMAGED_EN, "resend"),
        ("refund of SAR 399", DAMAGED_EN, "refund"),
        ("نعم، هذا مناسب", LATE, "voucher"),
        # the money back, in every variety
        ("أريد استرداد المبلغ", DAMAGED, "refund"),
        ("ابي فلوسي", DAMAGED, "refund"),
        ("أبغى فلوسي ترجع", DAMAGED, "refund"),
        ("عايز فلوسي", DAMAGED, "refund"),
        ("رجعولي الفلوس", DAMAGED, "refund"),
        ("بدي مصرياتي", DAMAGED, "refund"),
        ("بدي المصاري", DAMAGED, "refund"),
        ("بغيت فلوسي", DAMAGED, "refund"),
        ("رد ليا دراهمي", DAMAGED, "refund"),
        ("I want my money back", DAMAGED_EN, "refund"),
        ("refund please", DAMAGED_EN, "refund"),
        ("3ayez floosy", DAMAGED, "refund"),
        ("bghit flousi", DAMAGED, "refund"),
        ("ابي refund", DAMAGED, "refund"),
        # sent again
        ("أرسلوا لي واحدًا آخر", DAMAGED, "resend"),
        ("ارسلوا واحد جديد", DAMAGED, "resend"),
        ("ابعتولي واحدة جديدة", DAMAGED, "resend"),
        ("send another one", DAMAGED_EN, "resend"),
        ("a replacement please", DAMAGED_EN, "resend"),
        ("صيفطو ليا وحدة جديدة", DAMAGED, "resend"),
        # exchanged
        ("بدلوه لي", WRONG, "exchange"),
        ("التبديل", WRONG, "exchange"),
        ("أريد الاستبدال", WRONG, "exchange"),
        ("exchange it please", WRONG, "exchange"),
        # what was missing
        ("كملوا القطعة الناقصة", MISSING, "missing_part"),
        ("send the missing part", MISSING, "missing_part"),
        # goodwill
        ("القسيمة", GOODWILL, "voucher"),
        ("ابي الكوبون", GOODWILL, "voucher"),
        ("عايز الخصم", GOODWILL, "voucher"),
        ("the voucher please", GOODWILL_EN, "voucher"),
        ("wakha bghit el koupoun", GOODWILL, "voucher"),
        ("النقاط", GOODWILL, "points"),
        ("اختار النقاط", GOODWILL, "points"),
        ("بدي النقاط", GOODWILL, "points"),
        ("points", GOODWILL_EN, "points"),
        ("رسوم الشحن", GOODWILL, "shipping_refund"),
        ("رجعولي فلوس الشحن", GOODWILL, "shipping_refund"),
        ("رجعوا لي فلوس التوصيل", GOODWILL, "shipping_refund"),
        ("the shipping money", GOODWILL_EN, "shipping_refund"),
        # by place
        ("الثاني", DAMAGED, "refund"),
        ("2", DAMAGED, "refund"),
        ("٢", DAMAGED, "refund"),
        ("the first", DAMAGED_EN, "resend"),
        ("ابي الخيار الاول", DAMAGED, "resend"),
        ("تاني واحد", DAMAGED, "refund"),
        ("التالت", GOODWILL, "points"),
    ],
)  # fmt: skip
def test_an_option_is_named(text: str, buttons: Buttons, option: str) -> None:
    assert meant(text, buttons) == option


@pytest.mark.parametrize(
    "text",
    [
        "لا يكفي", "هذا لا يكفي", "ما يكفي", "مو كافي", "مايكفيش", "ميكفيش", "مش كفاية",
        "موش كافي", "هادشي ماشي كافي", "غير كافٍ", "قليل", "قليلة", "شوية", "ابي اكثر", "عايز أكتر",
        "ما يرضيني", "not enough", "that's not enough", "Not good enough", "too little", "I want more than that",
        "mesh kefaya", "mo kafi", "bardo mesh kefaya", "القسيمة قليلة", "the voucher is not enough", "نقاط قليلة",
    ],
)  # fmt: skip
def test_not_enough_leads_on(text: str) -> None:
    assert meant(text, GOODWILL) == meant(text, DAMAGED) == "not_enough"


@pytest.mark.parametrize("text", ["ما بيكفي", "لا هيدا ما بيكفي", "مش كافي", "مش كافي كمان", "هاد الشي ناقص"])
def test_what_is_left_to_the_understanding_chooses_nothing_else(text: str) -> None:
    assert meant(text, GOODWILL) in (None, "not_enough") and meant(text, DAMAGED) in (None, "not_enough")


@pytest.mark.parametrize(
    "text", ["هذا الحل مناسب لي", "اي هذا مناسب لي", "القسيمة هذي تناسبني", "send me another one", "another parcel please", "نغير رأيي واخذ القسيمة"]
)  # fmt: skip
def test_words_that_hold_the_letters_of_a_comparison_are_none(text: str) -> None:
    """ "Another" holds "other", and "suitable" in Arabic holds "people"."""
    for buttons in (GOODWILL, DAMAGED, LATE):
        assert meant(text, buttons) != "not_enough"


@pytest.mark.parametrize(
    "text",
    [
        "لا شكرا", "لا شكرًا", "لا، شكرا", "ما أبغى شي", "ما ابي شي", "ما بدي شي", "ما بغيت شي", "مش عايز حاجة", "ولا شي",
        "لا أحتاج شيئًا", "لا أحتاج إلى شيء", "no thanks", "No, thank you", "nothing", "i'm fine", "no thank you",
    ],
)  # fmt: skip
def test_no_thanks_leads_out(text: str) -> None:
    assert meant(text, GOODWILL) == meant(text, DAMAGED) == "decline_offers"


@pytest.mark.parametrize(
    "text",
    [
        "صاحبي أخذ قسيمة بمية ريال", "صديقتي عطوها استرداد كامل", "ليش عطيتوا واحد غيري اكثر",
        "my friend got a full refund", "others got 100 for the same thing", "someone else received a bigger voucher",
        "زميلي رجعوله فلوسه كلها", "اختي طلبت نفس الشي واخذت كوبون", "sa7bi khad voucher akbar",
    ],
)  # fmt: skip
def test_a_comparison_is_no_choice_and_leads_on(text: str) -> None:
    for buttons in (GOODWILL, DAMAGED):
        button = chosen(text, buttons)
        assert button is not None
        assert button["payload"].startswith("/not_enough")
        assert json.loads(button["payload"].removeprefix("/not_enough")) == {"case": CASE, "why": "compare"}
        assert button["title"] == "هذا لا يكفي"


@pytest.mark.parametrize(
    "text",
    [
        "ما ابي القسيمة", "لا اريد قسيمة", "مش عايز فلوس", "مو القسيمة", "بدون نقاط", "ما بدي المصاري", "I don't want the money",
        "not the voucher", "no refund", "without points", "mesh 3ayez el floos", "موش القسيمة", "ما بغيتش الفلوس",
        "مابي القسيمة", "i do not want a voucher",     ],
)  # fmt: skip
def test_what_is_not_wanted_is_never_given(text: str) -> None:
    for buttons in (GOODWILL, DAMAGED):
        assert meant(text, buttons) in (None, "not_enough", "decline_offers")


@pytest.mark.parametrize(
    "text",
    [
        # two things named: which of them is asked
        "استرداد او قسيمة؟", "النقاط ولا القسيمة؟", "refund or voucher?",
        # long messages say more than a choice
        "وصلتني القلاية مكسورة وابغى اعرف متى ترجع فلوسي لأني محتاجها قبل نهاية الشهر",
        "I would like to know how the refund works and when the money would be there",
        "طيب اذا اخذت القسيمة هل تقدرون بعد ترجعون رسوم الشحن لان الطلب تأخر كثير",
        "x " * 60, "القسيمة " * 20,
        # not about the offers
        "", "   ", "؟", "!!!", "🙂", "شكرا", "مرحبا", "hello", "كم مدة التوصيل؟", "وين طلبي 1004", "متى يفتح المتجر",
        "what are your opening hours", "7", "9", "0", "12",
    ],
)  # fmt: skip
def test_what_is_no_choice_is_none(text: str) -> None:
    assert meant(text, DAMAGED) is None
    assert meant(text, GOODWILL) is None or text == "كم مدة التوصيل؟"


def test_a_question_about_delivery_does_not_take_the_shipping_fee() -> None:
    """The words of an option also stand in questions, which a customer asks while offers are on the table."""
    for text in ("كم مدة التوصيل؟", "كم رسوم الشحن؟", "how long does shipping take?", "متى يوصل الشحن"):
        assert meant(text, GOODWILL) is None, text


@pytest.mark.parametrize(
    "text",
    ["متى توصل القسيمة؟", "كيف استخدم القسيمة؟", "كم نقطة عندي؟", "how do points work?", "متى ترجع الفلوس؟", "ايش فايدة النقاط؟",
     "when would I get the refund?", "شنو هي القسيمة؟"],
)  # fmt: skip
def test_a_question_about_an_option_does_not_accept_it(text: str) -> None:
    for buttons in (GOODWILL, DAMAGED):
        assert meant(text, buttons) is None


def test_what_was_not_offered_is_not_chosen() -> None:
    assert meant("ابي القسيمة", DAMAGED) == meant("ابي فلوسي", LATE) == "not_enough"
    assert meant("exchange", DAMAGED_EN) is None
    assert meant("القسيمة", DAMAGED) is None, "a word about it is no wish"


@pytest.mark.parametrize(
    ("text", "buttons", "asked"),
    [
        ("I want my money back", LATE, "refund"),
        ("my money back", LATE, "refund"),
        ("ابي فلوسي", LATE, "refund"),
        ("عايز فلوسي كلها", GOODWILL, "refund"),
        ("I don't want a voucher, I want my money back", LATE, "refund"),
        ("ما ابي كوبون ابي فلوسي", LATE, "refund"),
        ("give me a new one", LATE, "resend"),
        ("ابي القسيمة", DAMAGED, "voucher"),
        ("200 ريال", LATE, "more"),
        ("ابي 200", LATE, "more"),
        ("اعطوني 300 ريال", GOODWILL, "more"),
        ("can you give me 200 riyals?", GOODWILL_EN, "more"),
        ("SAR 500", GOODWILL_EN, "more"),
    ],
)
def test_what_is_beyond_the_offers_leads_on_with_its_reason(text: str, buttons: Buttons, asked: str) -> None:
    assert asked_beyond(text, buttons) == asked


@pytest.mark.parametrize(
    "text", ["can you offer more?", "do you have anything better?", "something else", "زيدوها", "ما عندكم شي ثاني؟", "عندكم حاجة تانية؟"]
)  # fmt: skip
def test_a_question_for_more_is_not_enough(text: str) -> None:
    assert meant(text, LATE) == meant(text, GOODWILL) == "not_enough"


def test_a_sum_that_is_offered_chooses_its_offer() -> None:
    assert meant("50 ريال", GOODWILL) == "voucher" and meant("SAR 20", GOODWILL_EN) == "shipping_refund"


def test_an_order_called_off_is_no_wish_beyond() -> None:
    for text in ("cancel the order and give me my money", "ابي الغي الطلب وترجع فلوسي", "ابي ارجاع المنتج"):
        assert meant(text, LATE) is None


def test_who_was_told_of_the_person_gets_one() -> None:
    """Where the way on leads to a person already, every further wish does."""
    person = {"title": "التحدث مع موظف", "payload": '/not_enough{"case": "C204817", "why": "person"}'}
    for text in ("ابي فلوسي", "200 ريال", "مو كافي"):
        assert chosen(text, [*LATE[:1], person, LATE[2]]) == person


@pytest.mark.parametrize(
    ("text", "buttons", "option"),
    [
        ("ابي استرجاع بدال القسيمة", [choose("قسيمة قيمتها 50 ريالًا", "voucher"), *DAMAGED], "refund"),
        ("the points instead of the voucher", GOODWILL_EN, "points"),
        ("not the voucher, the points please", GOODWILL_EN, "points"),
    ],
)
def test_of_two_that_are_named_the_one_that_is_not_refused_is_chosen(text: str, buttons: Buttons, option: str) -> None:
    assert meant(text, buttons) == option


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I'd rather have the points", "points"),
        ("ابي استرجاع بدال الكوبون", "refund"),
        ("غيرت رايي ابي النقاط", "points"),
        ("I changed my mind, I want the refund", "refund"),
        ("can I get a refund instead?", "refund"),
        ("أفضّل القسيمة", "voucher"),
        ("a refund instead of the voucher please", "refund"),
        ("عايز النقط بدل القسيمة", "points"),
        ("how many points do I have?", None),
        ("ابي فلوسي", None),
        ("where is my refund", None),
        ("I'd rather wait", None),
        ("", None),
    ],
)
def test_a_change_of_mind_says_what_for(text: str, wanted: str | None) -> None:
    assert changes_mind(text) == wanted


HOW_MANY = [{"title": n, "payload": "/inform" + json.dumps({"quantity": n})} for n in ("1", "2", "3")]
WHICH = [
    *({"title": name, "payload": "/inform" + json.dumps({"product": name})} for name in ("عطر عود", "طقم فناجين")),
    {"title": "كلها", "payload": '/inform{"product": "all"}'},
]


def test_a_number_is_no_place_where_how_many_was_asked() -> None:
    assert chosen("2", HOW_MANY) == HOW_MANY[1] and chosen("7", [*HOW_MANY, WHICH[2]]) is None


def test_the_last_item_is_not_all_of_them() -> None:
    assert chosen("الاخير", WHICH) == WHICH[1] and chosen("كلها", WHICH) == WHICH[2]


def test_other_buttons_know_nothing_of_offers() -> None:
    """Names of options count only where a complaint's offers are the buttons."""
    other = [{"title": "نعم", "payload": "/affirm"}, {"title": "لا", "payload": "/deny"}]
    for text in ("فلوسي", "القسيمة", "لا يكفي", "لا شكرا", "my friend got a full refund"):
        assert chosen(text, other) is None
    assert chosen("القسيمة", GOODWILL[:1]) is None, "one button alone is no choice"
    assert chosen("القسيمة", []) is None


@pytest.mark.parametrize("buttons", ALL)
def test_each_buttons_own_words_choose_it(buttons: Buttons) -> None:
    for button in buttons:
        assert chosen(button["title"], buttons) == button
        assert chosen(f"  {button['title']}! ".upper(), buttons) == button


_WORDS = st.sampled_from(
    "لا ما مو مش ابي عايز بدي فلوسي القسيمة كوبون نقاط الشحن استرداد تبديل ارسلوا الاول الثاني اخر صاحبي يكفي شكرا شي "
    "no not the money voucher points refund friend enough please first second 1 2 ٣ ؟ .".split()
)
_TEXTS = st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=14).map(" ".join))


@given(text=_TEXTS, buttons=st.sampled_from(ALL))
@example(text="\x00", buttons=DAMAGED)
@example(text="\ud83d", buttons=DAMAGED)
@example(text="١" * 90, buttons=GOODWILL)
@example(text="/choose{}", buttons=GOODWILL)
@example(text='/choose{"case": "C999999", "option": "refund"}', buttons=LATE)
def test_whatever_is_written_gives_one_of_the_buttons_or_none(text: str, buttons: Buttons) -> None:
    button = chosen(text, buttons)
    if button is None or button in buttons:
        return
    # "not enough" with the reason why; its case stays the one that was offered.
    ways = [offered for offered in buttons if offered["payload"].startswith("/not_enough")]
    assert [button["title"]] == [offered["title"] for offered in ways]
    values = json.loads(button["payload"].removeprefix("/not_enough"))
    assert values.pop("case") == CASE and values.pop("why") in ("compare", "beyond")
    assert values.pop("option", "refund") in NAMES and not values


@given(
    text=_TEXTS,
    payloads=st.lists(
        st.sampled_from(
            ["/choose", "/choose{}", '/choose{"option": "gold"}', '/choose{"case": "C1"}', "/ask_human", "/not_enough",
             '/decline_offers{"case": "C1"}', '/choose{"case": "C1", "option": "refund"}', "", "/"]
        ),
        max_size=12,
    ),
)  # fmt: skip
def test_odd_buttons_do_no_harm(text: str, payloads: list[str]) -> None:
    buttons = [{"title": f"t{place}", "payload": payload} for place, payload in enumerate(payloads)]
    button = chosen(text, buttons)
    assert button is None or button["title"] in {each["title"] for each in buttons}
