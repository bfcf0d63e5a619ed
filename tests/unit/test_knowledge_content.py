"""The FAQ file that merchants edit: mistakes are found when it is loaded, and answers hold the shop's own figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.errors import ConfigurationError
from bot.knowledge.content import LANGUAGES, PLACEHOLDERS, TOPICS, load_entries, load_off_topic
from bot.knowledge.letters import skeleton
from bot.knowledge.service import placeholders
from bot.orders.model import OrderStatus, Policies, Product, Sku, Store, SupportHours, Tier
from bot.text import normalize

STORE = Store(
    name={"ar": "متجر ثقة", "en": "Thiqa Store"},
    currency="SAR",
    timezone=ZoneInfo("Asia/Riyadh"),
    support_hours=SupportHours(frozenset({6, 0, 1, 2, 3}), time(9), time(22)),
    support_phone="+966112000000",
    support_email="care@example.com",
    vat_rate=Decimal("0.15"),
    vat_number="300000000000003",
    address={"ar": "طريق الملك فهد، الرياض", "en": "King Fahd Road, Riyadh"},
    carriers=[{"ar": "أرامكس", "en": "Aramex"}],
)
POLICIES = Policies(
    shipping_fee=Decimal("20.00"),
    free_shipping_from=Decimal("250.00"),
    cod_fee=Decimal("15.00"),
    delivery_days={"Riyadh": (1, 3), "Saudi Arabia": (2, 5), "GCC": (4, 7), "other": (5, 10)},
    return_days=14,
    exchange_days=30,
    refund_days=7,
    cancel_until=OrderStatus.PACKED,
    change_address_until=OrderStatus.PACKED,
    damage_report_days=3,
    payment_methods=["mada", "visa", "apple_pay", "cash_on_delivery", "tabby"],
    cod_countries=["SA", "AE", "KW"],
    installment_providers=["tabby", "tamara"],
    installment_from=Decimal("100.00"),
    installment_parts=4,
    points_per_unit=1,
    points_value=Decimal("0.01"),
    min_redeem_points=500,
    tiers=[Tier("basic", 0), Tier("silver", 1000), Tier("gold", 2000), Tier("vip", 5000)],
)
PRODUCTS = [Product(Sku("HP"), {"ar": "سماعة", "en": "Headphones"}, Decimal(349), 3, "electronics", None, 24)]

GOOD = """\
entries:
  - id: returns
    topic: return_policy
    source: /help
    reviewed: 2026-11-01
    questions:
      ar: [كم مدة الإرجاع]
      en: [how long to return]
    keywords:
      ar: [إرجاع]
      en: [return]
    answer:
      ar: |-
        خلال {return_days}.
      en: |-
        Within {return_days}.
"""


def _loaded(tmp_path: Path, text: str) -> ConfigurationError:
    path = tmp_path / "faq.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_entries(path)
    assert str(path) in caught.value.what
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("      en: [how long to return]\n", "", "questions is missing in “en”"),
        ("      en: |-\n        Within {return_days}.\n", "", "answer is missing in “en”"),
        ("      ar: [إرجاع]\n", "", "keywords is missing in “ar”"),
        ("en: [return]", "en: return", "keywords in “en” is not a list"),
        ("    source: /help\n", "", "lacks source"),
        ("topic: return_policy", "topic: returning", "the topic “returning” is unknown"),
        ("reviewed: 2026-11-01", "reviewed: 2026-13-01", "reviewed “2026-13-01” is no day"),
        ("reviewed: 2026-11-01", "reviewed: [1]", "reviewed is not a text"),
        ("Within {return_days}", "Within {return_day}", "unknown placeholder {return_day}"),
        ("Within {return_days}", "Within {return_days!r}", "unknown placeholder"),
        ("Within {return_days}", "Within {}", "unknown placeholder {}"),
        ("Within {return_days}", "Within {return_days", "brace alone"),
        ("    answer:", "    anwser: x\n    answer:", "unknown field anwser"),
        ("      en: [return]", "      en: [return]\n      fr: [retour]", "unknown language “fr”"),
    ],
)
def test_a_mistake_in_an_entry_names_the_entry_its_line_and_the_remedy(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in GOOD
    error = _loaded(tmp_path, GOOD.replace(old, new))
    assert problem in error.problem
    assert "line 2, entry “returns”" in error.what


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("entries:\n  - id: a\n   topic: b\n", "line 3", "not valid YAML"),
        ("entries:\n  - id: a\n    id: b\n", "line 3", "“id” is given twice"),
        ("entries:\n  - just words\n", "line 2", "is not an entry"),
        ("answers: []\n", "", "has no list “entries”"),
        ("", "", "has no list “entries”"),
        ("entries: {}\n", "", "has no list “entries”"),
    ],
)
def test_a_broken_file_names_the_line(tmp_path: Path, text: str, line: str, problem: str) -> None:
    error = _loaded(tmp_path, text)
    assert problem in error.problem
    assert line in error.what


def test_an_id_or_a_question_given_twice_names_the_first(tmp_path: Path) -> None:
    second = GOOD.removeprefix("entries:\n")
    assert "already used by the entry on line 2" in _loaded(tmp_path, GOOD + second).problem
    other = second.replace("id: returns", "id: more").replace("كم مدة الإرجاع", "كم مدّة الارجاع")
    assert "is also under “returns”" in _loaded(tmp_path, GOOD + other).problem


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_entries(tmp_path / "none.yml")
    path = tmp_path / "latin.yml"
    path.write_bytes("entries:\n  - id: é\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_entries(path)


def test_off_topic_messages_are_texts_and_enough(tmp_path: Path) -> None:
    path = tmp_path / "off.yml"
    path.write_text("messages:\n  - 1042\n  - [a]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 3"):
        load_off_topic(path)
    path.write_text("messages:\n  - hello\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="too few"):
        load_off_topic(path)


def test_the_files_that_come_with_thiqa_are_whole() -> None:
    """Every topic has its main entry; no off-topic message is also a question of the FAQ."""
    entries = load_entries()
    assert {entry.id for entry in entries} >= TOPICS
    questions = {normalize(q) for entry in entries for listed in entry.questions.values() for q in listed}
    off_topic = load_off_topic()
    assert len(off_topic) >= 150
    assert not questions & {normalize(message) for message in off_topic}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_placeholder_is_filled_in_every_answer(language: str) -> None:
    filled = placeholders(STORE, POLICIES, PRODUCTS, language)
    assert set(filled) - {"tier_basic"} == PLACEHOLDERS
    for entry in load_entries():
        answer = entry.answer[language].format_map(filled)
        assert "{" not in answer and "None" not in answer


CHANGES: list[tuple[str, Callable[[], tuple[Store, Policies, list[Product]]]]] = [
    *[
        (name, lambda changed=changed: (STORE, replace(POLICIES, **changed), PRODUCTS))
        for name, changed in {
            "shipping_fee": {"shipping_fee": Decimal(31)},
            "free_shipping_from": {"free_shipping_from": Decimal(333)},
            "cod_fee": {"cod_fee": Decimal(9)},
            "delivery_riyadh": {"delivery_days": {**POLICIES.delivery_days, "Riyadh": (2, 9)}},
            "delivery_ksa": {"delivery_days": {**POLICIES.delivery_days, "Saudi Arabia": (3, 9)}},
            "delivery_gcc": {"delivery_days": {**POLICIES.delivery_days, "GCC": (5, 9)}},
            "delivery_other": {"delivery_days": {**POLICIES.delivery_days, "other": (6, 9)}},
            "return_days": {"return_days": 21},
            "exchange_days": {"exchange_days": 2},
            "refund_days": {"refund_days": 10},
            "cancel_until": {"cancel_until": OrderStatus.PROCESSING},
            "change_address_until": {"change_address_until": OrderStatus.SHIPPED},
            "damage_report_days": {"damage_report_days": 5},
            "payment_methods": {"payment_methods": ["visa"]},
            "cod_countries": {"cod_countries": ["SA"]},
            "installment_providers": {"installment_providers": ["tamara"]},
            "installment_from": {"installment_from": Decimal(200)},
            "installment_parts": {"installment_parts": 3},
            "points_per_unit": {"points_per_unit": 2},
            "points_value": {"points_value": Decimal("0.05")},
            "min_redeem_points": {"min_redeem_points": 700},
            "min_redeem_value": {"min_redeem_points": 800},
            "tier_silver": {"tiers": [Tier("silver", 1111), Tier("gold", 2000), Tier("vip", 5000)]},
            "tier_gold": {"tiers": [Tier("silver", 1000), Tier("gold", 2222), Tier("vip", 5000)]},
            "tier_vip": {"tiers": [Tier("silver", 1000), Tier("gold", 2000), Tier("vip", 5555)]},
        }.items()
    ],
    *[
        (name, lambda changed=changed: (replace(STORE, **changed), POLICIES, PRODUCTS))
        for name, changed in {
            "shop_name": {"name": {"ar": "متجر آخر", "en": "Other"}},
            "address": {"address": {"ar": "جدة", "en": "Jeddah"}},
            "support_hours": {"support_hours": SupportHours(frozenset({0}), time(8), time(9))},
            "support_phone": {"support_phone": "+966110000000"},
            "support_email": {"support_email": "help@example.com"},
            "time_zone": {"timezone": ZoneInfo("Africa/Cairo")},
            "currency_unit": {"currency": "EGP"},
            "vat_rate": {"vat_rate": Decimal("0.05")},
            "vat_number": {"vat_number": "1"},
            "carriers": {"carriers": [{"ar": "سمسا", "en": "SMSA"}]},
        }.items()
    ],
    ("warranty_list", lambda: (STORE, POLICIES, [])),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("placeholder", "changed"), CHANGES, ids=[name for name, _ in CHANGES])
def test_a_changed_policy_changes_every_answer_that_tells_it(
    placeholder: str, changed: Callable[[], tuple[Any, Any, Any]], language: str
) -> None:
    before = placeholders(STORE, POLICIES, PRODUCTS, language)
    after = placeholders(*changed(), language)
    telling = [entry for entry in load_entries() if f"{{{placeholder}}}" in entry.answer[language]]
    assert telling
    for entry in telling:
        assert entry.answer[language].format_map(before) != entry.answer[language].format_map(after)


def test_no_answer_types_a_figure() -> None:
    """Every digit that a customer reads in an answer comes from the shop."""
    for entry in load_entries():
        for language, text in entry.answer.items():
            assert not any(c.isdigit() for c in text), (entry.id, language)


def test_reviewed_is_a_day() -> None:
    assert all(isinstance(entry.reviewed, date) for entry in load_entries())


@pytest.mark.parametrize(
    ("one", "other"), [("توصيل", "tawseel"), ("شحن", "sha7n"), ("ضمان", "daman"), ("استرجاع", "esterja3")]
)
def test_arabizi_and_arabic_have_the_same_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)
