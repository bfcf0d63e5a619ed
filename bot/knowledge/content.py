"""The files that a merchant edits, read and checked. Every mistake is a ConfigurationError that names file and line."""

from __future__ import annotations

import string
from collections.abc import Callable, Hashable, Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from bot.errors import ConfigurationError
from bot.knowledge.model import Entry
from bot.text import normalize

LANGUAGES = ("ar", "en")

TOPICS = frozenset(
    "shipping_cost shipping_time shipping_areas order_how_to cancel_policy return_policy exchange_policy refund_time "
    "payment_methods cash_on_delivery installments warranty authenticity size_guide gift_wrap tax_invoice "
    "working_hours contact_channels store_location loyalty_program privacy complaint_process".split()
)

# What `bot.knowledge.service.placeholders` fills; a test holds the two together.
PLACEHOLDERS = frozenset(
    "shop_name address support_hours support_phone support_email time_zone currency_unit vat_rate vat_number carriers "
    "shipping_fee free_shipping_from delivery_riyadh delivery_ksa delivery_gcc delivery_other "
    "payment_methods cod_fee cod_countries installment_providers installment_from installment_parts "
    "cancel_until change_address_until return_days exchange_days refund_days damage_report_days warranty_list "
    "points_per_unit points_value min_redeem_points min_redeem_value tier_silver tier_gold tier_vip".split()
)

_FIELDS = ("id", "topic", "source", "reviewed", "questions", "keywords", "answer")

_FEWEST_OFF_TOPIC = 30

# Says what is wrong and how to mend it, at a line.
_Complaint = Callable[[str, str], ConfigurationError]


def faq_path() -> Path:
    """The FAQ that comes with Thiqa."""
    return Path(str(files("bot.content").joinpath("faq.yml")))


def off_topic_path() -> Path:
    """The examples of what no FAQ answers that come with Thiqa."""
    return Path(str(files("bot.content").joinpath("off_topic.yml")))


def load_entries(path: Path | None = None) -> tuple[Entry, ...]:
    """The entries of a FAQ file, in its order. Raises ConfigurationError."""
    path = path or faq_path()
    entries: list[Entry] = []
    lines: dict[str, int] = {}
    asked: dict[str, str] = {}
    for line, raw in _listed(path, "entries"):
        name = raw.get("id") if isinstance(raw, dict) else None
        entry = _entry(raw, _complaint(path, line, str(name) if name else None))
        complain = _complaint(path, line, entry.id)
        if entry.id in lines:
            raise complain(
                f"the id is already used by the entry on line {lines[entry.id]}", "Give one of the two another id"
            )
        lines[entry.id] = line
        for question in (q for language in LANGUAGES for q in entry.questions[language]):
            other = asked.setdefault(normalize(question), entry.id)
            if other != entry.id:
                raise complain(f"the question “{question}” is also under “{other}”", "Keep it under the better one")
        entries.append(entry)
    return tuple(entries)


def load_off_topic(path: Path | None = None) -> tuple[str, ...]:
    """Messages that no entry answers. Raises ConfigurationError."""
    path = path or off_topic_path()
    messages = []
    for line, raw in _listed(path, "messages"):
        if not isinstance(raw, str) or not raw.strip():
            raise _complaint(path, line, None)("a message is not a text", "Write one message a line, after a dash")
        messages.append(raw.strip())
    if len(messages) < _FEWEST_OFF_TOPIC:
        raise ConfigurationError(
            str(path),
            f"has {len(messages)} messages, too few to tell what the FAQ does not answer",
            f"Keep at least {_FEWEST_OFF_TOPIC}, of many kinds",
        )
    return tuple(messages)


class _TextLoader(yaml.BaseLoader):
    """Leaves every value a text (an answer `no` or a date stays what was typed) and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"“{key.value}” is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _listed(path: Path, key: str) -> Iterator[tuple[int, Any]]:
    """Each element of the list under `key`, with its line."""
    try:
        loader = _TextLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        content = loader.construct_document(node) if node else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), f"cannot be read ({error})", "Check that it is there, in UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _complaint(path, line, None)(
            f"is not valid YAML: {error.problem}",
            "Check the indentation, and put quotes around a text that has a colon, or start it on a new line after |-",
        ) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(str(path), f"is not valid YAML: {error}", "Remove what is no plain text") from error
    elements = content.get(key) if isinstance(content, dict) else None
    if not isinstance(elements, list):
        raise ConfigurationError(str(path), f"has no list “{key}”", f"Begin it with “{key}:” and a dash for each one")
    assert isinstance(node, yaml.MappingNode)
    nodes = next(value for name, value in node.value if name.value == key)
    for element, place in zip(elements, nodes.value, strict=True):
        yield place.start_mark.line + 1, element


def _complaint(path: Path, line: int, entry: str | None) -> _Complaint:
    what = f"{path}, line {line}" + (f", entry “{entry}”" if entry else "")
    return lambda problem, remedy: ConfigurationError(what, problem, remedy)


def _entry(raw: Any, complain: _Complaint) -> Entry:
    if not isinstance(raw, dict):
        raise complain("is not an entry", "Write “- id: …” and the other fields below it")
    if missing := [field for field in _FIELDS if not raw.get(field)]:
        raise complain(f"lacks {', '.join(missing)}", "Add what is missing")
    if unknown := [str(field) for field in raw if field not in _FIELDS]:
        raise complain(f"has an unknown field {', '.join(unknown)}", f"An entry has {', '.join(_FIELDS)}")
    for field in ("id", "topic", "source", "reviewed"):
        if not isinstance(raw[field], str):
            raise complain(f"{field} is not a text", "Write it on one line")
    if raw["topic"] not in TOPICS:
        raise complain(f"the topic “{raw['topic']}” is unknown", f"Choose one of {', '.join(sorted(TOPICS))}")
    try:
        reviewed = date.fromisoformat(raw["reviewed"])
    except ValueError:
        raise complain(f"reviewed “{raw['reviewed']}” is no day", "Write year-month-day, such as 2026-11-30") from None
    answer = _languages(raw, "answer", complain)
    for language, text in answer.items():
        if not isinstance(text, str):
            raise complain(f"the answer in “{language}” is not a text", "Start it on a new line after |-")
        _check_placeholders(language, text, complain)
    return Entry(
        id=raw["id"],
        topic=raw["topic"],
        source=raw["source"],
        reviewed=reviewed,
        questions=_texts(raw, "questions", complain),
        keywords=_texts(raw, "keywords", complain),
        answer=answer,
    )


def _languages(raw: dict[str, Any], field: str, complain: _Complaint) -> dict[str, Any]:
    value = raw[field]
    if not isinstance(value, dict):
        raise complain(f"{field} is not given by language", f"Write {' and '.join(f'“{x}:”' for x in LANGUAGES)} below")
    if missing := [language for language in LANGUAGES if not value.get(language)]:
        raise complain(f"{field} is missing in “{'”, “'.join(missing)}”", "Write it in both languages")
    if unknown := [str(language) for language in value if language not in LANGUAGES]:
        raise complain(f"{field} has an unknown language “{'”, “'.join(unknown)}”", "Use ar and en")
    return value


def _texts(raw: dict[str, Any], field: str, complain: _Complaint) -> dict[str, tuple[str, ...]]:
    texts = {}
    for language, listed in _languages(raw, field, complain).items():
        if not isinstance(listed, list) or not all(isinstance(text, str) and text.strip() for text in listed):
            raise complain(f"{field} in “{language}” is not a list of texts", "Write one a line, after a dash")
        texts[language] = tuple(text.strip() for text in listed)
    return texts


def _check_placeholders(language: str, text: str, complain: _Complaint) -> None:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise complain(f"the answer in “{language}” has a brace alone ({error})", "Double it to show a brace") from None
    for _, name, form, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            raise complain(
                f"the answer in “{language}” has an unknown placeholder {{{name}}}",
                f"Use one of {', '.join(sorted(PLACEHOLDERS))}",
            )
