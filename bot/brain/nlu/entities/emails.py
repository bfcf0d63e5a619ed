"""E-mail addresses, by their form."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.reading import Reading

__all__ = ["read"]

_EMAIL = regex.compile(r"[A-Za-z0-9][\w.+\-]*@[A-Za-z0-9][A-Za-z0-9.\-]*\.[A-Za-z]{2,}", regex.ASCII)


def read(reading: Reading) -> Iterator[Entity]:
    for found in _EMAIL.finditer(reading.digits):
        yield reading.entity("email", found.span(), found[0].lower())
