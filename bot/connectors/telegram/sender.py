"""Carries messages from the outbox to Telegram. One row is one message to the customer, in one or more parts."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

import structlog
from telegram import InputFile

from bot.connectors.telegram import text
from bot.connectors.telegram.api import (
    ApiError,
    BadCall,
    Bot,
    Moved,
    NotAllowed,
    TokenRefused,
    TooMany,
    Unanswered,
)
from bot.connectors.telegram.handling import address_of
from bot.connectors.telegram.pacing import Limits, Pace
from bot.connectors.telegram.ports import TelegramRecords
from bot.conversations.model import FileId
from bot.conversations.ports import Clock, Wording
from bot.delivery.model import Outgoing
from bot.delivery.service import NotYet, TryAgain, Undeliverable
from bot.files.model import FileStore, Image

log = structlog.get_logger()

ASKS_PROOF = "utter_ask_proof"
_TOKEN_RETRY = 300.0
_LONGEST_WAIT_HERE = 0.1  # a pause this short is waited for with the message in hand
_SIDE_BY_SIDE = 20  # characters of titles that stand in one row


class Bots(Protocol):
    """The bots that are set up, and their loop."""

    def find(self, number: int) -> Bot | None: ...

    def run(self, work: Coroutine[Any, Any, Any], timeout: float) -> Any:
        """Run in the bots' loop, from another thread; raises TimeoutError, and RuntimeError once the loop is closed."""


class TelegramSender:
    """Implements `delivery.service.Sender`."""

    def __init__(
        self,
        bots: Bots,
        records: TelegramRecords,
        files: FileStore,
        wording: Wording,
        clock: Clock,
        limits: Limits,
        longest: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bots, self._records, self._files = bots, records, files
        self._wording, self._clock = wording, clock
        self._limits, self._longest, self._monotonic = limits, longest, monotonic
        self._paces: dict[int, Pace] = {}

    def send(self, outgoing: Outgoing) -> None:
        bot, chat = self._receiver(outgoing.address)
        calls = self._calls(outgoing)
        part = int(outgoing.body.get("parts_sent") or 0)
        if part >= len(calls):
            raise Undeliverable("there is nothing to say")
        self._take_turn(bot, chat)
        method, message = calls[part]
        last = part == len(calls) - 1
        keyboard = self._markup(outgoing, bot, chat) if last else _Keyboard()
        if keyboard.markup is not None:
            message["reply_markup"] = keyboard.markup
        self._call(bot, outgoing, method, {"chat_id": chat, **message})
        self._paces[bot.number].hold(chat, self._limits.between)  # counted from its arrival
        if keyboard.shown is not None:
            self._records.set_keyboard(bot.number, chat, keyboard.shown)
        if not last:
            raise NotYet(self._limits.between, {**outgoing.body, "parts_sent": part + 1})

    def _calls(self, outgoing: Outgoing) -> list[tuple[str, dict[str, Any]]]:
        """The parts of a message: its file first, then its text, which stands below the file where there is room."""
        said = text.isolated(str(outgoing.body.get("text") or ""))
        if said and outgoing.body.get("author") == "agent" and outgoing.body.get("name"):
            said = f"{text.isolated(str(outgoing.body['name']))}:\n{said}"  # a chat of Telegram has one name, the bot's
        calls = [
            ("sendMessage", {"text": part, "link_preview_options": {"is_disabled": True}}) for part in text.split(said)
        ]
        file = self._file(outgoing)
        if file is None:
            return calls
        if len(calls) == 1 and text.units(said) <= text.LONGEST_CAPTION:
            return [(file[0], {**file[1], "caption": said})]
        return [file, *calls]

    def _file(self, outgoing: Outgoing) -> tuple[str, dict[str, Any]] | None:
        """`image`: the id of a stored image of this conversation. `document`: {"id", "name"} of a stored file, or
        {"name", "content": base64} of one that is stored nowhere."""
        if image := outgoing.body.get("image"):
            found = self._stored(outgoing, str(image))
            name = f"image.{found.media_type.partition('/')[2]}"
            return "sendPhoto", {"photo": InputFile(found.content, name, attach=False)}
        if document := outgoing.body.get("document"):
            try:
                content = (
                    self._stored(outgoing, str(document["id"])).content
                    if "id" in document
                    else base64.b64decode(str(document["content"]), validate=True)
                )
                return "sendDocument", {"document": InputFile(content, str(document["name"]), attach=False)}
            except (KeyError, TypeError, ValueError):
                raise Undeliverable("the document cannot be read") from None
        return None

    def _stored(self, outgoing: Outgoing, file: str) -> Image:
        found = self._files.image(outgoing.channel, outgoing.address, FileId(file))
        if found is None:
            raise Undeliverable("the file is not there")
        return found

    def _receiver(self, address: str) -> tuple[Bot, int]:
        number, _, chat = address.partition(":")
        try:
            bot, to = self._bots.find(int(number)), int(chat)
        except ValueError:
            raise Undeliverable("the address is no chat") from None
        if bot is None:
            raise TryAgain("THIQA_TELEGRAM_TOKEN has no token of this bot", _TOKEN_RETRY)
        return bot, to

    def _take_turn(self, bot: Bot, chat: int) -> None:
        pace = self._paces.setdefault(bot.number, Pace(self._limits, self._monotonic))
        while wait := pace.wait(chat):
            if wait > _LONGEST_WAIT_HERE:
                raise NotYet(wait)
            time.sleep(wait)

    # -- keyboards -----------------------------------------------------------------------------------------------------

    def _markup(self, outgoing: Outgoing, bot: Bot, chat: int) -> _Keyboard:
        buttons = outgoing.body.get("buttons") or ()
        if outgoing.body.get("response") == ASKS_PROOF and not self._records.phone_known(outgoing.address):
            return self._contact_keyboard(outgoing, buttons)
        if buttons:
            return _Keyboard({"inline_keyboard": _rows(buttons)})
        if self._records.keyboard(bot.number, chat):
            return _Keyboard({"remove_keyboard": True}, shown=False)
        return _Keyboard()

    def _contact_keyboard(self, outgoing: Outgoing, buttons: Any) -> _Keyboard:
        """One's own number is shared with one press; other buttons type their title."""
        language = self._records.language(outgoing.address) or "ar"
        share = text.title(self._wording.say("label_telegram_share_phone", language).text)
        rows: list[list[dict[str, Any]]] = [[{"text": share, "request_contact": True}]]
        rows += [[{"text": text.title(str(button["title"]))}] for button in buttons]
        markup = {"keyboard": rows, "resize_keyboard": True, "one_time_keyboard": True}
        return _Keyboard(markup, shown=True)

    # -- the call ------------------------------------------------------------------------------------------------------

    def _call(self, bot: Bot, outgoing: Outgoing, method: str, message: Mapping[str, Any]) -> None:
        try:
            self._bots.run(bot.call(method, message), self._longest)
        except TooMany as wait:
            self._paces[bot.number].hold(int(message["chat_id"]), wait.seconds)
            raise TryAgain("429", wait.seconds) from None
        except Moved as moved:
            log.info("telegram.migrated", bot=bot.number)
            self._records.migrated(outgoing.address, address_of(bot.number, moved.chat))
            self._call(bot, outgoing, method, {**message, "chat_id": moved.chat})
        except NotAllowed:
            self._records.reachable(outgoing.address, self._clock())
            raise Undeliverable("403") from None
        except TokenRefused:
            raise TryAgain("the token is refused", _TOKEN_RETRY) from None
        except BadCall as problem:
            gone = "chat not found" in str(problem).lower()
            if gone:
                self._records.reachable(outgoing.address, self._clock())
            if gone or "reply_markup" not in message:
                raise Undeliverable(f"400 {problem}") from None
            # The words matter more than the buttons.
            log.error("telegram.keyboard_refused", bot=bot.number, reason=str(problem))
            plain = {name: value for name, value in message.items() if name != "reply_markup"}
            self._call(bot, outgoing, method, plain)
        except (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError):
            log.warning("telegram.perhaps_twice", bot=bot.number, row=outgoing.id)
            raise TryAgain("no answer in time") from None
        except Unanswered as problem:
            if problem.perhaps_done:
                # The message may be there. One that is there twice is better than one that is lost.
                log.warning("telegram.perhaps_twice", bot=bot.number, row=outgoing.id)
            raise TryAgain(str(problem)) from None
        except (ApiError, RuntimeError) as problem:
            raise TryAgain(type(problem).__name__) from None


class _Keyboard:
    """`shown`: whether a reply keyboard stands there afterwards; None where that does not change."""

    def __init__(self, markup: Mapping[str, Any] | None = None, shown: bool | None = None) -> None:
        self.markup, self.shown = markup, shown


def _rows(buttons: Any) -> list[list[dict[str, str]]]:
    """Short titles stand side by side, two in a row."""
    rows: list[list[dict[str, str]]] = []
    for button in buttons:
        shaped = {"text": text.title(str(button["title"])), "callback_data": str(button["id"])}
        row = rows[-1] if rows else []
        if len(row) == 1 and len(row[0]["text"]) + len(shaped["text"]) <= _SIDE_BY_SIDE:
            row.append(shaped)
        else:
            rows.append([shaped])
    return rows
