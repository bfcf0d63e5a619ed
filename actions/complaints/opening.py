"""A case is opened, or the one that is known is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa_sdk.events import SlotSet

from actions.complaints.cases import answers, to_person
from actions.complaints.drafts import UNCLEAR, forget_draft
from actions.complaints.offers import offers_of, say_offers
from actions.context import Events, Talk, ThiqaAction
from bot.complaints.facts import ABOUT_ITEMS, Finding
from bot.complaints.model import Case, CaseState, EvidenceAdded, Kind
from bot.conversations.model import FileId
from bot.handoff.model import Reason
from bot.orders.model import Item, Order, OrderNumber


def open_case(talk: Talk, order: Order | None, draft: Mapping[str, Any], item: Item | None, details: str) -> Events:
    """Open the case, or find the one that is open, say what the records say, and offer what can be done."""
    kind = Kind(draft["kind"])
    customer = talk.services.proofs.customer_of(talk.turn)
    done = forget_draft()
    details = "\n".join(text for text in (draft.get("before"), details) if text)
    known = talk.services.complaints.known(talk.turn, kind, customer, order, item)
    if known is not None:
        keep_picture(talk, known, draft)
        return [*done, *again(talk, known, details)]
    case, reason = talk.services.complaints.open(
        talk.turn,
        kind,
        customer,
        order,
        item,
        details,
        str(draft.get("emotion") or "neutral"),
        to_person=bool(draft.get("anyway")) and draft.get("finding") != Finding.BELIEVED.value,
    )
    keep_picture(talk, case, draft)
    understood = int(draft.get("unclear") or 0) < UNCLEAR
    if understood and order is not None and (line := answers(talk).facts(kind, order, item)):
        talk.say(line.response, (), **line.values)
    talk.say("utter_case_opened_photo" if kind in ABOUT_ITEMS else "utter_case_opened", case_number=case.number)
    if reason is not None:
        return [*done, *to_person(talk, case, reason.value)]
    return [*done, *say_offers(talk, case, "utter_case_offers")]


def keep_picture(talk: Talk, case: Case, draft: Mapping[str, Any]) -> None:
    """Put the picture that came with the first word of a complaint with its case."""
    if picture := draft.get("picture"):
        talk.turn.effects.append(EvidenceAdded(case.id, FileId(str(picture))))


def again(talk: Talk, case: Case, details: str) -> Events:
    """A complaint that is known: its state, and what still stands; what was made good and is not, goes to a person."""
    talk.say("utter_case_known", case_number=case.number, opened=talk.day(case.opened_at))
    if case.state is CaseState.RESOLVED:
        return to_person(talk, case, "again")
    talk.services.complaints.repeated(talk.turn, case, details)
    if case.state is CaseState.OPEN and case.offered:
        return offers_of(talk, case)
    return to_person(talk, case, "again")


class ComplainAnyway(ThiqaAction):
    """The records say otherwise, and the customer still says that something is wrong: believed, and decided by people."""

    def name(self) -> str:
        return "action_complain_anyway"

    def handle(self, talk: Talk) -> Events:
        draft = talk.tracker.get_slot("complaint")
        number = (draft or {}).get("order")
        order = talk.services.orders.order(OrderNumber(number)) if number else None
        if not draft or order is None or order.customer != talk.services.proofs.customer_of(talk.turn):
            talk.say("utter_stale_button")
            return [SlotSet("complaint", None)]
        return insist(talk, order, draft)


def insist(talk: Talk, order: Order, draft: Mapping[str, Any]) -> Events:
    """Against the records, a person decides."""
    kept = {**draft, "anyway": True, "kind": draft.get("seen") or draft["kind"]}
    return open_case(talk, order, kept, None, str(draft.get("details") or talk.text))


def draft_to_person(talk: Talk, draft: Mapping[str, Any]) -> Events:
    """A person is wanted before there is a case: what was said so far becomes one, so that nothing need be told again."""
    customer = talk.services.proofs.customer_of(talk.turn)
    number = draft.get("order") or (
        talk.tracker.get_slot("order_number") if talk.tracker.get_slot("proof") == "granted" else None
    )
    order = talk.services.orders.order(OrderNumber(str(number))) if number and customer else None
    if order is not None and order.customer != customer:
        order = None
    kind, details = Kind(draft["kind"]), str(talk.tracker.get_slot("complaint_details") or draft.get("details") or "")
    done = forget_draft()
    known = talk.services.complaints.known(talk.turn, kind, customer, order, None)
    if known is not None:
        return [*done, *to_person(talk, known, "asked", Reason.ASKED)]
    emotion = str(draft.get("emotion") or "neutral")
    case, _ = talk.services.complaints.open(talk.turn, kind, customer, order, None, details, emotion, to_person=True)
    return [*done, *to_person(talk, case, "asked", Reason.ASKED)]
