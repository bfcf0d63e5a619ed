"""Says what was planned, when it may be said. Any number may run, in any number of processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import structlog

from bot.conversations.live import LiveEvents, Logged
from bot.conversations.model import Button, Conversation, Reply
from bot.conversations.ports import Clock, Wording
from bot.errors import StorageUnavailable
from bot.formatting import Formatter
from bot.orders.model import Store
from bot.outreach.model import Outreach, OutreachKind
from bot.outreach.policy import NIGHT, PUSH_CHANNELS, Contact, Drop, Later, Quiet, Say, when
from bot.outreach.shop import LastKnownStore

log = structlog.get_logger()

CASE_RIGHT, CASE_NOT_RIGHT = "/case_right", "/case_not_right"
_UNSAYABLE = timedelta(hours=1)  # until a sentence that is missing is looked for again

# These end in the question whether it is right again.
_ASKING = (OutreachKind.CASE_CHECK, OutreachKind.PROMISE_KEPT)
_BY_PROMISE = (OutreachKind.PROMISE_KEPT, OutreachKind.PROMISE_BROKEN)


@dataclass(frozen=True)
class Saying:
    """To be said now."""

    reply: Reply


Decision = Saying | Later | Drop


@dataclass(frozen=True)
class Settled:
    """What became of one that was due. `conversation` is None where it had gone by then."""

    outreach: Outreach | None
    conversation: Conversation | None
    decision: Decision | None


class OutreachRecords(Protocol):
    def due(self, now: datetime) -> bool:
        """Whether anything is due. Raises StorageUnavailable."""

    def settle_next(
        self, now: datetime, decide: Callable[[Outreach, Contact, Conversation], Decision]
    ) -> Settled | None:
        """Take what is due first, ask `decide`, and write what it says, in one transaction under the locks of all the
        customer's conversations; None where nothing is due.

        Saying writes the line of the log with its buttons, the row of the outbox, and that it was said. Raises
        StorageUnavailable, and whatever `decide` raises; then nothing was written.
        """


class OutreachService:
    """`store` is the shop's; while it has never answered, its time zone is unknown and nothing is said."""

    def __init__(
        self,
        records: OutreachRecords,
        wording: Wording,
        store: Callable[[], Store],
        clock: Clock,
        live: LiveEvents,
        push_channels: Collection[str] = PUSH_CHANNELS,
        quiet: Quiet = NIGHT,
    ) -> None:
        self._records, self._wording, self._clock, self._live = records, wording, clock, live
        self._store = LastKnownStore(store, clock)
        self._push_channels, self._quiet = frozenset(push_channels), quiet

    def run_once(self) -> bool:
        """Settle one planned message; returns whether there was one that is due. Raises StorageUnavailable."""
        now = self._clock()
        if not self._records.due(now):
            return False
        store = self._store()
        if store is None:
            return False

        def decide(outreach: Outreach, contact: Contact, conversation: Conversation) -> Decision:
            verdict = when(outreach, contact, now, store.timezone, self._quiet, self._push_channels)
            if not isinstance(verdict, Say):
                return verdict
            try:
                return Saying(self.words(outreach, conversation.language, now, store.timezone))
            except StorageUnavailable:
                raise
            except Exception:
                # A sentence or a value is missing: that must not hold up the others, and may be mended meanwhile.
                log.exception("outreach.unsayable", outreach=outreach.id, kind=outreach.kind.value)
                return Later(now + _UNSAYABLE)

        settled = self._records.settle_next(now, decide)
        if settled is None:
            return False
        if settled.outreach and settled.conversation and settled.decision:
            self._tell(settled.outreach, settled.conversation, settled.decision)
        return True

    def _tell(self, outreach: Outreach, conversation: Conversation, decision: Decision) -> None:
        known = {"outreach": outreach.id, "kind": outreach.kind.value, "conversation": conversation.id}
        if isinstance(decision, Saying):
            log.info("outreach.said", **known)
            self._live.tell(Logged(conversation.channel, conversation.address))
        elif isinstance(decision, Drop):
            log.info("outreach.dropped", reason=decision.reason.value, **known)
        else:
            log.info("outreach.later", at=decision.at.isoformat(), **known)

    def words(self, outreach: Outreach, language: str, now: datetime, zone: ZoneInfo) -> Reply:
        """What is said, with its buttons. Raises AssistantFailed where a sentence or a value of it is missing, and
        ValueError where a value cannot be read."""
        figures = Formatter(language)
        said = self._wording.say(response_key(outreach), figures.language, **values(outreach.what, figures, now, zone))
        case = outreach.what.get("case_number")
        if outreach.kind not in _ASKING or not case:
            return said
        entity = json.dumps({"case": str(case)})
        buttons = [
            Button("", self._wording.say(label, figures.language).text, payload + entity)
            for label, payload in (("label_case_right", CASE_RIGHT), ("label_case_not_right", CASE_NOT_RIGHT))
        ]
        return Reply(said.text, buttons, said.response)


def response_key(outreach: Outreach) -> str:
    """The response of domain.yml that says it. Raises KeyError where the promise's kind is not in `what`."""
    kind = f"utter_outreach_{outreach.kind.value}"
    return f"{kind}_{outreach.what['promise']}" if outreach.kind in _BY_PROMISE else kind


def values(what: Mapping[str, Any], figures: Formatter, now: datetime, zone: ZoneInfo) -> dict[str, str]:
    """The raw values of `what` as a customer reads them.

    `<name>_on` (a day) becomes `<name>`; `<name>_at` (a moment) becomes `<name>` and `<name>_time`; `amount` is money
    in `currency`, `points` are counted, texts by language are in the customer's. What is None is empty, and other mappings are left out.
    """
    today = now.astimezone(zone).date()
    filled: dict[str, str] = {}
    for name, value in what.items():
        if value is None:
            filled[name.removesuffix("_on").removesuffix("_at")] = ""
        elif name == "amount":
            filled[name] = figures.money(Decimal(str(value)), str(what["currency"]))
        elif name == "points":
            filled[name] = figures.counted(int(value), "point")
        elif name == "valid_until" or name.endswith("_on"):
            filled[name.removesuffix("_on")] = figures.date(date.fromisoformat(str(value)), today)
        elif name.endswith("_at"):
            moment = datetime.fromisoformat(str(value)).astimezone(zone)
            filled[name.removesuffix("_at")] = figures.date(moment.date(), today)
            filled[name.removesuffix("_at") + "_time"] = figures.time(moment)
        elif isinstance(value, Mapping):
            if figures.language in value:  # else it is for code, not for sentences
                filled[name] = str(value[figures.language])
        else:
            filled[name] = str(value)
    return filled
