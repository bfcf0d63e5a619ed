"""All entities of a message: every reader reads it, and where two readings overlap, the kind named first in
`_PRIORITY` wins, and of two of a kind the longer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from importlib import resources
from typing import Any

import regex

from bot.brain.nlu.entities import amounts, days, emails, names, orders, phones, places, products
from bot.brain.nlu.entities.counts import CountReader
from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.phrases import PhraseTable
from bot.brain.nlu.entities.reading import Reading
from bot.brain.nlu.ngrams import LONGEST
from bot.text import is_mark

__all__ = ["Extractor", "current", "extract", "set_catalogue"]

_PRIORITY = ("email", "phone", "amount", "date", "order_number", "quantity", "product", "city", "person_name")
_SURROGATE = regex.compile("[\ud800-\udfff]")


class Extractor:
    """Reads entities for one catalogue. Build once, use from any thread."""

    def __init__(self, catalogue: Iterable[Mapping[str, Any]]) -> None:
        """Its products have `sku` and `name: {ar, en}` as in the demo shop's file."""
        self._table = PhraseTable()
        places.add_to(self._table)
        products.add_to(self._table, catalogue)
        self._counts = CountReader()

    def extract(self, text: str, today: date | None = None) -> list[Entity]:
        """All entities of `text` in the order they stand, none overlapping; a date that names one day carries it as
        `more["date"]`, reckoned from `today` (by default the present day in Riyadh). Never raises; what follows the
        first `LONGEST` characters is not read."""
        whole = _SURROGATE.sub("\ufffd", text[:LONGEST])  # spaCy refuses halves of characters
        kept = [place for place, sign in enumerate(whole) if not is_mark(sign)]
        reading = Reading("".join(whole[place] for place in kept))
        taken = _without_overlaps(self._readings(reading))
        taken = _in_order([*taken, *names.bare(reading, taken)])
        taken = [days.dated(entity, today) if entity.kind == "date" else entity for entity in taken]
        return taken if len(kept) == len(whole) else [_in_whole(entity, whole, kept) for entity in taken]

    def _readings(self, reading: Reading) -> list[Entity]:
        hits = list(self._table.find(reading.words))
        bought = products.meant(reading, hits)
        called = orders.called_orders(reading)
        in_words = orders.called_in_words(reading)
        return [
            *emails.read(reading),
            *phones.read(reading, called, likely=[*places.countries(hits), *amounts.countries(reading)]),
            *phones.last_four(reading, called),
            *amounts.in_digits(reading, called),
            *amounts.in_words(reading, [span for span, _ in in_words]),
            *days.read(reading),
            *orders.read(reading, called, in_words),
            *self._counts.read(reading, bought),
            *products.read(reading, bought),
            *places.read(reading, hits),
            *names.read(reading),
        ]


def _without_overlaps(found: Iterable[Entity]) -> list[Entity]:
    taken: list[Entity] = []
    for entity in sorted(found, key=lambda one: (_PRIORITY.index(one.kind), one.start - one.end, one.start)):
        if all(entity.end <= other.start or entity.start >= other.end for other in taken):
            taken.append(entity)
    return _in_order(taken)


def _in_whole(entity: Entity, whole: str, kept: Sequence[int]) -> Entity:
    """The entity where it stands in the text with its diacritics and tatweel."""
    start, end = kept[entity.start], kept[entity.end - 1] + 1
    return replace(entity, start=start, end=end, text=whole[start:end])


def _in_order(entities: Iterable[Entity]) -> list[Entity]:
    return sorted(entities, key=lambda entity: entity.start)


_current: Extractor | None = None


def set_catalogue(products: Iterable[Mapping[str, Any]]) -> None:
    """From now on products are those of this catalogue (`sku`, `name: {ar, en}`). Costs some 100 ms; may be called
    while messages are read, and whenever the shop's products change."""
    global _current
    _current = Extractor(products)


def current() -> Extractor:
    """The one for the catalogue in force: the demo shop's before `set_catalogue`."""
    if _current is None:
        shop = json.loads(resources.files("bot.content").joinpath("demo_shop.json").read_text(encoding="utf-8"))
        set_catalogue(shop["products"])
    assert _current is not None
    return _current


def extract(text: str, today: date | None = None) -> list[Entity]:
    """The entities of `text` by the catalogue in force. What is said of days (tomorrow) is resolved from `today`, by
    default the present day in Riyadh."""
    return current().extract(text, today)
