"""Handles what was stored of a chat, in order. Doing so twice changes nothing: messages are told apart by their ids."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from bot.connectors.telegram import text
from bot.connectors.telegram.api import ApiError, BadCall, Bot, NotAllowed, TooMany
from bot.connectors.telegram.ports import OpenUpdate, TelegramRecords
from bot.connectors.telegram.reading import (
    Event,
    InGroup,
    Membership,
    Nothing,
    Pressed,
    RemoteFile,
    Said,
    What,
    read,
)
from bot.conversations.inbox import Inbox
from bot.conversations.intake import clean
from bot.conversations.model import FileId, Inbound
from bot.conversations.ports import Clock, Wording
from bot.errors import ImageRefused, MessageRefused, StorageUnavailable
from bot.files.images import LARGEST, clean_image
from bot.files.model import FileStore
from bot.text import western_digits

log = structlog.get_logger()

CHANNEL = "telegram"
CHOSEN = "chosen"  # what a button sends that shows a choice made
BUTTONS_LIVE = timedelta(hours=24)  # as long as a conversation

_UPDATES_AT_ONCE, _CHATS_AT_ONCE = 100, 16
_TRIES = 5
_ALBUM_QUIET = timedelta(seconds=1.2)  # an album's photos arrive one by one
_COMMAND = re.compile(r"/([A-Za-z][A-Za-z0-9_]{0,31})(?:@\w{1,64})?(?:\s+(.{0,200}))?\s*", re.DOTALL)
_PAYLOAD = re.compile(r"[A-Za-z0-9_\-]{1,64}")
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_BUTTON = re.compile(r"b\.[0-9a-f]{14}")
# An order as it is named in a sentence, ours or a customer's: a date or a tracking number is none.
_ORDER = re.compile(
    r"(?:#|\border\b|\bord-|طلب\w*|اوردر\w*)(?:\s|رقم|number|no\.?|[#:\-\u2066-\u2069])*([0-9]{3,12})\b", re.I
)
_MEANINGS = {
    "help": "/help",
    "orders": "/track_order",
    "human": "/ask_human",
    "language": "/change_language",
    "stop": "/stop_messages",
}
_LANGUAGES = {"ar": "ar", "arabic": "ar", "عربي": "ar", "العربية": "ar", "en": "en", "english": "en", "انجليزي": "en"}


def address_of(bot: int, chat: int) -> str:
    return f"{bot}:{chat}"


def notice(kind: str) -> str:
    """What the assistant is told of a message that cannot be read."""
    return f'/notice{{"notice": "{kind}"}}'


def command(typed: str) -> tuple[str, str] | None:
    """A command and what follows it."""
    found = _COMMAND.fullmatch(typed.strip())
    return (found[1].lower(), (found[2] or "").strip()) if found else None


@dataclass(frozen=True)
class HandlingServices:
    """What handling needs of the rest. `agents_group`: where the bot stays, 0 for none."""

    inbox: Inbox
    records: TelegramRecords
    files: FileStore
    wording: Wording
    clock: Clock
    agents_group: int = 0


class Handling:
    """Not for several tasks of one chat at once; of several processes, each may."""

    def __init__(self, services: HandlingServices, album_quiet: timedelta = _ALBUM_QUIET) -> None:
        self._s = services
        self._quiet = album_quiet
        self._decoding = asyncio.Semaphore(1)
        self._working = asyncio.Semaphore(_CHATS_AT_ONCE)

    async def chat(self, bot: Bot, chat: int) -> None:
        """Handle all that is open of a chat, until nothing is."""
        pause = 0.0
        while True:
            try:
                async with self._working:  # not while waiting: a chat that must wait keeps no other from working
                    rows = await asyncio.to_thread(self._s.records.open, bot.number, chat, _UPDATES_AT_ONCE)
                    if not rows:
                        return
                    pause = await self._run(bot, rows)
            except StorageUnavailable:
                pause = min(5.0, pause * 2 or 0.5)
                log.warning("telegram.storage_unavailable", bot=bot.number)
            if pause:
                await asyncio.sleep(pause)

    async def _run(self, bot: Bot, rows: Sequence[OpenUpdate]) -> float:
        """Handle what can be handled now; returns how long to wait before the next look."""
        events = [(row, _event(row)) for row in rows]
        done: list[int] = []
        try:
            while events:
                row, event = events[0]
                together = _album(events)
                if together and (wait := self._until_quiet(together)):
                    return wait
                try:
                    await self._handle(bot, [event for _, event in together] or [event], row.attempts >= _TRIES - 1)
                except MessageRefused as refused:
                    if refused.code == "flood":  # it stays here until some are answered
                        return float(refused.retry_after or 1)
                    log.warning("telegram.refused", bot=bot.number, reason=refused.code)
                except StorageUnavailable:
                    raise
                except Exception as failure:
                    if wait := await self._failed(bot, row, failure):
                        return wait
                handled = {row.update_id for row, _ in together} or {row.update_id}
                done += handled
                events = [pair for pair in events if pair[0].update_id not in handled]
            return 0.0
        finally:
            if done:
                await asyncio.to_thread(self._s.records.done, bot.number, done, self._s.clock())

    async def _failed(self, bot: Bot, row: OpenUpdate, failure: Exception) -> float:
        """How long to wait before it is tried again; 0 where it is given up."""
        told = {"bot": bot.number, "update": row.update_id, "attempts": row.attempts + 1}
        if row.attempts + 1 >= _TRIES or isinstance(failure, (BadCall, NotAllowed)):
            log.error("telegram.given_up", **told, error=type(failure).__name__)
            error = type(failure).__name__
            await asyncio.to_thread(self._s.records.done, bot.number, [row.update_id], self._s.clock(), error)
            return 0.0
        if isinstance(failure, ApiError):
            log.info("telegram.call_failed", **told, error=type(failure).__name__)
        else:
            log.error("telegram.failed", **told, exc_info=failure)
        await asyncio.to_thread(self._s.records.failed, bot.number, row.update_id)
        return min(failure.seconds if isinstance(failure, TooMany) else 0.5 * 2**row.attempts, 60.0)

    def _until_quiet(self, album: Sequence[tuple[OpenUpdate, Said]]) -> float:
        since = self._s.clock() - max(row.received_at for row, _ in album)
        return max(0.0, (self._quiet - since).total_seconds()) if since >= timedelta(0) else 0.0

    # -- one event -----------------------------------------------------------------------------------------------------

    async def _handle(self, bot: Bot, events: Sequence[Event], last_try: bool) -> None:
        event = events[0]
        if isinstance(event, Said):
            await self._said(bot, [said for said in events if isinstance(said, Said)], last_try)
        elif isinstance(event, Pressed):
            await self._pressed(bot, event)
        elif isinstance(event, Membership):
            await self._membership(bot, event)
        elif isinstance(event, InGroup):
            if event.chat != self._s.agents_group:
                await self._leave(bot, event.chat, event.language, again=False)
        else:
            log.info("telegram.ignored", bot=bot.number, why=event.why)

    async def _said(self, bot: Bot, parts: Sequence[Said], last_try: bool) -> None:
        said = parts[0]
        address = address_of(bot.number, said.chat)
        # An album has the id of its first part; a part that comes late is a message of its own.
        inbound = Inbound(CHANNEL, address, said.text, f"m{said.message}", language=said.language, meta=_context(said))
        if said.edited:
            if said.text and said.what in (What.TEXT, What.IMAGE):
                corrected = replace(inbound, key=f"m{said.message}e{said.edited}", corrects=f"m{said.message}")
                await self._receive(corrected)
            return
        if said.what is What.TEXT and (asked := command(said.text)):
            await self._command(address, inbound, *asked)
        elif said.what is What.CONTACT and said.own and _PHONE.fullmatch(said.phone.replace(" ", "")):
            phone = "+" + said.phone.replace(" ", "").lstrip("+")
            told = f"/inform{json.dumps({'phone': phone})}"
            await self._receive(replace(inbound, text=said.shown, means=told, verified_phone=phone))
        elif said.what is What.IMAGE:
            await self._images(bot, inbound, parts, last_try)
        elif said.what is What.TEXT:
            await self._receive(self._typed(said, inbound))
        else:
            await self._unread(inbound, said.what.value, said.shown)

    async def _receive(self, inbound: Inbound) -> bool:
        await asyncio.to_thread(self._s.records.recognise, inbound.address, self._s.clock())
        return (await asyncio.to_thread(self._s.inbox.receive, inbound)).new

    def _typed(self, said: Said, inbound: Inbound) -> Inbound:
        """What a button of a reply keyboard types is what the button means."""
        label = " ".join(said.text.split())
        if label in {self._s.wording.say("label_person", language).text for language in ("ar", "en")}:
            return replace(inbound, means="/ask_human")
        return inbound

    async def _unread(self, inbound: Inbound, kind: str, shown: str) -> None:
        """What the bot can neither see nor hear is said so; words that came with it are answered all the same."""
        if inbound.text.strip():
            await self._receive(replace(inbound, meta={**inbound.meta, "unread": kind}))
        else:
            await self._receive(replace(inbound, text=shown, means=notice(kind)))

    async def _command(self, address: str, inbound: Inbound, name: str, rest: str) -> None:
        if name == "start":
            await asyncio.to_thread(self._s.records.reachable, address, None)
            await self._start(address, inbound, rest)
        elif name == "unlink":
            await asyncio.to_thread(self._s.records.unlink, address)  # first: what is said from here on is nobody's
            await self._receive(replace(inbound, means=notice("unlinked")))
        elif name == "language" and rest.lower() in _LANGUAGES:
            told = f'/change_language{{"language": "{_LANGUAGES[rest.lower()]}"}}'
            await self._receive(replace(inbound, means=told))
        elif name in _MEANINGS:
            await self._receive(replace(inbound, means=_MEANINGS[name]))
        else:
            await self._receive(inbound)

    async def _start(self, address: str, inbound: Inbound, payload: str) -> None:
        """A chat begins, perhaps from a link: t.me/<bot>?start=<payload>. Anybody can make one up."""
        if not _PAYLOAD.fullmatch(payload):
            payload = ""
        kind, _, value = payload.partition("_")
        if kind == "link" and value:
            now = self._s.clock()
            customer = await asyncio.to_thread(self._s.records.use_link, value, address, inbound.language, now)
            if customer:
                log.info("telegram.linked")
            await self._receive(replace(inbound, text="/start", means=notice("linked" if customer else "link_refused")))
            return
        if kind == "order" and re.fullmatch(r"[0-9]{3,12}", value):
            await self._receive(replace(inbound, means=f"/track_order{json.dumps({'order_number': value})}"))
            return
        meta = {**inbound.meta, "start": payload} if payload else inbound.meta
        await self._receive(replace(inbound, text="/start", meta=meta))

    # -- images --------------------------------------------------------------------------------------------------------

    async def _images(self, bot: Bot, inbound: Inbound, parts: Sequence[Said], last_try: bool) -> None:
        taken = await asyncio.to_thread(self._s.records.taken, inbound.address, str(inbound.key))
        if taken:
            return
        kept: list[FileId] = []
        trouble = ""
        for part in parts:
            if part.image is None:
                continue
            try:
                kept.append(await self._keep(bot, inbound.address, part.image))
            except _FileTrouble as problem:
                trouble = problem.notice
            except ApiError:
                if not last_try:
                    raise
                trouble = "file_gone"
        words = "\n".join(filter(None, (part.text.strip() for part in parts)))
        if not kept:
            await self._unread(replace(inbound, text=words), trouble or "file_gone", "🖼")
            return
        meta = {**inbound.meta, **({"unread": trouble} if trouble else {})}
        await self._receive(replace(inbound, text=words, file=kept[0], more_files=tuple(kept[1:]), meta=meta))

    async def _keep(self, bot: Bot, address: str, image: RemoteFile) -> FileId:
        if image.size > LARGEST:
            raise _FileTrouble("file_too_large")
        try:
            content = await bot.download(image.id, LARGEST)
        except BadCall as problem:
            large = "too big" in str(problem) or "too large" in str(problem)
            raise _FileTrouble("file_too_large" if large else "file_gone") from None
        try:
            async with self._decoding:
                picture = await asyncio.to_thread(clean_image, content)
        except ImageRefused as refused:
            raise _FileTrouble("not_image" if refused.code == "not_image" else "file_too_large") from None
        return await asyncio.to_thread(self._s.files.keep, CHANNEL, address, picture, self._s.clock())

    # -- buttons -------------------------------------------------------------------------------------------------------

    async def _pressed(self, bot: Bot, pressed: Pressed) -> None:
        """Each is answered, or the app shows a clock for half a minute. One choice a keyboard: it shows which."""
        address = address_of(bot.number, pressed.chat)
        if pressed.data == CHOSEN:
            await self._answer(bot, pressed, "utter_telegram_chosen_already")
            return
        if not await self._is_open(address, pressed):
            await self._answer(bot, pressed, "utter_telegram_stale_button")
            return
        await self._receive(Inbound(CHANNEL, address, pressed.data, f"k{pressed.message}", language=pressed.language))
        await self._answer(bot, pressed, None)
        chosen = next((title for row in pressed.keyboard or () for title, data in row if data == pressed.data), "")
        keyboard = {"inline_keyboard": [[{"text": text.title(f"✓ {chosen}"), "callback_data": CHOSEN}]]}
        change = {"chat_id": pressed.chat, "message_id": pressed.message, "reply_markup": keyboard}
        await self._try(bot, "editMessageReplyMarkup", change)

    async def _is_open(self, address: str, pressed: Pressed) -> bool:
        """Offered in this very chat, to this person, and not on an earlier day."""
        if not pressed.private or pressed.person != pressed.chat or not pressed.message or pressed.keyboard is None:
            return False
        if not _BUTTON.fullmatch(pressed.data):
            return False
        at = await asyncio.to_thread(self._s.records.offered_at, address, pressed.data)
        return at is not None and self._s.clock() - at <= BUTTONS_LIVE

    async def _answer(self, bot: Bot, pressed: Pressed, response: str | None) -> None:
        told: dict[str, Any] = {"callback_query_id": pressed.query}
        if response:
            address = address_of(bot.number, pressed.chat)
            language = await asyncio.to_thread(self._s.records.language, address) or pressed.language
            told["text"] = self._s.wording.say(response, language).text[: text.LONGEST_ANSWER]
        await self._try(bot, "answerCallbackQuery", told)

    async def _try(self, bot: Bot, method: str, data: Mapping[str, Any]) -> None:
        """A courtesy: tried twice, and nothing hangs on it."""
        for attempt in (1, 2):
            try:
                await bot.call(method, data)
                return
            except (BadCall, NotAllowed):
                return  # too old, gone, or as it should be already
            except ApiError as problem:
                if attempt == 2:
                    log.info("telegram.call_failed", bot=bot.number, method=method, error=type(problem).__name__)
                    return
                await asyncio.sleep(min(problem.seconds, 5.0) if isinstance(problem, TooMany) else 0.3)

    # -- chats ---------------------------------------------------------------------------------------------------------

    async def _membership(self, bot: Bot, change: Membership) -> None:
        address = address_of(bot.number, change.chat)
        if change.kind == "private":
            since = None if change.inside else self._s.clock()
            await asyncio.to_thread(self._s.records.reachable, address, since)
            log.info("telegram.reachable" if change.inside else "telegram.unreachable", bot=bot.number)
        elif change.inside and change.chat != self._s.agents_group:
            await self._leave(bot, change.chat, None if change.kind == "channel" else change.language, again=True)

    async def _leave(self, bot: Bot, chat: int, language: str | None, again: bool) -> None:
        """Say once that customers are served in private, and go. `language` None: without a word. `again`: also go where
        that was done before, as from a group that the bot was put into anew."""
        first = await asyncio.to_thread(self._s.records.leave, bot.number, chat, self._s.clock())
        if not first and not again:
            return
        if first and language:
            said = text.isolated(self._s.wording.say("utter_telegram_private_only", language).text)
            await self._try(bot, "sendMessage", {"chat_id": chat, "text": said})
        log.info("telegram.left_group", bot=bot.number)
        await self._try(bot, "leaveChat", {"chat_id": chat})


class _FileTrouble(Exception):
    """`notice` says why a file cannot be had."""

    def __init__(self, notice: str) -> None:
        super().__init__(notice)
        self.notice = notice


def _event(row: OpenUpdate) -> Event:
    try:
        return read(json.loads(row.body))
    except (ValueError, RecursionError):
        return Nothing("unreadable")


def _album(events: Sequence[tuple[OpenUpdate, Event]]) -> list[tuple[OpenUpdate, Said]]:
    """The first event and all others of its album; empty where it belongs to none."""
    first = events[0][1]
    if not isinstance(first, Said) or not first.album or first.edited or first.what is not What.IMAGE:
        return []
    return [
        (row, event)
        for row, event in events
        if isinstance(event, Said) and event.album == first.album and event.what is What.IMAGE and not event.edited
    ]


def _context(said: Said) -> dict[str, Any]:
    """What the message stands on."""
    context: dict[str, Any] = {}
    if said.quoted:
        context["quoted"] = clean(said.quoted).text
        orders = set(_ORDER.findall(western_digits(said.quoted)))
        if len(orders) == 1:  # of several, nobody knows which is meant
            context["quoted_order"] = orders.pop()
    if said.forwarded:
        context["forwarded"] = True
    return context
