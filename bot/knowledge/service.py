"""Questions answered from the FAQ, with the shop's own figures in the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from bot.errors import ConfigurationError
from bot.formatting import Formatter
from bot.knowledge.index import KnowledgeIndex
from bot.knowledge.model import Entry, Finding, QuestionUnanswered
from bot.knowledge.ports import Embedder
from bot.orders.model import Policies, Product, Store
from bot.orders.ports import OrderBackend

_AREAS = {
    "delivery_riyadh": "Riyadh",
    "delivery_ksa": "Saudi Arabia",
    "delivery_gcc": "GCC",
    "delivery_other": "other",
}


class KnowledgeService:
    def __init__(
        self,
        index: KnowledgeIndex,
        shop: OrderBackend,
        encoder: Embedder | None = None,
        formatter: Callable[[str], Formatter] = Formatter,
    ) -> None:
        """`encoder` embeds questions; without one the index's own embedder does, which may keep what it embeds."""
        self._index, self._shop, self._encoder, self._formatter = index, shop, encoder, formatter

    def find(self, question: str, language: str) -> Finding:
        """Which entry answers, which to ask back about, or that none does.

        `language` is the conversation's; entries are searched in all, as customers mix them.
        """
        return self._index.find(question, self._encoder.encode([question])[0] if self._encoder else None)

    def entry(self, id: str) -> Entry | None:
        """The entry of that id, as a button or a report names it."""
        return self._index.entries.get(id)

    def title(self, entry: Entry, language: str) -> str:
        """What a button that asks back says: the entry's first question in the language."""
        return entry.questions[_written(language)][0]

    def answer(self, entry: Entry, language: str) -> str:
        """The answer with the shop's figures of this moment. Raises ShopError; ConfigurationError where the shop has
        no figure for a placeholder."""
        language = _written(language)
        figures = placeholders(
            self._shop.store(),
            self._shop.policies(),
            self._shop.products(),
            language,
            self._formatter,
        )
        try:
            return entry.answer[language].format_map(figures)
        except KeyError as error:
            raise ConfigurationError(
                f"the answer “{entry.id}”",
                f"the shop gives no figure for {{{error.args[0]}}}",
                "Add it to the shop's policies, or take the placeholder out of the answer",
            ) from None

    def unanswered(self, question: str, language: str, finding: Finding) -> QuestionUnanswered:
        """The effect that puts a question on the merchant's list, with what came nearest."""
        nearest = finding.matches[0] if finding.matches else None
        return QuestionUnanswered(
            text=question,
            language=language,
            nearest=nearest.entry.id if nearest else None,
            score=nearest.score if nearest else None,
        )


def placeholders(
    store: Store,
    policies: Policies,
    products: Sequence[Product],
    language: str,
    formatter: Callable[[str], Formatter] = Formatter,
) -> Mapping[str, str]:
    """Every placeholder of `content.PLACEHOLDERS` for which the shop has a figure, as customers read it."""
    language = _written(language)
    figures = formatter(language)

    def money(amount: Decimal) -> str:
        return figures.money(amount, store.currency)

    filled: dict[str, str | None] = {
        "shop_name": store.name[language],
        "address": store.address[language],
        "support_hours": figures.hours(store.support_hours),
        "support_phone": _left_to_right(store.support_phone, language),
        "support_email": store.support_email,
        "time_zone": figures.time_zone(store.timezone.key),
        "currency_unit": figures.currency_unit(store.currency),
        "vat_rate": figures.percent(store.vat_rate),
        "vat_number": store.vat_number,
        "carriers": figures.list([carrier[language] for carrier in store.carriers]),
        "shipping_fee": money(policies.shipping_fee),
        "free_shipping_from": money(policies.free_shipping_from),
        "payment_methods": figures.list([figures.payment_method(m) for m in policies.payment_methods]),
        "cod_fee": money(policies.cod_fee),
        "cod_countries": figures.list([figures.country(code) for code in policies.cod_countries]),
        "installment_providers": figures.list([figures.payment_method(p) for p in policies.installment_providers]),
        "installment_from": money(policies.installment_from),
        "installment_parts": figures.counted(policies.installment_parts, "payment"),
        "cancel_until": figures.until(policies.cancel_until),
        "change_address_until": figures.until(policies.change_address_until),
        "return_days": figures.days(policies.return_days),
        "exchange_days": figures.days(policies.exchange_days),
        "refund_days": figures.days(policies.refund_days),
        "damage_report_days": figures.days(policies.damage_report_days),
        "warranty_list": figures.warranties(products),
        "points_per_unit": figures.counted(policies.points_per_unit, "point"),
        "points_value": money(policies.points_value),
        "min_redeem_points": figures.counted(policies.min_redeem_points, "point"),
        "min_redeem_value": money(policies.min_redeem_points * policies.points_value),
    }
    for placeholder, area in _AREAS.items():
        if area in policies.delivery_days:
            filled[placeholder] = figures.day_range(*policies.delivery_days[area])
    for tier in policies.tiers:
        filled[f"tier_{tier.id}"] = figures.counted(tier.from_points, "point")
    return {name: text for name, text in filled.items() if text}


def _written(language: str) -> str:
    """The language that answers exist in: Arabic or, for every other, English."""
    return "ar" if language == "ar" else "en"


def _left_to_right(text: str, language: str) -> str:
    """A phone number's plus sign would jump to its other end in an Arabic line: isolate it."""
    return f"\u2066{text}\u2069" if language == "ar" else text
