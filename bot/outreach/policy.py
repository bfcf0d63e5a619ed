"""Whether a message that nobody asked for may be said now. Pure.

Only where the channel allows and the customer has not opted out, never at night in the shop's time zone, at most one a
day for each customer, never into a conversation that people answer or that is under way.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from enum import Enum
from zoneinfo import ZoneInfo

from bot.complaints.model import UNDER_WAY, CaseState
from bot.conversations.model import Owner
from bot.outreach.model import Outreach, OutreachKind

PUSH_CHANNELS = frozenset({"webchat", "telegram"})  # the rest answer and cannot begin
PAUSE = timedelta(minutes=10)  # until a conversation that was busy is looked at again
ONE_A_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Quiet:
    """Nobody is written to from `begins` until `ends`, by the shop's clock."""

    begins: time = time(21)
    ends: time = time(9)

    def covers(self, local: time) -> bool:
        if self.begins <= self.ends:
            return self.begins <= local < self.ends
        return local >= self.begins or local < self.ends


NIGHT = Quiet()


@dataclass(frozen=True)
class Contact:
    """What is known, now, of the conversation that would be written to.

    `opted_out` in any conversation of its customer; `unreachable`: the channel refused the last message for good, and
    the customer has not written since; `busy`: a turn is under way, or a message waits for its answer; `told_at`: when
    its customer was last written to unasked, in any conversation; `case`: the state of the case it is about.
    """

    channel: str
    owner: Owner
    opted_out: bool = False
    unreachable: bool = False
    busy: bool = False
    wrote_at: datetime | None = None
    told_at: datetime | None = None
    case: CaseState | None = None


class Reason(str, Enum):
    """Why it is never said."""

    CHANNEL = "channel"
    OPTED_OUT = "opted_out"
    UNREACHABLE = "unreachable"
    TOO_LATE = "too_late"
    MOVED_ON = "moved_on"  # the case is not where it was when this was planned


@dataclass(frozen=True)
class Say:
    pass


@dataclass(frozen=True)
class Later:
    """To be judged anew at `at`, which lies ahead."""

    at: datetime


@dataclass(frozen=True)
class Drop:
    reason: Reason


Verdict = Say | Later | Drop


def when(
    outreach: Outreach,
    contact: Contact,
    now: datetime,
    zone: ZoneInfo,
    quiet: Quiet = NIGHT,
    push_channels: Collection[str] = PUSH_CHANNELS,
) -> Verdict:
    """Now, later, or never. Judged again and again it comes to an end: what is not said by `until` is dropped."""
    if reason := _never(outreach, contact, now, push_channels):
        return Drop(reason)
    earliest = max(now, outreach.due_at)
    if not outreach.kind.service and contact.told_at is not None:
        # A time that lies ahead is a clock that was set back: a day from now is the longest wait for it.
        earliest = max(earliest, min(contact.told_at, now) + ONE_A_DAY)
    # Who waits for a person hears what was promised to them; a person who answers is not spoken over.
    held = contact.owner is Owner.AGENT or (contact.owner is Owner.QUEUE and not outreach.kind.service)
    if held or contact.busy or _just_wrote(contact, now):
        earliest = max(earliest, now + PAUSE)
    earliest = after_quiet(earliest, zone, quiet)
    return Later(earliest) if earliest > now else Say()


def _never(outreach: Outreach, contact: Contact, now: datetime, push_channels: Collection[str]) -> Reason | None:
    if contact.channel not in push_channels:
        return Reason.CHANNEL
    if contact.opted_out and not outreach.kind.service:
        return Reason.OPTED_OUT
    if contact.unreachable:
        return Reason.UNREACHABLE
    if now > outreach.until:
        return Reason.TOO_LATE
    if outreach.kind is OutreachKind.CASE_CHECK and contact.case is not CaseState.RESOLVED:
        return Reason.MOVED_ON
    # Whoever complains again is not asked whether it is right now.
    if outreach.kind is OutreachKind.PROMISE_KEPT and contact.case in UNDER_WAY:
        return Reason.MOVED_ON
    return None


def _just_wrote(contact: Contact, now: datetime) -> bool:
    return contact.wrote_at is not None and abs(now - contact.wrote_at) < PAUSE


def after_quiet(moment: datetime, zone: ZoneInfo, quiet: Quiet = NIGHT) -> datetime:
    """The first moment from `moment` on that is not in the quiet hours of `zone`; in UTC where it is moved."""
    local = moment.astimezone(zone)
    if not quiet.covers(local.time()):
        return moment
    day = local.date()
    if quiet.begins > quiet.ends and local.time() >= quiet.begins:
        day += timedelta(days=1)
    return datetime.combine(day, quiet.ends, zone).astimezone(timezone.utc)
