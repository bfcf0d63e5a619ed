"""Passwords: argon2id hashes, and which passwords are refused."""

from __future__ import annotations

import threading
import unicodedata
from functools import lru_cache
from pathlib import Path

import regex
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.errors import DeskRefused

SHORTEST, LONGEST = 10, 200
_COMMON = Path(__file__).with_name("common_passwords.txt")
_LEET = str.maketrans("013457@$!", "oieastasi")
_ENDS = regex.compile(r"^[\d\W_]+|[\d\W_]+$")
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "01234567890", "1qaz2wsx3edc4rfv5tgb6yhn7ujm")
_HASHES_AT_ONCE = threading.Semaphore(2)  # each takes 64 MiB and a processor


class Passwords:
    """`hasher` with lighter parameters is for tests; the parameters are in each hash, so they may change any day."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        with _HASHES_AT_ONCE:
            return self._hasher.hash(_bytes(password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether it is the password. None: there is no such account; that takes as long as a wrong password."""
        try:
            with _HASHES_AT_ONCE:
                return self._hasher.verify(stored or self._nobody, _bytes(password)) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)


def check_password(password: str, *about: str) -> None:
    """Raises DeskRefused (`weak_password`) that says what is missing. `about`: e-mail and names, which it may not be."""
    if len(password) < SHORTEST:
        raise DeskRefused("weak_password", f"The password needs at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise DeskRefused("weak_password", f"The password may have at most {LONGEST} characters.")
    lowered = password.casefold()
    own = {part for text in about for part in (text.casefold(), text.casefold().partition("@")[0]) if len(part) > 3}
    if (
        len(set(lowered)) < 5
        or _core(lowered) in _common()
        or lowered in _common()
        or any(_is_run(lowered, row) for row in _ROWS)
        or lowered in own
        or _core(lowered) in {_core(part) for part in own}
    ):
        raise DeskRefused(
            "weak_password", "That password is easy to guess. Several words that do not belong together are good."
        )


def _bytes(password: str) -> bytes:
    """The same for every keyboard: "é" may be typed as one character or as two."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _core(text: str) -> str:
    """The word in "P@ssw0rd123!": what a guesser tries first, whatever is put around it. All of it where no letter is."""
    bare = _ENDS.sub("", text)
    return bare.translate(_LEET) or text


def _is_run(text: str, row: str) -> bool:
    """Whether it is keys or letters in a row, forwards or backwards."""
    rows = row * (len(text) // len(row) + 2)
    return text in rows or text in rows[::-1]


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text("utf-8").split())
