"""A page of a website that the merchant did not name opens no chat, whatever its name looks like."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.connectors.webchat.origins import Origins

SHOP = "https://shop.example"
OURS = "https://chat.example:8443"
HOST = {"HTTP_HOST": "10.0.0.5:8000"}


def admits(origin: str | None, allowed: Sequence[str] = (SHOP,), host: str | None = "10.0.0.5:8000") -> bool:
    return Origins(allowed, f"{OURS}/support").admits(origin, {} if host is None else {"HTTP_HOST": host})


def test_the_shop_and_our_own_pages_are_admitted() -> None:
    assert admits(SHOP)
    assert admits(OURS), "the public address, whatever path it has"
    assert admits("http://10.0.0.5:8000") and admits("https://10.0.0.5:8000"), "the address that was asked for"


def test_who_is_no_browser_says_no_origin_and_is_admitted() -> None:
    assert admits(None) and admits(None, allowed=())


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        " ",
        "*",
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example:443",
        "https://shop.example.evil.com",
        "https://evilshop.example",
        "https://www.shop.example",
        "https://shop.example@evil.com",
        "https://evil.com#https://shop.example",
        "https://evil.com/https://shop.example",
        "https://shop.example/",
        "https://shop.example, https://evil.com",
        "https://shop.example https://evil.com",
        "https://shop.example\x00.evil.com",
        "https://SHOP.example.evil.com",
        "shop.example",
        "//shop.example",
        "ws://shop.example",
        "file://",
        "file://shop.example",
        "chrome-extension://shop.example",
        "data:text/html,x",
        "about:blank",
        "javascript:alert(1)",
        "https://chat.example",
        "http://chat.example:8443",
        "http://10.0.0.5",
        "http://10.0.0.5:8001",
        "ftp://10.0.0.5:8000",
        "http://10.0.0.5:8000.evil.com",
        "http://x@10.0.0.5:8000",
        "http://10.0.0.5:8000@evil.com",
    ],
    ids=ascii,
)
def test_any_other_origin_is_refused(origin: str) -> None:
    assert not admits(origin)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "https://]", "http://[evil]", "http://\u2100.com"])
def test_an_origin_that_cannot_be_read_is_refused_and_fails_nothing(origin: str) -> None:
    assert not admits(origin)


@pytest.mark.parametrize("origin", ["https://anything.example", "null", "http://localhost:3000", "http://["])
def test_a_star_admits_every_website(origin: str) -> None:
    assert admits(origin, allowed=("*",))
    assert admits(origin, allowed=(SHOP, "*"))


def test_without_a_list_only_our_own_pages_are_admitted() -> None:
    assert not admits(SHOP, allowed=())
    assert admits(OURS, allowed=())


@pytest.mark.parametrize("origin", ["http://", "https://", "null", ""])
def test_a_request_without_a_host_makes_no_empty_origin_our_own(origin: str) -> None:
    assert not admits(origin, host=None)
    assert not admits(origin, host="")


@given(st.text())
def test_no_text_at_all_makes_it_fail_or_is_taken_for_the_shop(origin: str) -> None:
    assert admits(origin) is (origin in {SHOP, OURS, "http://10.0.0.5:8000", "https://10.0.0.5:8000"})


@given(st.text(max_size=20), st.text(max_size=20))
def test_nothing_around_the_name_of_the_shop_is_the_shop(before: str, after: str) -> None:
    if before or after:
        assert not admits(f"{before}{SHOP}{after}")
