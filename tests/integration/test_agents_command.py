"""`thiqa agents`, and invitations by e-mail."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.agents.passwords import Passwords
from bot.bootstrap import build_desk
from bot.handoff.model import Role
from bot.settings import Settings
from bot.storage import tables as t
from bot.storage.database import Database
from tests.e2e.server import THIQA, clean_environment
from tests.integration.desk import PASSWORD, QUICK, DeskWorld, code_of
from tests.integration.test_outbox import mail_server

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def thiqa(tmp_path: Path) -> Run:
    """Runs the command in an empty folder; the same database each time."""

    def run(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [THIQA, "agents", *arguments],
            input=given,
            cwd=tmp_path,
            env=clean_environment(THIQA_HOME=str(tmp_path / "home"), COLUMNS="200"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def desk(tmp_path: Path, thiqa: Run) -> DeskWorld:
    """The desk on the command's database."""
    thiqa("list")
    return DeskWorld(Database(f"sqlite:///{tmp_path / 'home' / 'thiqa.db'}"), tmp_path / "home")


def test_an_added_agent_signs_in_is_listed_and_is_disabled(thiqa: Run, desk: DeskWorld) -> None:
    done = thiqa("add", "--email", "Salma@shop.example", "--role", "admin", "--password-stdin", given=PASSWORD + "\n")
    assert (done.returncode, done.stdout) == (0, "Salma@shop.example may sign in as admin.\n"), done.stderr
    arguments = ("add", "--email", "omar@shop.example", "--role", "agent", "--name", "[red]عمر[/]", "--password-stdin")
    assert thiqa(*arguments, given=PASSWORD).returncode == 0
    browser = desk.browser()
    assert browser.sign_in("salma@shop.example").json()["agent"]["role"] == "admin"
    listed = thiqa("list").stdout
    assert "Salma@shop.example" in listed and "[red]عمر[/]" in listed and PASSWORD not in listed
    last = thiqa("disable", "salma@shop.example")
    assert last.returncode == 2 and "only administrator" in last.stderr and browser.signed_in
    assert thiqa("disable", "OMAR@shop.example").returncode == 0
    assert code_of(desk.browser().sign_in("omar@shop.example")) == (401, "wrong_credentials")
    assert "disabled" in thiqa("list").stdout


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["--email", "a@b.c", "--role", "agent"], PASSWORD, "--password-stdin"),
        (["--email", "a@b.c", "--role", "agent", "--password-stdin"], "", "at least 10"),
        (["--email", "a@b.c", "--role", "agent", "--password-stdin"], "password1234\n", "easy to guess"),
        (["--email", "nonsense", "--role", "agent", "--password-stdin"], PASSWORD, "e-mail"),
        (["--email", "a@b.c", "--role", "owner", "--password-stdin"], PASSWORD, "owner"),
    ],
)
def test_what_cannot_be_is_said_plainly_and_nothing_is_made(
    thiqa: Run, desk: DeskWorld, arguments: list[str], given: str, said: str
) -> None:
    done = thiqa("add", *arguments, given=given)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert given.strip() not in (done.stderr + done.stdout) or not given.strip()
    assert desk.rows(t.agents) == []


def test_an_account_is_not_made_twice_and_one_that_does_not_exist_is_said_so(thiqa: Run) -> None:
    add = ("add", "--email", "salma@shop.example", "--role", "agent", "--password-stdin")
    assert thiqa(*add, given=PASSWORD).returncode == 0
    again = thiqa(*add, given="another good phrase")
    assert again.returncode == 2 and "already" in again.stderr
    for command in (["disable", "x@y.z"], ["reset", "x@y.z", "--password-stdin"]):
        done = thiqa(*command, given=PASSWORD)
        assert done.returncode == 2 and "no such agent" in done.stderr


def test_who_is_locked_out_gets_a_new_password_and_old_sessions_end(thiqa: Run, desk: DeskWorld) -> None:
    browser = desk.at_desk("salma")
    browser.call("POST", "/totp", {"password": PASSWORD})
    with desk.database.write() as c:
        c.execute(t.agents.update().values(totp_since=desk.clock()))
    done = thiqa("reset", "salma@shop.example", "--password-stdin", given="seven camels drink tea\n")
    assert done.returncode == 0 and not browser.signed_in
    assert browser.sign_in("salma@shop.example", "seven camels drink tea").status_code == 200
    with desk.database.read() as c:
        row = c.execute(sa.select(t.desk_audit).where(t.desk_audit.c.action == "agent.reset")).one()
    assert row.agent_id is None


# -- by e-mail ---------------------------------------------------------------------------------------------------------


def invite(database: Database, home: Path, smtp_url: str) -> tuple[str | None, DeskWorld]:
    """The link that the inviter is shown."""
    world = DeskWorld(database, home, smtp_url=smtp_url, mail_from="desk@shop.example")
    world.accounts.add("admin@shop.example", Role.ADMIN, PASSWORD, ("سلمى", "Salma"))
    browser = world.browser()
    browser.sign_in("admin@shop.example")
    answer = browser.call("POST", "/invitations", {"email": "new@shop.example", "role": "agent"})
    assert answer.status_code == 201
    link: str | None = answer.json()["link"]
    return link, world


def test_an_invitation_is_mailed_in_both_languages_and_its_link_is_shown_to_nobody_else(
    database: Database, tmp_path: Path
) -> None:
    with mail_server() as (url, server):
        link, world = invite(database, tmp_path, url)
    mail = message_from_bytes(server.mails[0], policy=policy.default)
    text = mail.get_content()
    assert link is None and (mail["To"], mail["From"]) == ("new@shop.example", "desk@shop.example")
    assert "سلمى" in text and "Salma" in text
    token = text.strip().rpartition("/desk/invitation/")[2]
    body = {"token": token, "password": PASSWORD, "name_ar": "ن", "name_en": "N"}
    assert world.browser().call("POST", "/invitations/accept", body).status_code == 200


def test_where_the_mail_does_not_go_the_inviter_is_shown_the_link(database: Database, tmp_path: Path) -> None:
    with mail_server(RCPT="550 no such user") as (url, server):
        link, _ = invite(database, tmp_path, url)
    assert link and "/desk/invitation/" in link and server.mails == []


def test_mail_is_sent_where_there_is_a_server_and_a_sender(tmp_path: Path) -> None:
    def sender(**given: str) -> str:
        return Settings(_env_file=None, **given).mail_sender

    assert sender(smtp_url="smtp://x", alert_email="a@b.c") == "a@b.c"
    assert sender(smtp_url="smtp://x", alert_email="a@b.c", mail_from="d@b.c") == "d@b.c"
    assert sender(mail_from="d@b.c") == sender(smtp_url="smtp://x") == ""


def test_building_the_desk_opens_nothing(tmp_path: Path) -> None:
    """A database that is away does not keep the process from starting to say so."""
    database = Database(f"sqlite:///{tmp_path / 'thiqa.db'}")
    build_desk(Settings(_env_file=None, home=tmp_path, secret_keys="k" * 32), database, passwords=Passwords(QUICK))
    assert not (tmp_path / "thiqa.db").exists()
