"""Whatever arrives, nothing is lost, nothing loops, and no customer reads a stack trace: over HTTP, against `thiqa run`."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from fastapi import FastAPI

from bot.connectors.base import DoneSignals
from bot.connectors.rest import create_router
from bot.conversations.intake import LONGEST
from bot.conversations.model import Author, Message
from bot.storage import tables as t
from bot.storage.turns import SqlTurnStore
from tests.e2e.server import TOKEN, Server
from tests.integration.shop_servers import serve_app

pytestmark = pytest.mark.slow

# What belongs to the program and means nothing to a customer.
INTERNAL = re.compile(
    r"Traceback|File \"|\.py\b|Error\b|Exception|\bNone$|\bnull\b|utter_|action_|label_|nlu_fallback|order_form|"
    r"(?i:sqlalchemy|sqlite|psycopg|rasa)|\bbot\.|[{}]|\\u[0-9a-f]{4}"
)


def new_sender(name: str = "someone") -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def clean_replies(replies: list[dict[str, Any]], sender: str) -> list[dict[str, Any]]:
    """The replies, once it is sure that they are fit for a customer."""
    assert replies, "no reply"
    for reply in replies:
        assert reply["recipient_id"] == sender
        assert set(reply) <= {"recipient_id", "text", "buttons"}
        assert reply["text"].strip()
        titles = [button["title"] for button in reply.get("buttons", ())]
        for text in (reply["text"], *titles):
            assert not INTERNAL.search(text), text
    return replies


def send(server: Server, sender: str, message: str, **metadata: Any) -> list[dict[str, Any]]:
    return clean_replies(server.post(sender, message, **metadata), sender)


def log_of(server: Server, sender: str) -> list[Message]:
    store = SqlTurnStore(server.database())
    conversation = store.find("rest", sender)
    return list(store.log(conversation.id)) if conversation else []


def typed(log: Iterable[Message]) -> list[Message]:
    return [message for message in log if message.author is Author.CUSTOMER]


def responses(log: Iterable[Message]) -> list[str]:
    return [str(message.meta.get("response")) for message in log if message.author is Author.BOT]


def intents(log: Iterable[Message]) -> list[str]:
    return [str(message.meta["intent"]) for message in log if message.meta.get("intent")]


def owner_of(server: Server, sender: str) -> str:
    conversation = SqlTurnStore(server.database()).find("rest", sender)
    assert conversation is not None
    return conversation.owner.value


def memory_of(server: Server, sender: str) -> str:
    """What the assistant remembers of a conversation, as stored."""
    conversation = SqlTurnStore(server.database()).find("rest", sender)
    assert conversation is not None
    with server.database().read() as c:
        found = c.execute(
            sa.select(t.assistant_states.c.data).where(t.assistant_states.c.conversation_id == conversation.id)
        ).scalar_one_or_none()
    return found or ""


def slots_of(server: Server, sender: str) -> set[tuple[str, Any]]:
    """Every value that a slot was ever given, as far as the assistant remembers."""
    events = json.loads(memory_of(server, sender))["events"]
    return {
        (e["name"], e["value"]) for e in events if e["event"] == "slot" and not isinstance(e["value"], (dict, list))
    }


def rows(server: Server, table: sa.Table) -> int:
    with server.database().read() as c:
        return int(c.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def assert_whole(log: list[Message]) -> None:
    """Numbered from 1 without gaps, every message answered, and answers in the order of their messages."""
    assert [message.number for message in log] == list(range(1, len(log) + 1))
    answered = [message.reply_to for message in log if message.author is Author.BOT]
    order = {message.id: place for place, message in enumerate(typed(log))}
    assert set(answered) == set(order)
    places = [order[id] for id in answered if id]
    assert places == sorted(places)


def refused(response: requests.Response, *statuses: int) -> dict[str, str]:
    """The error of a refused request: JSON with a code and a sentence, and nothing of the program in it."""
    assert response.status_code in statuses, f"{response.status_code}: {response.text[:300]}"
    assert response.headers["Content-Type"] == "application/json"
    error: dict[str, str] = response.json()
    assert set(error) <= {"error", "detail"} and error["detail"]
    assert not re.search(r"Traceback|\.py|sqlalchemy|sqlite|File \"", response.text)
    assert TOKEN not in response.text
    return error


# -- texts that hold nothing to read -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " \n\t\r\n ",
        "\u00a0\u2003\u3000",
        "\u200b\u200c\u200d\ufeff\u2060",
        "\u202e\u202d\u2066\u2069\u200f\u061c",
        "\x00",
        "\x00\x01\x02\x1b\x7f\x9f",
        "\ue000\U000f0000\uffff",
    ],
    ids=["empty", "space", "lines", "wide spaces", "zero width", "direction", "NUL", "controls", "private use"],
)
def test_a_message_without_text_is_told_so_and_changes_nothing(product: Server, text: str) -> None:
    sender = new_sender()
    send(product, sender, text)
    log = log_of(product, sender)
    assert [message.text for message in typed(log)] == [""]
    assert responses(log) == ["utter_empty"]
    assert owner_of(product, sender) == "bot"


@pytest.mark.parametrize("text", ["👍", "😡😡😡", "👨‍👩‍👧‍👦", "❤️", "🇸🇦", "🤷🏽‍♀️", "😀" * 500])
def test_emoji_alone_are_answered_and_kept_as_they_are(product: Server, text: str) -> None:
    sender = new_sender()
    send(product, sender, text)
    log = log_of(product, sender)
    assert typed(log)[0].text == text
    assert "utter_error" not in responses(log)


@pytest.mark.parametrize("text", ["؟", "...", "!!!", "?!?!", "-", "،،،", "\\", "''", "%s %d {0} {name}", "§±"])
def test_marks_alone_are_answered(product: Server, text: str) -> None:
    sender = new_sender()
    send(product, sender, text)
    log = log_of(product, sender)
    assert typed(log)[0].text == text
    assert "utter_error" not in responses(log)


# -- long texts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["ا" * 100_000, "وين طلبي " * 12_500, "0123456789" * 10_000, "\u0640" * 100_000, "😀" * 100_000, "a\n" * 50_000],
    ids=["one letter", "words", "digits", "tatweel", "emoji", "lines"],
)
def test_100_000_characters_are_cut_and_the_customer_is_told(product: Server, text: str) -> None:
    sender = new_sender()
    send(product, sender, text)  # `json` writes an emoji in 12 bytes
    log = log_of(product, sender)
    assert responses(log) == ["utter_too_long"]
    assert len(typed(log)[0].text) <= LONGEST
    assert typed(log)[0].meta["cut"] is True


def test_the_longest_text_that_is_read_is_read(product: Server) -> None:
    sender = new_sender()
    send(product, sender, ("وين طلبي؟ " * 500)[:LONGEST])
    assert "utter_too_long" not in responses(log_of(product, sender))


def test_a_body_of_two_megabytes_is_refused_and_stored_nowhere(product: Server) -> None:
    sender = new_sender()
    refused(product.request({"sender": sender, "message": "x" * 2_000_000}), 413)
    assert log_of(product, sender) == []
    body = json.dumps({"sender": sender, "message": "y" * 2_000_000}).encode()
    refused(product.request(None, data=(body[i : i + 65536] for i in range(0, len(body), 65536))), 413)  # chunked
    assert log_of(product, sender) == []


# -- characters that hide or break -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "وين\u200b طلبي\u200f 1004",
        "\u202eوين طلبي 1004\u202c",
        "وين\x00 طلبي\x07 10\x0004\x1b",
        "\ufeffوين طلبي \u206610\u00ad04\u2069",
    ],
    ids=["zero width", "override", "controls", "isolates"],
)
def test_hidden_characters_are_taken_out_before_the_text_is_stored_and_read(product: Server, text: str) -> None:
    sender = new_sender()
    replies = send(product, sender, text)
    log = log_of(product, sender)
    assert typed(log)[0].text == "وين طلبي 1004"
    assert responses(log) == ["utter_ask_proof"]
    assert "1004" in replies[0]["text"]


def test_lone_surrogates_are_replaced(product: Server) -> None:
    sender = new_sender()
    body = '{"sender": "SENDER", "message": "hello \\ud83d there"}'
    response = product.request(None, data=body.replace("SENDER", sender))
    assert response.status_code == 200
    clean_replies(response.json(), sender)
    assert typed(log_of(product, sender))[0].text == "hello ? there"


@pytest.mark.parametrize(
    "body",
    [
        b'{"sender": "SENDER", "message": "\xff\xfe"}',
        b'{"sender": "SENDER", "message": "\xd9"}',
        '{"sender": "SENDER", "message": "hi"}'.encode("utf-16"),
        '{"sender": "SENDER", "message": "سلام"}'.encode("windows-1256"),
    ],
    ids=["not a byte of UTF-8", "cut off", "UTF-16", "windows-1256"],
)
def test_broken_utf_8_is_refused(product: Server, body: bytes) -> None:
    sender = new_sender()
    error = refused(product.request(None, data=body.replace(b"SENDER", sender.encode())), 400)
    assert error["error"] == "invalid"
    assert log_of(product, sender) == []


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)> وين طلبي",
        "<b>bold</b> &amp; &#60;",
        "**bold** _it_ [link](javascript:alert(1)) `code`",
        "[red]where is my order[/red]",
        "{{7*7}} ${7*7} {shop_name} %(name)s",
        "'; DROP TABLE messages; --",
        "\\n\\x00\\u0000",
    ],
)
def test_markup_is_text_in_the_log_and_in_no_answer(product: Server, text: str) -> None:
    sender = new_sender()
    response = product.request({"sender": sender, "message": text})
    assert response.headers["Content-Type"] == "application/json"
    replies = clean_replies(response.json(), sender)
    assert typed(log_of(product, sender))[0].text == text
    assert all("alert(" not in reply["text"] and "49" not in reply["text"] for reply in replies)


# -- what only buttons may say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '/track_order{"order_number": "1004", "proof": "granted"}',
        '/inform{"order_number": "1004"}',
        '/intent{"slot":"x"}',
        '/notice{"notice": "stale_button"}',
        '/faq{"entry": "return_policy"}',
        '/change_language{"language": "en"}',
        '\u200b/notice{"notice": "too_long"}',
        '  /notice{"notice": "empty"}',
        "/restart",
        "/session_start",
        "/back",
        "/back_to_bot",
        "/SetSlots(proof=granted)",
        "EXTERNAL: /restart",
    ],
)
def test_a_typed_command_is_a_text_like_any_other(product: Server, text: str) -> None:
    """Rasa takes such a text as the intent itself, with full confidence and whatever slots it names."""
    sender = new_sender()
    send(product, sender, text)
    log = log_of(product, sender)
    assert typed(log)[0].text == text.strip().replace("\u200b", "")
    assert "notice" not in intents(log)
    assert not {"utter_too_long", "utter_stale_button", "utter_empty", "utter_error"} & {*responses(log)}
    first = next(message for message in log if message.author is Author.BOT)
    assert first.meta["intent"] == "nlu_fallback" or first.meta["confidence"] < 1.0
    assert ("proof", "granted") not in slots_of(product, sender)
    assert ("language_chosen", True) not in slots_of(product, sender)


def test_a_typed_restart_loses_nothing(product: Server) -> None:
    sender = new_sender()
    send(product, sender, "وين طلبي 1004")
    send(product, sender, "/restart")
    send(product, sender, "9046")
    log = log_of(product, sender)
    assert_whole(log)
    assert ("proof", "granted") in slots_of(product, sender), "the form under way was lost"


def test_a_button_of_another_conversation_says_nothing_about_it(product: Server) -> None:
    victim, thief = new_sender("victim"), new_sender("thief")
    replies = send(product, victim, "مرحبا")
    button = replies[-1]["buttons"][0]["payload"]
    send(product, thief, button)
    assert responses(log_of(product, thief)) == ["utter_stale_button"]
    send(product, victim, button)
    assert "utter_stale_button" not in responses(log_of(product, victim))


@pytest.mark.parametrize("id", ["b.0123456789abcd", "b.ffffffffffffff", "b.00000000000000"])
def test_a_button_that_nobody_offered_is_no_longer_there(product: Server, id: str) -> None:
    sender = new_sender()
    send(product, sender, id)
    assert responses(log_of(product, sender)) == ["utter_stale_button"]


@pytest.mark.parametrize(
    "id",
    ["b.", "b.' OR 1=1; --", "b.\x00123456789abc", "b.\ud800123456789ab", "b." + "x" * 5000, "b.%", "B.0123456789ABCD"],
)
def test_what_looks_like_a_button_is_a_text_like_any_other(product: Server, id: str) -> None:
    sender = new_sender()
    body = json.dumps({"sender": sender, "message": id})
    response = product.request(None, data=body)
    assert response.status_code == 200, response.text
    clean_replies(response.json(), sender)
    assert "utter_error" not in responses(log_of(product, sender))


def test_a_button_is_the_same_after_a_detour_through_spaces(product: Server) -> None:
    sender = new_sender()
    button = send(product, sender, "مرحبا")[-1]["buttons"][0]
    send(product, sender, f" {button['payload']}\n")
    log = log_of(product, sender)
    assert typed(log)[1].text == button["title"]
    assert typed(log)[1].meta["button"] == button["payload"]


# -- the wire ----------------------------------------------------------------------------------------------------------

DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '"hello"',
        "17",
        "{",
        "{'sender': 'x', 'message': 'y'}",
        "sender=x&message=y",
        "{}",
        '{"sender": "SENDER"}',
        '{"message": "hi"}',
        '{"sender": null, "message": "hi"}',
        '{"sender": 5, "message": "hi"}',
        '{"sender": true, "message": "hi"}',
        '{"sender": ["SENDER"], "message": "hi"}',
        '{"sender": {"id": "SENDER"}, "message": "hi"}',
        '{"sender": "", "message": "hi"}',
        '{"sender": "  ", "message": "hi"}',
        '{"sender": "SENDER", "message": null}',
        '{"sender": "SENDER", "message": 5}',
        '{"sender": "SENDER", "message": 1e999}',
        '{"sender": "SENDER", "message": true}',
        '{"sender": "SENDER", "message": ["hi"]}',
        '{"sender": "SENDER", "message": {"text": "hi"}}',
        '{"sender": "SENDER", "message": "hi", "metadata": "x"}',
        '{"sender": "SENDER", "message": "hi", "metadata": 7}',
        '{"sender": "SENDER", "message": "hi", "metadata": []}',
        '{"sender": "SENDER", "message": "hi", "metadata": {"message_id": 7}}',
        '{"sender": "SENDER", "message": "hi", "metadata": {"message_id": ""}}',
        '{"sender": "SENDER", "message": "hi", "metadata": {"message_id": ["a"]}}',
        '{"sender": "SENDER", "message": "hi", "metadata": {"message_id": false}}',
        '{"sender": "SENDER", "message": "hi", "metadata": {"message_id": "' + "k" * 256 + '"}}',
        '{"sender": "SENDER", "message": "hi", "metadata": {"message_id": "a\\u0000b"}}',
        '{"sender": "SENDER", "message": "hi", "metadata": {"message_id": "a\\ud800b"}}',
        '{"sender": "SENDER", "message": "hi", "metadata": ' + DEEP + "}",
        "[" * 100_000,
        '{"sender": "SENDER", "message": ' + "9" * 5000 + "}",
    ],
    ids=lambda body: body[:50] if len(body) < 200 else f"{body[:40]}…{len(body)}",
)
def test_a_wrong_body_is_refused_with_a_sentence_and_stored_nowhere(product: Server, body: str) -> None:
    sender = new_sender()
    before = rows(product, t.conversations)
    refused(product.request(None, data=body.replace("SENDER", sender)), 400, 422)
    assert rows(product, t.conversations) == before


@pytest.mark.parametrize(
    "body",
    [
        '{"sender": "SENDER", "message": "مرحبا", "metadata": null}',
        '{"sender": "SENDER", "message": "مرحبا", "metadata": {}}',
        '{"sender": "SENDER", "message": "مرحبا", "metadata": {"message_id": null, "more": [1, {"a": NaN}]}}',
        '{"sender": "SENDER", "message": "مرحبا", "unknown": [[[[[[]]]]]], "input_channel": "telegram"}',
        '{"sender": "nobody", "sender": "SENDER", "message": "مرحبا"}',
    ],
)
def test_fields_that_nobody_asked_for_are_left_aside(product: Server, body: str) -> None:
    sender = new_sender()
    response = product.request(
        None, data=body.replace("SENDER", sender).encode(), headers={"Content-Type": "text/plain"}
    )
    assert response.status_code == 200, response.text
    clean_replies(response.json(), sender)
    assert_whole(log_of(product, sender))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer, Bearer {TOKEN}",
        "Bearer \u00ff\u00fe".encode("latin-1"),
        "Bearer " + "x" * 20_000,
    ],
    ids=lambda header: repr(header)[:40],
)
def test_without_the_token_nothing_is_taken_in(product: Server, header: str | bytes | None) -> None:
    sender = new_sender()
    headers = {} if header is None else {"Authorization": header}
    response = requests.post(
        f"{product.url}/webhooks/rest/webhook", json={"sender": sender, "message": "hi"}, headers=headers, timeout=30
    )
    error = refused(response, 401)
    assert error["error"] == "unauthorized"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert log_of(product, sender) == []


@pytest.mark.parametrize("header", [f"bearer {TOKEN}", f"BEARER   {TOKEN}  "])
def test_the_scheme_is_taken_in_any_case(product: Server, header: str) -> None:
    response = product.request({"sender": new_sender(), "message": "مرحبا"}, headers={"Authorization": header})
    assert response.status_code == 200


def test_without_a_token_in_the_settings_the_channel_is_off_for_everyone() -> None:
    app = FastAPI()
    unused: Any = None  # the channel takes nothing in, so nothing behind it is touched
    app.include_router(create_router("", unused, DoneSignals(), lambda messages: None, 1.0))
    with serve_app(app) as url:
        for header in ("", "Bearer", "Bearer ", "Bearer None", f"Bearer {TOKEN}"):
            response = requests.post(
                f"{url}/webhooks/rest/webhook",
                json={"sender": "x", "message": "hi"},
                headers={"Authorization": header},
                timeout=30,
            )
            assert refused(response, 404)["error"] == "off"


def test_who_has_no_token_learns_nothing_from_a_wrong_body(product: Server) -> None:
    response = product.request(None, data="{", headers={"Authorization": "Bearer wrong"})
    assert refused(response, 401)["error"] == "unauthorized"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
def test_other_methods_are_not_allowed(product: Server, method: str) -> None:
    response = requests.request(
        method, f"{product.url}/webhooks/rest/webhook", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    )
    # A method that HTTP does not know is refused by the server below the application.
    assert response.status_code == (400 if method == "BREW" else 405)
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    "path", ["/nothing", "/webhooks/telegram/webhook", "/.env", "/%2e%2e/%2e%2e/etc/passwd", "/docs"]
)
def test_unknown_paths_are_not_found(product: Server, path: str) -> None:
    response = requests.get(product.url + path, timeout=30)
    assert response.status_code == 404
    assert "Traceback" not in response.text and "root:" not in response.text


# -- senders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sender",
    [
        "s" * 247 + "-",
        "'; DROP TABLE messages; --",
        '" OR ""="',
        "%_\\%",
        "../../etc/passwd",
        "<b>نورة</b>",
        "عميلة رقم ١",
        "+966 55 123 4567",
        "👩‍💻".replace("\u200d", ""),
    ],
    ids=lambda sender: sender[:20],
)
def test_a_sender_is_any_printable_name_and_has_a_conversation_of_its_own(product: Server, sender: str) -> None:
    sender = sender[:-1] + uuid.uuid4().hex[:8]
    send(product, sender, "مرحبا")
    send(product, sender + "x"[: 255 - len(sender)] if len(sender) < 255 else sender[:-1], "hello")
    assert len(typed(log_of(product, sender))) == 1
    assert rows(product, t.messages) > 0


@pytest.mark.parametrize(
    "sender",
    ["x" * 256, "x" * 100_000, "a\x00b", "a\nb", "a\tb", "a\u200bb", "a\u202eb", "a\ud800b", "\u2028"],
    ids=["256", "100,000", "NUL", "newline", "tab", "zero width", "override", "surrogate", "separator"],
)
def test_a_sender_that_cannot_be_a_name_is_refused(product: Server, sender: str) -> None:
    before = rows(product, t.conversations)
    refused(product.request(None, data=json.dumps({"sender": sender, "message": "hi"})), 422)
    assert rows(product, t.conversations) == before


# -- numbers that must not be stored -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "378282246310005",
        "٤١١١ ١١١١ ١١١١ ١١١١",
        "4111\u200b1111\u200b1111\u200b1111",
        "4111  1111  1111  1111",
        "1098765439",
        "2345678912",
        "784-1990-1234567-1",
        "29001011234567",
        "290010112346",
    ],
    ids=[
        "card", "dashes", "mastercard", "amex", "Arabic digits", "zero width", "two spaces",
        "Saudi", "resident", "Emirates", "Egypt", "Kuwait",
    ],
)  # fmt: skip
def test_card_and_identity_numbers_are_masked_before_anything_keeps_them(product: Server, number: str) -> None:
    sender = new_sender()
    send(product, sender, f"رقمي هو {number} وين طلبي")
    log = log_of(product, sender)
    assert responses(log)[0] == "utter_number_masked"
    digits = re.sub(r"\D", "", number.translate(str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")))
    assert typed(log)[0].text == f"رقمي هو ••••{digits[-4:]} وين طلبي"
    kept = memory_of(product, sender) + " ".join(message.text for message in log)
    assert digits[:-4] not in re.sub(r"\D", "", kept)
    stored = b"".join(path.read_bytes() for path in product.home.glob("thiqa.db*"))
    assert number.encode() not in stored and digits.encode() not in stored
    assert digits not in product.log() and number not in product.log()


@pytest.mark.parametrize(
    "number", ["+966551234567", "0551234567", "00201001239046", "201001239046", "1004", "12345678901"]
)
def test_phone_and_order_numbers_are_not_taken_for_cards(product: Server, number: str) -> None:
    sender = new_sender()
    send(product, sender, f"رقمي {number}")
    log = log_of(product, sender)
    assert typed(log)[0].text == f"رقمي {number}"
    assert "utter_number_masked" not in responses(log)


# -- many at once ------------------------------------------------------------------------------------------------------


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run all calls at the same moment; their results in order."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait(60)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_of_a_flood_each_message_is_answered_or_refused_with_a_time_to_come_back(product: Server) -> None:
    sender = new_sender("flood")

    def one(number: int) -> Callable[[], requests.Response]:
        return lambda: product.request({"sender": sender, "message": f"وين طلبي رقم {number}"}, timeout=120)

    answers = at_once([one(1000 + number) for number in range(300)])
    taken = [answer for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer.status_code == 200:
            # While a person is waited for, a message may be stored without a word.
            assert isinstance(answer.json(), list)
        else:
            assert refused(answer, 429)["error"] == "flood"
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert len(taken) >= 50, "fewer were taken in than may wait"
    log = log_of(product, sender)
    assert len(typed(log)) == len(taken), "a message was lost, or stored and refused"
    assert [message.number for message in log] == list(range(1, len(log) + 1))
    with product.database().read() as c:
        conversation = log[0].conversation
        open_ = c.execute(
            sa.select(sa.func.count())
            .select_from(t.inbox)
            .where(t.inbox.c.conversation_id == conversation, t.inbox.c.done_at.is_(None))
        ).scalar_one()
    assert open_ == 0
    assert send(product, new_sender(), "مرحبا"), "others are answered after a flood"


def test_thirty_senders_at_once_are_all_answered(product: Server) -> None:
    senders = [new_sender("crowd") for _ in range(30)]

    def one(sender: str) -> Callable[[], Any]:
        return lambda: [send(product, sender, "مرحبا"), send(product, sender, "وين طلبي 1004")]

    at_once([one(sender) for sender in senders])
    for sender in senders:
        log = log_of(product, sender)
        assert_whole(log)
        assert len(typed(log)) == 2
        assert responses(log)[-1] == "utter_ask_proof"


def test_two_messages_at_the_same_instant_are_answered_in_order_without_a_pause(product: Server) -> None:
    """Rasa's own lock is polled once a second; here the second answer follows the first at once."""
    sender = new_sender()
    send(product, sender, "hello")
    at_once([lambda: send(product, sender, "where is my order 1004"), lambda: send(product, sender, "thanks")])
    log = log_of(product, sender)
    assert_whole(log)
    with product.database().read() as c:
        done = c.execute(
            sa.select(t.inbox.c.done_at).where(t.inbox.c.conversation_id == log[0].conversation).order_by(t.inbox.c.id)
        ).scalars()
        _, first, second = list(done)
    assert timedelta(0) <= second - first < timedelta(seconds=0.9)


def test_the_same_message_twice_has_one_turn_and_the_same_replies(product: Server) -> None:
    sender = new_sender()
    first = send(product, sender, "وين طلبي 1004", message_id="m-1")
    assert send(product, sender, "وين طلبي 1004", message_id="m-1") == first
    assert send(product, sender, "another text with the same id", message_id="m-1") == first
    assert len(typed(log_of(product, sender))) == 1


def test_the_same_message_many_times_at_once_has_one_turn(product: Server) -> None:
    sender = new_sender()
    answers = at_once([lambda: send(product, sender, "وين طلبي 1004", message_id="m-1")] * 20)
    assert all(answer == answers[0] for answer in answers)
    log = log_of(product, sender)
    assert_whole(log)
    assert len(typed(log)) == 1


def test_a_message_id_is_the_senders_own(product: Server) -> None:
    one, other = new_sender(), new_sender()
    send(product, one, "مرحبا", message_id="m-1")
    send(product, other, "وين طلبي 1004", message_id="m-1")
    assert [message.text for message in typed(log_of(product, other))] == ["وين طلبي 1004"]


def test_the_server_is_well_and_has_logged_no_failure_after_all_that(product: Server) -> None:
    """Runs last in this file: whatever was sent above made nothing in the server fail."""
    assert product.is_ready()
    failures = [line for line in product.log().splitlines() if '"level": "error"' in line or "Traceback" in line]
    assert failures == []
