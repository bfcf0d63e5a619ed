"""Signing in and out, sessions, and what somebody may change about their own account."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot.agents import lockout, totp
from bot.agents.lockout import short_address
from bot.agents.model import (
    Actor,
    Audited,
    Credentials,
    Session,
    SessionId,
    Signed,
    Where,
    email_key,
    is_email,
    new_id,
    new_token,
    token_hash,
)
from bot.agents.passwords import LONGEST, Passwords, check_password
from bot.agents.ports import Clock, SecondFactor, SignInRecords
from bot.errors import DeskRefused
from bot.handoff.model import AgentId

_TOUCH_EVERY = timedelta(minutes=1)  # a session's use is noted no more often
_LONGEST_TOKEN = 100
_LONGEST_DEVICE = 200

_WRONG = DeskRefused("wrong_credentials", "The e-mail or the password is wrong.")


@dataclass(frozen=True)
class Life:
    """How long a session lives: `idle` without use, `absolute` in all."""

    idle: timedelta = timedelta(hours=12)
    absolute: timedelta = timedelta(days=7)


@dataclass(frozen=True)
class Opened:
    """A new session; `token` goes into the cookie and is nowhere else."""

    token: str = field(repr=False)
    signed: Signed


class SignIn:
    """`secret` keys the counts of tries, so that a copy of the database does not say who tried."""

    def __init__(
        self, records: SignInRecords, passwords: Passwords, secret: bytes, clock: Clock, life: Life | None = None
    ) -> None:
        self._records, self._passwords, self._clock = records, passwords, clock
        self._secret = hashlib.sha256(b"thiqa desk tries\0" + secret).digest()
        self.life = life or Life()

    # -- in and out ----------------------------------------------------------------------------------------------------

    def sign_in(self, email: str, password: str, code: str | None, where: Where, replaced: str | None = None) -> Opened:
        """A new session. `code`: of the authenticator app, or a recovery code. `replaced`: the token of the session that
        this browser had; it ends.

        Raises DeskRefused: `locked` with the seconds to wait, `wrong_credentials` (also for an address that nobody has),
        `totp_required` where the password is right and a code is missing.
        """
        key = email_key(email)
        keys = self._begin(key, where)
        proven = self._records.credentials(key) if is_email(key) else None
        stored = proven.password_hash if proven and proven.agent.active else None
        if not self._passwords.matches(stored, password[: LONGEST + 1]) or proven is None:
            self._note_failure(proven, where, "password")
            raise _WRONG
        second = None
        if proven.agent.totp:
            if not (code or "").strip():
                self._records.give_back(keys)
                raise DeskRefused("totp_required", "Give the code of your authenticator app, or a recovery code.")
            second = self._second(proven, code or "")
            if second is None:
                self._note_failure(proven, where, "code")
                raise DeskRefused("wrong_credentials", "That code is wrong or was used before.")
        opened = self._open(proven, where, second, password, replaced)
        self._succeeded(keys)
        return opened

    def sign_in_as_new(self, agent: AgentId, where: Where) -> Opened:
        """The first session of an account that its owner has made just now."""
        proven = self._records.credentials_of(agent)
        if proven is None or not proven.agent.active:
            raise _WRONG
        return self._open(proven, where, None, None, None)

    def current(self, token: str | None) -> Signed:
        """Who holds this token. Raises DeskRefused (`signed_out`) where it is none, or its session has ended: by time, by
        hand, or because the account was disabled."""
        ended = DeskRefused("signed_out", "You are not signed in, or your session has ended. Sign in.")
        if not token or len(token) > _LONGEST_TOKEN:
            raise ended
        found = self._records.session(token_hash(token))
        if found is None:
            raise ended
        session, agent = found
        now = self._clock()
        if not agent.active or not self._alive(session):
            raise ended
        if now - session.used_at >= _TOUCH_EVERY:
            self._records.touch(session.id, now)
        return Signed(agent, session, csrf_of(token))

    def sign_out(self, signed: Signed, where: Where) -> None:
        self.end_session(signed, signed.session.id, where)

    def tidy(self) -> bool:
        """Forget what has long ended; False: there is nothing more to do now."""
        now = self._clock()
        self._records.tidy(now - self.life.idle, now)
        return False

    # -- sessions ------------------------------------------------------------------------------------------------------

    def sessions(self, signed: Signed) -> Sequence[Session]:
        """One's own, last used first."""
        return [session for session in self._records.sessions(signed.agent.id) if self._alive(session)]

    def end_session(self, signed: Signed, session: SessionId, where: Where) -> None:
        """End one of one's own sessions. Raises DeskRefused (`not_found`)."""
        if not self._records.end_session(signed.agent.id, session, actor(signed, where), self._clock()):
            raise DeskRefused("not_found", "You have no such session.")

    def end_other_sessions(self, signed: Signed, where: Where) -> int:
        """How many were ended."""
        agent = signed.agent.id
        return self._records.end_other_sessions(agent, signed.session.id, actor(signed, where), self._clock())

    # -- one's own account ---------------------------------------------------------------------------------------------

    def change_password(self, signed: Signed, old: str, new: str, where: Where) -> Opened:
        """Ends every session; the one returned goes on. Raises DeskRefused: `locked`, `wrong_credentials`,
        `weak_password`."""
        proven = self._prove(signed, old, where)
        if new == old:
            raise DeskRefused("weak_password", "That is the password you have.")
        check_password(new, proven.agent.email, proven.agent.name_ar, proven.agent.name_en)
        hashed = self._passwords.hash(new)
        if not self._records.change_password(proven, hashed, actor(signed, where), self._clock()):
            raise _WRONG
        return self.sign_in_as_new(signed.agent.id, where)

    def enrol_totp(self, signed: Signed, password: str, where: Where) -> tuple[str, str]:
        """A new secret and its otpauth:// address; it counts once `confirm_totp` has seen a code. Raises DeskRefused:
        `locked`, `wrong_credentials`, `totp_on`."""
        self._prove(signed, password, where)
        secret = totp.new_secret()
        if not self._records.begin_totp(signed.agent.id, secret, actor(signed, where), self._clock()):
            raise DeskRefused("totp_on", "A second factor is set up already. Turn it off first.")
        return secret, totp.uri(secret, signed.agent.email)

    def confirm_totp(self, signed: Signed, code: str, where: Where) -> list[str]:
        """The recovery codes, shown once. Raises DeskRefused: `totp_off`, `wrong_code`."""
        proven = self._records.credentials_of(signed.agent.id)
        if proven is None or proven.totp_secret is None or proven.agent.totp:
            raise DeskRefused("totp_off", "There is nothing to confirm. Begin the set-up again.")
        step = totp.step_of(proven.totp_secret, code, self._clock(), None)
        if step is None:
            raise DeskRefused("wrong_code", "That code is wrong. Check that the clock of your device is right.")
        codes = totp.new_recovery_codes()
        hashes = [hashed for hashed in map(totp.recovery_hash, codes) if hashed]
        by = actor(signed, where)
        if not self._records.confirm_totp(signed.agent.id, proven.totp_secret, step, hashes, by, self._clock()):
            raise DeskRefused("totp_off", "The set-up was begun again meanwhile. Use the newer code.")
        return codes

    def disable_totp(self, signed: Signed, password: str, where: Where) -> None:
        """Raises DeskRefused: `locked`, `wrong_credentials`."""
        self._prove(signed, password, where)
        self._records.end_totp(signed.agent.id, actor(signed, where), self._clock())

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _begin(self, key: str, where: Where) -> list[str]:
        account = lockout.account_key(self._secret, key)
        address = lockout.address_key(self._secret, where.address)
        wait = self._records.begin_try({account: lockout.ACCOUNT, address: lockout.ADDRESS}, self._clock())
        if wait > timedelta(0):
            seconds = max(1, math.ceil(wait.total_seconds()))
            raise DeskRefused("locked", f"Too many wrong tries. Try again in {_span(seconds)}.", seconds)
        return [account, address]

    def _succeeded(self, keys: list[str]) -> None:
        account, address = keys
        self._records.forget_tries(account)
        self._records.give_back([address])  # not forgotten: one's own account must not buy tries on others

    def _prove(self, signed: Signed, password: str, where: Where) -> Credentials:
        """The password again, before what a stolen session must not do. Wrong ones count as at sign-in."""
        keys = self._begin(email_key(signed.agent.email), where)
        proven = self._records.credentials_of(signed.agent.id)
        if proven is None or not self._passwords.matches(proven.password_hash, password[: LONGEST + 1]):
            self._note_failure(proven, where, "password")
            raise DeskRefused("wrong_password", "The password is wrong.")
        self._succeeded(keys)
        return proven

    def _second(self, proven: Credentials, code: str) -> SecondFactor | None:
        step = totp.step_of(proven.totp_secret or "", code, self._clock(), proven.totp_last_step)
        if step is not None:
            return SecondFactor(step=step)
        recovery = totp.recovery_hash(code)
        return SecondFactor(recovery=recovery) if recovery else None

    def _open(
        self,
        proven: Credentials,
        where: Where,
        second: SecondFactor | None,
        password: str | None,
        replaced: str | None,
    ) -> Opened:
        now, token = self._clock(), new_token()
        device = "".join(sign for sign in where.device if sign.isprintable())[:_LONGEST_DEVICE]
        ends = now + self.life.absolute
        session = Session(SessionId(new_id()), proven.agent.id, short_address(where.address), device, now, now, ends)
        outdated = password is not None and self._passwords.outdated(proven.password_hash)
        new_hash = self._passwords.hash(password) if outdated and password else None
        old = token_hash(replaced) if replaced else None
        if not self._records.open_session(session, token_hash(token), proven, second, new_hash, old):
            self._note_failure(proven, where, "code")
            raise DeskRefused(
                "wrong_credentials", "That code is wrong or was used before." if second else _WRONG.reason
            )
        return Opened(token, Signed(proven.agent, session, csrf_of(token)))

    def _alive(self, session: Session) -> bool:
        now = self._clock()
        return now < session.expires_at and now - session.used_at < self.life.idle

    def _note_failure(self, proven: Credentials | None, where: Where, what: str) -> None:
        # Also where there is no such account: writing takes time, and must not tell who has one.
        somebody, agent = Actor(None, short_address(where.address)), proven.agent.id if proven else ""
        self._records.audit(Audited(somebody, "sign_in.failed", "agent", agent, {"what": what}), self._clock())


def csrf_of(token: str) -> str:
    """The token that unsafe requests of a session carry in a header; it does not tell the session's."""
    return hashlib.sha256(b"thiqa desk csrf\0" + token.encode("utf-8", "surrogatepass")).hexdigest()


def actor(signed: Signed, where: Where) -> Actor:
    """Whom the audit log names."""
    return Actor(signed.agent.id, short_address(where.address))


def _span(seconds: int) -> str:
    if seconds <= 90:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    return f"{math.ceil(seconds / 60)} minutes"
