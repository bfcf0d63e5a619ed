"""The words of `lexicon.yml`, which entities are read by."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from bot.text import normalize

__all__ = ["lexicon", "word_set"]

_FILE = Path(__file__).with_name("lexicon.yml")


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    kept: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return kept


@cache
def word_set(name: str) -> frozenset[str]:
    """A list of the lexicon as a set of normal forms."""
    return frozenset(normalize(str(word)) for word in lexicon()[name])
