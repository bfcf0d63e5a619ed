"""Every error that Thiqa raises on purpose, one tree.

ThiqaError
├── ConfigurationError      a setting or a file is wrong; says which and how to mend it
├── MessageRefused          a message cannot be taken in; `code` is stable, `retry_after` says when to try again
├── IdentityRefused         a token of the shop's site proves nothing; `code` says why
├── DeskRefused             what somebody at the desk asked for is not done; `code` is stable
├── ImageRefused            a file is not an image that can be kept; `code` says why
├── StorageUnavailable      the database is locked, gone or full; what was asked did not happen
├── ShopError
│   ├── ShopUnavailable     the shop timed out, refused the connection, or failed
│   ├── ShopGarbled         the shop answered what its contract does not allow
│   └── ShopRefused         the shop will not do what it was asked; `code` says why
├── AssistantFailed         the assistant could not answer this turn
├── HandoffRefused          what an agent wants to do with a conversation is not possible; nothing happened
│   ├── ConversationUnknown there is no such conversation
│   ├── AlreadyTaken        another agent has it; `by` and `name` say who
│   ├── NotYours            it is for whoever holds the conversation, or for leads
│   ├── NotOpen             nobody waits there, or nobody has taken it, or it is over
│   ├── OfferPassed         the offer is not theirs any more; `to` says whose it is, if anyone's
│   └── AgentAway           who should get the conversation is not there
└── Conflict                somebody else was faster; nothing of ours was written
    ├── LeaseLost
    ├── OwnerChanged
    ├── CaseMoved           a complaint's case has changed since it was read
    └── CapReached          a grant would now break a cap
"""

from __future__ import annotations

__all__ = [
    "AgentAway",
    "AlreadyTaken",
    "AssistantFailed",
    "CapReached",
    "CaseMoved",
    "ConfigurationError",
    "Conflict",
    "ConversationUnknown",
    "HandoffRefused",
    "IdentityRefused",
    "ImageRefused",
    "LeaseLost",
    "MessageRefused",
    "NotOpen",
    "NotYours",
    "OfferPassed",
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


class DeskRefused(ThiqaError):
    """Somebody at the desk is not let in, may not, or asked for what cannot be. `code` is stable, `reason` says it in
    plain words and holds nothing secret; `retry_after` in seconds where waiting helps."""

    def __init__(self, code: str, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.retry_after = code, reason, retry_after


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


class HandoffRefused(ThiqaError):
    """An agent's wish that cannot be followed; nothing was written. `code` is stable."""

    code = "refused"


class ConversationUnknown(HandoffRefused):
    """No conversation has that id: it never did, or it was joined to its customer's other one."""

    code = "unknown"

    def __init__(self) -> None:
        super().__init__("there is no such conversation")


class AlreadyTaken(HandoffRefused):
    """Another agent was faster. `by`: their id; `name`: their name when they took it."""

    code = "already_taken"

    def __init__(self, by: str, name: str) -> None:
        super().__init__(f"{name} has this conversation")
        self.by, self.name = by, name


class NotYours(HandoffRefused):
    """Only for who holds the conversation, or for a lead or an administrator. `by` and `name`: who holds it, if anyone."""

    code = "not_yours"

    def __init__(self, by: str | None = None, name: str | None = None) -> None:
        super().__init__(f"{name} has this conversation" if name else "the conversation is not yours")
        self.by, self.name = by, name


class NotOpen(HandoffRefused):
    """The handoff is not in a state in which this can be done. `state`: the state it is in, or None where there is none."""

    code = "not_open"

    def __init__(self, state: str | None) -> None:
        super().__init__(f"the conversation is {state}" if state else "nobody waits in this conversation")
        self.state = state


class OfferPassed(HandoffRefused):
    """The offer has passed on. `to`: the id of who has it, or is offered it, now."""

    code = "offer_passed"

    def __init__(self, to: str | None) -> None:
        super().__init__("the offer has passed on")
        self.to = to


class AgentAway(HandoffRefused):
    """Who should get the conversation does not exist or is not there, so that the customer would wait for nobody."""

    code = "agent_away"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there")
        self.name = name


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
