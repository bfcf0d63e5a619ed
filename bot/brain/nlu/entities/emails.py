"""E-mail addresses, by their form: as they are, with spaces (ali @ gmail . com), and as they are said (ali at gmail
dot com, ali (at) gmail.com)."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.reading import Reading

__all__ = ["read"]

_EMAIL = regex.compile(r"[A-Za-z0-9][\w.+\-]*@[A-Za-z0-9][A-Za-z0-9.\-]*\.[A-Za-z]{2,}", regex.ASCII)

_PROVIDER = r"gmail|googlemail|hotmail|outlook|yahoo|ymail|icloud|live|msn|aol|proton(?:mail)?|zoho|windowslive"
_ENDING = r"com|net|org|edu|gov|co|sa|ae|eg|jo|kw|ma|qa|bh|om|lb|iq|dz|tn|ps|uk|fr|de"
_DOT = r"(?:\s{0,2}\.\s{0,2}|\s{1,2}(?:dot|دوت|نقطه|نقطة)\s{1,2}|\s{0,2}[(\[]\s?(?:dot|\.)\s?[)\]]\s{0,2})"
# The dots before the @ stand between two spaces or none: "Thanks. ali @ gmail . com" is ali's.
_LOCAL = (
    r"(?<![\w.+\-@])(?P<local>[a-z0-9][\w+\-]{0,40}"
    r"(?:(?:\.|\s\.\s|\s(?:dot|دوت|نقطه|نقطة|underscore|dash|hyphen)\s)[a-z0-9][\w+\-]{0,40}){0,3})"
)
_AT = r"(?:\s{0,3}@\s{0,3}|\s{0,2}[(\[{]\s?(?:at|@)\s?[)\]}]\s{0,2})"
_AT_SAID = r"\s{1,2}(?:at|آت|أت|ات)\s{1,2}"
_LABEL = r"[a-z0-9][a-z0-9\-]{0,40}"
_END = r"(?![\w@])"
_SPELLED = (
    # A mark stands for the @: any domain with an ending that is known.
    regex.compile(rf"{_LOCAL}{_AT}(?P<domain>{_LABEL}(?:{_DOT}{_LABEL}){{0,2}}{_DOT}(?:{_ENDING})){_END}", regex.I | regex.A),
    # A mere "at" is said of places too: a domain of a mail provider.
    regex.compile(
        rf"{_LOCAL}(?:{_AT}|{_AT_SAID})(?P<domain>(?:{_PROVIDER})(?:{_DOT}|\s)(?:com|net|org|me|sa|ae|fr|co{_DOT}uk)){_END}",
        regex.I | regex.A,
    ),
    regex.compile(
        rf"(?:e-?mail|ايميل\w*|إيميل\w*|الايميل|بريدي|البريد)(?:\s(?:is|هو|address|الالكتروني|الإلكتروني))?\s?:?\s"
        rf"{_LOCAL}{_AT_SAID}(?P<domain>{_LABEL}(?:{_DOT}{_LABEL}){{0,2}}{_DOT}(?:{_ENDING})){_END}",
        regex.I | regex.V1,
    ),
)  # fmt: skip
_NO_LOCAL = frozenset(
    "me you us him her them it is was are am be not here mail email e-mail account address available reach contact "
    "write look found saw one and or at on in my the this that your".split()
)


def read(reading: Reading) -> Iterator[Entity]:
    taken: list[tuple[int, int]] = []
    for found in _EMAIL.finditer(reading.digits):
        taken.append(found.span())
        yield reading.entity("email", found.span(), found[0].lower())
    for form in _SPELLED:
        for found in form.finditer(reading.digits):
            span = (found.start("local"), found.end("domain"))
            if found["local"].lower() in _NO_LOCAL or any(span[0] < end and start < span[1] for start, end in taken):
                continue
            taken.append(span)
            yield reading.entity("email", span, f"{_written(found['local'])}@{_domain(found['domain'])}")


_SIGNS = (("underscore", "_"), ("dash|hyphen", "-"), (r"dot|دوت|نقطه|نقطة|\.", "."))


def _written(local: str) -> str:
    local = local.lower()
    for words, sign in _SIGNS:
        local = regex.sub(rf"\s+(?:{words})\s+", sign, local)
    return local


def _domain(said: str) -> str:
    labels = regex.split(_DOT, said.lower())
    return ".".join(label for part in labels for label in part.split() if label)
