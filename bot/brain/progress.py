"""How far training is, for whoever shows it. One listener a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int], None]  # what is done, how much of it, out of how much

_listener: Listener | None = None


def tell(what: str, done: int, total: int) -> None:
    """Report progress; nothing happens where nobody listens."""
    if _listener is not None:
        _listener(what, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear of all progress within the block."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
