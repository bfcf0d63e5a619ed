"""Whatever strangers send to the chat, it is answered or dropped, memory stays bounded, and everyone else is served."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import socket
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import sqlalchemy as sa
from PIL import Image as Pillow

from bot.connectors.webchat.server import MAX_FRAME
from bot.conversations.intake import LONGEST
from bot.storage import tables as t
from tests.e2e.server import Server, link_trained
from tests.e2e.test_idle_sockets import Idle
from tests.e2e.test_operations import metric
from tests.e2e.test_webchat import download, log_of, picture, responses, typed, upload, visitor
from tests.e2e.webchat import Chat, until
from tests.unit.test_images import png_of_size

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024
EVENTS = ("session_request", "user_uttered", "history", "typing", "read", "identify", "sign_out", "end", "rate")
# Each field of each event, and what is right for the others.
FIELDS = {
    "user_uttered": {"message": "hello", "id": "m-1", "session_id": None, "image": None},
    "history": {"before": 1, "after": 1},
    "typing": {"on": True},
    "read": {"number": 1},
    "identify": {"token": "x"},
    "end": {"id": "e-1"},
    "rate": {"score": 5, "comment": "good", "id": "r-1"},
}
WRONG: list[Any] = [True, 0, -1, 1.5, 10**30, "", "x\x00y", "x" * 5000, [], [1], {}, {"a": 1}, b"binary", float("inf")]


@pytest.fixture(scope="module")
def target(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Thiqa of its own: its memory is measured, and its limits for one address are used up."""
    server = Server(link_trained(tmp_path_factory.mktemp("target"), trained_home))
    try:
        yield server.start()
    finally:
        server.kill()
        server.close()


@pytest.fixture
def chat(target: Server) -> Iterator[Chat]:
    with Chat(target.url) as chat:
        yield chat.open()


@pytest.fixture(autouse=True)
def _still_served(target: Server) -> Iterator[None]:
    """After each test somebody else gets an answer."""
    yield
    with Chat(target.url) as calm:
        calm.open()
        spoken = until(lambda: (said := calm.say("مرحبا", id="calm"))["ok"] and said, "nobody is served any more")
        calm.wait_for(lambda: calm.marks.get("seen") == spoken["number"])


class Memory:
    """The most memory that a server took while this was watching, in bytes above what it had before."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None
        self._process = psutil.Process(server.process.pid)
        self._before = self._process.memory_info().rss
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")

    def grown(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found.group(1)) * 1024 - self._before

    def kept(self) -> int:
        return int(self._process.memory_info().rss) - self._before


def stored(server: Server, chat: Chat) -> list[str]:
    return typed(log_of(server, chat))


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["", "nothing", "message", "*", "bot_uttered", "session_confirm", "__class__", "ثقة", "x" * 1000, "constructor", "error", "connect_error"])  # fmt: skip
def test_an_event_that_does_not_exist_is_said_to_be_unknown(chat: Chat, event: str) -> None:
    assert chat.call(event, {"message": "x"}) == {"ok": False, "code": "unknown_event"}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    "args",
    [(1,), ("text",), (True,), ([],), ([{}],), (1.5,), (b"binary",), ("text", {}), ([], {}, 1)],
    ids=["number", "text", "flag", "list", "object in a list", "float", "bytes", "text and object", "three"],
)
def test_an_event_that_carries_no_object_is_invalid(chat: Chat, event: str, args: tuple[Any, ...]) -> None:
    answer = chat.call(event, *args)
    assert (answer["ok"], answer["code"]) == (False, "invalid") and answer["detail"]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("args", [(), (None,), ({}, {}, {}), ({}, b"x"), ({"x": b"binary"},)], ids=["none", "null", "three", "bytes", "bytes within"])  # fmt: skip
def test_an_event_with_nothing_or_too_much_is_answered(chat: Chat, event: str, args: tuple[Any, ...]) -> None:
    answer = chat.call(event, *args)
    assert answer["ok"] or answer["code"] in ("invalid", "session", "identity_invalid")


@pytest.mark.parametrize(("event", "field"), [(event, field) for event, right in FIELDS.items() for field in right])
def test_every_field_of_every_event_with_every_wrong_value_is_answered_and_named(
    target: Server, chat: Chat, event: str, field: str
) -> None:
    chat.ask("hello")
    for value in WRONG:
        fields = dict(FIELDS[event], **{field: value}) if value is not None else {}
        answer = chat.call(event, fields)
        assert answer["ok"] or answer["code"] in ("invalid", "session", "image", "identity_invalid", "rate"), value
        if not answer["ok"] and answer["code"] == "invalid":
            assert answer["detail"] and len(answer["detail"]) < 200 and "Traceback" not in answer["detail"]
    assert target.is_ready()


@pytest.mark.parametrize("field", ["session_id", "protocol", "after", "language"])
def test_a_session_request_with_any_value_gives_a_session_or_says_what_is_wrong(chat: Chat, field: str) -> None:
    for value in WRONG:
        answer = chat.call("session_request", {"protocol": 1, field: value})
        assert answer["ok"] or (answer["code"] == "invalid" and field == "after"), value


def test_an_event_named_like_one_of_the_librarys_own_changes_nothing(target: Server) -> None:
    """`connect` and `disconnect` are names of handlers too: a client must not call them."""
    before = metric(target, "thiqa_webchat_sockets")

    async def attack() -> None:
        for event in ("connect", "disconnect"):
            idle = await Idle.open(target.port)
            answer = await idle.begin()
            assert answer["ok"]
            evil = {"asgi.scope": {"client": ["203.0.113.9", 1]}}
            await idle.say("421" + json.dumps([event, evil]))
            await idle.say('422["user_uttered",{"message":"hello","id":"m-1"}]')
            while not (text := await asyncio.wait_for(idle.hear(), 10)).startswith("432"):
                pass
            told = json.loads(text[3:])[0]
            assert told["ok"] is True and told["number"] == 1, f"after {event}: {told}"
            while not (text := await asyncio.wait_for(idle.hear(), 20)).startswith('42["bot_uttered"'):
                pass
            idle.writer.transport.abort()

    asyncio.run(attack())
    until(lambda: metric(target, "thiqa_webchat_sockets") <= before, "a socket that is gone is counted for ever")


def test_a_client_that_connects_to_the_namespace_again_and_again_is_one_socket(target: Server) -> None:
    before = metric(target, "thiqa_webchat_sockets")

    async def attack() -> None:
        idle = await Idle.open(target.port)
        await idle.begin()
        for _ in range(200):
            await idle.say("40")
        await asyncio.sleep(1)
        assert await asyncio.to_thread(metric, target, "thiqa_webchat_sockets") <= before + 1
        idle.writer.transport.abort()

    asyncio.run(attack())
    until(lambda: metric(target, "thiqa_webchat_sockets") <= before, "sockets that are gone are still counted")


# -- texts and ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("a\u202eb\u2066c", "abc"),
        ("lone \ud800 half", None),
        ("4111 1111 1111 1111", "••••1111"),
        ("'; DROP TABLE messages; --", "'; DROP TABLE messages; --"),
        ("{{7*7}} ${7*7} {name}", "{{7*7}} ${7*7} {name}"),
    ],
    ids=["script", "controls", "direction", "half a character", "card", "SQL", "template"],
)
def test_text_is_stored_clean_and_comes_back_as_text(target: Server, chat: Chat, sent: str, kept: str | None) -> None:
    answer = chat.say(sent)
    assert answer["ok"]
    heard = chat.wait_for(lambda: chat.messages.get(1))["text"]
    (text,) = stored(target, chat)
    assert heard == text and (kept is None or text == kept)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


@pytest.mark.parametrize("id", ["x" * 65, "", "a\nb", "a\x00b", "\u202e", 5, None, ["x"]], ids=ascii)
def test_an_id_that_is_none_is_refused_and_nothing_is_stored(target: Server, chat: Chat, id: Any) -> None:
    answer = chat.call("user_uttered", {"message": "hello", "id": id})
    if id is None:
        assert answer["ok"], "a message without an id is one message"
    else:
        assert answer["code"] == "invalid" and stored(target, chat) == []


@pytest.mark.parametrize("id", ["x" * 64, "<img src=x onerror=alert(1)>", "' OR 1=1 --", "../../etc/passwd", "رسالة"])
def test_an_id_may_look_like_anything_printable(target: Server, chat: Chat, id: str) -> None:
    first = chat.say("hello", id=id)
    assert first["ok"] and chat.say("hello", id=id) == first
    assert chat.wait_for(lambda: chat.messages.get(1))["client_id"] == id


def test_a_text_that_is_too_long_is_cut_and_the_customer_told(target: Server, chat: Chat) -> None:
    assert chat.say("ا" * 15_000)["ok"]  # 90,000 bytes as Python writes JSON
    chat.wait_for(lambda: chat.marks.get("seen") == 1)
    assert responses(log_of(target, chat)) == ["utter_too_long"] and len(stored(target, chat)[0]) <= LONGEST


def test_deep_and_wide_json_is_answered_or_the_socket_closed(target: Server) -> None:
    async def attack() -> None:
        for body in (
            "[" * 40_000 + "]" * 40_000,
            '{"a":' * 15_000 + "1" + "}" * 15_000,
            "{" + ",".join(f'"k{n}":{n}' for n in range(7_000)) + "}",
            "1" * 90_000,
            "-" * 90_000,
            "1e999999",
            '"\\ud800"',
        ):
            idle = await Idle.open(target.port)
            await idle.begin()
            await idle.say_long('427["user_uttered",' + body + "]")
            try:
                while not (text := await asyncio.wait_for(idle.hear(), 10)).startswith("437"):
                    pass
                assert json.loads(text[3:])[0]["ok"] is False
            except (OSError, asyncio.IncompleteReadError):
                pass  # closed
            except asyncio.TimeoutError:
                pass  # dropped without a word
            idle.writer.transport.abort()

    asyncio.run(attack())


# -- frames ------------------------------------------------------------------------------------------------------------


def ends(idle: Idle, within: float = 30) -> Any:
    """Read until the other side closes."""

    async def wait() -> None:
        try:
            while True:
                await idle.hear()
        except (OSError, asyncio.IncompleteReadError):
            return

    return asyncio.wait_for(wait(), within)


def test_a_frame_that_is_too_large_closes_its_socket_and_takes_no_memory(target: Server) -> None:
    memory = Memory(target)

    async def attack() -> None:
        for _ in range(5):
            idle = await Idle.open(target.port)
            await idle.begin()
            body = b"\0" * MEGABYTE
            idle.writer.write(b"\x81\xff" + (200 * MEGABYTE).to_bytes(8, "big") + b"\0\0\0\0")
            try:
                for _ in range(200):
                    idle.writer.write(body)
                    await idle.writer.drain()
            except OSError:
                pass
            await ends(idle)
            idle.writer.transport.abort()

    asyncio.run(attack())
    print(f"grown by {memory.grown() / MEGABYTE:.0f} MB")
    assert memory.grown() < 60 * MEGABYTE


def test_a_frame_in_pieces_without_an_end_is_cut_off_too(target: Server) -> None:
    memory = Memory(target)

    async def attack() -> None:
        idle = await Idle.open(target.port)
        await idle.begin()
        piece = b"x" * 60_000
        try:
            idle.writer.write(b"\x01\xfe" + len(piece).to_bytes(2, "big") + b"\0\0\0\0" + piece)
            for _ in range(3_000):
                idle.writer.write(b"\x00\xfe" + len(piece).to_bytes(2, "big") + b"\0\0\0\0" + piece)
                await idle.writer.drain()
        except OSError:
            pass
        await ends(idle)

    asyncio.run(attack())
    print(f"grown by {memory.grown() / MEGABYTE:.0f} MB")
    assert memory.grown() < 60 * MEGABYTE


def test_a_compressed_frame_that_unpacks_to_gigabytes_takes_no_memory(target: Server) -> None:
    """permessage-deflate: 200 KB on the wire may be 200 MB in memory."""
    memory = Memory(target)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(b"\0" * MEGABYTE) for _ in range(200)) + packer.flush(zlib.Z_SYNC_FLUSH)
    body = packed[:-4]

    async def attack() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head
        if b"permessage-deflate" not in head:
            return  # not offered, so nothing unpacks
        writer.write(b"\xc1\xff" + len(body).to_bytes(8, "big") + b"\0\0\0\0" + body)
        await ends(Idle(reader, writer))

    asyncio.run(attack())
    print(f"{len(body)} bytes sent; grown by {memory.grown() / MEGABYTE:.0f} MB")
    assert memory.grown() < 60 * MEGABYTE


def test_binary_parts_that_never_end_are_not_collected_in_memory(target: Server) -> None:
    """A Socket.IO event may announce binary attachments; who announces millions must not be waited for."""
    memory = Memory(target)

    async def attack() -> None:
        idle = await Idle.open(target.port)
        await idle.begin()
        await idle.say('45999999-["user_uttered",{"message":"x","image":{"_placeholder":true,"num":0}}]')
        piece = os.urandom(60_000)
        try:
            for _ in range(3_000):
                idle.writer.write(b"\x82\xfe" + len(piece).to_bytes(2, "big") + b"\0\0\0\0" + piece)
                await idle.writer.drain()
        except OSError:
            pass
        try:
            await ends(idle, 3)
        except asyncio.TimeoutError:
            pass
        print(f"while it is connected: {memory.grown() / MEGABYTE:.0f} MB")
        idle.writer.transport.abort()

    asyncio.run(attack())
    assert memory.grown() < 60 * MEGABYTE


def poll(server: Server, sid: str = "", data: Any = None, timeout: float = 20, **headers: str) -> requests.Response:
    url = f"{server.url}/socket.io/?EIO=4&transport=polling" + (f"&sid={sid}" if sid else "")
    if data is None:
        return requests.get(url, headers=headers, timeout=40)
    return requests.post(
        url, data=data, headers={"Content-Type": "text/plain;charset=UTF-8", **headers}, timeout=timeout
    )


def polling_session(server: Server) -> str:
    sid = str(json.loads(poll(server).text[1:])["sid"])
    assert poll(server, sid, "40").status_code == 200
    return sid


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_huge_body_over_polling_is_refused_and_takes_no_memory(target: Server, chunked: bool) -> None:
    memory, sid = Memory(target), polling_session(target)
    piece = b"x" * MEGABYTE
    body: Any = (piece for _ in range(150)) if chunked else io.BytesIO(piece * 150)
    try:
        # A body whose length is not said is not read at all.
        assert poll(target, sid, body).status_code in ((200, 400, 411, 413) if chunked else (400, 413))
    except requests.ConnectionError:
        pass  # hung up on
    finally:
        print(f"grown by {memory.grown() / MEGABYTE:.0f} MB")
        assert memory.grown() < 60 * MEGABYTE


@pytest.mark.parametrize(
    "body", ["4" + "x" * (MAX_FRAME + 1), "9", "42[", "44"], ids=["too long", "type", "JSON", "error"]
)
def test_a_bad_body_over_polling_is_answered_and_not_left_hanging(target: Server, body: str) -> None:
    try:
        assert poll(target, polling_session(target), body, timeout=5).status_code in (200, 400, 413)
    except requests.ConnectionError:
        pass  # hung up on


@pytest.mark.parametrize(
    "packet",
    ["", "x", "9", "4", "49", "4" + "9" * 1000, "42", "42[", "42{}", "42[]", "42[1]", "42null", '42["x"', "43", "431[]",
     "43999999999999999999[]", "45", "451-", '4599999999999-["x"]', "45-1-[]", "44", "46", "41", "40/evil,", "40/evil,{}",
     '42/evil,["user_uttered",{}]', "40{", '40{"token":"x"}', "bnot base64", "b", "1", "2probe", "3probe", "5", "6",
     '42["user_uttered",' + "{" * 1000, "\x1e\x1e\x1e", "\x1e".join(["4"] * 100), "4\ud7ff", "42[\"a\",NaN]", "4251[\"a\"]"],
    ids=lambda packet: ascii(packet[:20]),
)  # fmt: skip
def test_a_malformed_packet_harms_nobody_else(target: Server, packet: str) -> None:
    try:
        poll(target, polling_session(target), packet.encode("utf-8", "surrogatepass"), timeout=1)
    except requests.RequestException:
        pass  # its own affair

    async def attack() -> None:
        idle = await Idle.open(target.port)
        await idle.begin()
        await idle.say_long(packet)
        try:
            await ends(idle, 0.3)
        except asyncio.TimeoutError:
            pass
        idle.writer.transport.abort()

    asyncio.run(attack())


@pytest.mark.parametrize("query", ["", "?EIO=3&transport=polling", "?EIO=4&transport=carrier-pigeon", "?EIO=x&transport=polling", "?EIO=4&transport=polling&sid=none", "?EIO=4&transport=polling&sid=%00", "?EIO=4&transport=polling&j=1", "?EIO=4&transport=websocket", "?" + "x" * 5000])  # fmt: skip
def test_a_request_that_is_no_engine_io_is_refused(target: Server, query: str) -> None:
    response = requests.get(f"{target.url}/socket.io/{query}", timeout=30)
    assert response.status_code == (200 if query.endswith("j=1") else 400), response.status_code
    assert "Traceback" not in response.text


def test_packets_over_raw_wire_that_are_no_http_close_the_connection(target: Server) -> None:
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 100_000, b"GET / HTTP/9.9\r\n\r\n", b"A" * 200_000):
        with socket.create_connection(("127.0.0.1", target.port), 10) as raw:
            try:
                raw.sendall(junk)
                raw.settimeout(10)
                while raw.recv(65536):
                    pass
            except (TimeoutError, ConnectionError):
                pass


# -- floods ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["nothing", "history"])
def test_who_floods_on_in_spite_of_refusals_is_disconnected(target: Server, event: str) -> None:
    async def attack() -> int:
        idle = await Idle.open(target.port)
        await idle.begin()
        sent = 0
        try:
            for sent in range(5_000):
                await idle.say(f'42["{event}",{{"on":true}}]')
                if sent % 50 == 0:
                    await asyncio.sleep(0)
        except OSError:
            return sent
        await ends(
            idle, 10
        )  # the websocket itself: on one that stays open a new Socket.IO connection is for the asking
        return sent

    assert asyncio.run(attack()) > 300


def test_a_flood_of_sessions_costs_the_database_nothing(target: Server, chat: Chat) -> None:
    def conversations() -> int:
        with target.database().read() as c:
            return int(c.execute(sa.select(sa.func.count()).select_from(t.conversations)).scalar_one())

    before = conversations()
    visitors = {chat.call("session_request", {"protocol": 1}).get("visitor") for _ in range(90)}
    assert len(visitors) > 50 and conversations() == before


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 415, "not_image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', 415, "not_image"),
        (b"<!doctype html><script>alert(1)</script>", 415, "not_image"),
        (b"GIF89a" + b"\0" * 100, 415, "not_image"),
        (b"\xff\xd8\xff" + b"\0" * 100, 415, "not_image"),
        (b"\xff\xd8\xff" + b"\0" * 20 * MEGABYTE, 413, "too_large"),
    ],
    ids=["empty", "SVG", "HTML", "GIF", "broken", "20 MB"],
)
def test_what_is_no_image_is_refused_whatever_it_says_to_be(
    target: Server, chat: Chat, content: bytes, status: int, code: str
) -> None:
    memory = Memory(target)
    for body in (content, iter([content])):
        try:
            response = upload(target, chat.session, body, **{"Content-Type": "image/jpeg"})
        except requests.ConnectionError:
            assert status == 413, "hung up on before all was sent"
            continue
        assert (response.status_code, response.json()["error"]) == (status, code)
    assert memory.grown() < 100 * MEGABYTE
    with target.database().read() as c:
        assert c.execute(sa.select(t.files.c.id).where(t.files.c.address == visitor(chat))).all() == []


def test_a_bomb_is_refused_with_its_own_word(target: Server, chat: Chat) -> None:
    response = upload(target, chat.session, png_of_size(30_000, 30_000))
    assert (response.status_code, response.json()["error"]) == (422, "too_many_pixels")


@pytest.mark.parametrize("file", ["none", "%00", "a%00b", "..%2f..%2fetc%2fpasswd", "x" * 3000, "%d9%a3", "' OR 1=1"])
def test_an_image_that_does_not_exist_is_not_found(target: Server, chat: Chat, file: str) -> None:
    assert download(target, chat.session, file).status_code == 404


def test_a_picture_sent_as_something_else_is_served_as_what_it_is(target: Server, chat: Chat) -> None:
    response = upload(target, chat.session, picture("PNG"), **{"Content-Type": "text/html"})
    assert response.status_code == 201
    served = download(target, chat.session, response.json()["id"])
    assert served.headers["Content-Type"] == "image/png" and Pillow.open(io.BytesIO(served.content)).format == "PNG"


def test_many_slow_uploads_hold_nobody_up(target: Server, chat: Chat) -> None:
    """Each sends nine megabytes and then nothing more; all the while others upload and talk."""
    memory = Memory(target)
    slow = []
    for _ in range(9):
        raw = socket.create_connection(("127.0.0.1", target.port), 10)
        raw.sendall(
            f"POST /webchat/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {chat.session}\r\n"
            f"Content-Length: {10 * MEGABYTE}\r\n\r\n".encode()
        )
        raw.sendall(b"\0" * 9 * MEGABYTE)
        slow.append(raw)
    try:
        with Chat(target.url) as other:
            other.open()
            assert upload(target, other.session, picture()).status_code == 201
            assert other.ask("hello")
        print(f"nine slow uploads: {memory.grown() / MEGABYTE:.0f} MB")
        assert memory.grown() < 200 * MEGABYTE
    finally:
        for raw in slow:
            raw.close()


def test_a_slow_upload_does_not_hold_its_memory_for_ever(target: Server, chat: Chat) -> None:
    """Who has sent half a file and then nothing for half a minute is hung up on."""
    with socket.create_connection(("127.0.0.1", target.port), 10) as raw:
        raw.sendall(
            f"POST /webchat/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {chat.session}\r\n"
            f"Content-Length: {10 * MEGABYTE}\r\n\r\n".encode()
        )
        raw.sendall(b"\0" * 1000)
        raw.settimeout(45)
        try:
            answer = raw.recv(65536)
        except TimeoutError:
            pytest.fail("it is still waited for after 45 seconds")
    assert answer == b"" or b" 408 " in answer or b" 400 " in answer


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_a_session_in_a_url_is_never_one(target: Server, chat: Chat) -> None:
    chat.say("hello")
    file = upload(target, chat.session, picture()).json()["id"]
    for url in (
        f"/webchat/images/{file}?session={chat.session}",
        f"/webchat/images/{file}?token={chat.session}",
        f"/webchat/images/{file}?access_token={chat.session}",
        f"/webchat/images/{file}?Authorization=Bearer%20{chat.session}",
    ):
        assert requests.get(target.url + url, timeout=30).status_code == 401
        assert requests.get(target.url + url, cookies={"session": chat.session or ""}, timeout=30).status_code == 401
    assert requests.get(f"{target.url}/webchat/images/{file}/{chat.session}", timeout=30).status_code == 404
    with Chat(f"{target.url}/?session_id={chat.session}&token={chat.session}") as thief:
        thief.connect()
        assert thief.call("history", {}) == {"ok": False, "code": "session"}
        assert thief.request_session()["visitor"] != visitor(chat)


def test_the_log_holds_no_token_no_words_and_no_query_whatever_went_wrong(target: Server) -> None:
    word = f"pangolin{uuid.uuid4().hex[:8]}"
    with Chat(f"{target.url}/?secret={word}") as chat:
        chat.open()
        chat.say(word)
        chat.call("rate", {"score": 3, "comment": word, "id": "r"})
        chat.call("identify", {"token": word})
        chat.call(word, {word: word})
        chat.call("user_uttered", {"message": word, "session_id": word, "id": word})
        chat.call("user_uttered", {"message": [word]})
        upload(target, chat.session, word.encode())
        upload(target, word, b"x")
        download(target, chat.session, word)
        requests.get(f"{target.url}/socket.io/?EIO=4&transport={word}", timeout=30)
        requests.get(f"{target.url}/socket.io/?EIO=4&transport=polling&sid={word}", timeout=30)
        requests.get(f"{target.url}/{word}?{word}", timeout=30)
        for packet in (f'42["{word}"', f'46["{word}"]', f'44["{word}"]', f'42{{"{word}":1}}', f"9{word}"):
            try:
                poll(target, polling_session(target), packet.encode(), timeout=1)
            except requests.RequestException:
                pass
        log = target.log()
        assert word not in log
        assert chat.session is not None and chat.session.split(".")[2] not in log


def test_what_strangers_send_is_no_error_of_ours(target: Server) -> None:
    """Runs last in this file: an operator's log must not fill with traces that anybody can make."""
    log = target.log().splitlines()
    failures = [line for line in log if '"level": "error"' in line or "Traceback" in line]
    assert failures == [], f"{len(failures)} of {len(log)} lines"
