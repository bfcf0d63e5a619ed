"""A case and what was offered for it, in a few words. The words are in domain.yml."""

from __future__ import annotations

from collections.abc import Mapping

from bot.compensation.model import Offer
from bot.complaints.model import Kind
from bot.conversations.ports import Wording
from bot.formatting import Formatter
from bot.orders.model import OrderNumber

LANGUAGES = ("ar", "en")


def offer_words(wording: Wording, language: str, offer: Offer) -> str:
    """ "استرداد 349 ريالًا", "500 points"."""
    figures = Formatter(language)
    values = {"amount": figures.money(offer.amount.amount, offer.amount.currency)}
    if offer.points:
        values["points"] = figures.counted(offer.points, "point", nominative=True)
    return wording.say(f"label_option_{offer.option.value}", language, **values).text


def about_words(wording: Wording, language: str, kind: Kind, order: OrderNumber | None) -> str:
    """What a case is about: "تأخّر الطلب 1004"."""
    if kind in (Kind.SERVICE, Kind.OTHER) or not order:
        return wording.say(f"label_about_{'service' if kind is Kind.SERVICE else 'other'}", language).text
    return wording.say(f"label_about_{kind.value}", language, order_number=order).text


def offer_in_each(wording: Wording, offer: Offer) -> Mapping[str, str]:
    """In every language: for what is said later, when the customer may write another."""
    return {language: offer_words(wording, language, offer) for language in LANGUAGES}


def about_in_each(wording: Wording, kind: Kind, order: OrderNumber | None) -> Mapping[str, str]:
    return {language: about_words(wording, language, kind, order) for language in LANGUAGES}
