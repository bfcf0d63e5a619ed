"""Many chats, Telegram refusing and dropping, and the process killed twice: `THIQA_SOAK_CHATS=200` for all of it."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.settings import PROJECT
from bot.storage import tables as t
from bot.storage.database import Database
from tests.e2e.server import clean_environment
from tests.telegram.server import Customer, TelegramServer, Trouble, telegram

# The whole soak is 200 chats (5,000 messages) and takes minutes; a smaller one is part of every run.
CHATS = int(os.environ.get("THIQA_SOAK_CHATS", "30"))
MESSAGES = 25
LONGEST = 120 + CHATS * MESSAGES / 5  # seconds
KILLS_AFTER = (0.25, 0.6)  # of the messages answered


def start(server: TelegramServer, database: Database, home: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.telegram.connector", server.url, database.url, str(home)],
        cwd=PROJECT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    return process


@pytest.mark.slow
@pytest.mark.timeout(LONGEST + 60)
def test_every_message_is_answered_in_order_with_no_more_duplicates_than_kills(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'thiqa.db'}")
    database.migrate()
    chance = random.Random(7)
    with telegram(strict_pace=False) as server:
        customers = [Customer(server, 10_000 + number) for number in range(CHATS)]
        said = dict.fromkeys(range(CHATS), 0)
        total = CHATS * MESSAGES
        server.chaos = lambda method: trouble(method, chance.random())
        process = start(server, database, tmp_path)
        began = time.monotonic()
        kills = list(KILLS_AFTER)
        try:
            while (done := answered(server, customers)) < total:
                for place, customer in enumerate(customers):  # impatient: up to two ahead of the answers
                    if said[place] < MESSAGES and said[place] - heard(server, customer) < 2:
                        customer.says(f"رسالة {said[place]}")
                        said[place] += 1
                if kills and done > kills[0] * total:
                    kills.pop(0)
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    process = start(server, database, tmp_path)
                time.sleep(0.05)
                assert time.monotonic() - began < LONGEST, f"{done} of {total}"
            print(f"{total} messages in {time.monotonic() - began:.0f} s")
            time.sleep(1.0)
        finally:
            process.kill()
            process.wait()
        expected = [f"re: رسالة {number}" for number in range(MESSAGES)]
        duplicates = 0
        for customer in customers:
            texts = customer.hears(0)
            assert [text for text, _ in itertools.groupby(texts)] == expected
            duplicates += len(texts) - len(expected)
        assert duplicates <= len(KILLS_AFTER)
        with database.read() as c:
            assert c.execute(sa.select(sa.func.count()).select_from(t.inbox)).scalar_one() == total
            assert not c.execute(sa.select(t.telegram_updates).where(t.telegram_updates.c.error.is_not(None))).first()
    database.close()


def trouble(method: str, chance: float) -> Trouble | None:
    if method == "getUpdates" and chance < 0.05:
        return Trouble("status", status=502, description="Bad Gateway")
    if method == "sendMessage" and chance < 0.01:
        description = "Too Many Requests: retry after 1"
        return Trouble("status", status=429, description=description, parameters={"retry_after": 1})
    if method == "sendMessage" and chance < 0.015:
        return Trouble("drop", seconds=0.5)
    return None


def answered(server: TelegramServer, customers: list[Customer]) -> int:
    """Distinct answers that have arrived."""
    return sum(heard(server, customer) for customer in customers)


def heard(server: TelegramServer, customer: Customer) -> int:
    return len({message["text"] for message in server.sent(customer.id)})
