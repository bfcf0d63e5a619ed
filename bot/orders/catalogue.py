"""Finding the product a customer means. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.orders.model import Product
from bot.text import normalize

_WORD = re.compile(r"[\w]+")
_PREFIX = re.compile(r"^(?:وال|بال|لل|كال|فال|ال)(?=\w{3})")
_FILLER = frozenset(
    normalize(w) for w in "من في على مع عن لي و the a an of for and with in مل الف لتر رجالي mm ml l".split()
)
_CLEAR = 0.34
FEW_LEFT = 5


def _words(text: str) -> set[str]:
    return {_PREFIX.sub("", word) for word in _WORD.findall(normalize(text))} - _FILLER


def _pairs(text: str) -> dict[str, tuple[str, str]]:
    """Neighbours written as one word ("powerbank"), each with the two it is made of."""
    words = [_PREFIX.sub("", word) for word in _WORD.findall(normalize(text))]
    return {one + other: (one, other) for one, other in zip(words, words[1:], strict=False)}


def _alike(one: str, other: str) -> bool:
    """The same word, or one with a short ending more: plural, feminine, possessive."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return len(short) >= 4 and long.startswith(short[: max(4, len(short) - 1)]) and len(long) - len(short) <= 3


def find_products(text: str, products: Sequence[Product], limit: int = 3) -> list[Product]:
    """Products that a text may mean, the likeliest first; one alone when it is clearly that one."""
    asked = _words(text)
    scored = []
    for product in products:
        if normalize(product.sku) in normalize(text):
            return [product]
        share = 0.0
        for name in product.name.values():
            words = _words(name)
            hits = {word for word in words if any(_alike(word, other) for other in asked)}
            hits |= {word for pair, both in _pairs(name).items() if pair in asked for word in both}
            share = max(share, len(hits & words) / len(words) if words else 0.0)
        if share >= 0.2:
            scored.append((share, product))
    scored.sort(key=lambda pair: -pair[0])
    if not scored:
        return []
    best = scored[0][0]
    close = [product for share, product in scored if share >= max(_CLEAR * best, best - 0.15)]
    return close[:limit]
