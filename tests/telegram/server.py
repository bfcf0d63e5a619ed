"""A Bot API server over real HTTP that plays Telegram: strict about calls, and able to fail as Telegram does."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import requests

from tests.telegram.rules import check

TOKEN = "700001:AAtests-of-thiqa-0123456789abcdefghi"
SECOND_TOKEN = "700002:BBtests-of-thiqa-0123456789abcdefghi"
Json = dict[str, Any]


@dataclass
class Account:
    """A bot as Telegram knows it."""

    token: str
    revoked: bool = False
    privacy: bool = True
    updates: list[Json] = field(default_factory=list)
    confirmed: set[int] = field(default_factory=set)
    webhook: Json = field(default_factory=dict)
    commands: dict[tuple[str, str], Any] = field(default_factory=dict)
    descriptions: dict[tuple[str, str], str] = field(default_factory=dict)
    poll: int = 0

    @property
    def id(self) -> int:
        return int(self.token.partition(":")[0])

    def user(self) -> Json:
        return {"id": self.id, "is_bot": True, "first_name": "متجر التجربة", "username": f"thiqa_{self.id}_bot"}


@dataclass
class Trouble:
    """What becomes of the next calls of a method."""

    kind: str  # status, drop, drop_after, slow, garbage, migrate
    status: int = 500
    description: str = "Internal Server Error"
    seconds: float = 0.0
    parameters: Json = field(default_factory=dict)
    times: int = 1


@dataclass(frozen=True)
class Call:
    bot: int
    method: str
    given: Mapping[str, str]
    at: float

    def json(self, name: str) -> Any:
        return json.loads(self.given[name])


class TelegramServer:
    """`violations` must be empty at the end; `close` says so. `strict_pace`: sending faster than Telegram allows is one."""

    def __init__(self, *tokens: str, strict_pace: bool = True) -> None:
        self.accounts = {token: Account(token) for token in (tokens or (TOKEN,))}
        self.strict_pace = strict_pace
        self.violations: list[str] = []
        self.calls: list[Call] = []
        self.chats: dict[tuple[int, int], list[Json]] = defaultdict(list)  # by bot and chat, all that stands in it
        self.blocked: set[int] = set()
        self.moved: dict[int, int] = {}
        self.unknown_chats: set[int] = set()
        self.files: dict[str, bytes | None] = {}
        self.answered: dict[str, Json] = {}
        self.queries: set[str] = set()
        self.left: list[int] = []
        self._trouble: dict[str, deque[Trouble]] = defaultdict(deque)
        self.chaos: Callable[[str], Trouble | None] = lambda method: None  # what fails by chance
        self._numbers = itertools.count(1)
        self._update_ids = itertools.count(900_000_001)
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._sent_at: dict[tuple[int, int], float] = {}
        self._recent: dict[int, deque[float]] = defaultdict(deque)
        self._open = True
        self._http = _Http(self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._bringer = threading.Thread(target=self._bring, daemon=True)
        self._bringer.start()

    def close(self) -> None:
        self._open = False
        with self._news:
            self._news.notify_all()
        self._http.shutdown()
        self._http.server_close()
        assert not self.violations, self.violations

    def __enter__(self) -> TelegramServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self._http.shutdown()

    @property
    def bot(self) -> Account:
        return next(iter(self.accounts.values()))

    # -- what fails ----------------------------------------------------------------------------------------------------

    def fails(self, method: str, kind: str, **how: Any) -> None:
        with self._lock:
            self._trouble[method].append(Trouble(kind, **how))

    def floods(self, method: str, seconds: int = 1, times: int = 1) -> None:
        description = f"Too Many Requests: retry after {seconds}"
        self.fails(
            method, "status", status=429, description=description, parameters={"retry_after": seconds}, times=times
        )

    # -- what happens --------------------------------------------------------------------------------------------------

    def happens(self, account: Account | None = None, update_id: int | None = None, **content: Any) -> Json:
        """An update for a bot."""
        with self._news:
            update = {"update_id": next(self._update_ids) if update_id is None else update_id, **content}
            (account or self.bot).updates.append(update)
            self._news.notify_all()
            return update

    def again(self, update: Json) -> None:
        """The same update is delivered once more."""
        with self._news:
            self.bot.confirmed.discard(update["update_id"])
            if update not in self.bot.updates:
                self.bot.updates.append(update)
            self._news.notify_all()

    def number(self) -> int:
        with self._lock:
            return next(self._numbers)

    def sent(self, chat: int, bot: int | None = None) -> list[Json]:
        """What the bot has said in a chat."""
        with self._lock:
            said = self.chats[bot or self.bot.id, chat]
            return [message for message in said if message["from"]["is_bot"]]

    def texts(self, chat: int) -> list[str]:
        return [message["text"] for message in self.sent(chat)]

    def called(self, method: str) -> list[Call]:
        with self._lock:
            return [call for call in self.calls if call.method == method]

    def pending(self) -> int:
        with self._lock:
            return sum(len(account.updates) for account in self.accounts.values())

    def until(self, true: Callable[[], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := true():
                return found
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds:g} s; calls: {[c.method for c in self.calls][-15:]}")

    def violated(self, problem: str) -> None:
        with self._lock:
            self.violations.append(problem)

    # -- methods -------------------------------------------------------------------------------------------------------

    def answer(self, token: str, method: str, given: Mapping[str, str]) -> tuple[int, Json] | None:
        """(status, body); None: the connection is dropped."""
        account = self.accounts.get(token)
        if account is None or account.revoked:
            return _refusal(401, "Unauthorized") if account else _refusal(404, "Not Found")
        problems = check(method, given)
        with self._lock:
            self.violations += problems
            self.calls.append(Call(account.id, method, given, time.monotonic()))
            trouble = self._next_trouble(method) or self.chaos(method)
        if problems:
            return _refusal(400, f"Bad Request: {problems[0]}")
        if trouble and trouble.kind == "slow":
            time.sleep(trouble.seconds)
        if trouble and trouble.kind == "drop":
            return None
        if trouble and trouble.kind == "status":
            return _refusal(trouble.status, trouble.description, trouble.parameters)
        result = getattr(self, f"_{method}")(account, given)
        if trouble and trouble.kind == "drop_after":
            return None
        if trouble and trouble.kind == "garbage":
            return 200, {"surprise": True}
        return result if isinstance(result, tuple) else (200, {"ok": True, "result": result})

    def _next_trouble(self, method: str) -> Trouble | None:
        waiting = self._trouble[method]
        if not waiting:
            return None
        trouble = waiting[0]
        trouble.times -= 1
        if trouble.times <= 0:
            waiting.popleft()
        return trouble

    def _getMe(self, account: Account, given: Mapping[str, str]) -> Json:
        return {
            **account.user(),
            "can_join_groups": True,
            "can_read_all_group_messages": not account.privacy,
            "supports_inline_queries": False,
        }

    def _getUpdates(self, account: Account, given: Mapping[str, str]) -> Any:
        if account.webhook.get("url"):
            return _refusal(
                409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first"
            )
        kinds = set(json.loads(given.get("allowed_updates", "[]")))
        deadline = time.monotonic() + int(given.get("timeout", 0))
        offset = int(given["offset"]) if "offset" in given else None
        with self._news:
            account.poll += 1
            mine = account.poll
            if offset is not None:
                account.confirmed |= {u["update_id"] for u in account.updates if u["update_id"] < offset}
                account.updates = [u for u in account.updates if u["update_id"] >= offset]
            self._news.notify_all()
            while True:
                if account.poll != mine:
                    return _refusal(
                        409,
                        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                    )
                if account.revoked:
                    return _refusal(401, "Unauthorized")
                found = [u for u in account.updates if not kinds or kinds & set(u) or not set(u) & _KNOWN]
                account.updates = [u for u in account.updates if u in found]
                if found or not self._open:
                    return found[: int(given.get("limit", 100))]
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                self._news.wait(min(left, 0.5))

    def poll_elsewhere(self, account: Account | None = None) -> None:
        """Another process asks for this bot's updates."""
        with self._news:
            (account or self.bot).poll += 1
            self._news.notify_all()

    def _setWebhook(self, account: Account, given: Mapping[str, str]) -> bool:
        account.webhook = {"url": given["url"], "secret": given.get("secret_token", ""), "errors": 0}
        return True

    def _deleteWebhook(self, account: Account, given: Mapping[str, str]) -> bool:
        account.webhook = {}
        return True

    def _getWebhookInfo(self, account: Account, given: Mapping[str, str]) -> Json:
        return {
            "url": account.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": len(account.updates),
        }

    def _sendPhoto(self, account: Account, given: Mapping[str, str]) -> Any:
        return self._sent(account, given, {"photo": given["photo"], "caption": given.get("caption", "")})

    def _sendDocument(self, account: Account, given: Mapping[str, str]) -> Any:
        return self._sent(account, given, {"document": given["document"], "caption": given.get("caption", "")})

    def _sendMessage(self, account: Account, given: Mapping[str, str]) -> Any:
        return self._sent(account, given, {"text": given["text"]})

    def _sent(self, account: Account, given: Mapping[str, str], content: Json) -> Any:
        chat = int(given["chat_id"])
        if chat in self.moved:
            return _refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": self.moved[chat]},
            )
        if chat in self.blocked:
            return _refusal(403, "Forbidden: bot was blocked by the user")
        if chat in self.unknown_chats:
            return _refusal(400, "Bad Request: chat not found")
        self._check_pace(account, chat)
        kind = "private" if chat > 0 else "supergroup"
        message: Json = {
            "message_id": self.number(),
            "from": account.user(),
            "chat": {"id": chat, "type": kind, **({"first_name": "عميل"} if chat > 0 else {"title": "مجموعة"})},
            "date": int(time.time()),
            **content,
        }
        if "reply_markup" in given:
            markup = json.loads(given["reply_markup"])
            message["markup_given"] = markup
            if "inline_keyboard" in markup:
                message["reply_markup"] = markup
        with self._news:
            self.chats[account.id, chat].append(message)
            self._news.notify_all()
        return {name: value for name, value in message.items() if name != "markup_given"}

    def _check_pace(self, account: Account, chat: int) -> None:
        if not self.strict_pace:
            return
        now = time.monotonic()
        with self._lock:
            before = self._sent_at.get((account.id, chat))
            self._sent_at[account.id, chat] = now
            recent = self._recent[account.id]
            recent.append(now)
            while recent and recent[0] < now - 1:
                recent.popleft()
            if before is not None and now - before < 0.9:
                self.violations.append(f"two messages to a chat within {now - before:.2f} s")
            if len(recent) > 36:
                self.violations.append(f"{len(recent)} messages within a second")

    def _sendChatAction(self, account: Account, given: Mapping[str, str]) -> Any:
        return (
            _refusal(403, "Forbidden: bot was blocked by the user") if int(given["chat_id"]) in self.blocked else True
        )

    def _answerCallbackQuery(self, account: Account, given: Mapping[str, str]) -> Any:
        query = given["callback_query_id"]
        if query not in self.queries or query in self.answered:
            return _refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.answered[query] = dict(given)
        return True

    def _editMessageReplyMarkup(self, account: Account, given: Mapping[str, str]) -> Any:
        with self._lock:
            for message in self.chats[account.id, int(given["chat_id"])]:
                if message["message_id"] == int(given["message_id"]) and message["from"]["id"] == account.id:
                    markup = json.loads(given.get("reply_markup", '{"inline_keyboard": []}'))
                    if markup == message.get("reply_markup"):
                        return _refusal(400, "Bad Request: message is not modified")
                    message["reply_markup"] = markup
                    return {name: value for name, value in message.items() if name != "markup_given"}
        return _refusal(400, "Bad Request: message to edit not found")

    def _getFile(self, account: Account, given: Mapping[str, str]) -> Any:
        file = given["file_id"]
        if file not in self.files:
            return _refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        content = self.files[file]
        size = len(content) if content is not None else 1000
        if size > 20 * 1024 * 1024:
            return _refusal(400, "Bad Request: file is too big")
        return {"file_id": file, "file_unique_id": f"u{file}", "file_size": size, "file_path": f"photos/{file}.jpg"}

    def _leaveChat(self, account: Account, given: Mapping[str, str]) -> bool:
        self.left.append(int(given["chat_id"]))
        return True

    def _setMyCommands(self, account: Account, given: Mapping[str, str]) -> bool:
        scope = json.loads(given.get("scope", '{"type": "default"}'))["type"]
        account.commands[scope, given.get("language_code", "")] = json.loads(given["commands"])
        return True

    def _getMyCommands(self, account: Account, given: Mapping[str, str]) -> Any:
        scope = json.loads(given.get("scope", '{"type": "default"}'))["type"]
        return account.commands.get((scope, given.get("language_code", "")), [])

    def _setMyDescription(self, account: Account, given: Mapping[str, str]) -> bool:
        account.descriptions["description", given.get("language_code", "")] = given.get("description", "")
        return True

    def _setMyShortDescription(self, account: Account, given: Mapping[str, str]) -> bool:
        account.descriptions["short", given.get("language_code", "")] = given.get("short_description", "")
        return True

    # -- webhooks ------------------------------------------------------------------------------------------------------

    def _bring(self) -> None:
        """Deliver updates to webhooks, and again where the answer is not 2xx."""
        while self._open:
            time.sleep(0.02)
            for account in self.accounts.values():
                with self._lock:
                    due = list(account.updates) if account.webhook.get("url") else []
                for update in due:
                    if self._delivered(account, update):
                        with self._lock:
                            account.updates.remove(update)
                    else:
                        account.webhook["errors"] = account.webhook.get("errors", 0) + 1
                        time.sleep(0.2)
                        break

    @staticmethod
    def _delivered(account: Account, update: Json) -> bool:
        headers = {"X-Telegram-Bot-Api-Secret-Token": account.webhook["secret"]}
        try:
            return requests.post(account.webhook["url"], json=update, headers=headers, timeout=5).ok
        except requests.RequestException:
            return False


_KNOWN = {
    "message", "edited_message", "channel_post", "edited_channel_post", "callback_query", "my_chat_member", "poll",
    "chat_member", "message_reaction", "inline_query",
}  # fmt: skip


class Customer:
    """A person in a private chat with the bot."""

    def __init__(
        self, server: TelegramServer, number: int, language: str = "ar", account: Account | None = None
    ) -> None:
        self.server, self.id, self.language = server, number, language
        self.account = account or server.bot

    @property
    def user(self) -> Json:
        return {"id": self.id, "is_bot": False, "first_name": "نورة", "language_code": self.language}

    @property
    def chat(self) -> Json:
        return {"id": self.id, "type": "private", "first_name": "نورة"}

    def message(self, **content: Any) -> Json:
        return {
            "message_id": self.server.number(),
            "from": self.user,
            "chat": self.chat,
            "date": int(time.time()),
            **content,
        }

    def sends(self, **content: Any) -> Json:
        """A message of any content; the update."""
        message = self.message(**content)
        self.server.chats[self.account.id, self.id].append(message)
        return self.server.happens(self.account, message=message)

    def says(self, text: str, **more: Any) -> Json:
        entities = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}] if text[:1] == "/" else None
        return self.sends(text=text, **({"entities": entities} if entities else {}), **more)

    def edits(self, update: Json, text: str, at: int = 5) -> Json:
        message = {**update["message"], "text": text, "edit_date": update["message"]["date"] + at}
        return self.server.happens(self.account, edited_message=message)

    def presses(self, title: str, message: Json | None = None, person: Json | None = None) -> str:
        """Press the button whose title holds `title`; the query's id."""
        found = [m for m in reversed(self.heard) if "reply_markup" in m]
        message = message or next(m for m in found if _data(m, title))
        return self.sends_query(_data(message, title) or "", message, person)

    def sends_query(self, data: str, message: Json | None, person: Json | None = None) -> str:
        query = f"q{self.server.number()}"
        self.server.queries.add(query)
        shown = {name: value for name, value in (message or {}).items() if name != "markup_given"}
        self.server.happens(
            self.account,
            callback_query={
                "id": query,
                "from": person or self.user,
                "chat_instance": "1",
                "data": data,
                **({"message": shown} if message else {}),
            },
        )
        return query

    def sends_photo(self, content: bytes | None, caption: str = "", album: str = "", name: str = "") -> Json:
        file = name or f"file{self.server.number()}"
        if content is not None or name:
            self.server.files[file] = content
        size = len(content) if content is not None else 1000
        photo = [
            {"file_id": f"small-{file}", "file_unique_id": "s", "width": 90, "height": 60, "file_size": 900},
            {"file_id": file, "file_unique_id": "l", "width": 1280, "height": 853, "file_size": size},
        ]
        return self.sends(
            photo=photo,
            **({"caption": caption} if caption else {}),
            **({"media_group_id": album} if album else {}),
        )

    def shares_contact(self, phone: str, user_id: int | None = None) -> Json:
        contact = {"phone_number": phone, "first_name": "نورة"}
        owner = self.id if user_id is None else user_id
        return self.sends(contact={**contact, **({"user_id": owner} if owner else {})})

    def membership(self, status: str) -> Json:
        bot = self.account.user()
        if status == "kicked":
            self.server.blocked.add(self.id)
            now: Json = {"user": bot, "status": "kicked", "until_date": 0}
        else:
            self.server.blocked.discard(self.id)
            now = {"user": bot, "status": "member"}
        change = {
            "chat": self.chat,
            "from": self.user,
            "date": int(time.time()),
            "old_chat_member": {"user": bot, "status": "member"},
            "new_chat_member": now,
        }
        return self.server.happens(self.account, my_chat_member=change)

    @property
    def heard(self) -> list[Json]:
        return self.server.sent(self.id, self.account.id)

    def hears(self, count: int = 1, seconds: float = 20.0) -> list[str]:
        """The texts of all that was said, as they are read, once there are so many."""
        self.server.until(lambda: len(self.heard) >= count, seconds)
        return [message["text"].replace("\u2066", "").replace("\u2069", "") for message in self.heard]

    def titles(self) -> list[str]:
        """Of the latest keyboard."""
        for message in reversed(self.heard):
            if "reply_markup" in message:
                return [button["text"] for row in message["reply_markup"]["inline_keyboard"] for button in row]
        return []


def _data(message: Json, title: str) -> str | None:
    for row in message["reply_markup"]["inline_keyboard"]:
        for button in row:
            if title in button["text"]:
                return str(button["callback_data"])
    return None


@contextmanager
def telegram(*tokens: str, strict_pace: bool = True) -> Iterator[TelegramServer]:
    with TelegramServer(*tokens, strict_pace=strict_pace) as server:
        yield server


def _refusal(status: int, description: str, parameters: Json | None = None) -> tuple[int, Json]:
    body: Json = {"ok": False, "error_code": status, "description": description}
    return status, {**body, **({"parameters": parameters} if parameters else {})}


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, telegram: TelegramServer) -> None:
        self.telegram = telegram
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the client went away, or was killed


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = re.fullmatch(r"/bot([^/]+)/(\w+)", self.path)
        if not found:
            return self._reply(404, b'{"ok":false,"error_code":404,"description":"Not Found"}')
        answer = self.server.telegram.answer(found[1], found[2], self._given(body))
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._reply(answer[0], json.dumps(answer[1]).encode())

    def do_GET(self) -> None:
        found = re.fullmatch(r"/file/bot([^/]+)/photos/(.+)\.jpg", self.path)
        content = self.server.telegram.files.get(found[2]) if found else None
        if not found or found[1] not in self.server.telegram.accounts or content is None:
            return self._reply(404, b'{"ok":false,"error_code":404,"description":"Not Found"}')
        return self._reply(200, content, "application/octet-stream")

    def _given(self, body: bytes) -> dict[str, str]:
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            whole = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            return {
                str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode(
                    "latin-1"
                )
                if part.get_filename()
                else part.get_payload(decode=True).decode()
                for part in whole.get_payload()  # type: ignore[union-attr]
            }
        if kind.startswith("application/json"):
            return {n: v if isinstance(v, str) else json.dumps(v) for n, v in json.loads(body).items()}
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))

    def _reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *args: object) -> None:
        pass
