"""Which language a message is in, and which variety of Arabic.

Told apart in three steps: a script that is neither Arabic nor Latin; marks of languages that share a script with Arabic
or English (foreign.yml), believed only where they are many; else the classifier trained from the `lang` of the training
messages, over the varieties that the scripts of the message allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import regex
import yaml
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.sparse import hstack

from bot.brain.nlu import component, linear, ngrams
from bot.brain.nlu.component import labelled, source_fingerprint
from bot.brain.nlu.linear import LinearModel, View, hinge
from bot.brain.nlu.ngrams import LONGEST, Ngrams, letters_form, side_by_side

__all__ = ["LanguageReader", "Reading", "foreign_language", "language_of"]

_FOREIGN = Path(__file__).with_name("foreign.yml")
_NOT_LANGUAGE = regex.compile(r"\S+@\S+|https?://\S+|www\.\S+|\b(?:ORD|ord)[-\s]?\d+|#\w+|\b\p{Latin}{1,4}\d{3,}\b")
_COMMON = regex.compile(r"[\p{Arabic}\p{Latin}]*")
_ARABIC, _LATIN = regex.compile(r"\p{Arabic}"), regex.compile(r"\p{Latin}")
_SCRIPTS = {
    "ru": regex.compile(r"\p{Cyrillic}"),
    "hi": regex.compile(r"\p{Devanagari}"),
    "bn": regex.compile(r"\p{Bengali}"),
    "ml": regex.compile(r"\p{Malayalam}"),
    "ta": regex.compile(r"\p{Tamil}"),
    "te": regex.compile(r"\p{Telugu}"),
    "zh": regex.compile(r"\p{Han}"),
    "ja": regex.compile(r"[\p{Hiragana}\p{Katakana}]"),
    "ko": regex.compile(r"\p{Hangul}"),
    "th": regex.compile(r"\p{Thai}"),
    "he": regex.compile(r"\p{Hebrew}"),
    "el": regex.compile(r"\p{Greek}"),
    "am": regex.compile(r"\p{Ethiopic}"),
    "hy": regex.compile(r"\p{Armenian}"),
    "ka": regex.compile(r"\p{Georgian}"),
    "si": regex.compile(r"\p{Sinhala}"),
}
_WORDS_OF_ALL = frozenset(  # said in every language, or names: they tell nothing
    "ok okay oki okey k kk yes no hi hello hey bye thx thanks merci bonjour pls plz hmm mm haha hahaha lol wow omg sms "
    "iphone samsung visa mada apple pay stc tabby tamara aramex dhl smsa online whatsapp instagram xl xxl s m l usb "
    "cod otp vat vip id pin size order email app link".split()
)
_HALF_FOREIGN, _ALL_FOREIGN = 0.5, 0.7  # share of words
_ARABIC_SCRIPT, _LATIN_SCRIPT = ("msa", "gulf", "egy", "lev", "mag"), ("en", "arabizi")


@dataclass(frozen=True)
class Reading:
    """`language` is ar, en or other (then `code` is its ISO 639 code); None where the text does not tell, and then
    what was known before stays. `variety` is one of the eight of the training data, or None. `guess`: the likelier
    language of a text that does not tell, for those of whom nothing is known before."""

    variety: str | None
    language: str | None
    code: str | None = None
    confidence: float = 0.0
    guess: str | None = None


@lru_cache(maxsize=1)
def _marks() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    kept = yaml.safe_load(_FOREIGN.read_text(encoding="utf-8"))
    # YAML reads an unquoted no or yes as a truth value; both tell nothing here
    return {
        code: (frozenset(word for word in entry["words"] if isinstance(word, str)), frozenset(entry.get("letters", "")))
        for code, entry in kept.items()
    }


def foreign_language(text: str) -> str | None:
    """The ISO code of a language that is neither Arabic nor English, only when sure."""
    return _foreign(text)[0]


def _foreign(text: str) -> tuple[str | None, float]:
    """The code, and the share of the words that tell it."""
    letters = [sign for sign in text if sign.isalpha()]
    if not letters:
        return None, 0.0
    for code, script in _SCRIPTS.items() if not _COMMON.fullmatch("".join(letters)) else ():
        found = sum(1 for sign in letters if script.match(sign))
        if found >= 2 and found / len(letters) > 0.5:
            if code == "zh" and any(_SCRIPTS["ja"].match(sign) for sign in letters):
                return "ja", 1.0
            return code, 1.0
    words = regex.findall(r"[\p{L}\p{M}\u200c'’\-]+", text.lower().replace("’", "'"))
    best: tuple[float, str, float] | None = None
    for code, (known, own) in _marks().items():
        hits = [word for word in words if word in known]
        lettered = [word for word in words if own and set(word) & own]
        score = len({*hits, *lettered})
        share = (len([word for word in words if word in known or (own and set(word) & own)])) / len(words)
        sure = score >= 3 and share >= 0.5 or score == 2 and share >= 0.6
        if code in ("ur", "ku", "ps") and len(lettered) >= 2 and share >= 0.3:  # letters no Arab keyboard has
            sure = True
        if code == "fa" and not hits:  # پ and چ alone: Iraqis, Gulf Arabs and Maghrebis write them too
            sure = False
        if sure and (best is None or (score, share) > best[0:1] + (0,)):
            best = (float(score) + share, code, share)
    return (best[1].split("-")[0], best[2]) if best else (None, 0.0)


def language_of(variety: str) -> str:
    """`en` for English; every other variety is Arabic, in whatever letters."""
    return "en" if variety == "en" else "ar"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class LanguageReader(GraphComponent, IntentClassifier):
    """Adds `variety`, `language`, `language_code` (for language `other`) and `language_guess` to a message; null where it
    cannot tell."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            "strength": 0.5,
            "least_variety": 0.4,  # below this probability the variety is null
            "least_language": 0.75,  # below this probability a message in Latin letters has no language
        }

    def __init__(self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource) -> None:
        self._config, self._storage, self._resource = config, model_storage, resource
        self._words = Ngrams("letters", "word", 1, 1)
        self._characters = Ngrams("letters", "char_wb", 1, 5)
        self._model: LinearModel | None = None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> LanguageReader:
        return cls(config, model_storage, resource)

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        return source_fingerprint(linear, ngrams, component)

    def train(self, training_data: TrainingData) -> Resource:
        """Fit to the messages whose metadata has `lang`, and persist."""
        messages, varieties = labelled(training_data, "lang")
        if messages:
            self.fit([str(message.get(TEXT)) for message in messages], varieties)
            assert self._model is not None
            with self._storage.write_to(self._resource) as folder:
                self._words.save(folder, "words")
                self._characters.save(folder, "characters")
                self._model.save(folder, "model")
        else:
            with self._storage.write_to(self._resource):
                pass
        return self._resource

    def fit(self, texts: list[str], varieties: list[str]) -> None:
        rows = hstack([self._words.fit(texts), self._characters.fit(texts)], format="csr")
        self._model = LinearModel.fit([View(rows, hinge(self._config["strength"]))], varieties)

    def read(self, text: str) -> Reading:
        """What `text` tells by itself. Never raises."""
        spoken = _NOT_LANGUAGE.sub(" ", text[:LONGEST])
        letters = letters_form(spoken)
        telling = [word for word in letters.split() if word not in _WORDS_OF_ALL]
        arabic, latin = len(_ARABIC.findall(letters)), len(_LATIN.findall(" ".join(telling)))
        code, share = _foreign(spoken)
        chances = self._chances(letters, arabic, latin)
        # Maghrebi Arabizi is full of French words, but not made of them.
        least = 0.97 if share > _HALF_FOREIGN else 0.9
        mixed_in = bool(chances) and chances[0][0] == "arabizi" and chances[0][1] > least and share < _ALL_FOREIGN
        if code and not mixed_in:
            return Reading(None, "other", code, 1.0)
        if not chances:
            return Reading(None, None)
        variety, chance = chances[0]
        sure = chance >= self._config["least_variety"]
        if arabic >= 2:  # Arabic letters are Arabic, whatever the variety
            return Reading(variety if sure else None, "ar", None, chance)
        language = language_of(variety)
        alike = sum(other for name, other in chances if language_of(name) == language)
        if latin < 3 or alike < self._config["least_language"]:
            return Reading(None, None, None, chance, guess=language)
        return Reading(variety if sure else None, language, None, chance)

    def _chances(self, letters: str, arabic: int, latin: int) -> list[tuple[str, float]]:
        """Varieties that the scripts allow with their probabilities, likeliest first; empty where nothing tells."""
        if self._model is None or arabic + latin < 2:
            return []
        allowed = {
            **dict.fromkeys(_ARABIC_SCRIPT, arabic >= 2),
            **dict.fromkeys(_LATIN_SCRIPT, latin >= 2 and arabic == 0),
            "mix": latin >= 2 and arabic >= 2,
        }
        rows = [(counter.row(letters), counter.size) for counter in (self._words, self._characters)]
        likely = self._model.chances(*side_by_side(rows, (1.0, 1.0)))
        pairs = [(name, float(one)) for name, one in zip(self._model.labels, likely, strict=True) if allowed.get(name)]
        total = sum(chance for _, chance in pairs) or 1.0
        return sorted(((name, chance / total) for name, chance in pairs), key=lambda pair: -pair[1])

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            reading = self.read(str(message.get(TEXT) or ""))
            message.set("variety", reading.variety, add_to_output=True)
            message.set("language", reading.language, add_to_output=True)
            message.set("language_code", reading.code, add_to_output=True)
            message.set("language_guess", reading.guess, add_to_output=True)
        return messages

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> LanguageReader:
        self = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            if (folder / "model.npz").exists():
                self._words = Ngrams.load(folder, "words")
                self._characters = Ngrams.load(folder, "characters")
                self._model = LinearModel.load(folder, "model")
        return self
