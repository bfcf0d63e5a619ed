"""Every error that Thiqa raises on purpose, one tree.

ThiqaError
├── ConfigurationError      a setting or a file is wrong; says which and how to mend it
├── MessageRefused          a message cannot be taken in; `code` is stable, `retry_after` says when to try again
├── IdentityRefused         a token of the shop's site proves nothing; `code` says why
├── ImageRefused            a file is not an image that can be kept; `code` says why
├── StorageUnavailable      the database is locked, gone or full; what was asked did not happen
├── ShopError
│   ├── ShopUnavailable     the shop timed out, refused the connection, or failed
│   ├── ShopGarbled         the shop answered what its contract does not allow
│   └── ShopRefused         the shop will not do what it was asked; `code` says why
├── AssistantFailed         the assistant could not answer this turn
└── Conflict                somebody else was faster; nothing of ours was written
    ├── LeaseLost
    ├── OwnerChanged
    ├── CaseMoved           a complaint's case has changed since it was read
    └── CapReached          a grant would now break a cap
"""

from __future__ import annotations

__all__ = [
    "AssistantFailed",
    "CapReached",
    "CaseMoved",
    "ConfigurationError",
    "Conflict",
    "IdentityRefused",
    "ImageRefused",
    "LeaseLost",
    "MessageRefused",
    "OwnerChanged",
    "ShopError",
    "ShopGarbled",
    "ShopRefused",
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
    """A message is not taken in. `code` is one of `invalid`, `flood`, `file`; `retry_after` in seconds where waiting helps."""

    def __init__(self, code: str, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.retry_after = code, reason, retry_after


class IdentityRefused(ThiqaError):
    """`code`: `identity_off`, `identity_invalid` or `identity_expired`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ImageRefused(ThiqaError):
    """`code`: `too_large`, `not_image` or `too_many_pixels`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


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


class ShopRefused(ShopError):
    """The shop understood and will not do it: nothing was done. `code` is one of `exceeds_paid`, `not_paid`,
    `out_of_stock`, `not_possible`, `unknown`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the shop refused: {code}")
        self.code = code


class AssistantFailed(ThiqaError):
    """The assistant raised, answered nothing, or had no wording for what it had to say."""


class Conflict(ThiqaError):
    """Another worker or a takeover came between; the caller starts again from the stored state."""


class LeaseLost(Conflict):
    """The conversation's lease ran out and somebody else holds it, or the message is answered already."""


class OwnerChanged(Conflict):
    """The conversation changed hands while the turn ran; its replies are discarded."""


class CaseMoved(Conflict):
    """A complaint's case has changed hands or state, or one about the same thing was opened, since it was read."""


class CapReached(Conflict):
    """Another grant came first, and this one would now break a cap. `cap` names it."""

    def __init__(self, cap: str) -> None:
        super().__init__(f"the grant would break the cap {cap}")
        self.cap = cap
