"""Who is connected, and what each of their sockets has got: the log is carried to sockets by number, never by luck."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from anyio import to_thread

from bot.connectors.webchat import wire
from bot.conversations.live import Happening, Typing
from bot.conversations.model import Author, ConversationId, MessageId
from bot.conversations.ports import LogLine, LogState, Transcripts
from bot.customers.channels import Moved, OtherChat, OtherChats
from bot.errors import StorageUnavailable

log = structlog.get_logger()

PAGE = 100
# A turn mostly takes less: then dots would only flicker.
_TYPING_AFTER = 0.4
_STORAGE_RETRY = 1.0

Emit = Callable[[str, Any, str], Awaitable[None]]


@dataclass
class Socket:
    """One tab. `got`: it has, or will ask for, all messages up to this number. `answered`: its session's answer is out,
    and what is new may follow. `gone`: it has left; what it said before is still handled. `order`: one thing it says at
    a time. `other`: its customer's conversation on another channel, as it was told of it, and `other_got` as `got`."""

    sid: str
    ip: str
    visitor: str | None = None
    protocol: int = 0
    language: str = "ar"
    got: int = 0
    marks: dict[str, Any] | None = None
    refused: int = 0
    answered: bool = True
    gone: bool = False
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    other: ConversationId | None = None
    other_got: int = 0


@dataclass
class Room:
    """All sockets of one visitor in this process. `order`: one thing that is said, or moved, at a time."""

    visitor: str
    sockets: dict[str, Socket] = field(default_factory=dict)
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    state: LogState | None = None
    other: OtherChat | None = None
    stale: bool = False
    pump: asyncio.Task[None] | None = None
    typing: Author | None = None
    typing_soon: asyncio.TimerHandle | None = None


class Rooms:
    """`collected` notes replies as delivered. Runs in the server's event loop."""

    def __init__(
        self,
        channel: str,
        transcripts: Transcripts,
        others: OtherChats,
        collected: Callable[[Sequence[MessageId]], None],
        emit: Emit,
    ) -> None:
        self._channel, self._transcripts, self._others = channel, transcripts, others
        self._collected, self._emit = collected, emit
        self._rooms: dict[str, Room] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._rooms)

    def of(self, visitor: str) -> Room | None:
        return self._rooms.get(visitor)

    def enter(self, socket: Socket, visitor: str, got: int, *, answered: bool = True) -> Room:
        """Bring a socket into a visitor's room, out of any other; it has all messages up to `got`."""
        if socket.visitor != visitor:
            self.leave(socket)
        socket.visitor, socket.got, socket.marks, socket.answered = visitor, got, None, answered
        if socket.gone:
            return self._rooms.get(visitor) or Room(visitor)
        room = self._rooms.setdefault(visitor, Room(visitor))
        room.sockets[socket.sid] = socket
        return room

    def answered(self, socket: Socket) -> None:
        """The socket has its session's answer: what is new since may follow."""
        socket.answered = True
        if room := self._rooms.get(socket.visitor or ""):
            self.refresh(room)

    def leave(self, socket: Socket) -> None:
        room = self._rooms.get(socket.visitor or "")
        if room is None:
            return
        room.sockets.pop(socket.sid, None)
        if not room.sockets:
            if room.typing_soon:
                room.typing_soon.cancel()
            del self._rooms[room.visitor]

    async def read_state(self, visitor: str) -> LogState | None:
        return await to_thread.run_sync(self._transcripts.state, self._channel, visitor)

    async def read_other(self, visitor: str, state: LogState | None) -> OtherChat | None:
        """The conversation on another channel that the visitor sees here too."""
        if state is None or state.customer is None:
            return None
        return await to_thread.run_sync(self._others.beside, self._channel, visitor)

    # -- what is new ---------------------------------------------------------------------------------------------------

    def heard(self, happening: Happening) -> None:
        """Something happened in this process; called in the server's loop."""
        if happening.channel != self._channel:
            self._heard_elsewhere(happening)
            return
        room = self._rooms.get(happening.address)
        if room is None:
            return
        if isinstance(happening, Typing):
            self._typing(room, happening)
        else:
            self.refresh(room)

    def found(self, states: Sequence[LogState]) -> None:
        """Conversations that have moved, perhaps by another process."""
        for state in states:
            room = self._rooms.get(state.address)
            if room is not None and state != room.state:
                self.refresh(room)

    def _heard_elsewhere(self, happening: Happening) -> None:
        if not isinstance(happening, Typing):
            for room in self._rooms.values():
                if room.other and (room.other.channel, room.other.address) == (happening.channel, happening.address):
                    self.refresh(room)

    def found_elsewhere(self, moved: Sequence[Moved]) -> None:
        """Conversations of other channels that have moved, or changed hands, perhaps by another process."""
        now = {other.address: other for other in moved}
        beside = {other.beside for other in moved if other.beside}
        for room in self._rooms.values():
            known = room.other
            found = now.get(known.address) if known else None
            if found and known and (found.beside != room.visitor or found.last != known.last):
                self.refresh(room)
            elif known is None and room.visitor in beside:
                self.refresh(room)

    def refresh(self, room: Room) -> None:
        """Bring the room's sockets up to date soon."""
        room.stale = True
        if room.pump is None or room.pump.done():
            room.pump = self._spawn(self._pump(room))

    async def _pump(self, room: Room) -> None:
        while room.stale and room.sockets:
            room.stale = False
            try:
                await self._carry(room)
            except StorageUnavailable:
                room.stale = True
                await asyncio.sleep(_STORAGE_RETRY)
            except Exception:
                log.exception("webchat.pump_failed", visitor=room.visitor)

    async def _carry(self, room: Room) -> None:
        state = await self.read_state(room.visitor)
        room.state = state
        if state is None:
            return
        got = min((socket.got for socket in room.sockets.values() if socket.answered), default=state.last)
        while got < state.last:
            lines = await to_thread.run_sync(self._transcripts.after, state.conversation, got, PAGE)
            if not lines:
                break
            for socket in list(room.sockets.values()):
                for line in lines:
                    if socket.answered and line.message.number > socket.got:
                        socket.got = line.message.number
                        await self.send(socket, line)
            got = lines[-1].message.number
            self.note_delivered(room, lines)
        await self.send_marks(room)
        await self._carry_other(room, state)

    async def _carry_other(self, room: Room, state: LogState) -> None:
        """What was said on another channel. A socket that knows of another conversation, or of none, asks anew."""
        other = room.other = await self.read_other(room.visitor, state)
        found = other.conversation if other else None
        following = []
        for socket in list(room.sockets.values()):
            if not socket.protocol or not socket.answered:
                continue
            if socket.other == found:
                following.append(socket)
            else:
                socket.other, socket.other_got = found, other.last if other else 0
                await self._emit("session_changed", {}, socket.sid)
        if other is None:
            return
        got = max(other.first - 1, min((socket.other_got for socket in following), default=other.last))
        while got < other.last:
            lines = await to_thread.run_sync(self._transcripts.after, other.conversation, got, PAGE)
            if not lines:
                break
            for line in lines:
                for socket in following:
                    if socket.other == found and line.message.number > socket.other_got:
                        socket.other_got = line.message.number
                        await self._emit("elsewhere_uttered", wire.elsewhere_uttered(line, other), socket.sid)
            got = lines[-1].message.number

    async def send(self, socket: Socket, line: LogLine) -> None:
        """One message to one socket, in its protocol."""
        if line.message.author is not Author.CUSTOMER:
            await self._emit("bot_uttered", wire.bot_uttered(line, socket.protocol), socket.sid)
        elif socket.protocol:
            await self._emit("customer_uttered", wire.message(line), socket.sid)

    def note_delivered(self, room: Room, lines: Sequence[LogLine]) -> None:
        """Note replies as delivered, soon, where anyone is in the room."""
        replies = [line.message.id for line in lines if line.message.author is not Author.CUSTOMER]
        if replies and room.sockets:
            self._spawn(self._note_delivered(replies))

    async def _note_delivered(self, replies: Sequence[MessageId]) -> None:
        try:
            await to_thread.run_sync(self._collected, replies)
        except StorageUnavailable:
            log.warning("webchat.delivery_not_noted")

    async def send_marks(self, room: Room) -> None:
        marks = wire.marks(room.state)
        for socket in list(room.sockets.values()):
            if socket.protocol and socket.answered and socket.marks != marks:
                socket.marks = marks
                await self._emit("marks", marks, socket.sid)

    # -- who is writing ------------------------------------------------------------------------------------------------

    def _typing(self, room: Room, typing: Typing) -> None:
        if typing.author is Author.CUSTOMER:
            return
        if room.typing_soon:
            room.typing_soon.cancel()
            room.typing_soon = None
        if not typing.on:
            if room.typing is typing.author:
                self._show_typing(room, None)
        elif typing.author is Author.BOT:
            loop = asyncio.get_running_loop()
            room.typing_soon = loop.call_later(_TYPING_AFTER, self._show_typing, room, Author.BOT)
        else:
            self._show_typing(room, typing.author)

    def _show_typing(self, room: Room, author: Author | None) -> None:
        shown = {"author": (author or room.typing or Author.BOT).value, "on": author is not None}
        room.typing = author
        self._spawn(self.tell(room, "typing", shown))

    async def tell(self, room: Room, event: str, data: Any, but: Socket | None = None) -> None:
        """An event to all sockets of our protocol in a room, `but` one."""
        for socket in list(room.sockets.values()):
            if socket.protocol and socket is not but:
                await self._emit(event, data, socket.sid)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)
        return task
