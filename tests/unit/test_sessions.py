"""Session tokens are accepted from this server alone, for as long as they live, by whichever key is still in force."""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from datetime import datetime, timedelta, timezone
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.connectors.webchat.sessions import LIFE, RENEW_AFTER, SessionRefused, Sessions
from bot.customers.identity import identity_token
from bot.orders.model import CustomerId
from tests.integration.conversations import START, SetClock

KEY, OTHER = b"k" * 43, b"o" * 43


def derived(key: bytes) -> bytes:
    """What sessions.py makes of a key; a change of it signs every visitor out."""
    return hashlib.sha256(b"thiqa webchat session\0" + key).digest()


def signed(claims: dict[str, Any], key: bytes = derived(KEY), algorithm: str = "HS256") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(claims, key, algorithm=algorithm)


def claims(**other: Any) -> dict[str, Any]:
    made = {"sub": "visitor", "aud": "thiqa.webchat", "iat": START, "exp": START + LIFE, **other}
    return {name: value for name, value in made.items() if value is not None}


def refusal(sessions: Sessions, token: str) -> str:
    with pytest.raises(SessionRefused) as refused:
        sessions.read(token)
    return refused.value.code


def sessions(*keys: bytes, at: datetime = START) -> Sessions:
    return Sessions(keys or (KEY,), SetClock(at))


def test_a_token_that_was_issued_is_read_back_and_needs_no_renewal() -> None:
    read = sessions().read(sessions().issue("visitor"))
    assert (read.visitor, read.renew) == ("visitor", False)


def test_every_new_visitor_has_a_name_that_nobody_can_guess() -> None:
    ours = sessions()
    visitors = {ours.read(ours.issue()).visitor for _ in range(1000)}
    assert len(visitors) == 1000
    assert min(len(visitor) for visitor in visitors) >= 22, "128 bits"


def test_a_token_holds_nothing_but_the_visitor_and_times() -> None:
    told = jwt.decode(sessions().issue("visitor"), options={"verify_signature": False})
    assert set(told) == {"sub", "aud", "iat", "exp"}
    assert datetime.fromtimestamp(told["exp"], timezone.utc) == START + LIFE


def test_the_token_of_an_older_key_is_accepted_and_is_to_be_renewed() -> None:
    old = sessions(KEY).issue("visitor")
    read = sessions(OTHER, KEY).read(old)
    assert (read.visitor, read.renew) == ("visitor", True)
    renewed = sessions(OTHER, KEY).issue(read.visitor)
    assert sessions(OTHER).read(renewed).visitor == "visitor", "the renewed token outlives the old key"


def test_the_token_of_a_key_that_was_removed_is_refused() -> None:
    assert refusal(sessions(OTHER), sessions(KEY, OTHER).issue("visitor")) == "invalid"


def test_without_any_key_nothing_is_accepted() -> None:
    assert refusal(Sessions([], SetClock()), sessions().issue()) == "invalid"


@pytest.mark.parametrize(
    ("later", "renew"),
    [
        (timedelta(0), False),
        (RENEW_AFTER, False),
        (RENEW_AFTER + timedelta(seconds=1), True),
        (LIFE - timedelta(seconds=1), True),
        (LIFE, True),
    ],
    ids=str,
)
def test_a_token_lives_for_90_days_and_is_to_be_renewed_after_one(later: timedelta, renew: bool) -> None:
    assert sessions(at=START + later).read(sessions().issue("visitor")).renew is renew


def test_a_token_past_its_life_is_expired_by_whichever_key_it_was_signed() -> None:
    token = sessions(KEY).issue()
    assert refusal(sessions(at=START + LIFE + timedelta(seconds=1)), token) == "expired"
    assert refusal(sessions(OTHER, KEY, at=START + LIFE + timedelta(seconds=1)), token) == "expired"


def test_tokens_made_while_our_clock_was_a_day_ahead_or_behind_are_good_after_it_was_put_right() -> None:
    ahead = sessions(at=START + timedelta(days=1)).issue("visitor")
    behind = sessions(at=START - timedelta(days=1)).issue("visitor")
    assert sessions().read(ahead).visitor == "visitor"
    assert sessions().read(behind).visitor == "visitor"


def test_a_clock_that_jumps_by_a_day_either_way_refuses_nobody() -> None:
    token = sessions().issue("visitor")
    for by in (timedelta(days=1), timedelta(days=-1)):
        assert sessions(at=START + by).read(token).visitor == "visitor"


def test_a_forged_signature_is_refused() -> None:
    assert refusal(sessions(), signed(claims(), derived(OTHER))) == "invalid"


def test_a_token_of_another_server_is_refused() -> None:
    assert refusal(sessions(KEY), Sessions([OTHER], SetClock()).issue("visitor")) == "invalid"


def test_what_is_signed_with_the_bare_key_was_made_for_another_purpose() -> None:
    assert refusal(sessions(), signed(claims(), KEY)) == "invalid"


def test_the_identity_token_of_a_shop_is_no_session_even_where_secret_and_key_are_the_same() -> None:
    secret = KEY.decode()
    assert refusal(sessions(KEY), identity_token(secret, CustomerId("visitor"), START)) == "invalid"
    assert refusal(sessions(KEY), signed(claims(), secret.encode())) == "invalid"


@pytest.mark.parametrize("audience", ["thiqa", "thiqa.agents", "", ["thiqa"], 5, {}, None], ids=str)
def test_another_audience_is_refused(audience: Any) -> None:
    token = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (
            {"alg": "HS256", "typ": "JWT"},
            {"sub": "visitor", "aud": audience, "iat": START.timestamp(), "exp": (START + LIFE).timestamp()},
        )
    )
    signature = jwt.get_algorithm_by_name("HS256").sign(token, derived(KEY))
    whole = token + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")
    assert refusal(sessions(), whole.decode()) == "invalid"


@pytest.mark.parametrize("name", ["sub", "iat", "exp", "aud"])
def test_a_token_that_lacks_a_claim_is_refused(name: str) -> None:
    assert refusal(sessions(), signed(claims(**{name: None}))) == "invalid"


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize("value", ["soon", [], {}, "", -1], ids=repr)
def test_a_time_that_is_none_is_refused_or_expired_and_nothing_else(name: str, value: Any) -> None:
    with pytest.raises(SessionRefused):
        sessions().read(signed(claims(**{name: value})))
        # A token "made in 1969" is merely old.
        if (name, value) == ("iat", -1):
            raise SessionRefused("invalid")


@pytest.mark.parametrize("header", ["none", "None", "NONE", "nOnE"])
def test_a_token_without_a_signature_is_refused(header: str) -> None:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (
            {"alg": header, "typ": "JWT"},
            {"sub": "visitor", "aud": "thiqa.webchat", "iat": 0, "exp": 2**40},
        )
    ]
    real = sessions().issue("visitor").split(".")
    for token in (
        ".".join(parts) + ".",
        ".".join(parts),
        ".".join([*parts, real[2]]),
        ".".join([parts[0], real[1], ""]),
        ".".join([parts[0], *real[1:]]),
    ):
        assert refusal(sessions(), token) == "invalid"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_our_key(algorithm: str) -> None:
    assert refusal(sessions(), signed(claims(), derived(KEY), algorithm)) == "invalid"


@pytest.mark.parametrize(
    "token",
    ["", " ", ".", "..", "...", "a.b.c", "null", "ey" * 600, "\x00", "\ud800", "ثقة", "é.è.ê", "{}", "a" * 100_000],
    ids=lambda token: ascii(token[:12]),
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refusal(sessions(), token) == "invalid"


def test_a_token_longer_than_any_that_is_issued_is_refused_before_it_is_read() -> None:
    long = signed(claims(sub="v" * 1000))
    assert refusal(sessions(), long) == "invalid"
    assert len(sessions().issue("v" * 255)) <= 1000


def test_every_shorter_part_of_a_token_is_refused() -> None:
    ours, token = sessions(), sessions().issue("visitor")
    for cut in range(len(token)):
        assert refusal(ours, token[:cut]) == "invalid"
        assert refusal(ours, token[cut + 1 :]) == "invalid"


@given(st.text(max_size=1200))
def test_no_string_is_ever_accepted_that_was_not_issued(text: str) -> None:
    assert refusal(sessions(), text) == "invalid"


_ISSUED = sessions().issue("visitor")


def _means(token: str) -> list[bytes]:
    """What the parts of a token say, whatever way base64 has of writing it."""
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]


@given(st.integers(0, len(_ISSUED) - 1), st.characters(), st.sampled_from(["replace", "insert", "delete", "swap"]))
def test_no_change_to_a_token_is_ever_accepted(place: int, other: str, how: str) -> None:
    token = {
        "replace": _ISSUED[:place] + other + _ISSUED[place + 1 :],
        "insert": _ISSUED[:place] + other + _ISSUED[place:],
        "delete": _ISSUED[:place] + _ISSUED[place + 1 :],
        "swap": _ISSUED[:place] + _ISSUED[place : place + 2][::-1] + _ISSUED[place + 2 :],
    }[how]
    try:
        read = sessions().read(token)
    except SessionRefused as refused:
        assert refused.code == "invalid"
    else:
        # The last character of a base64 part has bits without meaning; and characters outside of it are skipped.
        assert read.visitor == "visitor"
        header, body, signature = _means(_ISSUED)
        assert token.isascii()
        assert _means(token)[2] == signature and token.split(".")[:2] == _ISSUED.split(".")[:2]
        assert header and body


@given(st.dictionaries(st.sampled_from(["sub", "aud", "iat", "exp", "nbf", "jti", "crit"]), st.none() | st.text() | st.integers() | st.floats() | st.lists(st.text())))  # fmt: skip
def test_whatever_our_key_has_signed_is_read_or_refused_and_never_fails_otherwise(body: dict[str, Any]) -> None:
    try:
        token = signed(body)
    except (TypeError, ValueError, OverflowError):
        return  # not even PyJWT makes such a token
    try:
        assert isinstance(sessions().read(token).visitor, str)
    except SessionRefused:
        pass
