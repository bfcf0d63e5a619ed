"""Rasa's Socket.IO channel, with what it lacks: see docs/webchat-protocol.md."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import socketio
import structlog
from anyio import to_thread
from socketio.packet import ACK, BINARY_EVENT, EVENT, Packet
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.connectors.webchat import wire
from bot.connectors.webchat.limits import RateLimit
from bot.connectors.webchat.origins import Origins
from bot.connectors.webchat.rooms import PAGE, Room, Rooms, Socket
from bot.connectors.webchat.sessions import SessionRefused, Sessions, new_visitor
from bot.conversations.inbox import Inbox
from bot.conversations.intake import LONGEST, clean
from bot.conversations.live import Happening, LiveEvents, Typing
from bot.conversations.model import Author, Inbound, MessageId
from bot.conversations.ports import Clock, LogLine, LogState, Transcripts, Wording
from bot.customers.channels import OtherChat, OtherChats
from bot.customers.identity import IdentityRecords, IdentityVerifier
from bot.errors import IdentityRefused, MessageRefused, StorageUnavailable
from bot.feedback.model import LONGEST_COMMENT, Rating, RatingRecords
from bot.files.images import LARGEST
from bot.formatting import Formatter

log = structlog.get_logger()

CHANNEL = "webchat"
MAX_FRAME = 100_000  # bytes: the longest message, written as JSON may write it, and room to spare
_BEFORE = 50
_LOOK_EVERY = 1.0  # seconds between looks for what another process has done
_LOOK_BACK = timedelta(seconds=10)  # clocks of processes differ
_PING_EVERY, _PING_TIMEOUT = 15, 10  # seconds; a connection that died silently is noticed within both
_STORAGE_RETRY = 5
_GOODBYE = 1.0
_AFTER_THE_ANSWER = 0.02  # an answer is written to its socket when its handler has returned
_REFUSALS_BEFORE_THE_DOOR = 300  # a client that goes on in spite of so many refusals is shown it

Handler = Callable[[Socket, dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class WebchatServices:
    """What the channel needs of the rest. `collected` notes replies as delivered; `telegram` is the address of the shop's
    Telegram bot, None where there is none."""

    inbox: Inbox
    transcripts: Transcripts
    others: OtherChats
    collected: Callable[[Sequence[MessageId]], None]
    identities: IdentityRecords
    verifier: IdentityVerifier
    ratings: RatingRecords
    sessions: Sessions
    origins: Origins
    wording: Wording
    shop_name: Callable[[], Mapping[str, str]]
    telegram: Callable[[], str | None]
    live: LiveEvents
    clock: Clock


class Webchat:
    """The channel. `app` is its ASGI application, to be mounted at /socket.io."""

    def __init__(self, services: WebchatServices, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._s = services
        self._io = socketio.AsyncServer(
            async_mode="asgi",
            cors_allowed_origins=services.origins.admits,
            cors_credentials=False,
            max_http_buffer_size=MAX_FRAME,
            ping_interval=_PING_EVERY,
            ping_timeout=_PING_TIMEOUT,
            serializer=_TextPacket,
            # What strangers send must not fill the log; our own handlers log for themselves.
            logger=_SILENT,
            engineio_logger=_SILENT,
        )
        self.app = _bounded(socketio.ASGIApp(self._io))
        self._sockets: dict[str, Socket] = {}
        self._rooms = Rooms(CHANNEL, services.transcripts, services.others, services.collected, self._emit)
        self._events = RateLimit(100, 20, monotonic)  # of any kind, a socket
        self._messages = RateLimit(20, 0.5, monotonic)  # a visitor
        self._messages_from = RateLimit(200, 20, monotonic)  # an address: offices and mobile networks share one
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look: asyncio.Task[None] | None = None
        self._handlers: dict[str, Handler] = {
            "session_request": self._session_request,
            "user_uttered": self._user_uttered,
            "history": self._history,
            "typing": self._typing,
            "read": self._read,
            "identify": self._identify,
            "sign_out": self._sign_out,
            "end": self._end,
            "rate": self._rate,
        }
        self._io.register_namespace(_Events(self._event))
        services.live.subscribe(self._heard)

    # -- life ----------------------------------------------------------------------------------------------------------

    @property
    def sockets(self) -> int:
        """How many are connected to this process."""
        return len(self._sockets)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._look = asyncio.ensure_future(self._look_around())

    def stop_soon(self) -> None:
        """`stop`, from a signal handler: a server waits for its open requests, and long polls are such."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self.stop(), self._loop)

    async def stop(self) -> None:
        """Close every socket; their clients come back when a server is there again."""
        if self._loop is None:
            return
        self._loop = None
        if self._look:
            self._look.cancel()
        # Not the namespace: its clients would take that for a final word. One that left without a word polls no more.
        leaving = [asyncio.wait_for(self._io.eio.disconnect(sid), _GOODBYE) for sid in list(self._io.eio.sockets)]
        await asyncio.gather(*leaving, return_exceptions=True)
        await self._io.shutdown()

    def _heard(self, happening: Happening) -> None:
        """From any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._rooms.heard, happening)

    async def _look_around(self) -> None:
        looked = self._s.clock()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            now = self._s.clock()
            if not len(self._rooms):
                looked = now
                continue
            try:
                since = looked - _LOOK_BACK
                self._rooms.found(await to_thread.run_sync(self._s.transcripts.moved, CHANNEL, since))
                self._rooms.found_elsewhere(await to_thread.run_sync(self._s.others.moved, CHANNEL, since))
                looked = now  # after an outage, the next look goes back to before it
            except StorageUnavailable:
                log.warning("webchat.storage_unavailable")
            except Exception:
                log.exception("webchat.look_failed")

    async def _emit(self, event: str, data: Any, sid: str) -> None:
        await self._io.emit(event, data, to=sid)

    # -- events --------------------------------------------------------------------------------------------------------

    async def _event(self, event: str, sid: str, *args: Any) -> Any:
        """Every event of every socket; a client may send any name, those of the library's own events too."""
        socket = self._sockets.get(sid)
        if event == "connect" and socket is None:
            client = self._io.get_environ(sid).get("asgi.scope", {}).get("client") or ("unknown", 0)
            self._sockets[sid] = Socket(sid, str(client[0]))
            return None
        if event == "disconnect" and not self._io.manager.is_connected(sid, "/"):
            if socket is not None:
                del self._sockets[sid]
                socket.gone = True
                self._rooms.leave(socket)
            return None
        return wire.refusal("session") if socket is None else await self._answer(socket, event, args)

    async def _answer(self, socket: Socket, event: str, args: Sequence[Any]) -> dict[str, Any]:
        """Whatever a stranger sends is answered: with what it asked for, or with what is wrong."""
        if wait := self._events.wait(socket.sid):
            return await self._refuse_flood(socket, wait)
        handler = self._handlers.get(event)
        if handler is None:
            return wire.refusal("unknown_event")
        try:
            answer = await handler(socket, wire.fields(args))
        except wire.BadEvent as bad:
            answer = wire.refusal("invalid", detail=str(bad))
        except SessionRefused:
            answer = wire.refusal("session")
        except IdentityRefused as refused:
            answer = wire.refusal(refused.code)
        except MessageRefused as refused:
            code = "image" if refused.code == "file" else refused.code
            answer = wire.refusal(code, refused.retry_after, refused.reason if code == "invalid" else None)
        except StorageUnavailable:
            log.warning("webchat.storage_unavailable")
            answer = wire.refusal("unavailable", _STORAGE_RETRY)
        except Exception:
            log.exception("webchat.failed", handler=event)
            answer = wire.refusal("unavailable", _STORAGE_RETRY)
        if answer["ok"]:
            socket.refused = 0
        elif answer["code"] in ("rate", "flood", "unavailable", "session") and event == "user_uttered":
            await self._say_refusal(socket, answer)
        return answer

    async def _refuse_flood(self, socket: Socket, wait: int) -> dict[str, Any]:
        socket.refused += 1
        if socket.refused == _REFUSALS_BEFORE_THE_DOOR:
            log.warning("webchat.flood")
            await self._show_the_door(socket)
        elif socket.refused == 1:
            await self._say_refusal(socket, wire.refusal("rate", wait))
        return wire.refusal("rate", wait)

    async def _show_the_door(self, socket: Socket) -> None:
        """End the whole connection: on one that stays open a namespace can be entered anew."""
        sid = self._io.manager.eio_sid_from_sid(socket.sid, "/")
        connection = self._io.eio.sockets.get(sid)
        if connection is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._io.eio.disconnect(sid), _GOODBYE)
            await connection.queue.put(None)  # who does not close their end when asked to: the writer closes it

    async def _say_refusal(self, socket: Socket, refusal: dict[str, Any]) -> None:
        """Rasa's widgets hear no acknowledgements: they are told in words."""
        if socket.protocol:
            return
        figures = Formatter(socket.language)
        response = {"session": "utter_session_over", "unavailable": "utter_not_stored"}.get(
            refusal["code"], "utter_slow_down"
        )
        wait = figures.counted(int(refusal.get("retry_after") or 1), "second")
        said = self._s.wording.say(response, socket.language, wait=wait)
        await self._emit("bot_uttered", {"text": said.text}, socket.sid)

    # -- sessions ------------------------------------------------------------------------------------------------------

    async def _session_request(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        asked = wire.session_request(data)
        async with socket.order:
            socket.protocol, socket.language = asked.protocol, asked.language
            token, visitor, refused = self._session(asked.token)
            body = await self._session_body(socket, visitor, token, asked.after)
            await self._emit("session_confirm", token, socket.sid)
        return {**body, "refused": refused}

    def _session(self, token: str | None) -> tuple[str, str, str | None]:
        """Token, visitor, and why the token that was sent is refused, if it is; then, and without one, all is new."""
        if token is None:
            return *self._new_session(), None
        try:
            session = self._s.sessions.read(token)
        except SessionRefused as error:
            return *self._new_session(), error.code
        return self._s.sessions.issue(session.visitor) if session.renew else token, session.visitor, None

    def _new_session(self) -> tuple[str, str]:
        visitor = new_visitor()
        return self._s.sessions.issue(visitor), visitor

    async def _session_body(self, socket: Socket, visitor: str, token: str, after: int = 0) -> dict[str, Any]:
        state = await self._rooms.read_state(visitor)
        last = state.last if state else 0
        reset = after > last
        lines: Sequence[LogLine] = ()
        missed: Sequence[LogLine] = ()
        had: Sequence[LogLine] = ()
        more = False
        if state is not None and socket.protocol:
            lines, more = await self._page(state, before=last + 1 if reset or not after else 0, after=after)
            if after and not reset:  # a kill may have come between sending a reply and noting that it was sent
                open_ = await to_thread.run_sync(self._s.transcripts.undelivered, state.conversation, PAGE)
                had = [line for line in open_ if line.message.number <= after]
        elif state is not None:
            missed = await to_thread.run_sync(self._s.transcripts.undelivered, state.conversation, PAGE)
        other = await self._rooms.read_other(visitor, state) if socket.protocol else None
        told_of = await self._elsewhere(other) if other else None
        got = max([last, *(line.message.number for line in (*lines, *missed))])
        room = self._rooms.enter(socket, visitor, got, answered=False)
        room.other = other
        socket.other, socket.other_got = (other.conversation, other.last) if other else (None, 0)
        socket.marks = wire.marks(state)
        for line in missed:
            await self._rooms.send(socket, line)
        self._rooms.note_delivered(room, [*lines, *missed, *had])
        asyncio.get_running_loop().call_later(_AFTER_THE_ANSWER, self._rooms.answered, socket)
        return {
            "ok": True,
            "session": token,
            "refused": None,
            "visitor": visitor,
            "reset": reset,
            "now": self._s.clock().isoformat(),
            "last": last,
            "messages": [wire.message(line) for line in lines],
            "more": more,
            "marks": wire.marks(state),
            "typing": room.typing.value if room.typing else None,
            "identified": bool(state and state.customer),
            "elsewhere": told_of,
            "telegram": self._s.telegram(),
            "shop": dict(await to_thread.run_sync(self._s.shop_name)),
            "limits": {"text": LONGEST, "image": LARGEST},
        }

    async def _elsewhere(self, other: OtherChat) -> dict[str, Any]:
        """The newest of a conversation on another channel."""
        lines, more = await self._page_elsewhere(other, other.last + 1)
        said = [wire.elsewhere(line) for line in lines]
        return {"conversation": other.conversation, "channel": other.channel, "messages": said, "more": more}

    async def _page_elsewhere(self, other: OtherChat, before: int) -> tuple[Sequence[LogLine], bool]:
        found = await to_thread.run_sync(self._s.transcripts.before, other.conversation, before, _BEFORE)
        lines = [line for line in found if line.message.number >= other.first]
        return lines, bool(lines) and lines[0].message.number > other.first

    def _room(self, socket: Socket) -> Room:
        if socket.visitor is None:
            raise SessionRefused("none")
        return self._rooms.of(socket.visitor) or Room(socket.visitor)

    @asynccontextmanager
    async def _alone(self, socket: Socket) -> AsyncIterator[Room]:
        """The socket's room, in which nothing is said and nothing moves away meanwhile."""
        while True:
            room = self._room(socket)
            async with room.order:
                if socket.gone or self._rooms.of(socket.visitor or "") is room:
                    yield room
                    return

    async def _identify(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        self._room(socket)
        token = wire.text(data, "token", 4000)
        now = self._s.clock()
        customer = self._s.verifier.customer(token, now)
        async with socket.order, self._alone(socket) as before:
            visitor = await to_thread.run_sync(
                self._s.identities.identify, CHANNEL, before.visitor, customer, socket.language, now
            )
            log.info("webchat.identified")
            if visitor != before.visitor:
                await self._follow(before, visitor, socket)
            answer = await self._session_body(socket, visitor, self._s.sessions.issue(visitor))
        await self._rooms.tell(self._room(socket), "session_changed", {}, but=socket)
        return answer

    async def _follow(self, before: Room, visitor: str, first: Socket) -> None:
        """Where a conversation moved, so do its other tabs; where it is another customer's, they stay with it."""
        others = [tab for tab in before.sockets.values() if tab is not first]
        if await self._rooms.read_state(before.visitor) is None:
            state = await self._rooms.read_state(visitor)
            for other in others:
                self._rooms.enter(other, visitor, state.last if state else 0)
        else:
            await self._rooms.tell(before, "session_changed", {}, but=first)

    async def _sign_out(self, socket: Socket, _data: dict[str, Any]) -> dict[str, Any]:
        async with socket.order:
            room = self._rooms.of(socket.visitor or "")
            token, visitor = self._new_session()
            answer = await self._session_body(socket, visitor, token)
        if room is not None:
            await self._rooms.tell(room, "session_changed", {}, but=socket)
        return answer

    # -- messages ------------------------------------------------------------------------------------------------------

    async def _user_uttered(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        said = wire.uttered(data)
        async with socket.order:  # events of one socket are handled side by side; its messages keep their order
            renewed = await self._renewed(socket, said.token)
            async with self._alone(socket) as room:
                inbound = Inbound(CHANNEL, room.visitor, said.text, said.key, said.image, socket.language)
                answer = await self._receive(socket, inbound)
        if renewed and answer["ok"]:
            answer["session"] = renewed
        return answer

    async def _renewed(self, socket: Socket, token: str | None) -> str | None:
        """Bring the socket into the room that it speaks in; a renewed token when it is time.

        A socket without a session gets one, as with Rasa.
        """
        if token is None:
            if socket.visitor is None:
                made, visitor = self._new_session()
                await self._emit("session_confirm", made, socket.sid)
                self._rooms.enter(socket, visitor, 0)
            return None
        session = self._s.sessions.read(token)
        if session.visitor != socket.visitor:
            state = await self._rooms.read_state(session.visitor)
            self._rooms.enter(socket, session.visitor, state.last if state else 0)
        return self._s.sessions.issue(session.visitor) if session.renew else None

    async def _receive(self, socket: Socket, inbound: Inbound) -> dict[str, Any]:
        if wait := self._messages.wait(inbound.address) or self._messages_from.wait(socket.ip):
            return wire.refusal("rate", wait)
        received = await to_thread.run_sync(self._s.inbox.receive, inbound)
        return {"ok": True, "number": received.number, "id": received.message, "at": received.at.isoformat()}

    async def _end(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        key = wire.key(data)
        words = self._s.wording.say("label_end_conversation", socket.language).text
        async with socket.order, self._alone(socket) as room:
            return await self._receive(socket, Inbound(CHANNEL, room.visitor, words, key, ends=True))

    async def _history(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        room = self._room(socket)
        before, after = wire.number(data, "before"), wire.number(data, "after")
        state = await self._rooms.read_state(room.visitor)
        elsewhere = wire.text(data, "conversation", 64, "")
        if state is None:
            return {"ok": True, "messages": [], "more": False}
        if elsewhere:
            other = await self._rooms.read_other(room.visitor, state)
            if other is None or other.conversation != elsewhere:  # it was another's, or is not theirs any more
                return {"ok": True, "messages": [], "more": False}
            lines, more = await self._page_elsewhere(other, before)
            return {"ok": True, "messages": [wire.elsewhere(line) for line in lines], "more": more}
        lines, more = await self._page(state, before, after)
        self._rooms.note_delivered(room, lines)
        return {"ok": True, "messages": [wire.message(line) for line in lines], "more": more}

    async def _page(self, state: LogState, before: int, after: int) -> tuple[Sequence[LogLine], bool]:
        """The messages just before a number or, where that is 0, just after one; and whether there are more that way."""
        if before:
            lines = await to_thread.run_sync(self._s.transcripts.before, state.conversation, before, _BEFORE)
            return lines, bool(lines) and lines[0].message.number > 1
        lines = await to_thread.run_sync(self._s.transcripts.after, state.conversation, after, PAGE)
        return lines, bool(lines) and lines[-1].message.number < state.last

    async def _read(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        room, number = self._room(socket), wire.number(data, "number")
        state = await self._rooms.read_state(room.visitor)
        if state is not None and number > state.read:
            moved = await to_thread.run_sync(
                self._s.transcripts.read_by_customer, state.conversation, number, self._s.clock()
            )
            if moved:
                self._rooms.refresh(room)
        return {"ok": True}

    async def _typing(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        room, on = self._room(socket), wire.flag(data, "on")
        self._s.live.tell(Typing(CHANNEL, room.visitor, Author.CUSTOMER, on))
        return {"ok": True}

    async def _rate(self, socket: Socket, data: dict[str, Any]) -> dict[str, Any]:
        room = self._room(socket)
        score = wire.number(data, "score")
        if not 1 <= score <= 5:
            raise wire.BadEvent("`score` must be 1 to 5")
        comment = clean(wire.text(data, "comment", LONGEST_COMMENT, "")).text
        rating = Rating(wire.key(data), score, comment)
        kept = await to_thread.run_sync(self._s.ratings.rate, CHANNEL, room.visitor, rating, self._s.clock())
        if not kept:
            raise wire.BadEvent("nothing has been said that could be rated")
        return {"ok": True}


class _Events(socketio.AsyncNamespace):  # type: ignore[misc]
    """Hands on every event, whatever its name."""

    def __init__(self, handle: Callable[..., Awaitable[Any]]) -> None:
        super().__init__("/")
        self._handle = handle

    async def trigger_event(self, event: str, *args: Any) -> Any:
        return await self._handle(event, *args)


class _TextPacket(Packet):  # type: ignore[misc]
    """Takes no binary attachments: no event has any, and they would be collected without limit.

    The event is read as it stands; the frames that would have followed are no packets and go nowhere.
    """

    def decode(self, encoded_packet: Any) -> int:
        if super().decode(encoded_packet):
            binary_event = bool(self.packet_type == BINARY_EVENT)  # type: ignore[has-type]
            self.packet_type = EVENT if binary_event else ACK
            self.attachment_count = 0
        return 0


def _bounded(app: ASGIApp) -> ASGIApp:
    """Refuses a long poll's body that is too large, or of unsaid size, before any of it is read."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit() or int(length) > MAX_FRAME:
                await PlainTextResponse("too large", 413, {"Connection": "close"})(scope, receive, send)
                return
        await app(scope, receive, send)

    return bounded


_SILENT = logging.getLogger("thiqa.webchat.strangers")
_SILENT.disabled = True
