"""Signing in at the desk: who gets in, how long it lasts, and what a stranger, a thief or another website can do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from bot.agents.model import Where, token_hash
from bot.agents.passwords import Passwords
from bot.agents.permissions import Permission
from bot.agents.sign_in import SignIn
from bot.bootstrap import build_desk
from bot.errors import DeskRefused
from bot.handoff.model import Role
from bot.settings import Settings
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.sign_in import SqlSignIn
from tests.integration.desk import AT_DESK, PASSWORD, QUICK, Browser, DeskWorld, code_of

SALMA = "salma@shop.example"
NEW = "seven camels drink tea"


@pytest.fixture
def world(database: Database, tmp_path: Path) -> DeskWorld:
    return DeskWorld(database, tmp_path)


@pytest.fixture
def salma(world: DeskWorld) -> Browser:
    return world.at_desk("salma")


# -- in and out --------------------------------------------------------------------------------------------------------


def test_who_signs_in_is_told_who_they_are_and_what_they_may(world: DeskWorld) -> None:
    world.add("salma", Role.LEAD)
    browser = world.browser()
    answer = browser.sign_in("SALMA@Shop.Example ")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["agent"]["email"], body["agent"]["role"]) == (SALMA, "lead")
    assert "invitations" in body["permissions"] and "agents.manage" not in body["permissions"]
    assert body["session"]["this"] and body["session"]["network"] == "203.0.113.0/24"
    assert answer.headers["Cache-Control"] == "no-store"
    assert browser.call("GET", "/session").json() == body
    assert browser.call("DELETE", "/session").status_code == 204
    assert code_of(browser.call("GET", "/session")) == (401, "signed_out") and world.rows(t.agent_sessions) == []


def test_the_cookie_is_for_the_desk_alone_and_scripts_do_not_see_it(database: Database, tmp_path: Path) -> None:
    for base, secure in (("http://127.0.0.1:8000", False), ("https://help.shop.example", True)):
        world = DeskWorld(database, tmp_path, base)
        name = "a" if secure else "b"
        world.add(name)
        browser = world.browser()
        given = browser.sign_in(f"{name}@shop.example").headers["Set-Cookie"]
        flags = {part.strip().lower() for part in given.split(";")[1:]}
        assert {"httponly", "path=/desk", "samesite=strict", "max-age=604800"} <= flags
        assert ("secure" in flags) is secure and not any(flag.startswith("domain") for flag in flags)
        taken = browser.call("DELETE", "/session").headers["Set-Cookie"].lower()
        assert "max-age=0" in taken and "path=/desk" in taken and ("secure" in taken) is secure


def test_the_database_holds_neither_password_nor_token(world: DeskWorld, salma: Browser) -> None:
    kept = repr(
        [*world.rows(t.agents), *world.rows(t.agent_sessions), *world.rows(t.desk_audit), *world.rows(t.sign_in_tries)]
    )
    assert salma.token and token_hash(salma.token) in kept
    for secret in (PASSWORD, salma.token, salma.csrf):
        assert secret not in kept
    assert SALMA not in repr([*world.rows(t.desk_audit), *world.rows(t.sign_in_tries)]) and "203.0.113.7" not in kept


def test_a_wrong_password_a_disabled_account_and_an_unknown_address_answer_alike(world: DeskWorld) -> None:
    world.add("salma")
    gone = world.add("gone")
    world.accounts.disable(gone.id, AT_DESK)
    answers = [
        world.browser().sign_in(email, password)
        for email, password in (
            (SALMA, "wrong password 1"),
            ("gone@shop.example", PASSWORD),
            ("nobody@shop.example", PASSWORD),
            ("no address", PASSWORD),
            ("nul\x00@shop.example", PASSWORD),
            ("\ud800@shop.example".encode("utf-8", "replace").decode(), PASSWORD),
        )
    ]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert {code_of(answer) for answer in answers} == {(401, "wrong_credentials")}
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_an_unknown_address_costs_as_much_work_as_a_wrong_password(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash is computed and one row of the log is written, whoever asks: time tells nothing."""
    world.add("salma")
    hashes: list[str] = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda self, h, p: hashes.append(h) or verify(self, h, p))
    for email in (SALMA, "nobody@shop.example"):
        before, logged = len(hashes), len(world.audit())
        world.browser().sign_in(email, "wrong password 1")
        assert (len(hashes) - before, len(world.audit()) - logged) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"email": SALMA},
        {"email": 1, "password": []},
        {"email": SALMA, "password": "x", "admin": True},
        "{",
    ],
)
def test_a_body_that_is_none_is_refused_without_repeating_it(world: DeskWorld, body: Any) -> None:
    assert code_of(world.browser().call("POST", "/session", body)) == (422, "invalid")


def test_broken_and_endless_bodies_are_refused(world: DeskWorld) -> None:
    http = world.browser().http
    for content, kind, status in (
        (b"{", "application/json", 422),
        (b"\xff", "application/json", 400),
        (b'{"email": "a", "password": "b"}', "text/plain", 422),
        (b"[" * 60_000, "application/json", 400),
        (b" " * 70_000, "application/json", 413),
    ):
        answer = http.post("/desk/api/session", content=content, headers={"Content-Type": kind})
        assert code_of(answer)[0] == status, answer.text


def test_a_password_of_a_thousand_characters_is_just_wrong(world: DeskWorld) -> None:
    world.add("salma")
    assert code_of(world.browser().sign_in(SALMA, "x" * 1000)) == (401, "wrong_credentials")


def test_a_hash_of_old_parameters_is_made_anew_at_sign_in(world: DeskWorld) -> None:
    world.add("salma")
    before = world.rows(t.agents)[0].password_hash
    newer = SignIn(SqlSignIn(world.database), Passwords(PasswordHasher(2, 16, 1)), b"s", world.clock)
    newer.sign_in(SALMA, PASSWORD, None, Where("203.0.113.7"))
    after = world.rows(t.agents)[0].password_hash
    assert after != before and "t=2" in after
    assert newer.sign_in(SALMA, PASSWORD, None, Where("203.0.113.7"))


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_a_session_ends_when_it_is_idle_and_lives_while_it_is_used(world: DeskWorld, salma: Browser) -> None:
    for _ in range(4):
        world.clock.move(timedelta(hours=11, minutes=59))
        assert salma.signed_in
    world.clock.move(timedelta(hours=12))
    assert code_of(salma.call("GET", "/session")) == (401, "signed_out")


def test_a_session_ends_after_a_week_however_busy_it_is(world: DeskWorld, salma: Browser) -> None:
    for _ in range(7 * 3 - 1):
        world.clock.move(timedelta(hours=8))
        assert salma.signed_in
    world.clock.move(timedelta(hours=8))
    assert not salma.signed_in
    world.sign_in.tidy()
    assert world.rows(t.agent_sessions) == []


def test_the_settings_say_how_long(database: Database, tmp_path: Path) -> None:
    world = DeskWorld(database, tmp_path, desk_idle_hours=1, desk_session_hours=2)
    browser = world.at_desk("salma")
    world.clock.move(timedelta(minutes=59))
    assert browser.signed_in
    world.clock.move(timedelta(minutes=59))
    assert browser.signed_in
    world.clock.move(timedelta(minutes=3))
    assert not browser.signed_in


def test_signing_in_makes_a_new_token_whatever_cookie_was_there(world: DeskWorld) -> None:
    """A thief who put a cookie of their own into the browser (fixation) does not come to hold the session."""
    world.add("salma")
    thief = world.at_desk("thief")
    planted = thief.token
    browser = world.browser()
    browser.http.cookies.set("thiqa_desk", str(planted), domain="127.0.0.1", path="/desk")
    answer = browser.sign_in(SALMA)
    assert planted not in answer.headers["Set-Cookie"]
    assert not thief.signed_in, "the session that was planted is over"
    for guess in ("made-up-token", "", "x" * 5000):
        assert code_of(world.browser().call("GET", "/session", cookie=f"thiqa_desk={guess}")) == (401, "signed_out")


def test_one_sees_ones_sessions_and_ends_a_stolen_one(world: DeskWorld, salma: Browser) -> None:
    stolen = world.browser("198.51.100.9")
    stolen.http.headers["User-Agent"] = "<script>\x7f" + "x" * 300
    stolen.sign_in(SALMA)
    seen = salma.call("GET", "/sessions").json()
    other = next(session for session in seen if not session["this"])
    assert len(seen) == 2 and other["network"] == "198.51.100.0/24" and len(other["device"]) == 200
    assert salma.call("DELETE", f"/sessions/{other['id']}").status_code == 204
    assert code_of(stolen.call("GET", "/session")) == (401, "signed_out") and salma.signed_in
    assert code_of(salma.call("DELETE", f"/sessions/{other['id']}")) == (404, "not_found")


def test_nobody_ends_or_sees_a_colleagues_session(world: DeskWorld, salma: Browser) -> None:
    other = world.at_desk("omar", Role.ADMIN)
    of_salma = salma.call("GET", "/sessions").json()[0]["id"]
    assert code_of(other.call("DELETE", f"/sessions/{of_salma}")) == (404, "not_found")
    assert [session["id"] for session in other.call("GET", "/sessions").json()] != [of_salma] and salma.signed_in


def test_all_other_sessions_end_at_once(world: DeskWorld, salma: Browser) -> None:
    others = [world.browser() for _ in range(3)]
    for other in others:
        other.sign_in(SALMA)
    assert salma.call("DELETE", "/sessions").json() == {"ended": 3}
    assert salma.signed_in and not any(other.signed_in for other in others)


def test_sessions_of_one_account_are_bounded(world: DeskWorld, salma: Browser) -> None:
    for _ in range(55):
        world.clock.move(timedelta(seconds=1))
        assert world.browser().sign_in(SALMA).status_code == 200
    assert len(world.rows(t.agent_sessions)) == 50 and not salma.signed_in


def test_disabling_an_account_ends_its_sessions_and_its_sockets_at_the_next_event(
    world: DeskWorld, salma: Browser
) -> None:
    gate = world.desk.gate
    environ = {
        "HTTP_ORIGIN": world.base,
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_COOKIE": f"x=1; thiqa_desk={salma.token}",
    }
    token, signed = gate.connect(environ)
    assert gate.event(token, Permission.CONVERSATIONS_WORK).agent.email == SALMA
    with pytest.raises(DeskRefused) as refused:
        gate.event(token, Permission.AGENTS_MANAGE)
    assert refused.value.code == "forbidden"
    world.accounts.disable(signed.agent.id, AT_DESK)
    with pytest.raises(DeskRefused) as refused:
        gate.event(token, Permission.CONVERSATIONS_WORK)
    assert refused.value.code == "signed_out" and not salma.signed_in


@pytest.mark.parametrize("origin", [None, "", "null", "https://evil.example", "http://127.0.0.1:8000.evil.example"])
def test_a_socket_opens_from_the_desks_own_pages_alone(world: DeskWorld, salma: Browser, origin: str | None) -> None:
    environ = {"HTTP_HOST": "127.0.0.1:8000", "HTTP_COOKIE": f"thiqa_desk={salma.token}"}
    with pytest.raises(DeskRefused) as refused:
        world.desk.gate.connect({**environ, **({} if origin is None else {"HTTP_ORIGIN": origin})})
    assert refused.value.code == "origin"


# -- another website ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("csrf", [None, "", "wrong", "é"])
def test_an_unsafe_call_without_the_csrf_token_does_nothing(world: DeskWorld, salma: Browser, csrf: str | None) -> None:
    sent = csrf.encode("utf-8").decode("latin-1") if csrf else csrf
    for method, path in (("DELETE", "/session"), ("DELETE", "/sessions"), ("POST", "/totp")):
        assert code_of(salma.call(method, path, {"password": PASSWORD} if method == "POST" else None, csrf=sent)) == (
            403,
            "csrf",
        )
    assert salma.signed_in


def test_the_csrf_token_of_another_session_does_not_count(world: DeskWorld, salma: Browser) -> None:
    other = world.browser()
    other.sign_in(SALMA)
    assert code_of(salma.call("DELETE", "/session", csrf=other.csrf)) == (403, "csrf")
    assert salma.call("DELETE", "/session").status_code == 204


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1:8000.evil.example", "http://127.0.0.1:9000"]
)
def test_another_website_can_neither_act_nor_sign_somebody_in(world: DeskWorld, salma: Browser, origin: str) -> None:
    assert code_of(salma.call("DELETE", "/session", origin=origin)) == (403, "origin")
    fresh = world.browser()
    fresh.origin = origin
    assert code_of(fresh.sign_in(SALMA)) == (403, "origin") and fresh.token is None
    for path in ("/setup", "/invitations/accept"):
        body = {"token": "x", "password": PASSWORD, "name_ar": "a", "name_en": "a"}
        body |= {"email": SALMA} if path == "/setup" else {}
        assert code_of(fresh.call("POST", path, body)) == (403, "origin")


def test_a_browser_that_says_cross_site_without_an_origin_is_refused(world: DeskWorld, salma: Browser) -> None:
    headers = {"X-CSRF-Token": salma.csrf, "Sec-Fetch-Site": "cross-site"}
    answer = salma.http.request("DELETE", "/desk/api/session", headers=headers)
    assert code_of(answer) == (403, "origin") and salma.signed_in


def test_a_program_without_an_origin_may_sign_in(world: DeskWorld) -> None:
    world.add("salma")
    answer = world.browser().http.post("/desk/api/session", json={"email": SALMA, "password": PASSWORD})
    assert answer.status_code == 200


# -- wrong tries -------------------------------------------------------------------------------------------------------


def test_after_five_wrong_tries_an_account_waits_and_is_told_how_long(world: DeskWorld) -> None:
    world.add("salma")
    browser = world.browser()
    for _ in range(5):
        assert code_of(browser.sign_in(SALMA, "wrong password 1")) == (401, "wrong_credentials")
    locked = browser.sign_in(SALMA)
    assert code_of(locked) == (429, "locked") and locked.headers["Retry-After"] == "30"
    assert "30 seconds" in locked.json()["error"]["message"]
    assert code_of(world.browser("198.51.100.9").sign_in(SALMA)) == (429, "locked"), "from anywhere"
    world.clock.move(timedelta(seconds=29))
    assert code_of(browser.sign_in(SALMA)) == (429, "locked"), "even with the right password"
    world.clock.move(timedelta(seconds=1))
    assert browser.sign_in(SALMA).status_code == 200
    for _ in range(5):
        assert code_of(browser.sign_in(SALMA, "wrong password 1"))[0] == 401, "the right one has wiped the slate"


def test_an_address_that_nobody_has_locks_like_any_other(world: DeskWorld) -> None:
    browser = world.browser()
    seen = [code_of(browser.sign_in("nobody@shop.example", "wrong password 1"))[0] for _ in range(6)]
    assert seen == [401] * 5 + [429]


def test_one_network_address_cannot_try_many_accounts_nor_buy_tries_with_its_own(world: DeskWorld) -> None:
    world.add("thief")
    browser = world.browser()
    let_through = 0
    for number in range(40):
        answer = browser.sign_in(f"victim{number}@shop.example", "wrong password 1")
        let_through += answer.status_code == 401
        if number % 5 == 0 and answer.status_code == 401:
            assert browser.sign_in("thief@shop.example").status_code == 200
    assert let_through == 30
    assert code_of(browser.sign_in("thief@shop.example")) == (429, "locked")
    assert world.browser("198.51.100.9").sign_in("thief@shop.example").status_code == 200


def test_many_tries_at_the_same_instant_are_not_more_than_many_in_a_row(world: DeskWorld) -> None:
    """Two processes' services on one database, sixteen threads: five tries get through."""
    world.add("salma")
    other = build_desk(
        Settings(_env_file=None, home="unused", secret_keys="k" * 32), world.database, world.clock, Passwords(QUICK)
    )
    services = [world.sign_in, other.gate.sign_in]
    start = threading.Barrier(16)

    def guess(number: int) -> str:
        start.wait(30)
        try:
            services[number % 2].sign_in(SALMA, f"wrong password {number}", None, Where(f"203.0.113.{number}"))
        except DeskRefused as refused:
            return refused.code
        return "in"

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(guess, range(16)))
    assert codes.count("wrong_credentials") == 5 and codes.count("locked") == 11


# -- password ----------------------------------------------------------------------------------------------------------


def test_a_new_password_ends_every_session_and_goes_on_in_a_new_one(world: DeskWorld, salma: Browser) -> None:
    other = world.browser()
    other.sign_in(SALMA)
    before = salma.token
    assert salma.take(salma.call("POST", "/password", {"old": PASSWORD, "new": NEW})).status_code == 200
    assert salma.token != before and salma.signed_in and not other.signed_in
    assert code_of(world.browser().call("GET", "/session", cookie=f"thiqa_desk={before}")) == (401, "signed_out")
    assert code_of(other.sign_in(SALMA)) == (401, "wrong_credentials") and other.sign_in(SALMA, NEW).status_code == 200


def test_a_thief_of_a_session_cannot_guess_the_password_with_it(world: DeskWorld, salma: Browser) -> None:
    seen = [code_of(salma.call("POST", "/password", {"old": f"guess number {i}", "new": NEW})) for i in range(6)]
    assert seen == [(403, "wrong_password")] * 5 + [(429, "locked")] and salma.signed_in


@pytest.mark.parametrize("new", ["short", "password1234", PASSWORD, "salma@shop.example"])
def test_a_weak_or_unchanged_password_changes_nothing(world: DeskWorld, salma: Browser, new: str) -> None:
    assert code_of(salma.call("POST", "/password", {"old": PASSWORD, "new": new})) == (422, "weak_password")
    assert salma.signed_in and world.browser().sign_in(SALMA).status_code == 200


def test_a_sign_in_under_way_while_the_password_changes_does_not_get_in(world: DeskWorld) -> None:
    made = world.add("salma")
    records = SqlSignIn(world.database)
    proven = records.credentials_of(made.id)
    assert proven is not None
    opened = world.sign_in.sign_in(SALMA, PASSWORD, None, Where("203.0.113.7"))
    assert records.change_password(proven, "$another", AT_DESK, world.clock())
    assert not records.open_session(opened.signed.session, "hash", proven, None, None, None)
    assert not records.change_password(proven, "$third", AT_DESK, world.clock())
    assert world.rows(t.agent_sessions) == []


# -- the second factor -------------------------------------------------------------------------------------------------


class Phone:
    """An authenticator app."""

    def __init__(self, world: DeskWorld, browser: Browser) -> None:
        answer = browser.call("POST", "/totp", {"password": PASSWORD})
        assert answer.status_code == 200 and answer.json()["uri"].startswith("otpauth://totp/Thiqa:")
        self.totp, self.clock = pyotp.TOTP(answer.json()["secret"]), world.clock
        confirmed = browser.call("POST", "/totp/confirm", {"code": self.code()})
        assert confirmed.status_code == 200
        self.recovery: list[str] = confirmed.json()["recovery_codes"]

    def code(self) -> str:
        return self.totp.at(self.clock())


def test_with_a_second_factor_the_password_alone_is_not_enough(world: DeskWorld, salma: Browser) -> None:
    phone = Phone(world, salma)
    assert salma.call("GET", "/session").json()["agent"]["totp"] is True
    fresh = world.browser()
    assert code_of(fresh.sign_in(SALMA)) == (401, "totp_required") and fresh.token is None
    assert code_of(fresh.sign_in(SALMA, "wrong password 1", phone.code())) == (401, "wrong_credentials")
    assert code_of(fresh.sign_in(SALMA, totp="000000")) == (401, "wrong_credentials")
    assert code_of(fresh.sign_in(SALMA, totp=phone.code())) == (401, "wrong_credentials"), "it confirmed the set-up"
    world.clock.move(timedelta(seconds=30))
    assert fresh.sign_in(SALMA, totp=phone.code()).status_code == 200


def test_a_code_is_good_once_also_for_two_at_the_same_instant(world: DeskWorld, salma: Browser) -> None:
    phone = Phone(world, salma)
    world.clock.move(timedelta(seconds=30))
    start = threading.Barrier(4)

    def sign_in(number: int) -> bool:
        start.wait(30)
        try:
            world.sign_in.sign_in(SALMA, PASSWORD, phone.code(), Where(f"198.51.100.{number}"))
        except DeskRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(sign_in, range(4))) == 1


def test_a_recovery_code_lets_in_once(world: DeskWorld, salma: Browser) -> None:
    phone = Phone(world, salma)
    code = phone.recovery[3]
    assert code.replace("-", "") not in repr(world.rows(t.agents))
    fresh = world.browser()
    assert fresh.sign_in(SALMA, totp=code.lower()).status_code == 200
    assert code_of(fresh.sign_in(SALMA, totp=code)) == (401, "wrong_credentials")
    assert fresh.sign_in(SALMA, totp=phone.recovery[4]).status_code == 200


def test_codes_cannot_be_guessed_by_who_knows_the_password(world: DeskWorld, salma: Browser) -> None:
    """Asking for the code costs no try, and wipes none away."""
    Phone(world, salma)
    fresh = world.browser()
    seen = []
    for number in range(6):
        assert code_of(fresh.sign_in(SALMA))[1] in ("totp_required", "locked")
        seen.append(code_of(fresh.sign_in(SALMA, totp=f"00000{number}"))[1])
    assert seen == ["wrong_credentials"] * 5 + ["locked"]


def test_the_second_factor_is_set_up_and_turned_off_with_the_password_alone(world: DeskWorld, salma: Browser) -> None:
    assert code_of(salma.call("POST", "/totp", {"password": "wrong password 1"})) == (403, "wrong_password")
    assert code_of(salma.call("POST", "/totp/confirm", {"code": "000000"})) == (409, "totp_off")
    assert salma.call("POST", "/totp", {"password": PASSWORD}).status_code == 200
    assert code_of(salma.call("POST", "/totp/confirm", {"code": "000000"})) == (422, "wrong_code")
    assert world.browser().sign_in(SALMA).status_code == 200, "not confirmed, so not asked for"
    Phone(world, salma)
    assert code_of(salma.call("POST", "/totp", {"password": PASSWORD})) == (409, "totp_on")
    assert code_of(salma.call("POST", "/totp/disable", {"password": "wrong password 1"})) == (403, "wrong_password")
    assert salma.call("POST", "/totp/disable", {"password": PASSWORD}).status_code == 204
    assert world.browser().sign_in(SALMA).status_code == 200
    kept = world.rows(t.agents)[0]
    assert kept.totp_secret is None and kept.recovery_hashes == []


def test_what_happened_is_in_the_audit_log_in_order(world: DeskWorld) -> None:
    salma = world.at_desk("salma")
    salma.sign_in(SALMA, "wrong password 1")
    salma.call("POST", "/password", {"old": PASSWORD, "new": NEW})
    assert world.audit() == ["agent.added", "session.opened", "sign_in.failed", "password.changed", "session.opened"]
    with world.database.read() as c:
        row = c.execute(sa.select(t.desk_audit).where(t.desk_audit.c.action == "password.changed")).one()
    assert row.agent_id == row.subject and row.address == "203.0.113.0/24" and row.at == world.clock()
