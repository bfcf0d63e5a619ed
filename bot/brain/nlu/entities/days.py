"""Days as entities: dates in digits (3/11/2026, 1447/9/15), and the words for days that `dates` finds and resolves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import regex

from bot.brain.nlu.entities import dates
from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.reading import Reading
from bot.text import normalize

__all__ = ["dated", "read"]

_DATE = regex.compile(
    r"(?<![\d/.\-#])(?:(?P<year>(?:20|14)\d\d)[/.\-](?P<month>1[0-2]|0?[1-9])[/.\-](?P<day>3[01]|[12]\d|0?[1-9])"
    r"|(?P<day2>3[01]|[12]\d|0?[1-9])(?P<mark>[/\-.])(?P<month2>1[0-2]|0?[1-9])(?P=mark)(?P<year2>(?:20|14)\d\d)"
    r"|(?:3[01]|[12]\d|0?[1-9])/(?:1[0-2]|0?[1-9])(?:/(?P<year3>\d\d))?)(?![\d/])"
)


def read(reading: Reading) -> Iterator[Entity]:
    digits = reading.digits
    for found in _DATE.finditer(digits):
        year, month, day = (found[part] or found[f"{part}2"] for part in ("year", "month", "day"))
        if not year and not found["year3"] and _is_mark(found[0], digits[: found.start()], digits[found.end() :]):
            continue
        yield reading.entity("date", found.span(), f"{year}-{int(month):02}-{int(day):02}" if year else found[0])
    for named in dates.find(reading.words):
        span = reading.span(named.low, named.high, named.prefix)
        yield reading.entity("date", span, _normal_form(reading.text[slice(*span)]))


_ON_A_DAY = regex.compile(
    r"(?:يوم|تاريخ|بتاريخ|من|قبل|بعد|لحد|الى|إلى|الي|حتى|في|ليوم|منذ|\bon|\bby|\bsince|\buntil|\btill|\bbefore|\bafter|"
    r"\bdated?|\bfrom|\bnhar|\byom|\byoum|\ble|\bdu|\bmen|\bfi|\bordered|\bdue|طلبت\p{L}*|موعده\p{L}*)\s?[:\-]?\s?$",
    regex.IGNORECASE,
)
_MARK_CUE = regex.compile(
    r"تقييم|اقيم|أقيم|اعطي|أعطي|عطيت|نجوم|نجمه|نجمة|درجه|درجة|من خمس|rat(?:e|ed|ing)|score|stars?|solid|review|give|would",
    regex.IGNORECASE,
)


def _is_mark(written: str, before: str, after: str) -> bool:
    """Whether 10/10 is a mark and no day."""
    high, of = map(int, written.split("/"))
    if of not in (5, 10) or high > of or _ON_A_DAY.search(before[-30:]):
        return False
    return of == 10 or high == of or bool(_MARK_CUE.search(before[-30:] + " / " + after[:20]))


_DAY_WORD = regex.compile(r"^(?:يوم|نهار|youm|yom|yoom|nhar|nahar)\s+(?=\p{L})")


def _normal_form(written: str) -> str:
    """The word for "day" is left out: "Sunday" is no other day than "the day Sunday"."""
    return str(_DAY_WORD.sub("", normalize(written)))


def dated(entity: Entity, today: date | None) -> Entity:
    """The same with the day meant as `more["date"]`, where it is one day."""
    day = dates.resolve(entity.text, today or datetime.now(ZoneInfo("Asia/Riyadh")).date())
    return replace(entity, more={**entity.more, "date": day.isoformat()}) if day else entity
