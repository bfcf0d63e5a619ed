"""Products of the shop's catalogue, by their names, by parts of them, and by everyday words for their kind. Many of
these are said in idioms and of other things too: the neighbours of a word tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import regex

from bot.brain.nlu.entities.lexicon import lexicon, word_set
from bot.brain.nlu.entities.model import Entity
from bot.brain.nlu.entities.phrases import Hit, PhraseTable
from bot.brain.nlu.entities.reading import Reading, normal_words
from bot.text import normalize

__all__ = ["add_to", "meant", "read"]


def add_to(table: PhraseTable, products: Iterable[Mapping[str, Any]]) -> None:
    """Whole names, parts of two words or more, and everyday words for the kind of product, all of them with typos too.
    What two products share names neither: its id has a bar."""
    owners: dict[tuple[tuple[str, ...], bool], set[str]] = {}
    families = [[str(word) for word in family] for family in lexicon()["products"]]
    for product in products:
        sku = str(product["sku"])
        for name in dict(product["name"]).values():
            words = [word for word in normal_words(str(name)) if regex.search(r"\w", word)]
            telling = [word.removeprefix("ال") if len(word) > 4 else word for word in words]
            if len(telling) == 1 and len(telling[0]) > 3 and telling[0].isalpha():
                owners.setdefault((tuple(telling), False), set()).add(sku)
            for low in range(len(telling)):
                for high in range(low + 2, len(telling) + 1):
                    part = telling[low:high]
                    if sum(word.isalpha() and len(word) > 2 for word in part) >= 2:
                        owners.setdefault((tuple(part), False), set()).add(sku)
            whole = f" {normalize(str(name))} "
            for family in families:
                if any(f" {normalize(word)} " in whole for word in family):
                    for word in family:
                        key = (tuple(normal_words(word.removeprefix("~"))), word.startswith("~"))
                        owners.setdefault(key, set()).add(sku)
    for (words_of, by_sound), skus in owners.items():
        if words_of:
            table.add("product", words_of, "|".join(sorted(skus)), article=True, by_sound=by_sound, typos=True)


def meant(reading: Reading, hits: Iterable[Hit]) -> list[Hit]:
    """The products among what the table found, without what stands for something else."""
    return [hit for hit in hits if hit.label == "product" and _is_product(reading.words, hit)]


def read(reading: Reading, products: Iterable[Hit]) -> Iterator[Entity]:
    """`products` are those that are `meant`. The value is the SKU, or the word where several products share it."""
    for hit in products:
        span = reading.span(hit.low, hit.high, hit.prefix)
        yield reading.entity(
            "product", span, hit.ident if "|" not in hit.ident else normalize(reading.text[slice(*span)])
        )


_RECEIVER = regex.compile(r"سماعه|سماعات|sam+a3a|sema3a|sma3a")
_IN_MY_FACE = regex.compile(
    r"(?:ب|ف|في)?(?:وشي|وجهي|وشنا|وجهنا|ويهي|وشها)|(?:f|b|fe|be|bi)?(?:we?sh[iy]|wijhi|wejhi|wjhi|wejh[iy])"
)
_HOUR = regex.compile(r"ساع(?:ه|ات)|saa?3a")
_OTHER_SMELL = frozenset("حلوه وحشه كريهه خايسه فيها بلاستيك طيبه دخان غريبه".split())
_WATCHED = frozenset("out your how me this it tv movie movies video videos over closely".split())


def _is_product(words: Sequence[str], hit: Hit) -> bool:
    """Whether an everyday word for a product is meant as such, where idioms use it too."""
    if hit.high - hit.low > 1:
        return words[hit.low : hit.high] != ["noise", "cancelling"]  # half a name, said of others too
    word = words[hit.low]
    stem, written = word[hit.prefix :], word[: hit.prefix]
    before = words[hit.low - 1] if hit.low else ""
    after, next_after = [*words[hit.high : hit.high + 2], "", ""][:2]
    article = before in ("el", "al", "il", "l", "the", "هال", "ال", "had", "هاد", "هذي", "هذه", "دي", "my")
    definite = article or written.endswith(("ال", "لل", "l")) or (written.isascii() and written[-1:] == stem[:1] != "")
    earlier = words[max(0, hit.low - 2 - article) : hit.low]
    if _RECEIVER.fullmatch(stem):
        lifted = any(one in word_set("receiver") for one in earlier)
        hung_up = _IN_MY_FACE.fullmatch(after)
        if after in ("في", "ف", "f", "fi", "be", "b"):
            hung_up = hung_up or _IN_MY_FACE.fullmatch(next_after)
        return not (lifted or hung_up)
    bought = any(one.removeprefix("و") in word_set("bought") for one in earlier)
    if stem == "ريحه":
        return bought and after not in _OTHER_SMELL
    if stem in ("عود", "عبي"):
        return definite or bought or after in ("ملكي", "الملكي", "كمبودي", "هندي", "معتق", "طبيعي", "سودا", "كريب")
    if _HOUR.fullmatch(stem):
        return not _is_hour(words, hit, definite, bought)
    if stem == "watch":
        return before not in ("to", "ll", "will", "can", "please", "you", "i", "we") and after not in _WATCHED
    if stem in ("cup", "cups"):
        return after != "of" and before != "world"
    if stem == "basket":
        return before in ("el", "l", "had", "dyal", "al") or bool(written)
    return True


_OF_HOURS = frozenset(
    "كم قديش اديش شحال هلا كل بعد قبل خلال لحد لغايه نص نصف ربع حتي كام kam kol kul ba3d abl 2abl noss nos rob3 fi men "
    "7atta kam sh7al 9addech".split()
)
_HOURS = frozenset(
    "كم كام قديش واحده ثنتين تنتين ثلاث تلاته ثلاثه اربع خمس خمسه ست سته سبع ثمان تسع عشر عشره الان وحده ونص ونصف ورا "
    "واحد kam wa7da noss wnoss el2an".split()
)


_CURSED = regex.compile(r"(?:ال)?(?:يلعن|لعن|ينعل|نعل|ملعون\p{L}*|يحرق|يخرب)")


def _is_hour(words: Sequence[str], hit: Hit, definite: bool, bought: bool) -> bool:
    """«الساعة» is the hour or the watch; only a neighbour tells."""
    after = words[hit.high] if hit.high < len(words) else ""
    before = words[hit.low - 1] if hit.low else ""
    if before in ("el", "al", "il", "l"):
        before = words[hit.low - 2] if hit.low > 1 else ""
    if after in word_set("kinds_of_watch"):
        return False
    if after[:1].isdecimal() and not after[-1:].isalpha() or before.isdecimal() or before in _OF_HOURS:
        return True
    if before in ("من", "men", "mn") and not definite:
        return True  # since an hour; زهقت من الساعة is of a watch
    if any(_CURSED.fullmatch(one) for one in words[max(0, hit.low - 3) : hit.low]) and "اللي" in words[hit.high :]:
        return True  # cursed be the hour that
    if after in _HOURS or after in word_set("numbers"):
        return True
    return not (definite or bought)
