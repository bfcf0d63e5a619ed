"""Running it: health, numbers, stops, wrong set-ups, commands, logs, and what happens while a shop or a database is away."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.engine.url import make_url

from bot.brain import training
from bot.conversations.model import Author, Message
from bot.errors import ConfigurationError
from bot.storage import tables as t
from bot.storage.turns import SqlTurnStore
from tests.databases import empty_url
from tests.e2e.server import THIQA, TOKEN, Server, clean_environment, free_port, link_trained
from tests.e2e.wires import Cable, ShopFront, Webhook, until

pytestmark = pytest.mark.slow

SHOP_TOKEN = "token-of-the-shop"
# What customers wrote, and must be in no log at any level.
SAID = "pangolin"
PHONE = "0551239871"
EMAIL = "pangolin.keeper@example.com"
# An order in every state of the demo shop, and the last digits of the phone on it.
ORDERS = {
    "1001": "4567", "1002": "4567", "1003": "4567", "1004": "9046", "1005": "9046", "1007": "3456", "1008": "6543",
    "1010": "2233", "1012": "5678", "1013": "5678", "1014": "7766", "1015": "7766", "1016": "8825", "1018": "4567",
}  # fmt: skip


def new_sender() -> str:
    return f"someone-{uuid.uuid4().hex[:8]}"


def log_of(server: Server, sender: str) -> list[Message]:
    store = SqlTurnStore(server.database())
    conversation = store.find("rest", sender)
    return list(store.log(conversation.id)) if conversation else []


def responses(server: Server, sender: str) -> list[str]:
    return [str(message.meta.get("response")) for message in log_of(server, sender) if message.author is Author.BOT]


TRACKED = re.compile(r"utter_order_(?!number|choice)")


def told_of_order(server: Server, sender: str) -> list[str]:
    """The responses that told how an order is doing."""
    return [name for name in responses(server, sender) if TRACKED.match(name)]


def answers_to(server: Server, sender: str, place: int) -> list[str]:
    """The responses to the customer's message number `place`, from 0."""
    log = log_of(server, sender)
    asked = [message.id for message in log if message.author is Author.CUSTOMER][place]
    return [str(message.meta.get("response")) for message in log if message.reply_to == asked]


def owner_of(server: Server, sender: str) -> str:
    conversation = SqlTurnStore(server.database()).find("rest", sender)
    assert conversation is not None
    return conversation.owner.value


def thiqa(
    *arguments: str, home: Path, typed: str | None = None, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of `thiqa` on a state folder, in a folder without `.env`."""
    folder = home if home.is_dir() else home.parent
    return subprocess.run(
        [THIQA, *arguments],
        cwd=folder,
        env=clean_environment(THIQA_HOME=str(home), COLUMNS="250", **environment),
        input=typed,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def metric(server: Server, name: str, **labels: str) -> float:
    """One number of /metrics; 0 where there is none yet."""
    text = requests.get(f"{server.url}/metrics", timeout=30).text
    wanted = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
    found = re.search(rf"^{re.escape(name + wanted)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


# -- health, numbers, description --------------------------------------------------------------------------------------


def test_a_server_that_serves_says_so(product: Server) -> None:
    assert requests.get(f"{product.url}/healthz", timeout=30).json() == {"status": "ok"}
    ready = requests.get(f"{product.url}/readyz", timeout=30)
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "database": "ok", "model": "ok"})


def test_metrics_tell_the_time_of_each_step_and_move(product: Server) -> None:
    steps = ("wait", "think", "commit", "turn")
    before = {step: metric(product, "thiqa_turn_seconds_count", step=step) for step in steps}
    product.post(new_sender(), "مرحبا")
    for step in steps:
        assert metric(product, "thiqa_turn_seconds_count", step=step) == before[step] + 1
        assert metric(product, "thiqa_turn_seconds_sum", step=step) >= 0


def test_metrics_count_who_owns_the_conversations(product: Server) -> None:
    bot, queue = (metric(product, "thiqa_conversations", owner=owner) for owner in ("bot", "queue"))
    sender = new_sender()
    product.post(sender, "مرحبا")
    assert metric(product, "thiqa_conversations", owner="bot") == bot + 1
    product.post(sender, "أريد التحدث مع موظف")
    assert owner_of(product, sender) == "queue"
    assert metric(product, "thiqa_conversations", owner="bot") == bot
    assert metric(product, "thiqa_conversations", owner="queue") == queue + 1


def test_metrics_count_what_was_not_understood(product: Server) -> None:
    def misses() -> float:
        return sum(
            metric(product, "thiqa_fallbacks_total", kind=kind)
            for kind in ("nlu_fallback", "out_of_scope", "other_language")
        )

    before = misses()
    product.post(new_sender(), "Pouvez-vous me dire où se trouve mon colis, s'il vous plaît ?")
    assert misses() == before + 1


def test_metrics_tell_what_waits_in_the_outbox_and_for_how_long(serve: Callable[..., Server]) -> None:
    """An alert that nobody takes waits, and grows older. A reply that its caller never fetched waits for nobody here."""
    server = serve(THIQA_ALERT_WEBHOOK_URL="http://127.0.0.1:9/")
    sender = new_sender()
    assert metric(server, "thiqa_database_up") == 1
    with pytest.raises(requests.Timeout):
        server.request({"sender": sender, "message": "مرحبا"}, timeout=0.005)
    assert metric(server, "thiqa_outbox_waiting") == 0
    server.post(new_sender(), "أريد التحدث مع موظف")
    until(lambda: metric(server, "thiqa_outbox_waiting") == 1)
    age = metric(server, "thiqa_outbox_age_seconds")
    until(lambda: metric(server, "thiqa_outbox_age_seconds") > age)
    assert metric(server, "thiqa_outbox_failed") == 0


def test_metrics_are_in_the_format_of_prometheus(product: Server) -> None:
    response = requests.get(f"{product.url}/metrics", timeout=30)
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in response.text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) .+|[a-z_]+(\{.*\})? [0-9.e+\-]+|[a-z_]+(\{.*\})? (NaN|\+Inf)", line), line


def test_the_description_of_the_api_lists_the_rest_channel(product: Server) -> None:
    described = requests.get(f"{product.url}/openapi.json", timeout=30).json()
    post = described["paths"]["/webhooks/rest/webhook"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["required"]) == {"sender", "message"}
    assert post["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    assert {"/healthz", "/readyz", "/metrics"} <= set(described["paths"])


def test_the_first_page_says_what_runs_here(product: Server) -> None:
    page = requests.get(product.url, timeout=30)
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'dir="rtl"' in page.text and "/openapi.json" in page.text


# -- a database that is locked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1.5, 7.0], ids=["for a moment", "longer than anyone waits"])
def test_while_the_database_is_locked_a_message_waits_or_is_refused_and_is_answered_once(
    product: Server, seconds: float
) -> None:
    senders = [new_sender() for _ in range(3)]
    locked = sqlite3.connect(product.home / "thiqa.db", isolation_level=None, check_same_thread=False)
    locked.execute("BEGIN IMMEDIATE")
    threading.Timer(seconds, lambda: locked.execute("ROLLBACK")).start()
    refused: list[int] = []

    def insist(sender: str) -> Any:
        """As a client does that was told to come back."""
        for _ in range(20):
            response = product.request({"sender": sender, "message": "وين طلبي 1004", "metadata": {"message_id": "m"}})
            if response.status_code == 200:
                return response.json()
            assert response.status_code in (503, 504), response.text
            assert int(response.headers["Retry-After"]) > 0
            assert set(response.json()) == {"error", "detail"}
            refused.append(response.status_code)
            time.sleep(0.5)
        raise AssertionError("never answered")

    with ThreadPoolExecutor(len(senders)) as pool:
        answers = pool.map(insist, senders)
        assert requests.get(f"{product.url}/healthz", timeout=2).status_code == 200, "the lock stops the whole server"
        assert all(list(answers))
    locked.close()
    for sender in senders:
        assert [message.author for message in log_of(product, sender)] == [Author.CUSTOMER, Author.BOT]
        assert responses(product, sender) == ["utter_ask_proof"]
    if seconds < 5:
        assert not refused


# -- a shop that is away, a webhook, a database that is gone, and a stop: one server over PostgreSQL -------------------


class Stage:
    """A server whose shop, database and alerts can be made to fail."""

    def __init__(self, server: Server, shop: ShopFront, hook: Webhook, cable: Cable) -> None:
        self.server, self.shop, self.hook, self.cable = server, shop, hook, cable

    def post(self, sender: str, message: str, **metadata: Any) -> list[dict[str, Any]]:
        return self.server.post(sender, message, **metadata)


@pytest.fixture(scope="module")
def real_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`thiqa demo-shop` in a process of its own."""
    home, port = tmp_path_factory.mktemp("shop"), free_port()
    with (home / "shop.log").open("wb") as log:
        process = subprocess.Popen(
            [THIQA, "demo-shop", "--port", str(port)],
            cwd=home,
            env=clean_environment(THIQA_HOME=str(home), THIQA_SHOP_TOKEN=SHOP_TOKEN),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (home / "shop.log").read_text()
        try:
            return requests.get(f"{url}/store", headers={"Authorization": f"Bearer {SHOP_TOKEN}"}, timeout=3).ok
        except requests.RequestException:
            return False

    try:
        until(answers, 120)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def stage(trained_home: Path, real_shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("stage")
    with ExitStack() as ends:
        url = make_url(ends.enter_context(empty_url("postgresql", home)))
        cable = ends.enter_context(Cable(url.host or "127.0.0.1", url.port or 5432))
        shop, hook = ShopFront(real_shop), Webhook(500)
        ends.callback(shop.close)
        ends.callback(hook.close)
        shop.trouble = "refused"  # away from the first moment: the server starts all the same
        server = Server(
            link_trained(home, trained_home),
            THIQA_DATABASE_URL=url.set(host="127.0.0.1", port=cable.port).render_as_string(hide_password=False),
            THIQA_SHOP_URL=shop.url,
            THIQA_SHOP_TOKEN=SHOP_TOKEN,
            THIQA_SHOP_TIMEOUT="1",
            THIQA_ALERT_WEBHOOK_URL=f"{hook.url}/alerts?key=hook-secret-7",
            THIQA_LOG_LEVEL="DEBUG",
            THIQA_WORKERS="3",
        )
        ends.callback(server.close)
        yield Stage(server.start(), shop, hook, cable)


@pytest.fixture
def well(stage: Stage) -> Stage:
    """The stage with everything in order, and the circuit to the shop closed again."""
    stage.cable.mend()
    stage.shop.trouble, stage.shop.delay = "none", 0.0

    def tracks() -> bool:
        sender = new_sender()
        stage.post(sender, "وين طلبي 1004")
        stage.post(sender, "9046")
        return bool(told_of_order(stage.server, sender))

    until(tracks, 60, every=1.0)
    return stage


def test_with_the_shop_away_since_the_start_a_person_can_be_reached(stage: Stage) -> None:
    sender = new_sender()
    stage.post(sender, "أريد التحدث مع موظف")
    assert owner_of(stage.server, sender) == "queue"
    assert responses(stage.server, sender) == ["utter_handoff_hours_unknown"]


@pytest.mark.parametrize("trouble", ["silent", "refused", "failing", "garbage", "wrong"])
def test_a_shop_in_trouble_is_admitted_and_a_person_offered_and_the_conversation_goes_on(
    well: Stage, trouble: str
) -> None:
    sender = new_sender()
    well.post(sender, "وين طلبي 1004")
    well.shop.trouble = trouble
    began = time.monotonic()
    replies = well.post(sender, "9046")
    assert time.monotonic() - began < 15
    assert responses(well.server, sender)[-1] == "utter_shop_unavailable"
    assert not re.search(r"Traceback|html|1004.*(شحن|طريق)", replies[-1]["text"])
    assert owner_of(well.server, sender) == "bot"
    pressed = replies[-1]["buttons"][0]["payload"]
    well.shop.trouble = "none"

    def tracks() -> bool:
        well.post(sender, "وين طلبي 1004")
        well.post(sender, "9046")
        return bool(told_of_order(well.server, sender))

    until(tracks, 45, every=1.0)
    well.shop.trouble = trouble
    well.post(sender, pressed)
    assert owner_of(well.server, sender) == "queue"


def test_a_real_shop_over_http_gives_the_answers_of_the_embedded_one(well: Stage, product: Server) -> None:
    """In every status of the demo shop, in both languages: the same figures, in the same responses."""
    questions = [("وين طلبي {}", number) for number in ORDERS] + [("where is my order {}", number) for number in ORDERS]
    for question, number in questions:
        told = []
        for server in (product, well.server):
            sender = new_sender()
            server.post(sender, question.format(number))
            replies = server.post(sender, ORDERS[number])
            figures = set(re.findall(r"\d(?:[\d.,:/]*\d)?", " ".join(reply["text"] for reply in replies))) - {number}
            told.append((responses(server, sender), figures))
        assert told[0] == told[1], (question, number)
        assert any(TRACKED.match(name) for name in told[1][0]), told


def test_who_waits_for_a_person_is_alerted_once_and_without_a_word_of_theirs(well: Stage) -> None:
    until(lambda: well.hook.statuses == [], 60)  # the first alert of this server was answered 500
    before = len(well.hook.received)
    sender = new_sender()
    well.post(sender, f"my name is {SAID}")
    well.post(sender, "I want to talk to a person")
    until(lambda: len(well.hook.received) > before)
    well.post(sender, f"{SAID} again, my phone is {PHONE}")
    well.post(sender, "hello?")
    time.sleep(2.5)
    alerts = well.hook.received[before:]
    assert len(alerts) == 1
    assert alerts[0]["event"] == "handoff.asked" and alerts[0]["id"] > 0
    assert not re.search(f"{SAID}|{PHONE}|{sender}", json.dumps(alerts))


def test_an_alert_that_failed_is_sent_again_under_the_same_id(well: Stage) -> None:
    well.hook.statuses = [503]
    before = len(well.hook.received)
    well.post(new_sender(), "I want to talk to a person")
    until(lambda: len(well.hook.received) >= before + 2, 30)
    first, second = well.hook.received[before : before + 2]
    assert first == second


def test_a_database_that_is_gone_is_told_and_found_again(well: Stage) -> None:
    server, sender = well.server, new_sender()
    well.post(sender, "وين طلبي 1004")
    well.cable.cut()
    ready = requests.get(f"{server.url}/readyz", timeout=30)
    assert ready.status_code == 503
    assert ready.json()["database"] != "ok" and ready.json()["model"] == "ok"
    assert requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
    assert metric(server, "thiqa_database_up") == 0
    body = {"sender": sender, "message": "9046", "metadata": {"message_id": "m"}}
    response = server.request(body)
    assert response.status_code == 503
    assert response.json()["error"] == "unavailable" and int(response.headers["Retry-After"]) > 0
    assert not re.search(r"psycopg|sqlalchemy|Traceback|127\.0\.0\.1", response.text)
    well.cable.mend()
    until(server.is_ready, 30)
    assert server.request(body).status_code == 200
    assert told_of_order(server, sender)
    assert len([message for message in log_of(server, sender) if message.author is Author.CUSTOMER]) == 2


def test_a_database_that_goes_during_a_turn_costs_no_answer(well: Stage) -> None:
    """Neither the commit nor the way back of the lease gets through: the message is answered when the database is back."""
    server, sender = well.server, new_sender()
    well.post(sender, "وين طلبي 1004")
    well.shop.delay = 0.8
    asked = len(well.shop.asked)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(well.post, sender, "9046", message_id="m")
        until(lambda: len(well.shop.asked) > asked, every=0.02)
        well.cable.cut()
        time.sleep(3)
        well.cable.mend()
        assert answer.result(60)
    assert len(answers_to(server, sender, 1)) == len(set(answers_to(server, sender, 1))) > 0
    assert told_of_order(server, sender)
    numbers = [message.number for message in log_of(server, sender)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_no_log_holds_what_customers_wrote_at_the_level_debug(well: Stage) -> None:
    said_by_a_customer(well.server)
    log = well.server.log()
    assert '"level": "debug"' in log, "this server logs at DEBUG"
    assert_keeps_secrets(log)


def test_no_log_holds_a_token(well: Stage) -> None:
    for secret in (SHOP_TOKEN, TOKEN, "hook-secret-7"):
        assert secret not in well.server.log()


def test_a_stop_during_a_turn_lets_it_end_and_its_answer_arrive(well: Stage) -> None:
    """The last of the tests on this server."""
    server, sender = well.server, new_sender()
    well.post(sender, "وين طلبي 1004")
    well.shop.delay = 0.8
    asked = len(well.shop.asked)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(well.post, sender, "9046")
        until(lambda: len(well.shop.asked) > asked, every=0.02)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        assert answer.result(60), "the caller got its replies"
    # uvicorn ends by the signal that it was sent, once everything is closed.
    assert server.process.wait(30) in (0, -signal.SIGTERM)
    assert told_of_order(server, sender)
    assert '"event": "thiqa.stopped"' in server.log()
    assert "Traceback" not in server.log().split('"event": "thiqa.stopped"')[-1]


def said_by_a_customer(server: Server) -> None:
    sender = new_sender()
    server.post(sender, f"hello, my name is {SAID}")
    server.post(sender, f"where is my order 1004, call me on {PHONE}")
    server.post(sender, EMAIL)
    server.post(sender, f"can a {SAID} fly to the moon on Tuesdays?")
    server.post(sender, "I want to talk to a person")
    server.post(sender, f"my email is {EMAIL}")


def assert_keeps_secrets(log: str) -> None:
    for told in (SAID, PHONE, EMAIL, PHONE[1:], "Tuesdays"):
        lines = [line for line in log.splitlines() if told in line]
        assert not lines, lines[0][:600]


def test_no_log_holds_what_customers_wrote_at_the_level_info(product: Server) -> None:
    said_by_a_customer(product)
    assert '"event": "thiqa.ready"' in product.log()
    assert_keeps_secrets(product.log())


# -- set-ups that cannot work ------------------------------------------------------------------------------------------


def test_a_port_in_use_is_said_at_once(product: Server, tmp_path: Path) -> None:
    began = time.monotonic()
    done = thiqa("run", home=tmp_path, THIQA_PORT=str(product.port))
    assert done.returncode not in (0, None)
    assert time.monotonic() - began < 30, "it was found only after the slow start"
    assert "THIQA_PORT" in done.stderr and str(product.port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("run",), ("chat",), ("demo", "reset")], ids=" ".join)
def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    done = thiqa(*command, home=taken, THIQA_PORT=str(free_port()))
    assert done.returncode not in (0, None)
    assert "THIQA_HOME" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("THIQA_PORT", "eighty-5519"),
        ("THIQA_DATABASE_URL", "mysql://root:pass-5519@db/x"),
        ("THIQA_DATABASE_URL", "pass-5519"),
        ("THIQA_SHOP_URL", "ftp://pass-5519"),
        ("THIQA_SHOP_TOKEN", "pass-5519 with spaces"),
        ("THIQA_ALERT_EMAIL", "care-5519@example.com"),
        ("THIQA_HOST", "no.such.host-5519.invalid"),
    ],
    ids=lambda text: text[:24],
)
def test_a_wrong_setting_is_named_and_its_value_kept_to_itself(
    tmp_path: Path, trained_home: Path, name: str, value: str
) -> None:
    environment = {"THIQA_PORT": str(free_port()), "THIQA_SHOP_URL": "http://127.0.0.1:9", name: value}
    done = thiqa("run", home=link_trained(tmp_path, trained_home), **environment)
    assert done.returncode not in (0, None)
    assert name.replace("HOST", "PORT") in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    if name != "THIQA_HOST":
        assert "5519" not in done.stderr + done.stdout


def test_a_database_that_does_not_answer_is_said(tmp_path: Path) -> None:
    done = thiqa("queue", home=tmp_path, THIQA_DATABASE_URL="postgresql://someone:pass-5519@127.0.0.1:9/none")
    assert done.returncode not in (0, None)
    assert "database" in done.stderr and "THIQA_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr and "pass-5519" not in done.stderr


def test_a_database_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "thiqa.db").write_bytes(b"this is no database " * 500)
    done = thiqa("queue", home=tmp_path)
    assert done.returncode not in (0, None)
    assert "THIQA_DATABASE_URL" in done.stderr and "Traceback" not in done.stderr


# -- the model ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def stub_training(monkeypatch: pytest.MonkeyPatch, trained_home: Path) -> list[Path]:
    """`train` copies a whole model instead of training one; the list holds what it made."""
    whole = training.model_path(trained_home).read_bytes()
    made: list[Path] = []

    def train(path: Path, announce: Callable[[str], None] = print) -> None:
        path.write_bytes(whole)
        made.append(path)

    monkeypatch.setattr(training, "train", train)
    return made


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "a folder of another name"])
def test_a_damaged_model_is_replaced_and_that_is_said(
    tmp_path: Path, trained_home: Path, stub_training: list[Path], damage: str
) -> None:
    whole = training.model_path(trained_home).read_bytes()
    path = training.model_path(tmp_path)
    path.parent.mkdir()
    contents = {"truncated": whole[: len(whole) // 2], "garbage": os.urandom(5000), "empty": b""}
    if damage in contents:
        path.write_bytes(contents[damage])
    said: list[str] = []
    assert not training.is_whole(path)
    assert training.ensure_model(tmp_path, said.append) == path
    assert stub_training == [path] and training.is_whole(path)
    assert said, "the operator waits one to two minutes and is told why"
    assert training.ensure_model(tmp_path, said.append) == path
    assert len(stub_training) == 1, "a whole model is trained once"


def test_a_model_of_earlier_training_data_is_not_used_and_makes_room(tmp_path: Path, stub_training: list[Path]) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for place in range(4):
        old = models / f"thiqa-{place:012d}.tar.gz"
        old.write_bytes(b"old")
        os.utime(old, (place, place))
    path = training.ensure_model(tmp_path)
    assert stub_training == [path]
    assert sorted(models.glob("*.tar.gz")) == sorted([models / "thiqa-000000000003.tar.gz", path])


def test_of_several_that_start_at_once_one_trains(tmp_path: Path, stub_training: list[Path]) -> None:
    with ThreadPoolExecutor(6) as pool:
        paths = set(pool.map(lambda _: training.ensure_model(tmp_path), range(6)))
    assert len(paths) == 1 and len(stub_training) == 1


def test_training_data_that_cannot_be_trained_on_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(path: Path, announce: Callable[[str], None]) -> None:
        raise ConfigurationError("the training data", "Rasa could not train on it", "Run rasa data validate.")

    monkeypatch.setattr(training, "train", train)
    with pytest.raises(ConfigurationError):
        training.ensure_model(tmp_path)
    assert not training.model_path(tmp_path).exists()


def test_the_fingerprint_changes_with_what_the_model_is_made_of(tmp_path: Path) -> None:
    for name in ("config.yml", "domain.yml", "data/nlu/shop.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a")
    for name in ("bot/brain/encoder/e5.py", "bot/text.py", "bot/content/cities.yml", "bot/brain/nlu/intent.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a")
    first = training.fingerprint(tmp_path)
    assert re.fullmatch("[0-9a-f]{12}", first) and training.fingerprint(tmp_path) == first
    for name in ("domain.yml", "data/nlu/shop.yml", "bot/brain/nlu/intent.py", "bot/brain/encoder/e5.py"):
        (tmp_path / name).write_text("b")
        assert training.fingerprint(tmp_path) != first
        (tmp_path / name).write_text("a")
    (tmp_path / "README.md").write_text("a")
    assert training.fingerprint(tmp_path) == first


# -- commands ----------------------------------------------------------------------------------------------------------


def findings(output: str) -> dict[str, str]:
    return {what: state for state, what in re.findall(r"^(ok|note|bad)\s+([A-Za-z ]+):", output, re.MULTILINE)}


def test_the_doctor_finds_nothing_bad_in_a_good_set_up(product: Server) -> None:
    done = thiqa("doctor", home=product.home, THIQA_REST_TOKEN="x" * 32)
    assert done.returncode == 0, done.stdout + done.stderr
    found = findings(done.stdout)
    assert set(found) == {
        "state folder",
        "database",
        "model",
        "content",
        "shop",
        "REST channel",
        "web chat",
        "signed identities",
        "alerts",
        "Telegram",
    }
    assert "bad" not in found.values()
    assert (found["model"], found["database"], found["REST channel"]) == ("ok", "ok", "ok")
    assert (found["shop"], found["alerts"]) == ("note", "note")


def test_the_doctor_tells_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    done = thiqa(
        "doctor",
        home=tmp_path,
        THIQA_SHOP_URL="http://127.0.0.1:9",
        THIQA_SHOP_TOKEN="pass-5519",
        THIQA_ALERT_EMAIL="care@example.com",
        THIQA_REST_TOKEN="short-5519",
    )
    assert done.returncode == 1
    found = findings(done.stdout)
    assert (found["shop"], found["alerts"], found["REST channel"], found["model"]) == ("bad", "bad", "note", "note")
    assert "THIQA_SHOP_URL" in done.stdout and "THIQA_SMTP_URL" in done.stdout
    assert "5519" not in done.stdout + done.stderr and "Traceback" not in done.stdout + done.stderr


def test_the_doctor_goes_on_when_the_database_is_gone(tmp_path: Path) -> None:
    done = thiqa("doctor", home=tmp_path, THIQA_DATABASE_URL="postgresql://a:pass-5519@127.0.0.1:9/none")
    assert done.returncode == 1
    found = findings(done.stdout)
    assert (found["state folder"], found["database"], found["content"]) == ("ok", "bad", "ok")
    assert "pass-5519" not in done.stdout + done.stderr and "Traceback" not in done.stdout + done.stderr


def test_the_queue_lists_who_waits_and_with_which_contact(product: Server) -> None:
    sender = new_sender()
    product.post(sender, "I want to talk to a person")
    product.post(sender, "call me on +966551230000 [bold]please[/bold]")
    done = thiqa("queue", home=product.home)
    assert done.returncode == 0, done.stderr
    conversation = log_of(product, sender)[0].conversation
    line = next(line for line in done.stdout.splitlines() if conversation[:8] in line)
    assert "asked" in line and "+966551230000" in line and "rest" in line
    assert "[bold]please[/bold]" in line, "a customer's brackets are shown as they are"


def test_the_unanswered_questions_are_listed(product: Server) -> None:
    question = f"Do you sell {uuid.uuid4().hex[:6]} quantum flux capacitors?"
    product.post(new_sender(), question)
    with product.database().read() as c:
        stored = c.execute(sa.select(t.unanswered_questions.c.text)).scalars().all()
    done = thiqa("unanswered", home=product.home)
    assert done.returncode == 0, done.stderr
    assert "Unanswered questions" in done.stdout
    assert question in stored
    assert question in done.stdout


def test_demo_reset_loads_the_shop_anew(tmp_path: Path) -> None:
    assert thiqa("demo", "reset", home=tmp_path).returncode == 0
    database = sqlite3.connect(tmp_path / "thiqa.db")
    whole = database.execute("SELECT count(*) FROM shop_records").fetchone()[0]
    database.execute("DELETE FROM shop_records WHERE kind = 'order'")
    database.commit()
    assert database.execute("SELECT count(*) FROM shop_records").fetchone()[0] < whole
    assert thiqa("demo", "reset", home=tmp_path).returncode == 0
    assert database.execute("SELECT count(*) FROM shop_records").fetchone()[0] == whole
    database.close()


def test_the_demo_shop_needs_a_token(tmp_path: Path) -> None:
    done = thiqa("demo-shop", "--port", str(free_port()), home=tmp_path)
    assert done.returncode not in (0, None)
    assert "THIQA_SHOP_TOKEN" in done.stderr and "Traceback" not in done.stderr


def test_a_conversation_in_the_terminal(trained_home: Path, tmp_path: Path) -> None:
    """Piped in: a greeting, the first button by its number, an order, its proof; then nothing more."""
    home = link_trained(tmp_path, trained_home)
    done = thiqa("chat", "--explain", "--sender", "me", home=home, typed="hello\n1\n1004\n9046\n", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    shown = done.stdout.replace("\n", " ")
    for seen in ("intent greet", "utter_greet", "utter_ask_order_number", "utter_ask_proof", "utter_order_"):
        assert seen in shown, seen
    store = sqlite3.connect(home / "thiqa.db")
    texts = [text for (text,) in store.execute("SELECT text FROM messages WHERE author = 'customer' ORDER BY number")]
    assert len(texts) == 4 and texts[1] != "1", "the button's own words are in the log"
    assert store.execute("SELECT count(*) FROM outbox WHERE sent_at IS NULL").fetchone() == (0,)
    store.close()


CONTRACT = {
    "n", "accuracy", "macro_f1", "by_lang", "by_intent", "emotion_accuracy", "emotion_macro_f1", "faq_topic_accuracy",
    "entity_f1", "oos_recall", "ece", "ms_per_message_p50",
}  # fmt: skip


def test_eval_nlu_ends_with_one_line_of_json(trained_home: Path, tmp_path: Path) -> None:
    lines = [
        {"text": "وين طلبي 1004", "intent": ["track_order"], "lang": "gulf", "entities": {"order_number": "1004"}},
        {"text": "what is your return policy?", "intent": ["faq"], "lang": "en", "topic": "return_policy"},
        {"text": "thank you so much!", "intent": ["thank"], "lang": "en", "emotion": "positive"},
        {"text": "who won the world cup in 1998?", "intent": ["out_of_scope"], "lang": "en"},
        {"text": "hello", "intent": ["complaint_damaged"], "lang": "en"},
    ]
    data, errors = tmp_path / "data.jsonl", tmp_path / "errors.jsonl"
    data.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    home = link_trained(tmp_path / "home", trained_home)
    done = thiqa("eval", "nlu", "--data", str(data), "--errors", str(errors), "--json", home=home, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == CONTRACT
    assert result["n"] == 5 and set(result["by_lang"]) == {"gulf", "en"}
    assert 0 < result["accuracy"] < 1 and result["ms_per_message_p50"] > 0
    misread = [json.loads(line) for line in errors.read_text("utf-8").splitlines()]
    assert any(row["text"] == "hello" for row in misread)


def test_eval_nlu_says_which_line_is_wrong(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"text": "hello", "intent": ["greet"]}\n{"text": 5}\n', "utf-8")
    done = thiqa("eval", "nlu", "--data", str(data), "--json", home=tmp_path)
    assert done.returncode not in (0, None)
    assert "line 2" in done.stderr.replace("\n", " ") and "Traceback" not in done.stderr


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = thiqa("--help", home=tmp_path)
    assert done.returncode == 0
    for command in ("run", "train", "chat", "eval", "queue", "unanswered", "doctor", "demo", "demo-shop"):
        assert re.search(rf"^\W*{command}\s", done.stdout, re.MULTILINE), command
