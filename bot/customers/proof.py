"""Proof of identity: who may hear about an order. Pure policy, and the service that keeps count.

Proof is an order number with the last four digits of the phone on it, or the whole phone in any form, or the e-mail on
it. It covers that customer's orders for 30 idle minutes. Five wrong tries in a conversation, or 20 a day on one order,
pause proof for 15 minutes. A wrong proof and an unknown number are the same to the customer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import phonenumbers

from bot.conversations.model import ConversationId, Effect, Turn
from bot.orders.model import Contact, CustomerId, Order, OrderNumber

IDLE = timedelta(minutes=30)
PAUSE = timedelta(minutes=15)
TRIES_A_CONVERSATION = 5
TRIES_A_DAY_ON_AN_ORDER = 20
DAY = timedelta(days=1)


@dataclass(frozen=True)
class ProofGiven(Effect):
    """The conversation is proven to be this customer's."""

    customer: CustomerId


@dataclass(frozen=True)
class CustomerKnown(Effect):
    """The channel's own word has shown whose conversation this is, for as long as they do not take it back."""

    customer: CustomerId


@dataclass(frozen=True)
class ProofUsed(Effect):
    """Something personal was said under the proof: its idle time starts anew."""


@dataclass(frozen=True)
class ProofFailed(Effect):
    """A try that proved nothing. `order_number` as it was typed, whether it exists or not."""

    order_number: OrderNumber


@dataclass(frozen=True)
class Proof:
    customer: CustomerId
    used_at: datetime


@dataclass(frozen=True)
class Failures:
    """Times of wrong tries within the last day, oldest first."""

    in_conversation: Sequence[datetime]
    on_order: Sequence[datetime]


class ProofRecords(Protocol):
    def proof(self, conversation: ConversationId) -> Proof | None:
        """The latest proof of this conversation, however old."""

    def verified_phone(self, conversation: ConversationId) -> str | None:
        """The customer's own phone number, where their channel vouches for it."""

    def failures(self, conversation: ConversationId, order: OrderNumber | None, since: datetime) -> Failures:
        """Wrong tries since then, in this conversation and anywhere on this order."""


def proves(given: str, contact: Contact) -> bool:
    """Whether what a customer typed is the phone (whole, or its last four digits) or the e-mail on an order."""
    given = given.strip()
    if "@" in given:
        return contact.email is not None and given.casefold() == contact.email.casefold()
    if contact.phone is None:
        return False
    digits = "".join(str(unicodedata.digit(c)) for c in given if c.isdigit())
    if len(digits) == 4:
        return contact.phone.endswith(digits)
    plain = unicodedata.normalize("NFKC", given)
    if len(digits) < 7 or re.search(r"[^\d\s()+\-\u2010-\u2015./]", plain):
        return False
    if digits == contact.phone.lstrip("+"):
        return True
    try:
        known = phonenumbers.parse(contact.phone)
        if "+" in plain:
            digits = "+" + digits
        elif digits.startswith("00"):  # the prefix abroad, whatever is dialled in the number's own country
            digits = "+" + digits[2:]
        typed = phonenumbers.parse(digits, phonenumbers.region_code_for_number(known))
    except phonenumbers.NumberParseException:
        return False
    return (known.country_code, known.national_number) == (typed.country_code, typed.national_number)


def paused_until(failures: Failures, now: datetime) -> datetime | None:
    """When proof may be tried again, or None where it may be tried now."""
    ends = []
    here = failures.in_conversation
    if here and len(here) % TRIES_A_CONVERSATION == 0:
        ends.append(here[-1] + PAUSE)
    if len(failures.on_order) >= TRIES_A_DAY_ON_AN_ORDER:
        ends.append(failures.on_order[-1] + PAUSE)
    end = max(ends, default=now)
    return end if end > now else None


@dataclass(frozen=True)
class ProofOutcome:
    """`granted`, or `paused_until` is set, or neither: a wrong try, with `tries_left` before the pause."""

    granted: bool
    paused_until: datetime | None = None
    tries_left: int = 0


class ProofService:
    def __init__(self, records: ProofRecords) -> None:
        self._records = records

    def customer_of(self, turn: Turn) -> CustomerId | None:
        """The customer this conversation is proven to be, within the idle time; this turn's own proof counts."""
        for effect in reversed(turn.effects):
            if isinstance(effect, ProofGiven):
                return effect.customer
        proof = self._records.proof(turn.conversation.id)
        if proof is None or turn.now - proof.used_at > IDLE:
            return None
        return proof.customer

    def paused(self, turn: Turn, order: OrderNumber | None = None) -> datetime | None:
        """Until when proof is paused here (or on that order), if it is."""
        return paused_until(self._failures(turn, order), turn.now)

    def has_phone(self, turn: Turn) -> bool:
        """Whether the channel vouches for a phone number of this customer."""
        return self._records.verified_phone(turn.conversation.id) is not None

    def vouched(self, turn: Turn, order: Order | None) -> bool:
        """Whether the phone number that the channel vouches for is the one on the order; then it is the proof.

        One that is not is no wrong try: it was not given for this order.
        """
        phone = self._records.verified_phone(turn.conversation.id) if order is not None else None
        if order is None or phone is None or not proves(phone, order.contact):
            return False
        turn.effects += [ProofGiven(order.customer), CustomerKnown(order.customer)]
        return True

    def check(self, turn: Turn, number: OrderNumber, order: Order | None, given: str) -> ProofOutcome:
        """Judge one try and record it in the turn. `order` is None for an unknown number: told apart by nobody."""
        until = self.paused(turn, number)
        if until:
            return ProofOutcome(False, until)
        if self.vouched(turn, order):
            return ProofOutcome(True)
        if order is not None and proves(given, order.contact):
            turn.effects.append(ProofGiven(order.customer))
            return ProofOutcome(True)
        turn.effects.append(ProofFailed(number))
        failures = self._failures(turn, number)
        until = paused_until(failures, turn.now)
        left = TRIES_A_CONVERSATION - len(failures.in_conversation) % TRIES_A_CONVERSATION
        return ProofOutcome(False, until, 0 if until else left)

    def _failures(self, turn: Turn, order: OrderNumber | None) -> Failures:
        stored = self._records.failures(turn.conversation.id, order, turn.now - DAY)
        mine = [e for e in turn.effects if isinstance(e, ProofFailed)]
        return Failures(
            [*stored.in_conversation, *(turn.now for _ in mine)],
            [*stored.on_order, *(turn.now for e in mine if e.order_number == order)],
        )
