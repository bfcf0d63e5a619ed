"""A complaint until it is a case: its kind, what was said, and what of it is still to be asked.

The slot `complaint` keeps it: `kind`, `details`, `emotion`, `picture`; `order` once it is proven; `finding` and `seen`
where the records say otherwise; `ordered`, where the item was ordered more than once; `unclear`, how often a question was
not answered; `before`, what was said before it had a kind. Without a `kind` it is only that word: that something is wrong
(`general`, perhaps with an `order`), or an angry question where the order is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa_sdk.events import SlotSet

from actions.context import Events, Talk
from bot.complaints.facts import ABOUT_ITEMS
from bot.complaints.model import Kind
from bot.orders.catalogue import find_products
from bot.orders.model import Item, Order

# Kinds that are about an order, by the goal that `actions.orders` finds the order for.
GOALS = {
    f"complaint_{kind.value}": kind
    for kind in (
        *(Kind.LATE, Kind.NOT_RECEIVED, Kind.REFUND_DELAY, Kind.BILLING),
        *(Kind.DAMAGED, Kind.WRONG_ITEM, Kind.MISSING_ITEM, Kind.QUALITY),
    )
}
_ASKED_FOR_DETAILS = ABOUT_ITEMS | {Kind.BILLING, Kind.SERVICE}
ASKED_IN_ITS_OWN_WORDS = {kind.value for kind in _ASKED_FOR_DETAILS}
UPSET = ("frustrated", "angry")
ALL_ITEMS = "all"  # in the place of an item: everything in the order
UNCLEAR = 2  # questions that were not answered, after which a person takes it as it was told
_WORDS_THAT_TELL = 6  # a message of so many words has said what is wrong


def say_sorry(talk: Talk, kind: Kind, emotion: str | None = None) -> None:
    """An apology for what went wrong, in the tone that the customer needs."""
    angry = (emotion or talk.emotion) == "angry" or talk.tense
    talk.say(f"utter_sorry_{kind.value}{'_angry' if angry else ''}")


def begin(talk: Talk, kind: Kind) -> dict[str, Any]:
    """What is kept of a complaint until its order is known."""
    before = word_before(talk) or {}
    picture = (talk.turn.message.meta.get("image") or {}).get("id") or before.get("picture")
    emotion = talk.emotion if talk.emotion in UPSET else before.get("emotion") or talk.emotion
    draft = {"kind": kind.value, "details": talk.text, "emotion": emotion, "picture": picture}
    return {**draft, "before": before["details"]} if before.get("details") else draft


def note(talk: Talk, **more: Any) -> dict[str, Any]:
    """What is kept of a message that may become a complaint."""
    picture = (talk.turn.message.meta.get("image") or {}).get("id")
    return {"details": talk.text, "emotion": talk.emotion, "picture": picture, **more}


def said_already(talk: Talk) -> bool:
    """Whether an apology was said when the complaint was told."""
    return bool(talk.tracker.get_slot("complaint")) and word_before(talk) is None


def waits_for_its_order(talk: Talk) -> Mapping[str, Any] | None:
    """A complaint whose order or proof was asked for in an earlier session, and may be given now; else None."""
    kept = talk.tracker.get_slot("complaint")
    if talk.tracker.active_loop.get("name") or not isinstance(kept, dict):
        return None
    return kept if f"complaint_{kept.get('kind')}" in GOALS and not kept.get("order") else None


def word_before(talk: Talk) -> Mapping[str, Any] | None:
    """What was said before the complaint had a kind, or None."""
    kept = talk.tracker.get_slot("complaint")
    return kept if isinstance(kept, dict) and not kept.get("kind") else None


def draft_of(talk: Talk, kind: Kind) -> Mapping[str, Any]:
    """What was kept of the complaint that is being served."""
    kept = talk.tracker.get_slot("complaint")
    if isinstance(kept, dict) and kind.value in (kept.get("kind"), kept.get("seen")):
        return kept
    return begin(talk, kind)


def forget_draft() -> Events:
    """It is a case now."""
    return [SlotSet(name, None) for name in ("complaint", "complaint_item", "complaint_pieces", "complaint_details")]


def tells(kind: Kind, details: str) -> bool:
    """Whether a message says enough for a decision."""
    return kind not in _ASKED_FOR_DETAILS or len(details.split()) >= _WORDS_THAT_TELL


def item_named(talk: Talk, order: Order, text: str) -> Item | None:
    """The item of an order that a text names; the only one where there is but one."""
    skus = {item.sku for item in order.items}
    products = talk.services.shop.products()
    if len(order.items) == 1:
        clear = find_products(text, products) if text else []
        another = len(clear) == 1 and clear[0].sku not in skus
        return None if another else order.items[0]  # what was not in the order is asked about, not replaced silently
    named = find_products(text, [p for p in products if p.sku in skus]) if text else []
    return next((item for item in order.items if item.sku == named[0].sku), None) if len(named) == 1 else None
