"""Which language a message is in. The reader here learns from a tenth of the training data, which takes a second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.brain.messages import read_messages
from bot.brain.nlu.language import LanguageReader, foreign_language, language_of


@pytest.fixture(scope="module")
def reader() -> LanguageReader:
    examples = list(read_messages())[::4]
    reader = LanguageReader(LanguageReader.get_default_config(), None, None)
    reader.fit([one.text for one in examples], [one.lang for one in examples])
    return reader


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Bonjour, je voudrais savoir où est ma commande", "fr"),
        ("je n'ai pas reçu mon colis", "fr"),
        ("quand est-ce que vous allez me rembourser ?", "fr"),
        ("میرا آرڈر کہاں ہے", "ur"),
        ("مجھے اپنا پیسہ واپس چاہیے", "ur"),
        ("سفارش من کجاست؟", "fa"),
        ("لطفا پول من را برگشت بدهید", "fa"),
        ("siparişim nerede, henüz gelmedi", "tr"),
        ("¿Dónde está mi pedido?", "es"),
        ("Wo ist meine Bestellung?", "de"),
        ("где мой заказ", "ru"),
        ("मेरा ऑर्डर कहाँ है", "hi"),
        ("我的订单在哪里", "zh"),
        ("pesanan saya sudah sampai di mana?", "id"),
        ("nasaan na po ang order ko", "tl"),
        ("mera order kahan hai", "hi"),
    ],
)
def test_a_foreign_language_is_named(reader: LanguageReader, text: str, code: str) -> None:
    reading = reader.read(text)
    assert (reading.language, reading.code, reading.variety) == ("other", code, None)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "فين وصلات لاكوموند ديالي",
            "گلت ليك بغيت نرجع السلعة",
            "الپاكيت مازال ما جا",
            "bghit n3ref fin lacommande dyali",
        ),
        *(
            "merci bzaf khoya",
            "la livraison ta3 la commande dyali ma wslatch",
            "chnou dertou f la commande ta3i",
            "bonjour",
        ),
        *("el colis mazal ma jach 3lach", "salam svp fin wslat la commande", "چم سعر العباية", "وين الپاور بانك"),
        *("سلام", "السلام عليكم", "من فضلك", "کیف حالکم", "wen talabi", "3ayez araga3 el order", "the order is late"),
        *("no", "hi", "mi", "order 1042", "iPhone", "Riyadh", "para", "لا", "طلب من در"),
    ],
)
def test_arabic_in_any_dress_and_english_are_never_foreign(reader: LanguageReader, text: str) -> None:
    assert reader.read(text).language != "other"


@pytest.mark.parametrize(
    "text", ["", " ", "123", "😀😀", "ok", "OK 👍", "#1042", "ORD-1042", "???", "noura@example.com", "٠٥٥"]
)
def test_texts_without_language_keep_what_was_known(reader: LanguageReader, text: str) -> None:
    reading = reader.read(text)
    assert (reading.variety, reading.language, reading.code) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "variety"),
    [
        ("ابغى اعرف وين وصلت شحنتي الحين", "gulf"),
        ("عايز اعرف الاوردر بتاعي فين دلوقتي", "egy"),
        ("بدي اعرف وين صارت الطلبية هلق", "lev"),
        ("بغيت نعرف فين وصلات الكوموند ديالي", "mag"),
        ("أود أن أعرف أين وصلت شحنتي لو سمحتم", "msa"),
        ("I would like to know where my parcel is", "en"),
        ("3ayez a3raf el order beta3y fein delwa2ty", "arabizi"),
        ("ابغى اعرف وين الـ order حقي please", "mix"),
    ],
)
def test_varieties_are_told_apart(reader: LanguageReader, text: str, variety: str) -> None:
    reading = reader.read(text)
    assert (reading.variety, reading.language) == (variety, language_of(variety))


@given(st.text(max_size=300))
def test_any_text_is_read(reader: LanguageReader, text: str) -> None:
    reading = reader.read(text)
    assert reading.language in (None, "ar", "en", "other")
    assert (reading.code is not None) == (reading.language == "other")
    assert foreign_language(text) == reading.code or reading.code is None


@pytest.mark.parametrize("text", ["order problem", "the size", "any discount"])
def test_a_short_english_text_is_no_more_than_a_guess(reader: LanguageReader, text: str) -> None:
    reading = reader.read(text)
    assert reading.language in (None, "en") and "en" in (reading.language, reading.guess)
