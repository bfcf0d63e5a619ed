"""Runs the project's rasa_sdk actions in this process, in place of an action server behind HTTP.

Answers and errors are those of the HTTP server, but for one thing: an action that raises ends the turn. Rasa would log
the error, note the action as done, and go on to say that it was.
"""

from __future__ import annotations

import json
from typing import Any

from rasa.core.actions.action import RemoteAction
from rasa.shared.core.domain import Domain
from rasa.utils.endpoints import ClientResponseError, EndpointConfig
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException

from bot.brain.scope import TurnAborted


class InProcessActions(EndpointConfig):
    """An action endpoint without a network. `domain` is set when a model is loaded."""

    def __init__(self, package: str) -> None:
        super().__init__(url="in-process", enable_selective_domain=True)
        self._executor = ActionExecutor()
        self._executor.register_package(package)
        self._domain: dict[str, Any] = {}

    def use_domain(self, domain: Domain) -> None:
        """The domain that validation actions ask for; computed once, not once a call."""
        self._domain = domain.as_dict()

    @property
    def names(self) -> set[str]:
        """Names of the registered actions."""
        return set(self._executor.actions)

    async def request(
        self, method: str = "post", subpath: str | None = None, content_type: str | None = None, **kwargs: Any
    ) -> Any:
        call = {**kwargs["json"], "domain": self._domain}
        try:
            result = await self._executor.run(call)
        except ActionExecutionRejection as rejection:
            body = {"error": rejection.message, "action_name": rejection.action_name}
            raise ClientResponseError(400, "rejected", json.dumps(body)) from rejection
        except ActionNotFoundException as missing:
            raise TurnAborted(f"no action {call.get('next_action')}") from missing
        except Exception as error:
            raise TurnAborted(f"{call.get('next_action')} failed: {type(error).__name__}") from error
        return json.loads(json.dumps(result))


def _accept_result(self: RemoteAction, result: dict[str, Any]) -> bool:
    """The executor has validated the events; Rasa rebuilds a JSON schema validator (36 ms) on every call."""
    return True


RemoteAction._validate_action_result = _accept_result
