"""Every error that Thiqa raises on purpose, one tree.

ThiqaError
├── ConfigurationError      a setting or a file is wrong; says which and how to mend it
├── MessageRefused          a message cannot be taken in; `code` is stable, `retry_after` says when to try again
├── StorageUnavailable      the database is locked, gone or full; what was asked did not happen
├── ShopError
│   ├── ShopUnavailable     the shop timed out, refused the connection, or failed
│   └── ShopGarbled         the shop answered what its contract does not allow
├── AssistantFailed         the assistant could not answer this turn
└── Conflict                somebody else was faster; nothing of ours was written
    ├── LeaseLost
    └── OwnerChanged
"""

from __future__ import annotations

__all__ = [
    "AssistantFailed",
    "ConfigurationError",
    "Conflict",
    "LeaseLost",
    "MessageRefused",
    "OwnerChanged",
    "ShopError",
    "ShopGarbled",
    "ShopUnavailable",
    "StorageUnavailable",
    "ThiqaError",
]


class ThiqaError(Exception):
    """Root of the tree."""


class ConfigurationError(ThiqaError):
    """A setting or a content file is wrong.

    `what` names it, `problem` says what is wrong, `remedy` what to do.
    """

    def __init__(self, what: str, problem: str, remedy: str) -> None:
        super().__init__(f"{what}: {problem}. {remedy}")
        self.what, self.problem, self.remedy = what, problem, remedy


class MessageRefused(ThiqaError):
    """A message is not taken in. `code` is one of `invalid`, `flood`; `retry_after` in seconds where waiting helps."""

    def __init__(self, code: str, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.retry_after = code, reason, retry_after


class StorageUnavailable(ThiqaError):
    """The database did not do what was asked; trying again later may work."""


class ShopError(ThiqaError):
    """The shop could not be asked."""


class ShopUnavailable(ShopError):
    """No answer in time, no connection, a 5xx, or the circuit is open."""


class ShopGarbled(ShopError):
    """An answer outside the shop contract. `detail` holds field names, never values."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"the shop's answer does not follow the contract: {detail}")
        self.detail = detail


class AssistantFailed(ThiqaError):
    """The assistant raised, answered nothing, or had no wording for what it had to say."""


class Conflict(ThiqaError):
    """Another worker or a takeover came between; the caller starts again from the stored state."""


class LeaseLost(Conflict):
    """The conversation's lease ran out and somebody else holds it, or the message is answered already."""


class OwnerChanged(Conflict):
    """The conversation changed hands while the turn ran; its replies are discarded."""
