"""Only the shop's own site says who a visitor is, and only for a short while."""

from __future__ import annotations

import base64
import json
import warnings
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.connectors.webchat.sessions import Sessions
from bot.customers.identity import LONGEST_LIFE, IdentityVerifier, identity_token
from bot.errors import IdentityRefused
from bot.orders.model import CustomerId
from tests.integration.conversations import START, SetClock

SECRET = "secret-of-the-shop-that-is-long-enough"
MINUTE = timedelta(minutes=1)


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm=algorithm)


def refusal(token: str, secret: str = SECRET) -> str:
    with pytest.raises(IdentityRefused) as refused:
        IdentityVerifier(secret).customer(token, START)
    return refused.value.code


def test_the_customer_that_the_shop_signed_is_the_customer() -> None:
    token = identity_token(SECRET, CustomerId("c-17"), START)
    assert IdentityVerifier(SECRET).customer(token, START) == "c-17"


@pytest.mark.parametrize("customer", ["1", "نورة-17", "user@example.com", "a b", "x" * 64, "👩🏽"])
def test_an_id_is_any_printable_text_of_at_most_64_characters(customer: str) -> None:
    assert IdentityVerifier(SECRET).customer(signed(sub=customer, exp=START + MINUTE), START) == customer


@pytest.mark.parametrize(
    "customer", ["", "x" * 65, "a\nb", "a\x00b", "a\u200bb", "a\u202eb", "\ud800", 17, None, True, ["c"], {"c": 1}], ids=ascii
)  # fmt: skip
def test_what_cannot_be_an_id_is_refused(customer: Any) -> None:
    header, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": customer, "exp": (START + MINUTE).timestamp()})
    )
    signature = jwt.get_algorithm_by_name("HS256").sign(header + b"." + body, SECRET.encode())
    token = b".".join([header, body, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    assert refusal(token) == "identity_invalid"


def test_other_claims_and_the_audience_of_the_shop_are_its_own_affair() -> None:
    token = signed(sub="c", exp=START + MINUTE, aud="chat", iss="shop", nbf=START + MINUTE, iat="x", name="نورة")
    assert IdentityVerifier(SECRET).customer(token, START) == "c"


def test_without_a_secret_every_token_is_refused_as_off() -> None:
    for token in (signed(" ", sub="c", exp=START + MINUTE), identity_token(SECRET, CustomerId("c"), START), ""):
        assert refusal(token, secret="") == "identity_off"


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (timedelta(0), None),
        (-MINUTE, None),
        (-MINUTE - timedelta(seconds=1), "identity_expired"),
        (timedelta(days=-400), "identity_expired"),
        (LONGEST_LIFE, None),
        (LONGEST_LIFE + MINUTE, None),
        (LONGEST_LIFE + MINUTE + timedelta(seconds=1), "identity_invalid"),
        (timedelta(days=3650), "identity_invalid"),
    ],
    ids=str,
)
def test_a_token_ends_within_a_day_give_or_take_a_minute_between_the_clocks(ends: timedelta, code: str | None) -> None:
    token = signed(sub="c", exp=START + ends)
    if code is None:
        assert IdentityVerifier(SECRET).customer(token, START) == "c"
    else:
        assert refusal(token) == code


@pytest.mark.parametrize("exp", [None, "soon", "", [], {}, 1e300, -1e300, float("nan"), float("inf")], ids=repr)
def test_a_token_without_an_end_that_can_be_read_is_refused(exp: Any) -> None:
    assert refusal(signed(sub="c", exp=exp)) == "identity_invalid"


def test_a_token_of_another_secret_is_refused() -> None:
    assert refusal(identity_token(SECRET + "x", CustomerId("c"), START)) == "identity_invalid"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    assert refusal(signed(algorithm=algorithm, sub="c", exp=START + MINUTE)) == "identity_invalid"


def test_a_token_without_a_signature_is_refused() -> None:
    unsigned = jwt.encode({"sub": "c", "exp": START + MINUTE}, None, algorithm="none")
    good = identity_token(SECRET, CustomerId("c"), START).split(".")
    for token in (unsigned, unsigned + good[2], ".".join([*good[:2], ""]), ".".join(good[:2])):
        assert refusal(token) == "identity_invalid"


def test_a_session_token_proves_no_identity_even_where_key_and_secret_are_the_same() -> None:
    assert refusal(Sessions([SECRET.encode()], SetClock()).issue("c")) == "identity_invalid"


@given(st.text(max_size=300))
def test_no_string_proves_anything_that_the_shop_did_not_sign(text: str) -> None:
    assert refusal(text) == "identity_invalid"


_TOKEN = identity_token(SECRET, CustomerId("c"), START)


@given(st.integers(0, _TOKEN.rindex(".")), st.characters())
def test_no_change_to_what_a_token_says_is_accepted(place: int, other: str) -> None:
    changed = _TOKEN[:place] + other + _TOKEN[place + 1 :]
    if changed != _TOKEN:
        assert refusal(changed) == "identity_invalid"
