"""Questions about the shop and its products."""

from __future__ import annotations

import json

import regex
from rasa_sdk.events import SlotSet

from actions import complaints
from actions.context import PERSON, Events, Talk, ThiqaAction, offer_person
from actions.conversation import menu
from actions.handover import hand_over
from bot.handoff.model import Reason
from bot.knowledge.model import Entry, Finding, Outcome, QuestionUnanswered
from bot.orders.catalogue import FEW_LEFT, find_products
from bot.orders.model import Product

# After this many messages in a row that nobody understood, a person takes over.
MOST_MISSES = 2
_WORDS = regex.compile(r"[\p{L}\p{N}]")


class Answer(ThiqaAction):
    """Runs for questions and for every message of low confidence or out of scope, so that knowledge added without
    training is found: an answer, a question back, or an honest "I don't know"."""

    def name(self) -> str:
        return "action_answer"

    def handle(self, talk: Talk) -> Events:
        chosen = talk.entity("entry")
        if chosen:
            entry = talk.services.knowledge.entry(chosen)
            return say_answer(talk, entry) if entry else self._unknown(talk, None)
        if (events := complaints.other_choice(talk)) is not None:
            return [SlotSet("misses", 0), *events]
        if not _WORDS.search(talk.text):
            if _misses(talk) + 1 < MOST_MISSES:
                talk.say("utter_emoji")
            return missed(talk)
        finding = talk.services.knowledge.find(talk.text, talk.language)
        if finding.outcome is Outcome.ANSWER:
            return say_answer(talk, finding.matches[0].entry)
        if talk.entities("product"):
            return AboutProduct().handle(talk)
        if finding.outcome is Outcome.ASK_BACK:
            return ask_back(talk, finding)
        return self._unknown(talk, finding)

    def _unknown(self, talk: Talk, finding: Finding | None) -> Events:
        record_unanswered(talk, finding)
        if talk.intent == "nlu_fallback":
            if ask_which(talk, finding):
                return []
            if _misses(talk) + 1 >= MOST_MISSES:
                return missed(talk)
            talk.say("utter_not_understood", menu(talk))
            return missed(talk)
        response = "utter_out_of_scope" if talk.intent == "out_of_scope" else "utter_unknown"
        talk.say(response, [talk.button("label_person", PERSON)])
        return complaints.remind(talk) or offer_person()


def say_answer(talk: Talk, entry: Entry) -> Events:
    """Utter an entry; which one is kept with the message."""
    answer = talk.services.knowledge.answer(entry, talk.language)
    talk.say("utter_answer", answer=answer, source_id=entry.id)
    return [SlotSet("misses", 0), *complaints.remind(talk)]


def ask_back(talk: Talk, finding: Finding) -> Events:
    """Offer the nearest entries as buttons, and a way out."""
    choices = [
        {
            "title": talk.services.knowledge.title(m.entry, talk.language),
            "payload": "/faq" + json.dumps({"entry": m.entry.id}),
        }
        for m in finding.matches
    ]
    talk.say("utter_ask_back", [*choices, talk.button("utter_ask_back_none", '/faq{"entry": "none"}')])
    return []


def ask_which(talk: Talk, finding: Finding | None) -> bool:
    """Offer two readings of a message between which the classifier cannot tell (`bot.brain.nlu.doubt`); returns whether
    there were two."""
    choices = []
    for name in talk.tracker.latest_message.get("alternatives") or []:
        given = {kind: value for kind in ("order_number", "product") if (value := talk.entity(kind))}
        if name == "faq":
            if not finding or not finding.matches:
                return False
            given = {"entry": finding.matches[0].entry.id}
        payload = f"/{name}{json.dumps(given) if given else ''}"
        choices.append(talk.button(f"label_intent_{name}", payload))
    if len(choices) < 2:
        return False
    talk.say("utter_ask_back", [*choices, talk.button("utter_ask_back_none", '/faq{"entry": "none"}')])
    return True


def record_unanswered(talk: Talk, finding: Finding | None) -> None:
    """Put the question on the merchant's list."""
    question = talk.text or str(_asked_before(talk) or "")
    if not question:
        return
    nearest = finding.matches[0] if finding and finding.matches else None
    talk.turn.effects.append(
        QuestionUnanswered(
            question, talk.language, nearest.entry.id if nearest else None, nearest.score if nearest else None
        )
    )


def _asked_before(talk: Talk) -> str | None:
    """The last thing typed before a button was pressed."""
    for event in reversed(talk.tracker.events):
        text = event.get("text") or ""
        if event.get("event") == "user" and text and not text.startswith("/"):
            return str(text)
    return None


def _misses(talk: Talk) -> int:
    return int(talk.tracker.get_slot("misses") or 0)


def missed(talk: Talk) -> Events:
    """Count a message that was not understood; hands over to a person at the second in a row."""
    misses = _misses(talk) + 1
    if misses >= MOST_MISSES or talk.tense:
        # Anger that lasts is not asked a second time what it means.
        reason = Reason.NOT_UNDERSTOOD if misses >= MOST_MISSES else Reason.ANGER
        return [SlotSet("misses", 0), *hand_over(talk, reason)]
    return [SlotSet("misses", misses)]


class AboutProduct(ThiqaAction):
    """Price, stock, options and warranty from the catalogue; the FAQ where no product is meant."""

    def name(self) -> str:
        return "action_about_product"

    def handle(self, talk: Talk) -> Events:
        products = list(talk.services.shop.products())
        found = self._meant(talk, products)
        if len(found) == 1:
            self._describe(talk, found[0])
            return [SlotSet("product", found[0].sku), SlotSet("misses", 0), *complaints.remind(talk)]
        if found:
            choices = [
                {"title": p.name[talk.language], "payload": "/product_question" + json.dumps({"product": p.sku})}
                for p in found
            ]
            talk.say("utter_product_which", choices)
            return []
        finding = talk.services.knowledge.find(talk.text, talk.language)
        if finding.outcome is Outcome.ANSWER:
            return say_answer(talk, finding.matches[0].entry)
        record_unanswered(talk, finding)
        talk.say("utter_product_unknown", [talk.button("label_person", PERSON)])
        return complaints.remind(talk) or offer_person()

    @staticmethod
    def _meant(talk: Talk, products: list[Product]) -> list[Product]:
        skus = {*talk.entities("product")}
        named = [p for p in products if p.sku in skus]
        found = named or find_products(talk.text, products)
        if found:
            return found
        # "كم سعرها؟" goes on about the product spoken of last, if the message names nothing else.
        before = talk.tracker.get_slot("product")
        short = len(talk.text.split()) <= 5
        return [p for p in products if p.sku == before] if short else []

    @staticmethod
    def _describe(talk: Talk, product: Product) -> None:
        figures, store = talk.figures, talk.services.shop.store()
        today = talk.services.orders.today(talk.turn.now)
        lines = []
        if product.stock > FEW_LEFT:
            lines.append(
                _line(talk, "utter_line_in_stock", count=figures.counted(product.stock, "piece", nominative=True))
            )
        elif product.stock > 0:
            lines.append(
                _line(talk, "utter_line_few_left", count=figures.counted(product.stock, "piece", nominative=True))
            )
        else:
            lines.append(_line(talk, "utter_line_out_of_stock"))
            if product.restock_on and product.restock_on >= today:
                lines.append(_line(talk, "utter_line_restock", date=figures.date(product.restock_on, today)))
        options = "\n".join(
            f"{_option_name(talk, name)}: {figures.list([figures.option(v) for v in values])}"
            for name, values in (product.options or {}).items()
        )
        if product.warranty_months:
            warranty = _line(
                talk, "utter_line_warranty", months=figures.counted(product.warranty_months, "month", nominative=True)
            )
            options = "\n".join(part for part in (options, warranty) if part)
        talk.say(
            "utter_product_found",
            name=product.name[talk.language],
            price=figures.money(product.price, store.currency),
            stock_line="\n".join(lines),
            options_line=options,
        )


def _line(talk: Talk, response: str, **values: str) -> str:
    return talk.services.wording.say(response, talk.language, **values).text


def _option_name(talk: Talk, option: str) -> str:
    return talk.label(f"label_option_{option}") if option in ("size", "colour") else option
