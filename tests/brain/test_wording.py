"""What is said: both languages, the same values, varied, and never an unfilled brace."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rasa.shared.core.domain import Domain
from rasa.shared.core.slots import AnySlot, TextSlot
from rasa.shared.core.trackers import DialogueStateTracker

from actions.complaints import ASKED_IN_ITS_OWN_WORDS
from actions.people import OfferPerson
from bot.brain.nlu.doubt import OFFERED
from bot.brain.scope import TurnAborted, TurnScope, current_scope
from bot.brain.wording import DomainWording, ResponseGenerator, fill
from bot.compensation.model import Option
from bot.complaints.facts import Finding
from bot.complaints.model import Kind
from bot.conversations.model import Turn
from bot.errors import AssistantFailed, ConfigurationError
from bot.orders.model import OrderStatus
from bot.outreach.model import OutreachKind
from bot.promises.model import PromiseKind

PROJECT = Path(__file__).parents[2]
DOMAIN: dict[str, Any] = yaml.load((PROJECT / "domain.yml").read_text("utf-8"), yaml.CSafeLoader)
RESPONSES: dict[str, list[dict[str, Any]]] = DOMAIN["responses"]
LANGUAGES = ("ar", "en")

# Heard often in one conversation or by nearly everyone: four wordings each, so that the bot does not sound like one.
FREQUENT = """
    utter_greet utter_goodbye utter_thanks utter_anything_else utter_help utter_ask_back utter_unknown
    utter_not_understood utter_ask_order_number utter_ask_proof utter_proof_refused utter_order_shipped
    utter_order_shipped_late utter_handoff_open_first utter_handoff_open utter_handoff_closed utter_sorry_late
    utter_sorry_not_received utter_sorry_damaged utter_sorry_wrong_item utter_sorry_missing_item utter_sorry_quality
    utter_sorry_service utter_sorry_billing utter_sorry_refund_delay utter_case_opened utter_case_offers
""".split()
# Set phrases, frames around values, and answers in a language of their own: one wording is right.
_ONE_WORDING = re.compile(
    r"label_.*|utter_(return_salam|language_..|other_language_.*|answer|ask_back_none|product_found|line_.*|"
    r"order_choice_label)"
)


def wordings(key: str, language: str) -> list[str]:
    return [v["text"] for v in RESPONSES[key] if v["condition"][0]["value"] == language]


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{([^{}]*)\}", text))


def test_every_wording_is_for_exactly_one_of_both_languages() -> None:
    """One without a condition would be said in any language, and one with a channel would beat the right language."""
    for key, variations in RESPONSES.items():
        for variation in variations:
            assert set(variation) - {"metadata"} == {"condition", "text"}, key
            (condition,) = variation["condition"]
            assert (condition["type"], condition["name"]) == ("slot", "language") and condition["value"] in LANGUAGES


def test_arabic_and_english_say_the_same_things() -> None:
    arabic = {key for key in RESPONSES if wordings(key, "ar")}
    english = {key for key in RESPONSES if wordings(key, "en")}
    assert arabic == english == {*RESPONSES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_often_has_four_wordings_and_sentences_have_two(language: str) -> None:
    few = {key for key in FREQUENT if len(wordings(key, language)) < 4}
    few |= {key for key in RESPONSES if not _ONE_WORDING.fullmatch(key) and len(wordings(key, language)) < 2}
    assert few == set()


def test_no_two_wordings_of_a_response_are_the_same() -> None:
    for key in RESPONSES:
        for language in LANGUAGES:
            said = wordings(key, language)
            assert len(set(said)) == len(said), key


def test_all_wordings_of_a_response_tell_the_same_values() -> None:
    """Else what the customer learns would depend on chance, and on the language. `{items}` and such may not go missing."""
    for key in RESPONSES:
        sets = {frozenset(placeholders(text)) for language in LANGUAGES for text in wordings(key, language)}
        assert len(sets) == 1, f"{key}: {sets}"
        assert all(re.fullmatch("[a-z_]+", name) for name in next(iter(sets))), key


def test_texts_are_clean() -> None:
    for key in RESPONSES:
        for language in LANGUAGES:
            for text in wordings(key, language):
                where = f"{key}: {text}"
                assert text.strip() == text and text, where
                assert not re.search(r"[٠-٩۰-۹]", text), f"digits are 0-9: {where}"
                assert not re.search(r"([.,،؛;:!?؟])\s*\1|  |\n{2,}|[.]\s*[،,؟?]|\s[.,،؛!؟]", text), (
                    f"punctuation: {where}"
                )
                assert not re.search(r"</?\w+>|\*\*|__|\\[nt]", text), f"markup: {where}"
                if re.match("utter_(other_language|language_en)", key):
                    continue  # said in that language
                assert text.count("(") == text.count(")"), where
                if language == "ar":
                    assert "," not in placeholders_out(text) and "?" not in text and ";" not in text, where


def placeholders_out(text: str) -> str:
    return re.sub(r"\{\w+\}", "", text)


def test_arabic_orders_nobody_about_and_guesses_no_gender() -> None:
    """Verbal nouns rather than imperatives or "عليك"; no "إن شاء الله" where a commitment is meant."""
    forbidden = re.compile(
        r"\b(عليك|عليكِ|إن شاء الله|يعطيك العافية|عزيزي|عزيزتي|حضرتك|أرسل|أرسلي|اكتب|اكتبي|اضغط|تفضل|تفضلي)\b"
    )
    for key in RESPONSES:
        for text in wordings(key, "ar"):
            assert not forbidden.search(text), f"{key}: {text}"


def _used() -> set[str]:
    """Keys that code, rules and domain name, where part of a name is made at run time with all that it can become."""
    files = [*(PROJECT / "actions").rglob("*.py"), *(PROJECT / "bot").rglob("*.py"), PROJECT / "data" / "rules.yml"]
    used = {"utter_default"}  # Rasa says it where no rule fits
    for file in files:
        for prefix, name in re.findall(r"""(f?)["' ]((?:utter|label)_[\w.]*\{?)""", file.read_text("utf-8")):
            if "{" in name or prefix or name in ("utter_action", "label_", "utter_"):
                continue
            used.add(name)
    used |= {f"label_intent_{intent}" for intent in OFFERED}
    used |= {f"label_status_{status.value}" for status in OrderStatus}
    used |= {f"label_method_{m}" for m in ("card", "bank_transfer", "cash_on_delivery", "wallet", "other")}
    used |= {f"label_tier_{t}" for t in ("basic", "silver", "gold", "vip")} | {
        "label_option_size",
        "label_option_colour",
    }
    used |= {"utter_order_processing", "utter_order_packed", "utter_language_ar", "utter_language_en"}
    used |= {f"utter_other_language_{code}" for code in ("fr", "ur", "other")}
    used |= {f"utter_{intent}" for intent in _offered_a_person()}
    return used | _used_for_complaints()


def _used_for_complaints() -> set[str]:
    kinds = {kind.value for kind in Kind} - {"other"}
    used = {f"utter_sorry_{kind}{tone}" for kind in kinds for tone in ("", "_angry")}
    used |= {f"label_about_{kind.value}" for kind in Kind} | {f"label_intent_complaint_{kind}" for kind in kinds}
    used |= {f"utter_given_{option.value}" for option in Option} | {f"label_option_{option.value}" for option in Option}
    used |= {f"utter_case_differs_{finding.value}" for finding in Finding if not finding.agrees}
    used |= {f"utter_ask_case_details_{kind}" for kind in ASKED_IN_ITS_OWN_WORDS | {"late"}}
    used |= {f"label_refused_{code}" for code in ("out_of_stock", "exceeds_paid", "not_paid", "not_possible")}
    used |= {f"label_rate_{score}" for score in range(1, 6)}
    told = {kind for kind in OutreachKind if kind not in (OutreachKind.PROMISE_KEPT, OutreachKind.PROMISE_BROKEN)}
    used |= {f"utter_outreach_{kind.value}" for kind in told}
    used |= {f"utter_outreach_promise_broken_{kind.value}" for kind in PromiseKind}
    return used | {f"utter_outreach_promise_kept_{kind}" for kind in ("parcel_arrives", "refund_arrives")}


def test_what_is_promised_is_marked_as_a_promise_in_every_wording() -> None:
    """And in none is a promise marked that nobody keeps track of."""
    for key, variations in RESPONSES.items():
        marks = {(variation.get("metadata") or {}).get("promise") for variation in variations}
        assert len(marks) == 1, key
        assert marks <= {None, *(kind.value for kind in PromiseKind)}, key
    promising = {key for key in RESPONSES if (RESPONSES[key][0].get("metadata") or {}).get("promise")}
    assert promising == {
        *("utter_given_refund", "utter_given_shipping_refund", "utter_given_resend", "utter_given_exchange"),
        *("utter_given_missing_part", "utter_given_pending", "utter_given_pending_ask", "utter_case_to_person"),
    }


def _offered_a_person() -> set[str]:
    """The intents whose rule leads to `action_offer_person`, which utters the response of the intent's name."""
    rules = yaml.safe_load((PROJECT / "data" / "rules.yml").read_text("utf-8"))["rules"]
    intents: set[str] = set()
    for rule in rules:
        if any(step.get("action") == OfferPerson().name() for step in rule["steps"]):
            for step in rule["steps"]:
                intents |= {step["intent"]} if "intent" in step else {o["intent"] for o in step.get("or", ())}
    assert "voucher" in intents
    return intents


def test_every_response_that_is_named_exists_and_every_one_that_exists_is_named() -> None:
    used = _used()
    assert used - {*RESPONSES} == set(), "named, but not in domain.yml"
    assert {*RESPONSES} - used == set(), "in domain.yml, but never said"


def test_code_makes_up_no_key_that_this_test_does_not_know() -> None:
    """A new f-string of a key must be added to `_used`."""
    made = set()
    for folder in ("actions", "bot"):
        for file in (PROJECT / folder).rglob("*.py"):
            made |= set(re.findall(r"""f["']((?:utter|label)_[^"']*?\{)""", file.read_text("utf-8")))
    assert made == {
        "label_about_{", "label_intent_complaint_{", "label_intent_{", "label_method_{", "label_option_{", "label_rate_{",
        "label_refused_{", "label_status_{", "label_tier_{", "utter_ask_case_details_{", "utter_case_differs_{",
        "utter_given_{", "utter_language_{", "utter_order_{", "utter_other_language_{", "utter_outreach_{",
        "utter_sorry_{", "utter_{",
    }  # fmt: skip


# Choosing


@pytest.fixture(scope="module")
def wording() -> DomainWording:
    return DomainWording.load(PROJECT / "domain.yml")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_wording_never_comes_twice_in_a_row(wording: DomainWording, language: str) -> None:
    last, seen = None, set()
    for _ in range(200):
        place, variation = wording.choose("utter_greet", language, last)
        assert place != last
        assert variation["condition"][0]["value"] == language
        last = place
        seen.add(place)
    assert seen == {0, 1, 2, 3}


def test_a_response_with_one_wording_may_repeat_it(wording: DomainWording) -> None:
    assert wording.choose("utter_answer", "ar", 0)[0] == 0


def test_what_has_no_wording_is_an_error_and_not_silence(wording: DomainWording) -> None:
    with pytest.raises(AssistantFailed, match="utter_nothing"):
        wording.say("utter_nothing", "ar")
    with pytest.raises(AssistantFailed, match="utter_greet"):
        wording.say("utter_greet", "fr", shop_name="x")


def test_a_missing_value_is_an_error_and_not_a_brace(wording: DomainWording) -> None:
    with pytest.raises(AssistantFailed, match="shop_name"):
        wording.say("utter_greet", "ar")
    assert "متجر" in wording.say("utter_greet", "ar", shop_name="متجر").text


@pytest.mark.parametrize("content", ["", "responses:", "{[", "intents: []", "- a"])
def test_a_domain_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "domain.yml"
    file.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=r"domain\.yml"):
        DomainWording.load(file)
    with pytest.raises(ConfigurationError):
        DomainWording.load(tmp_path / "none.yml")


# Through Rasa


def tracker(language: str | None, **slots: str) -> DialogueStateTracker:
    made = DialogueStateTracker("c", [TextSlot("language", []), *(AnySlot(name, []) for name in slots)])
    for name, value in {"language": language, **slots}.items():
        made.slots[name].value = value
    return made


def generate(wording: DomainWording, key: str, made: DialogueStateTracker, **values: str) -> dict[str, Any] | None:
    return asyncio.run(ResponseGenerator(wording).generate(key, made, "rest", **values))


def test_rasa_says_the_wording_of_the_conversations_language(wording: DomainWording) -> None:
    said = generate(wording, "utter_last_scan", tracker("en"), date="Sunday")
    assert said and "Sunday" in said["text"] and "carrier" in said["text"].lower()
    assert "condition" not in said
    arabic = generate(wording, "utter_last_scan", tracker(None), date="الأحد")
    assert arabic and "الأحد" in arabic["text"] and "شركة الشحن" in arabic["text"]


def test_a_value_may_come_from_a_slot_and_one_that_is_given_wins(wording: DomainWording) -> None:
    made = tracker("en", order_number="1001")
    assert "1001" in (generate(wording, "utter_invoice", made) or {})["text"]
    assert "1002" in (generate(wording, "utter_invoice", made, order_number="1002") or {})["text"]


@pytest.mark.parametrize("key", ["utter_nothing", "utter_greet"])
def test_what_cannot_be_said_ends_the_turn(wording: DomainWording, key: str) -> None:
    """Rasa swallows an ordinary exception here and says nothing."""
    with pytest.raises(TurnAborted, match=key):
        generate(wording, key, tracker("ar"))


def test_a_turn_remembers_what_it_said(wording: DomainWording) -> None:
    turn: Any = Turn.__new__(Turn)
    scope = TurnScope(turn)
    token = current_scope.set(scope)
    try:
        said = [(generate(wording, "utter_thanks", tracker("ar")) or {})["text"] for _ in range(30)]
    finally:
        current_scope.reset(token)
    assert all(one != other for one, other in zip(said, said[1:], strict=False))
    assert "utter_thanks" in scope.said


def test_rasa_reads_the_same_responses(wording: DomainWording) -> None:
    domain = Domain.load(str(PROJECT / "domain.yml"))
    assert {*domain.responses} == {*RESPONSES}
    assert len(wording.variations("utter_greet", "ar")) == len(wordings("utter_greet", "ar"))


# fill

_names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
_plain = st.text(st.characters(blacklist_characters="{}", blacklist_categories=("Cs",)))


@given(st.lists(st.tuples(_plain, _names)), _plain)
def test_every_value_stands_where_its_name_stood(parts: list[tuple[str, str]], rest: str) -> None:
    template = "".join(f"{text}{{{name}}}" for text, name in parts) + rest
    values = {name: f"<{name}>" for _, name in parts}
    expected = "".join(f"{text}<{name}>" for text, name in parts) + rest
    assert fill("utter_x", template, values) == re.sub(r"\n{3,}", "\n\n", expected).strip()


@given(_plain, _names, _plain, st.dictionaries(_names, st.text()))
def test_no_name_in_braces_is_left(before: str, name: str, after: str, values: dict[str, str]) -> None:
    try:
        said = fill("utter_x", f"{before}{{{name}}}{after}", values)
    except AssistantFailed:
        assert name not in values
    else:
        assert name in values
        assert ("{" in said) <= ("{" in values[name])


@given(st.text())
def test_a_value_is_never_itself_filled(value: str) -> None:
    """A customer's text with braces in it is said as it is, and asks for nothing."""
    assert fill("utter_x", "a {v} b", {"v": "{w}" + value}).startswith("a {w}")


def test_an_empty_line_left_by_an_empty_value_disappears() -> None:
    assert fill("utter_x", "Watch: SAR 1.\n{stock}\n{options}", {"stock": "", "options": ""}) == "Watch: SAR 1."
    assert fill("utter_x", "a\n{b}\nc", {"b": ""}) == "a\nc"
