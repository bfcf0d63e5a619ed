"""Who may do what at the desk, how people come in, and that nobody is left without an administrator."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from bot.agents.model import Where
from bot.agents.permissions import PERMISSIONS, Permission, may
from bot.errors import DeskRefused, StorageUnavailable
from bot.handoff.model import Presence, Role, TeamId
from bot.storage import tables as t
from bot.storage.database import Database
from tests.integration.desk import AT_DESK, PASSWORD, DeskWorld, code_of

NOBODY = "00000000-0000-0000-0000-000000000000"
NAMES = {"name_ar": "سلمى", "name_en": "Salma"}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/password"): {"old": "wrong password 1", "new": "seven camels drink tea"},
    ("POST", "/totp"): {"password": "wrong password 1"},
    ("POST", "/totp/confirm"): {"code": "000000"},
    ("POST", "/totp/disable"): {"password": "wrong password 1"},
    ("POST", "/agents"): {"email": "new@shop.example", "password": PASSWORD, **NAMES},
    ("PATCH", "/agents/{agent}"): {"load_cap": 3},
    ("POST", "/teams"): NAMES,
    ("PUT", "/teams/{team}"): NAMES,
    ("POST", "/invitations"): {"email": "invited@shop.example", "role": "agent"},
    ("PUT", "/presence"): {"presence": "online"},
    ("POST", "/conversations/{conversation}/messages"): {"text": "hello", "key": "k"},
    ("POST", "/conversations/{conversation}/notes"): {"text": "hello"},
    ("POST", "/conversations/{conversation}/transfer"): {"agent": NOBODY},
    ("POST", "/conversations/{conversation}/hand-back"): {},
    ("POST", "/conversations/{conversation}/close"): {},
    ("POST", "/conversations/{conversation}/snooze"): {"until": "2026-11-20T11:00:00+00:00"},
}
OPEN = {("POST", "/session"), ("POST", "/setup"), ("POST", "/invitations/accept")}


@pytest.fixture
def world(database: Database, tmp_path: Path) -> DeskWorld:
    return DeskWorld(database, tmp_path)


def calls(world: DeskWorld) -> Iterator[tuple[str, str, Permission | None]]:
    """Every call of the desk with the permission that its gate asks for."""
    for route in world.app.routes:
        if isinstance(route, APIRoute) and route.path.startswith("/desk/api"):
            asked = [d.call.permission for d in route.dependant.dependencies if hasattr(d.call, "permission")]
            assert len(asked) == 1, f"{route.path} has no gate"
            for method in route.methods:
                yield method, route.path.removeprefix("/desk/api"), asked[0]


# -- permissions -------------------------------------------------------------------------------------------------------


def test_every_call_has_a_gate_and_only_three_are_open(world: DeskWorld) -> None:
    assert {(method, path) for method, path, permission in calls(world) if permission is None} == OPEN


def test_without_a_session_every_other_call_answers_401_whatever_is_sent(world: DeskWorld) -> None:
    browser = world.browser()
    for method, path, permission in calls(world):
        if permission is not None:
            place = re.sub(r"\{\w+\}", NOBODY, path)
            odd = re.sub(r"\{\w+\}", "%00", path)
            assert code_of(browser.call(method, place, BODIES.get((method, path)))) == (401, "signed_out"), path
            assert code_of(browser.call(method, odd, ["nonsense"])) == (401, "signed_out"), path
            broken = browser.http.request(
                method, f"/desk/api{place}", content=b"{", headers={"Content-Type": "application/json"}
            )
            assert code_of(broken) == (401, "signed_out"), path


@pytest.mark.parametrize("role", Role)
def test_every_call_is_allowed_to_exactly_the_roles_of_the_table(world: DeskWorld, role: Role) -> None:
    world.add("another", Role.ADMIN)  # so that the one under test is not the only administrator
    for number, (method, path, permission) in enumerate(calls(world)):
        if permission is None:
            continue
        browser = world.at_desk(f"p{number}", role)
        answer = browser.call(method, re.sub(r"\{\w+\}", NOBODY, path), BODIES.get((method, path)))
        forbidden = answer.status_code == 403 and answer.json()["error"]["code"] == "forbidden"
        if (method, path) == ("POST", "/invitations") and role is Role.LEAD:
            assert forbidden  # allowed at all, but not without a team; see below
            continue
        assert forbidden is not may(role, permission), (method, path, answer.text)
        assert answer.status_code not in (401, 422, 500), (method, path, answer.text)


def test_a_lead_may_all_that_an_agent_may_and_an_administrator_everything() -> None:
    assert PERMISSIONS[Role.AGENT] < PERMISSIONS[Role.LEAD] < PERMISSIONS[Role.ADMIN] == frozenset(Permission)
    assert not PERMISSIONS[Role.LEAD] & {Permission.AGENTS_MANAGE, Permission.AUDIT_READ, Permission.SETTINGS_MANAGE}


def test_a_new_role_counts_at_the_next_call(world: DeskWorld) -> None:
    admin, salma = world.at_desk("admin", Role.ADMIN), world.at_desk("salma", Role.LEAD)
    agent = salma.call("GET", "/session").json()["agent"]["id"]
    assert salma.call("GET", "/invitations").status_code == 200
    assert admin.call("PATCH", f"/agents/{agent}", {"role": "agent"}).status_code == 200
    assert code_of(salma.call("GET", "/invitations")) == (403, "forbidden")


def test_everything_is_in_the_schema_with_its_answers_and_what_it_needs(world: DeskWorld) -> None:
    schema = world.app.openapi()
    for method, path, permission in calls(world):
        said = schema["paths"]["/desk/api" + path][method.lower()]
        assert said["summary"] and {"401", "403"} <= set(said["responses"]), path
        assert any(status.startswith("2") for status in said["responses"])
        assert bool(said.get("security")) is (permission is not None), path


def test_unknown_paths_and_methods_answer_in_the_same_form(world: DeskWorld) -> None:
    browser = world.at_desk("salma")
    assert code_of(browser.call("GET", "/nothing/here")) == (404, "not_found")
    assert code_of(browser.call("PUT", "/session", {})) == (405, "not_allowed")


def test_a_database_that_is_away_and_a_failure_answer_in_the_same_form(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = world.at_desk("salma")

    def away(*_: Any) -> None:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(world.sign_in, "sessions", away)
    answer = browser.call("GET", "/sessions")
    assert code_of(answer) == (503, "unavailable") and answer.headers["Retry-After"]
    monkeypatch.setattr(world.sign_in, "sessions", lambda *_: 1 / 0)
    assert code_of(browser.call("GET", "/sessions")) == (500, "internal")


# -- agents and teams --------------------------------------------------------------------------------------------------


def test_an_administrator_makes_and_changes_an_account(world: DeskWorld) -> None:
    admin = world.at_desk("admin", Role.ADMIN)
    team = admin.call("POST", "/teams", {"name_ar": "الشحن", "name_en": "Shipping"}).json()
    made = admin.call("POST", "/agents", {"email": "Salma@Shop.example", "password": PASSWORD, **NAMES})
    assert made.status_code == 201
    agent = made.json()["id"]
    change = {
        "teams": [team["id"], team["id"]],
        "languages": ["ar"],
        "topics": ["returns"],
        "load_cap": 9,
        "role": "lead",
    }
    changed = admin.call("PATCH", f"/agents/{agent}", change).json()
    assert changed["teams"] == [team["id"]] and changed["languages"] == ["ar"] and changed["topics"] == ["returns"]
    assert (changed["load_cap"], changed["role"], changed["name_ar"]) == (9, "lead", "سلمى")
    again = {"email": "sALMA@shop.example", "password": PASSWORD, **NAMES}
    assert code_of(admin.call("POST", "/agents", again)) == (409, "email_taken")
    assert (
        admin.call("PUT", f"/teams/{team['id']}", {"name_ar": "توصيل", "name_en": "Delivery"}).json()["name_en"]
        == "Delivery"
    )
    assert admin.call("DELETE", f"/teams/{team['id']}").status_code == 204
    assert code_of(admin.call("DELETE", f"/teams/{team['id']}")) == (404, "not_found")
    assert world.accounts.agent(agent).teams == () and admin.call("GET", "/teams").json() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"load_cap": -1}, "invalid"),
        ({"load_cap": 10**12}, "invalid"),
        ({"languages": []}, "invalid"),
        ({"languages": ["fr"]}, "invalid"),
        ({"topics": ["x" * 41]}, "invalid"),
        ({"topics": ["x"] * 51}, "invalid"),
        ({"name_ar": "\u200b"}, "invalid"),
        ({"role": "owner"}, "invalid"),
        ({"teams": [NOBODY]}, "no_such_team"),
        ({"teams": ["\x00"]}, "invalid"),
        ({"email": "other@shop.example"}, "invalid"),
        ({"password_hash": "x"}, "invalid"),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(world: DeskWorld, change: dict[str, Any], code: str) -> None:
    admin, salma = world.at_desk("admin", Role.ADMIN), world.add("salma")
    assert code_of(admin.call("PATCH", f"/agents/{salma.id}", {"load_cap": 7, **change})) == (422, code)
    assert world.accounts.agent(salma.id) == salma


def test_a_name_that_is_a_script_is_text_and_nothing_else(world: DeskWorld) -> None:
    admin = world.at_desk("admin", Role.ADMIN)
    evil = "<img src=x onerror=alert(1)>\u202e"
    answer = admin.call("POST", "/teams", {"name_ar": evil, "name_en": "'; DROP TABLE teams; --"})
    assert answer.status_code == 201 and answer.headers["Content-Type"] == "application/json"
    assert (
        answer.json()["name_ar"] == "<img src=x onerror=alert(1)>"
        and answer.headers["X-Content-Type-Options"] == "nosniff"
    )
    assert len(admin.call("GET", "/teams").json()) == 1


def test_agents_see_their_colleagues_names_and_not_their_addresses(world: DeskWorld) -> None:
    salma, gone = world.at_desk("salma"), world.add("gone")
    world.add("omar")
    world.accounts.disable(gone.id, AT_DESK)
    seen = {one["name_en"]: one for one in salma.call("GET", "/agents").json()}
    assert set(seen) == {"salma", "omar"} and seen["omar"]["email"] is None and seen["omar"]["totp"] is None
    assert seen["salma"]["email"] == "salma@shop.example"
    lead = world.at_desk("lead", Role.LEAD)
    assert {one["email"] is None for one in lead.call("GET", "/agents").json()} == {False}


def test_the_last_administrator_stays_one(world: DeskWorld) -> None:
    admin = world.at_desk("admin", Role.ADMIN)
    me = admin.call("GET", "/session").json()["agent"]["id"]
    for change in ({"role": "lead"}, {"active": False}, {"role": "agent", "active": False}):
        assert code_of(admin.call("PATCH", f"/agents/{me}", change)) == (409, "last_admin")
    assert code_of(admin.call("POST", f"/agents/{me}/disable")) == (409, "last_admin")
    other = world.add("other", Role.ADMIN)
    assert admin.call("POST", f"/agents/{me}/disable").status_code == 200 and not admin.signed_in
    with pytest.raises(DeskRefused):
        world.accounts.disable(other.id, AT_DESK)


def test_two_administrators_who_disable_each_other_at_the_same_instant_leave_one(world: DeskWorld) -> None:
    both = [world.add(name, Role.ADMIN) for name in ("salma", "omar")]
    start = threading.Barrier(2)

    def disable(number: int) -> bool:
        start.wait(30)
        try:
            world.accounts.disable(both[number].id, AT_DESK)
        except DeskRefused:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, (0, 1))) == [False, True]
    assert len([agent for agent in world.accounts.agents() if agent.active]) == 1


def test_two_who_take_one_address_at_the_same_instant_make_one_account(world: DeskWorld) -> None:
    start = threading.Barrier(4)

    def add(number: int) -> str:
        start.wait(30)
        try:
            world.accounts.add("SALMA@shop.example" if number % 2 else "salma@shop.example", Role.AGENT, PASSWORD)
        except DeskRefused as refused:
            return refused.code
        return "made"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == ["email_taken"] * 3 + ["made"]
    assert len(world.rows(t.agents)) == 1


def test_the_handoff_sees_who_may_sign_in_and_whether_they_are_there(world: DeskWorld) -> None:
    directory = world.desk.directory
    team = world.accounts._records.add_team("أ", "A", AT_DESK, world.clock()).id
    salma, gone = world.add("salma", Role.LEAD, (team,)), world.add("gone")
    world.accounts.disable(gone.id, AT_DESK)
    assert [agent.id for agent in directory.agents()] == [salma.id] and directory.agent(gone.id) is None
    seen = directory.agent(salma.id)
    assert seen and seen.presence is Presence.OFFLINE and seen.teams == {team} and seen.leads and seen.cap == 5
    directory.seen(salma.id, Presence.AWAY)
    assert directory.agents()[0].presence is Presence.AWAY
    world.clock.move(timedelta(seconds=90))
    assert directory.agents()[0].presence is Presence.OFFLINE


# -- invitations -------------------------------------------------------------------------------------------------------


def invited(world: DeskWorld, browser: Any, email: str = "new@shop.example", role: str = "agent", **more: Any) -> str:
    """The token of a new invitation's link."""
    answer = browser.call("POST", "/invitations", {"email": email, "role": role, **more})
    assert answer.status_code == 201, answer.text
    link: str = answer.json()["link"]
    assert link.startswith(f"{world.base}/desk/invitation/")
    return link.rpartition("/")[2]


def accept(world: DeskWorld, token: str, password: str = PASSWORD) -> Any:
    browser = world.browser()
    return browser.take(browser.call("POST", "/invitations/accept", {"token": token, "password": password, **NAMES}))


def test_an_invited_person_makes_their_account_once(world: DeskWorld) -> None:
    admin = world.at_desk("admin", Role.ADMIN)
    token = invited(world, admin, "New@Shop.example", "lead")
    assert token not in repr(world.rows(t.invitations)) + repr(world.rows(t.desk_audit))
    assert [one["email"] for one in admin.call("GET", "/invitations").json()] == ["New@Shop.example"]
    assert code_of(accept(world, token, "short")) == (422, "weak_password"), "and the link still holds"
    answer = accept(world, token)
    assert answer.status_code == 200 and answer.json()["agent"]["role"] == "lead"
    assert code_of(accept(world, token)) == (404, "link_invalid") and admin.call("GET", "/invitations").json() == []
    assert world.browser().sign_in("new@shop.example").status_code == 200


def test_two_who_use_one_link_at_the_same_instant_make_one_account(world: DeskWorld) -> None:
    token = invited(world, world.at_desk("admin", Role.ADMIN))
    start = threading.Barrier(4)

    def take(number: int) -> str:
        start.wait(30)
        try:
            world.accounts.accept(token, PASSWORD, f"n{number}", "n", Where("203.0.113.7"))
        except DeskRefused as refused:
            return refused.code
        return "made"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == ["link_invalid"] * 3 + ["made"]


def test_a_link_ends_after_seven_days_when_withdrawn_and_when_a_newer_one_is_made(world: DeskWorld) -> None:
    admin = world.at_desk("admin", Role.ADMIN)
    first, second = invited(world, admin), invited(world, admin)
    assert code_of(accept(world, first)) == (404, "link_invalid"), "the newer one counts"
    found = admin.call("GET", "/invitations").json()
    assert len(found) == 1 and admin.call("DELETE", f"/invitations/{found[0]['id']}").status_code == 204
    assert code_of(accept(world, second)) == (404, "link_invalid")
    assert code_of(admin.call("DELETE", f"/invitations/{found[0]['id']}")) == (404, "not_found")
    third = invited(world, admin)
    world.clock.move(timedelta(days=7))
    assert code_of(accept(world, third)) == (404, "link_invalid")
    for odd in ("x", "\x00", "x" * 100):
        assert code_of(accept(world, odd)) == (404, "link_invalid")


def test_a_lead_invites_agents_into_own_teams_and_sees_own_invitations(world: DeskWorld) -> None:
    mine, other = (TeamId(world.accounts._records.add_team(n, n, AT_DESK, world.clock()).id) for n in "ab")
    admin, lead = world.at_desk("admin", Role.ADMIN), world.at_desk("lead", Role.LEAD, (mine,))
    for role, teams in (
        ("lead", [mine]),
        ("admin", [mine]),
        ("agent", []),
        ("agent", [other]),
        ("agent", [mine, other]),
    ):
        body = {"email": "new@shop.example", "role": role, "teams": teams}
        assert code_of(lead.call("POST", "/invitations", body)) == (403, "forbidden"), (role, teams)
    token = invited(world, lead, teams=[mine])
    invited(world, admin, "other@shop.example")
    assert [one["email"] for one in lead.call("GET", "/invitations").json()] == ["new@shop.example"]
    of_admin = next(one["id"] for one in admin.call("GET", "/invitations").json() if one["email"].startswith("other"))
    assert code_of(lead.call("DELETE", f"/invitations/{of_admin}")) == (404, "not_found")
    assert accept(world, token).json()["agent"]["teams"] == [mine]


def test_invitations_of_somebody_who_is_disabled_or_demoted_are_void(world: DeskWorld) -> None:
    world.add("admin", Role.ADMIN)
    for number, change in enumerate(({"active": False}, {"role": Role.AGENT})):
        browser = world.at_desk(f"second{number}", Role.ADMIN)
        token = invited(world, browser, f"n{number}@shop.example", "admin")
        agent = browser.call("GET", "/session").json()["agent"]["id"]
        world.desk.accounts._records.change(agent, change, AT_DESK, world.clock())
        assert code_of(accept(world, token)) == (404, "link_invalid")


def test_who_has_an_account_is_not_invited(world: DeskWorld) -> None:
    admin = world.at_desk("admin", Role.ADMIN)
    body = {"email": "ADMIN@shop.example", "role": "agent"}
    assert code_of(admin.call("POST", "/invitations", body)) == (409, "email_taken")
    assert code_of(admin.call("POST", "/invitations", {"email": "a b", "role": "agent"})) == (422, "invalid")
    assert code_of(admin.call("POST", "/invitations", {"email": "a@b", "role": "agent", "teams": [NOBODY]})) == (
        422,
        "no_such_team",
    )


# -- the first administrator -------------------------------------------------------------------------------------------


def set_up(world: DeskWorld, token: str, email: str = "owner@shop.example") -> Any:
    browser = world.browser()
    return browser.take(browser.call("POST", "/setup", {"token": token, "email": email, "password": PASSWORD, **NAMES}))


def link(world: DeskWorld) -> str:
    found = world.accounts.setup_link()
    assert found is not None and found.startswith(f"{world.base}/desk/setup/")
    return found.rpartition("/")[2]


def test_the_first_administrator_comes_by_a_link_that_is_good_once(world: DeskWorld) -> None:
    first, second = link(world), link(world)
    assert first not in repr(world.rows(t.invitations)) and code_of(accept(world, first)) == (404, "link_invalid")
    answer = set_up(world, first)
    assert answer.status_code == 200 and answer.json()["agent"]["role"] == "admin"
    assert world.accounts.setup_link() is None
    for token in (first, second, "x"):
        assert code_of(set_up(world, token, "thief@shop.example")) == (404, "link_invalid")
    assert "setup.done" in world.audit()


def test_the_link_ends_after_a_day_and_the_next_start_prints_another(world: DeskWorld) -> None:
    token = link(world)
    world.clock.move(timedelta(hours=24))
    assert code_of(set_up(world, token)) == (404, "link_invalid")
    assert set_up(world, link(world)).status_code == 200


def test_an_administrator_made_meanwhile_voids_the_link_and_an_invitation_is_no_such_link(world: DeskWorld) -> None:
    token = link(world)
    admin = world.at_desk("admin", Role.ADMIN)
    assert code_of(set_up(world, token)) == (404, "link_invalid")
    assert code_of(set_up(world, invited(world, admin))) == (404, "link_invalid")


def test_two_who_use_two_links_at_the_same_instant_make_one_administrator(world: DeskWorld) -> None:
    tokens, start = [link(world) for _ in range(4)], threading.Barrier(4)

    def take(number: int) -> str:
        start.wait(30)
        try:
            world.accounts.set_up(tokens[number], f"o{number}@shop.example", PASSWORD, "n", "n", Where("203.0.113.7"))
        except DeskRefused as refused:
            return refused.code
        return "made"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == ["link_invalid"] * 3 + ["made"]
    assert [agent.role for agent in world.accounts.agents()] == [Role.ADMIN]
