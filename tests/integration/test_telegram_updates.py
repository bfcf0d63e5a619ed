"""How updates come in: by polling and by webhook, each once, whatever happens to the process, the record or Telegram."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.bootstrap import utc_now
from bot.connectors.telegram.reading import webhook_path
from bot.connectors.telegram.webhook import MAX_BODY, create_router
from bot.doctor import _telegram
from bot.errors import StorageUnavailable
from bot.metrics import Metrics
from bot.settings import load_settings, secret_keys
from bot.storage import tables as t
from bot.storage.database import Database
from tests.databases import KINDS, migrated
from tests.e2e.server import free_port
from tests.telegram.server import SECOND_TOKEN, TOKEN, Customer, TelegramServer, telegram
from tests.telegram.world import World, world

BOTH = pytest.mark.parametrize("database", KINDS, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """SQLite, unless a test asks for both kinds: it does where what is stored matters."""
    with migrated(getattr(request, "param", "sqlite"), tmp_path) as database:
        yield database


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with telegram(TOKEN, SECOND_TOKEN, strict_pace=False) as server:
        yield server


@pytest.fixture
def customer(server: TelegramServer) -> Customer:
    return Customer(server, 5001)


def test_what_is_stored_is_forgotten_by_telegram_and_nothing_before(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(database, server, tmp_path / "home") as here:
        store, failures = here.records.store, [3]

        def failing(*args: Any) -> int:
            if failures[0]:
                failures[0] -= 1
                raise StorageUnavailable("disk full")
            return store(*args)

        monkeypatch.setattr(here.telegram._records, "store", failing)
        customer.says("مرحبا")
        server.until(lambda: failures[0] < 3)
        assert server.pending() == 1, "Telegram would forget what is not stored"
        assert customer.hears() == ["re: مرحبا"]
        here.quiet()
        assert failures[0] == 0


@BOTH
def test_updates_that_a_killed_process_left_are_handled_at_the_next_start_in_order(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    """Stored, confirmed to Telegram, and then the process was gone."""
    with world(database, server, tmp_path / "home") as here:
        pass
    rows = [{"update_id": 500 + n, "message": customer.message(text=str(n))} for n in range(5)]
    here.records.store(700001, [(row["update_id"], 5001, json.dumps(row)) for row in rows], utc_now())
    with world(database, server, tmp_path / "home") as here:
        assert customer.hears(5) == [f"re: {n}" for n in range(5)]
        here.quiet()
        assert len(customer.heard) == 5


@BOTH
def test_a_restart_goes_on_where_it_was_and_a_redelivery_is_known(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    with world(database, server, tmp_path / "home") as here:
        update = customer.says("مرحبا")
        customer.hears()
        here.quiet()
    server.again(update)
    customer.says("ثانية")
    with world(database, server, tmp_path / "home") as here:
        assert customer.hears(2) == ["re: مرحبا", "re: ثانية"]
        here.quiet()
    asked = [call.given.get("offset") for call in server.called("getUpdates")]
    assert str(update["update_id"] + 1) in asked[-4:]


@BOTH
def test_after_a_quiet_week_lower_ids_are_taken(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    """Then Telegram begins at a number of its own choice."""
    with world(database, server, tmp_path / "home"):
        customer.says("مرحبا")
        customer.hears()
    with database.write() as c:
        c.execute(t.telegram_updates.update().values(received_at=utc_now() - timedelta(days=7)))
    server.happens(update_id=12, message=customer.message(text="بعد أسبوع"))
    with world(database, server, tmp_path / "home"):
        assert customer.hears(2)[1] == "re: بعد أسبوع"


def test_another_process_that_polls_is_said_so_and_tried_again(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    with capture_logs() as logs, world(database, server, tmp_path / "home") as here:
        server.until(lambda: here.telegram.states[700001] == "polling" and server.bot.poll)
        server.until(lambda: server.poll_elsewhere() or any(line["event"] == "telegram.taken" for line in logs))
        customer.says("مرحبا")
        assert customer.hears() == ["re: مرحبا"]


@pytest.mark.parametrize("wrong", ["700009:AAnobody-has-this-token-000000000000", "no token at all", ":", "1:"])
def test_a_wrong_token_is_said_so_and_the_other_bot_runs(
    database: Database, server: TelegramServer, tmp_path: Path, wrong: str
) -> None:
    customer = Customer(server, 5001)
    with capture_logs() as logs, world(database, server, tmp_path / "home", tokens=f"{wrong},{TOKEN}"):
        customer.says("مرحبا")
        assert customer.hears() == ["re: مرحبا"]
        told = server.until(
            lambda: [line for line in logs if line["event"] in ("telegram.refused", "telegram.token_unusable")]
        )
    assert "THIQA_TELEGRAM_TOKEN" in told[0]["problem"]
    assert wrong not in repr(logs) or len(wrong) < 3
    assert TOKEN not in repr(logs)


def test_a_token_that_is_revoked_while_it_runs_is_said_so(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    with capture_logs() as logs, world(database, server, tmp_path / "home") as here:
        customer.says("مرحبا")
        customer.hears()
        server.bot.revoked = True
        server.until(lambda: here.telegram.states[700001] == "refused")
    assert any(line["event"] == "telegram.refused" for line in logs)


@BOTH
def test_several_bots_serve_side_by_side_each_with_conversations_of_its_own(
    database: Database, server: TelegramServer, tmp_path: Path
) -> None:
    first, second = server.accounts.values()
    both = [Customer(server, 5001, account=first), Customer(server, 5001, account=second)]
    with world(database, server, tmp_path / "home", tokens=f"{TOKEN}, {SECOND_TOKEN}") as here:
        for customer in both:
            customer.says(f"إلى {customer.account.id}")
        assert [customer.hears() for customer in both] == [["re: إلى 700001"], ["re: إلى 700002"]]
        assert sorted(row.address for row in here.rows(t.conversations)) == ["700001:5001", "700002:5001"]


def test_commands_and_descriptions_are_set_in_both_languages_and_their_failure_stops_nothing(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    server.floods("setMyCommands", seconds=30)
    server.fails("setMyDescription", "status", status=500)
    with world(database, server, tmp_path / "home"):
        customer.says("مرحبا")
        assert customer.hears() == ["re: مرحبا"]
        account = server.bot
        server.until(lambda: ("short", "en") in account.descriptions)
    assert ("all_private_chats", "ar") in account.commands and ("all_private_chats", "en") in account.commands
    assert account.descriptions["short", "en"] == "label_telegram_short.en"
    assert account.descriptions["description", "ar"] == "label_telegram_description.ar"


def test_telegram_that_is_away_at_the_start_is_waited_for(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    for _ in range(2):
        server.fails("deleteWebhook", "drop")
    server.fails("getUpdates", "garbage")
    server.fails("getUpdates", "status", status=500)
    with world(database, server, tmp_path / "home"):
        customer.says("مرحبا")
        assert customer.hears() == ["re: مرحبا"]


# -- webhook ---------------------------------------------------------------------------------------------------------------


@contextmanager
def hooked(database: Database, server: TelegramServer, home: Path) -> Iterator[tuple[World, str]]:
    """The channel in webhook mode behind an HTTP server of its own."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    made = World(database, server, home, mode="webhook", base=base)
    app = FastAPI()
    app.include_router(create_router([700001], secret_keys(made.settings), made.telegram.take))
    http = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=http.run, daemon=True)
    thread.start()
    server.until(lambda: http.started)
    made.start()
    try:
        server.until(lambda: server.bot.webhook.get("url"))
        yield made, base + webhook_path(700001)
    finally:
        made.stop()
        http.should_exit = True
        thread.join(10)


@BOTH
def test_a_webhook_takes_updates_once_and_in_order(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    with hooked(database, server, tmp_path / "home") as (here, _):
        update = customer.says("واحد")
        customer.says("اثنان")
        customer.hears(2)
        server.again(update)
        customer.says("ثلاثة")
        assert customer.hears(3) == ["re: واحد", "re: اثنان", "re: ثلاثة"]
        here.quiet()
        assert len(customer.heard) == 3
        assert len(server.bot.webhook["secret"]) == 64 and not server.called("getUpdates")


def test_a_webhook_answers_before_the_turn_is_done(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    with hooked(database, server, tmp_path / "home") as (here, url):
        held = threading.Event()

        def slowly(turn: Any) -> Any:
            held.wait(10)
            return [here_reply]

        from bot.conversations.model import Reply

        here_reply = Reply("تم")
        here.assistant.answer = slowly
        began = time.monotonic()
        update = {"update_id": 7, "message": customer.message(text="بطيء")}
        answer = requests.post(url, json=update, headers=_secret(server), timeout=5)
        assert answer.status_code == 200 and time.monotonic() - began < 5
        held.set()
        assert customer.hears() == ["تم"]


def _secret(server: TelegramServer) -> dict[str, str]:
    return {"X-Telegram-Bot-Api-Secret-Token": server.bot.webhook["secret"]}


def test_a_webhook_refuses_strangers_and_what_is_no_update(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path
) -> None:
    with hooked(database, server, tmp_path / "home") as (here, url):
        update = {"update_id": 7, "message": customer.message(text="مرحبا")}
        secret = _secret(server)
        other = url.replace("700001", "700002")
        for address, headers, body, status in [
            (url, {}, json.dumps(update), 401),
            (url, {"X-Telegram-Bot-Api-Secret-Token": "x" * 64}, json.dumps(update), 401),
            (url, {"X-Telegram-Bot-Api-Secret-Token": "\u00e9"}, json.dumps(update), 401),
            (other, secret, json.dumps(update), 401),
            (url.replace("700001", "../x"), secret, json.dumps(update), 404),
            (url.replace("700001", "abc"), secret, json.dumps(update), 401),
            (url, secret, "{", 400),
            (url, secret, "[1]", 400),
            (url, secret, '{"update_id": "7"}', 400),
            (url, secret, '{"update_id": true}', 400),
            (url, secret, '{"update_id": -1}', 400),
            (url, secret, f'{{"update_id": {2**70}}}', 400),
            (url, secret, "[" * 100_000, 400),
            (url, secret, b"\xff\xfe", 400),
            (url, secret, "x" * (MAX_BODY + 1), 413),
        ]:
            answer = requests.post(address, data=body, headers=headers, timeout=5)
            assert answer.status_code == status, (address, str(body)[:40], answer.text)
        assert not here.rows(t.telegram_updates)
        chunks = requests.post(url, data=(b"x" * 65536 for _ in range(20)), headers=secret, timeout=5)
        assert chunks.status_code == 413


def test_a_webhook_whose_record_is_away_has_telegram_come_again(
    database: Database, server: TelegramServer, customer: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hooked(database, server, tmp_path / "home") as (here, _):
        store, failures = here.records.store, [2]

        def failing(*args: Any) -> int:
            failures[0] -= 1
            if failures[0] >= 0:
                raise StorageUnavailable("gone")
            return store(*args)

        monkeypatch.setattr(here.telegram._records, "store", failing)
        customer.says("مرحبا")
        assert customer.hears() == ["re: مرحبا"]
        assert server.bot.webhook["errors"] >= 2


# -- set-up ----------------------------------------------------------------------------------------------------------------


def findings(server: TelegramServer, home: Path, **how: str) -> list[tuple[str, str]]:
    how = {"telegram_token": TOKEN, "telegram_api_url": server.url, **how}
    return [(finding.state, finding.text) for finding in _telegram(load_settings(home=home, **how))]


def test_the_doctor_names_the_bot_and_what_to_mend(server: TelegramServer, tmp_path: Path) -> None:
    assert findings(server, tmp_path, telegram_token="")[0][0] == "note"
    told = findings(server, tmp_path)
    assert told[0] == ("ok", "@thiqa_700001_bot answers") and "commands" in told[1][1]
    server.bot.privacy = False
    server.bot.webhook = {"url": "https://elsewhere.example/hook"}
    told = findings(server, tmp_path)
    assert "privacy" in told[0][1] and "webhook" in told[1][1]
    told = findings(server, tmp_path, telegram_mode="webhook", public_url="http://shop.example")
    assert ("bad", "THIQA_TELEGRAM_MODE=webhook needs an https:// address in THIQA_PUBLIC_URL") in told
    server.bot.revoked = True
    for token in (TOKEN, "700009:AAnobody-has-this-token-000000000000", "nonsense"):
        ((state, text),) = findings(server, tmp_path, telegram_token=token)
        assert state == "bad" and "THIQA_TELEGRAM_TOKEN" in text and token not in text
    ((state, text),) = findings(server, tmp_path, telegram_api_url="http://127.0.0.1:9")
    assert state == "bad" and "THIQA_TELEGRAM_API_URL" in text


def test_metrics_tell_what_each_bot_does(database: Database, server: TelegramServer, tmp_path: Path) -> None:
    with world(database, server, tmp_path / "home") as here:
        metrics = Metrics()
        metrics.watch_telegram(lambda: here.telegram.states, here.records.count_open)
        server.until(lambda: here.telegram.states[700001] == "polling")
        text = metrics.text().decode()
    assert 'thiqa_telegram_bot{bot="700001",state="polling"} 1.0' in text
    assert "thiqa_telegram_updates_open 0.0" in text


# -- anything ----------------------------------------------------------------------------------------------------------------

_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_ids = st.integers(-(2**63), 2**63 - 1) | _json
_CHAT = st.fixed_dictionaries(
    {
        "id": st.sampled_from([5001, 5002, -7, 0]) | _ids,
        "type": st.sampled_from(["private", "group", "channel"]) | _json,
    }
)
_MESSAGE = st.fixed_dictionaries(
    {"message_id": st.integers(1, 50) | _ids, "chat": _CHAT | _json, "date": st.integers(0, 2**31) | _json},
    optional={
        name: _json
        for name in (
            "from", "text", "caption", "photo", "document", "contact", "location", "venue", "voice", "sticker", "video",
            "reply_to_message", "quote", "forward_origin", "media_group_id", "edit_date", "left_chat_member", "dice",
        )
    },
)  # fmt: skip
_TYPED = st.fixed_dictionaries(
    {
        "message_id": st.integers(1, 50),
        "chat": st.just({"id": 5001, "type": "private"}),
        "from": st.just({"id": 5001, "is_bot": False, "first_name": "x"}),
        "date": st.just(1),
        "text": st.text(min_size=1, max_size=50),
    }
)
_UPDATE = st.fixed_dictionaries(
    {},
    optional={
        "message": _MESSAGE | _TYPED | _json,
        "edited_message": _MESSAGE | _TYPED | _json,
        "callback_query": st.fixed_dictionaries(
            {"id": st.text(min_size=1, max_size=9) | _json, "from": _json, "data": _json},
            optional={"message": _MESSAGE | _json},
        )
        | _json,
        "my_chat_member": st.fixed_dictionaries({"chat": _CHAT | _json, "new_chat_member": _json}) | _json,
        "channel_post": _json,
        "unheard_of": _json,
    },
)


def test_no_update_crashes_the_loop_or_is_lost(tmp_path: Path, database: Database) -> None:
    """Whatever an update holds it is consumed, and the message behind it is answered."""
    with telegram(strict_pace=False) as server, world(database, server, tmp_path / "home", max_pending=10_000) as here:
        customer = Customer(server, 9001)
        asked = [0]

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(_UPDATE, min_size=1, max_size=5))
        def play(updates: list[dict[str, Any]]) -> None:
            for update in updates:
                server.happens(**json.loads(json.dumps(update)))
            asked[0] += 1
            customer.says(f"هل من مجيب {asked[0]}؟")
            server.until(lambda: len(customer.heard) >= asked[0])

        play()
        server.until(lambda: not here.rows(t.telegram_updates, t.telegram_updates.c.done_at.is_(None)), 60)
        assert not here.rows(t.telegram_updates, t.telegram_updates.c.error.is_not(None))
        assert len(customer.heard) == asked[0]
        server.violations.clear()  # chats made up by the test may have impossible ids
