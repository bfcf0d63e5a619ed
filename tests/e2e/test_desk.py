"""The desk in the running product: the first administrator's link, signing in, and what the log does not tell."""

from __future__ import annotations

import re
from collections.abc import Callable

import requests

from tests.e2e.server import Server

PASSWORD = "four horses walk by"


def links(server: Server) -> list[str]:
    return re.findall(rf"^{re.escape(server.url)}/desk/setup/([\w-]{{43}})$", server.log(), re.MULTILINE)


def test_the_first_administrator_comes_by_the_link_that_the_start_prints(serve: Callable[..., Server]) -> None:
    server = serve()
    [first] = links(server)
    server.restart()
    first, second = links(server)
    body = {"email": "owner@shop.example", "password": PASSWORD, "name_ar": "سلمى", "name_en": "Salma"}
    browser = requests.Session()
    made = browser.post(f"{server.url}/desk/api/setup", json={"token": second, **body}, timeout=30)
    assert made.status_code == 200, made.text
    assert browser.get(f"{server.url}/desk/api/session", timeout=30).json()["agent"]["role"] == "admin"
    assert requests.get(f"{server.url}/desk/api/session", timeout=30).status_code == 401
    assert requests.get(f"{server.url}/desk/api/nothing", timeout=30).json()["error"]["code"] == "not_found"
    late = requests.post(f"{server.url}/desk/api/setup", json={"token": first, **body}, timeout=30)
    assert late.status_code == 404
    server.restart()
    assert links(server) == [first, second], "there is an administrator now"
    assert browser.get(f"{server.url}/desk/api/session", timeout=30).status_code == 200, "sessions outlive a restart"
    schema = requests.get(f"{server.url}/openapi.json", timeout=30).json()
    assert {"/desk/api/session", "/desk/api/agents/{agent}"} <= set(schema["paths"])
    assert schema["components"]["securitySchemes"]["DeskSession"]["in"] == "cookie"
    for secret in ("owner@shop.example", PASSWORD, browser.cookies["thiqa_desk"], made.json()["csrf"]):
        assert secret not in server.log()
