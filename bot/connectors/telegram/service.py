"""The channel: its thread, its bots, and what makes them run."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.connectors.telegram.api import (
    ApiError,
    Bot,
    SomebodyElse,
    Timeouts,
    TokenRefused,
    TooMany,
)
from bot.connectors.telegram.handling import CHANNEL, Handling, HandlingServices
from bot.connectors.telegram.ports import TelegramRecords
from bot.connectors.telegram.reading import ALLOWED, chat_of, update_id, webhook_path
from bot.connectors.telegram.setup import introduce
from bot.conversations.intake import mask_numbers
from bot.conversations.live import Happening, Typing
from bot.conversations.ports import Clock, Wording
from bot.errors import StorageUnavailable

log = structlog.get_logger()

# Telegram keeps updates for a day; one that was handled is known by its id for longer.
KEPT = timedelta(days=8)
_NEW_IDS_AFTER = timedelta(days=6)  # after a quiet week Telegram may begin at another number
_LINK_LIFE = timedelta(minutes=15)
_LOOK_EVERY = 5.0
_LEFT_BEHIND = timedelta(seconds=20)
_TOKEN_RETRY = 300.0
_LONGEST_PAUSE = 30.0
_TYPING_AFTER, _TYPING_EVERY = 0.4, 4.5  # seconds; Telegram shows it for five


@dataclass(frozen=True)
class TelegramOptions:
    """`webhook_base`: the address under which Telegram reaches this server, empty for polling. `keys`: signing keys,
    newest first."""

    webhook_base: str
    keys: Sequence[bytes]
    timeouts: Timeouts


def webhook_secret(key: bytes, bot: int) -> str:
    """What Telegram sends with every update, so that nobody else can."""
    return hmac.new(key, b"thiqa telegram webhook\0" + str(bot).encode(), hashlib.sha256).hexdigest()


class Telegram:
    """All bots of this process. `start` returns at once; nothing that fails there stops the rest of Thiqa."""

    def __init__(
        self,
        bots: Sequence[Bot],
        services: HandlingServices,
        options: TelegramOptions,
        handling: Handling | None = None,
    ) -> None:
        self._bots = {bot.number: bot for bot in bots}
        self._records: TelegramRecords = services.records
        self._wording: Wording = services.wording
        self._clock: Clock = services.clock
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="telegram", daemon=True)
        self._handling = handling or Handling(services)
        self._working: dict[tuple[int, int], bool] = {}  # whether something came while it worked
        self._typing: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._states: dict[int, str] = dict.fromkeys(self._bots, "starting")
        self._names: dict[int, str] = {}
        self._stopping = False

    # -- life ----------------------------------------------------------------------------------------------------------

    @property
    def states(self) -> Mapping[int, str]:
        """What each bot does: starting, polling, webhook, unreachable, refused, taken."""
        return dict(self._states)

    @property
    def address(self) -> str | None:
        """Where customers write to the bot; None while none has told its name."""
        name = next(iter(self._names.values()), None)
        return f"https://t.me/{name}" if name else None

    def link(self, channel: str, address: str) -> tuple[str, datetime] | None:
        """A link that joins the customer of another channel's conversation to their Telegram chat, good once, and until
        when. None while no bot has told its name, or where the customer is not known."""
        bot, expires = self.address, self._clock() + _LINK_LIFE
        token = self._records.make_link(channel, address, expires) if bot else None
        return (f"{bot}?start=link_{token}", expires) if token else None

    def start(self) -> None:
        if self._bots:
            self._thread.start()
            for bot in self._bots.values():
                self._soon(self._live(bot))
            self._soon(self._look_around())

    def stop(self, timeout: float) -> bool:
        """End what is under way, in `timeout` seconds; what is not handled by then is found at the next start."""
        if not self._thread.is_alive():
            return True
        self._stopping = True

        async def end() -> None:
            tasks = [task for task in self._tasks if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=timeout) if tasks else None
            for bot in self._bots.values():
                await bot.close()

        try:
            self.run(end(), timeout + 2.0)
        except Exception as error:
            log.warning("telegram.stopped_hard", error=type(error).__name__)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def find(self, number: int) -> Bot | None:
        return self._bots.get(number)

    def run(self, work: Coroutine[Any, Any, Any], timeout: float) -> Any:
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("the channel does not run")
        future: concurrent.futures.Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        finally:
            future.cancel()

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._spawn, work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("telegram.task_failed", exc_info=task.exception())

    # -- updates -------------------------------------------------------------------------------------------------------

    def take(self, bot: int, updates: Sequence[Any]) -> int | None:
        """Store updates as they came; returns the largest id. Then they may be forgotten by Telegram.

        Raises StorageUnavailable; then nothing is stored. What has no id is no update, and is left out.
        """
        known = [(number, update) for update in updates if (number := update_id(update)) is not None]
        if len(known) < len(updates):
            log.warning("telegram.no_update", bot=bot, count=len(updates) - len(known))
        if not known:
            return None
        rows = [(number, chat_of(update), _body(update)) for number, update in known]
        self._records.store(bot, rows, self._clock())
        chats = dict.fromkeys(chat for _, chat, _ in rows)
        self._loop.call_soon_threadsafe(self._kick_all, bot, list(chats))
        return max(number for number, _ in known)

    def _kick_all(self, bot: int, chats: Sequence[int]) -> None:
        for chat in chats:
            self._kick(bot, chat)

    def _kick(self, bot: int, chat: int) -> None:
        """Have a chat's open updates handled; one task a chat."""
        if self._stopping or bot not in self._bots:
            return
        if (bot, chat) in self._working:
            self._working[bot, chat] = True
            return
        self._working[bot, chat] = False
        self._spawn(self._work(self._bots[bot], chat))

    async def _work(self, bot: Bot, chat: int) -> None:
        place = (bot.number, chat)
        try:
            while True:
                self._working[place] = False
                await self._handling.chat(bot, chat)
                if not self._working[place]:
                    return
        finally:
            del self._working[place]

    async def _look_around(self) -> None:
        """What another process left behind, and this one before it was started."""
        back = timedelta(0)
        while True:
            try:
                for bot, chat in await asyncio.to_thread(self._records.waiting, self._clock() - back):
                    self._kick(bot, chat)
                back = _LEFT_BEHIND
            except StorageUnavailable:
                log.warning("telegram.storage_unavailable")
            except Exception:
                log.exception("telegram.look_failed")
            await asyncio.sleep(_LOOK_EVERY)

    # -- one bot -------------------------------------------------------------------------------------------------------

    async def _live(self, bot: Bot) -> None:
        await bot.open()
        await self._until_done(bot, self._connect)
        self._spawn(self._learn_name(bot))
        self._spawn(introduce(bot, self._wording))
        if self._options.webhook_base:
            self._is(bot, "webhook")
            return
        offset: int | None = None
        failures = 0
        began = False
        while True:
            try:
                if not began:
                    offset, began = await asyncio.to_thread(self._begin_at, bot.number), True
                found = await bot.updates(offset)
                failures = 0
                self._is(bot, "polling")
                if found:
                    largest = await self._take_surely(bot, found)
                    offset = offset if largest is None else largest + 1
                    if largest is None:
                        await asyncio.sleep(1.0)
            except Exception as failure:
                failures += 1
                await asyncio.sleep(self._trouble(bot, failure, failures))

    async def _learn_name(self, bot: Bot) -> None:
        try:
            name = (await bot.call("getMe")).get("username")
        except (ApiError, AttributeError) as problem:
            log.warning("telegram.name_unknown", bot=bot.number, error=type(problem).__name__)
            return
        if isinstance(name, str) and re.fullmatch(r"\w{4,64}", name, re.ASCII):
            self._names[bot.number] = name

    def _begin_at(self, bot: int) -> int | None:
        latest = self._records.latest(bot)
        return latest[0] + 1 if latest and self._clock() - latest[1] < _NEW_IDS_AFTER else None

    async def _take_surely(self, bot: Bot, updates: Sequence[Any]) -> int | None:
        """The offset does not move before they are stored."""
        pause = 0.5
        while True:
            try:
                return await asyncio.to_thread(self.take, bot.number, updates)
            except StorageUnavailable:
                log.warning("telegram.storage_unavailable", bot=bot.number)
                await asyncio.sleep(pause)
                pause = min(5.0, pause * 2)

    async def _connect(self, bot: Bot) -> None:
        """Tell Telegram how updates are to come."""
        if not self._options.webhook_base:
            await bot.call("deleteWebhook", {"drop_pending_updates": False})
            return
        wanted = {
            "url": self._options.webhook_base + webhook_path(bot.number),
            "secret_token": webhook_secret(self._options.keys[0], bot.number),
            "allowed_updates": list(ALLOWED),
            "max_connections": 20,
            "drop_pending_updates": False,
        }
        await bot.call("setWebhook", wanted)

    async def _until_done(self, bot: Bot, step: Callable[[Bot], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                await step(bot)
                return
            except Exception as failure:
                failures += 1
                await asyncio.sleep(self._trouble(bot, failure, failures))

    def _trouble(self, bot: Bot, failure: Exception, failures: int) -> float:
        """Say what is wrong, once for as long as it is, and how long to wait."""
        pause: float = min(_LONGEST_PAUSE, 0.5 * 2.0 ** min(failures - 1, 10))
        if isinstance(failure, TokenRefused):
            self._is(
                bot,
                "refused",
                "Telegram refuses the token of this bot. Take the present one from @BotFather and put it into "
                "THIQA_TELEGRAM_TOKEN; everything else goes on.",
            )
            return _TOKEN_RETRY
        if isinstance(failure, SomebodyElse):
            self._is(
                bot,
                "taken",
                "Another process gets this bot's updates. Stop it, or give it a bot of its own; tried again meanwhile.",
            )
            return max(2.0, pause)
        if isinstance(failure, TooMany):
            return failure.seconds
        if isinstance(failure, ApiError):
            self._is(bot, "unreachable", f"No answer from the Bot API ({failure}); tried again.")
        else:
            log.error("telegram.failed", bot=bot.number, exc_info=failure)
        return pause

    def _is(self, bot: Bot, state: str, problem: str | None = None) -> None:
        if self._states[bot.number] == state:
            return
        self._states[bot.number] = state
        if problem:
            log.error(f"telegram.{state}", bot=bot.number, problem=problem)
        else:
            log.info(f"telegram.{state}", bot=bot.number)

    # -- typing --------------------------------------------------------------------------------------------------------

    def heard(self, happening: Happening) -> None:
        """Listens to `LiveEvents`, from any thread."""
        if isinstance(happening, Typing) and happening.channel == CHANNEL and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._show_typing, happening)

    def _show_typing(self, typing: Typing) -> None:
        task = self._typing.pop(typing.address, None)
        if task:
            task.cancel()
        number, _, chat = typing.address.partition(":")
        bot = self._bots.get(int(number)) if number.isdecimal() else None
        if not typing.on or bot is None or self._stopping:
            return
        task = self._loop.create_task(self._keep_typing(bot, chat))
        self._typing[typing.address] = task
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _keep_typing(self, bot: Bot, chat: str) -> None:
        await asyncio.sleep(_TYPING_AFTER)
        while True:
            try:
                await bot.call("sendChatAction", {"chat_id": int(chat), "action": "typing"})
            except ApiError:
                return
            await asyncio.sleep(_TYPING_EVERY)


def _body(update: Any) -> str:
    """The update as it is kept."""
    try:
        return json.dumps(_masked(update))
    except (RecursionError, ValueError):  # nested without end: it says nothing to us, and is consumed
        return "{}"


def _masked(value: Any, name: str = "") -> Any:
    """The update without card and identity numbers, which are stored nowhere."""
    if isinstance(value, Mapping):
        return {key: _masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, name) for inner in value]
    return mask_numbers(value)[0] if isinstance(value, str) and name in ("text", "caption") else value
