"""Passwords and second factors: which are taken, and that a code is good once."""

from __future__ import annotations

from datetime import datetime, timezone

import pyotp
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from bot.agents import totp
from bot.agents.model import clean_email, clean_name, email_key, new_token, token_hash
from bot.agents.passwords import Passwords, check_password
from bot.errors import DeskRefused

QUICK = PasswordHasher(1, 8, 1)
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238's "12345678901234567890"


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


# -- passwords ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "ninechars",
        "x" * 201,
        "aaaaaaaaaaaa",
        "abababababab",
        "password123",
        "P@ssw0rd123!",
        "PassWord2026",
        "1234567890",
        "0987654321",
        "qwertyuiop",
        "QWERTYUIOP12",
        "abcdefghij",
        "letmeinplease",
        "iloveyou123",
        "salma@shop.example",
        "Salma.haddad99",
        "محمدمحمد2026",
        "كلمةالمرور123",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(DeskRefused) as refused:
        check_password(password, "salma@shop.example", "Salma.Haddad")
    assert refused.value.code == "weak_password"
    assert not password or password not in refused.value.reason


@pytest.mark.parametrize(
    "password", ["four horses walk by", "ثلاثة جمال تشرب القهوة", "kV8#wPq2zL", "correct-staple-lamp"]
)
def test_a_password_of_ones_own_is_taken(password: str) -> None:
    check_password(password, "salma@shop.example", "سلمى", "Salma")


def test_a_hash_fits_its_password_alone_and_no_account_fits_none() -> None:
    passwords = Passwords(QUICK)
    stored = passwords.hash("four horses walk by")
    assert passwords.matches(stored, "four horses walk by") and "horses" not in stored
    assert not passwords.matches(stored, "four horses walk by ") and not passwords.matches(stored, "")
    assert not passwords.matches(None, "nobody has this password") and not passwords.matches("broken", "x")


def test_a_password_typed_on_another_keyboard_is_the_same_and_odd_ones_break_nothing() -> None:
    passwords = Passwords(QUICK)
    assert passwords.matches(passwords.hash("caf\u00e9 caf\u00e9 bar"), "cafe\u0301 cafe\u0301 bar")
    assert passwords.matches(passwords.hash("\ud800 lone half"), "\ud800 lone half")


def test_a_hash_of_other_parameters_still_fits_and_is_outdated() -> None:
    old = Passwords(QUICK).hash("four horses walk by")
    today = Passwords(PasswordHasher(2, 16, 1))
    assert today.matches(old, "four horses walk by") and today.outdated(old)
    assert not today.outdated(today.hash("four horses walk by"))


def test_todays_parameters_are_as_strong_as_owasp_asks() -> None:
    assert "$argon2id$v=19$m=65536,t=3,p=1$" in Passwords().hash("four horses walk by")


# -- the second factor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert totp.step_of(SECRET, code, at(seconds), None) == seconds // 30


@given(st.integers(10**9, 4 * 10**9), st.integers(-5, 5))
def test_a_code_counts_one_step_early_and_one_late(now: int, off: int) -> None:
    step = now // 30 + off
    found = totp.step_of(SECRET, pyotp.TOTP(SECRET).generate_otp(step), at(now), None)
    assert (found is not None) if abs(off) <= 1 else (found is None or found != step)


@given(st.integers(10**9, 4 * 10**9), st.integers(-1, 1))
def test_a_used_code_and_those_before_it_are_refused(now: int, off: int) -> None:
    step = now // 30 + off
    code = pyotp.TOTP(SECRET).generate_otp(step)
    assert totp.step_of(SECRET, code, at(now), step) in (None, step + 1)  # two steps may share a code by chance
    assert totp.step_of(SECRET, code, at(now), step - 1) is not None


@pytest.mark.parametrize("code", ["", "0", "abcdef", "12345678901", "٢٨٧٠٨٢", "\ud800", "28708", "287082;", "-87082"])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert totp.step_of(SECRET, code, at(59), None) is None


def test_a_code_may_be_typed_in_groups() -> None:
    assert totp.step_of(SECRET, " 287 082 ", at(59), None) == 1


def test_the_address_for_apps_names_the_issuer_and_the_account() -> None:
    secret = totp.new_secret()
    read = pyotp.parse_uri(totp.uri(secret, "سلمى+a@shop.example"))
    assert (read.secret, read.issuer, read.name) == (secret, "Thiqa", "سلمى+a@shop.example")


def test_recovery_codes_are_ten_different_ones_and_read_however_they_are_typed() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == 10
    for code in codes:
        assert totp.recovery_hash(code) == totp.recovery_hash(f" {code.lower().replace('-', ' ')} ") != code
    for wrong in ("", "287082", "KKKKK", "KKKKK-KKKK0", "ككككك-ككككك"):
        assert totp.recovery_hash(wrong) is None


# -- what people are called --------------------------------------------------------------------------------------------


def test_tokens_are_long_different_and_kept_as_hashes() -> None:
    assert len({new_token() for _ in range(1000)}) == 1000 and len(new_token()) == 43
    assert token_hash("a") != token_hash("b") and len(token_hash("\ud800")) == 64


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b",
        "a@",
        "a b@c",
        "a@b\nBcc: x@y",
        "a@b@c",
        "<a@b>",
        "a" * 65 + "@b",
        "a@" + "b" * 190,
        "a\x00@b",
        "\ud800@b",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(DeskRefused) as refused:
        clean_email(text)
    assert refused.value.code == "invalid"


def test_an_address_has_one_form_for_all_its_spellings() -> None:
    assert clean_email(" Salma@Shop.Example ") == "Salma@Shop.Example"
    assert email_key("Salma@Shop.EXAMPLE ") == email_key("salma@shop.example")
    assert email_key("cafe\u0301@x.y") == email_key("CAF\u00c9@X.Y")


def test_a_name_is_text_on_one_line_whatever_is_in_it() -> None:
    assert clean_name(" سلمى\n\t<script>alert(1)</script> ") == "سلمى <script>alert(1)</script>"
    assert clean_name("\u202eevil\u200b\x00") == "evil"
    for wrong in ("", " \n ", "\u200b", "x" * 81):
        with pytest.raises(DeskRefused):
            clean_name(wrong)
