"""Words, for Rasa's own components: spaCy's Arabic tokenizer, which also serves English and Arabizi."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import spacy
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.training_data.message import Message
from spacy.language import Language

from bot.brain.nlu.ngrams import LONGEST
from bot.text import normalize

__all__ = ["ArabicTokenizer", "blank_pipeline"]


@lru_cache(maxsize=1)
def blank_pipeline() -> Language:
    """The process's one blank pipeline; components that add pipes take `spacy.blank("ar")` for themselves."""
    return spacy.blank("ar")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class ArabicTokenizer(Tokenizer):
    """Tokens with offsets in the original text and normalised texts (`bot.text.normalize`)."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"intent_tokenization_flag": False, "intent_split_symbol": "_", "token_pattern": None}

    @staticmethod
    def required_packages() -> list[str]:
        return ["spacy"]

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        """At least one token, so that featurizers after it have something to hold on to. What follows the first
        `LONGEST` characters is left out."""
        text = str(message.get(attribute))
        tokens = [
            Token(normalize(word.text) or word.text, word.idx, word.idx + len(word.text))
            for word in blank_pipeline()(text[:LONGEST].encode("utf-16", "replace").decode("utf-16"))
            if not word.is_space
        ]
        return tokens or [Token(text, 0, len(text))]
