"""Cities, and the countries that a message hints at, by the names of `bot/content/cities.yml`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.phrases import Hit, PhraseTable
from bot.brain.nlu.entities.reading import Reading, normal_words
from bot.text import normalize

__all__ = ["add_to", "countries", "read"]


@lru_cache(maxsize=1)
def _places() -> dict[str, Any]:
    text = resources.files("bot.content").joinpath("cities.yml").read_text(encoding="utf-8")
    kept: dict[str, Any] = yaml.safe_load(text)
    return kept


def add_to(table: PhraseTable) -> None:
    for city, names in _places()["cities"].items():
        for name in {str(city), *map(str, names)}:
            table.add("city", normal_words(name), str(city), article=False)
    for code, country in _places()["countries"].items():
        for name in country["words"]:
            table.add("country", normal_words(str(name)), str(code), article=True)


def read(reading: Reading, hits: Iterable[Hit]) -> Iterator[Entity]:
    """The cities among what the table found."""
    for hit in hits:
        if hit.label == "city" and _is_city(reading.words, hit):
            yield reading.entity("city", reading.span(hit.low, hit.high, hit.prefix), hit.ident)


_PLACE_WORDS = frozenset(
    "في ف ب ل الي علي ع من فوق تحت جنب قرب عند لعند ساكن ساكنه مدينه محافظه منطقه ولايه ضيعه قضاء بلده حي in to from at fi fe f "
    "le l men mn 3ala 3 near city".split()
)


def _is_city(words: Sequence[str], hit: Hit) -> bool:
    """A name that is also an everyday word (عاليه, high) stands only where a place does."""
    stem = words[hit.low][hit.prefix :]
    if hit.high - hit.low > 1 or stem not in _also_words():
        return True
    before = words[hit.low - 1] if hit.low else ""
    return before in _PLACE_WORDS or words[hit.low][: hit.prefix] in ("ب", "ل", "ع", "ف")


@lru_cache(maxsize=1)
def _also_words() -> frozenset[str]:
    return frozenset(normalize(str(word)) for word in _places()["also_words"])


def countries(hits: Iterable[Hit]) -> list[str]:
    """The countries named, and those of the cities named; empty for a city whose country is not known."""
    return [
        hit.ident if hit.label == "country" else _country_of().get(hit.ident, "")
        for hit in hits
        if hit.label in ("country", "city")
    ]


@lru_cache(maxsize=1)
def _country_of() -> dict[str, str]:
    return {str(city): str(code) for code, country in _places()["countries"].items() for city in country["cities"]}
