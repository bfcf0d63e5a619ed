"""SIGHUP: the model and the texts are taken up anew while customers write."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.server import Server

pytestmark = pytest.mark.slow


def test_a_reload_drops_no_message(serve: Callable[..., Server]) -> None:
    """Every message before, during and after a reload is answered, and the log says when the new model is in use."""
    server = serve()
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 60
    sent = 0
    while "thiqa.reloaded" not in server.log():
        assert time.monotonic() < deadline, server.log()[-2000:]
        assert server.post(f"reload-{sent % 3}", "كم رسوم الشحن؟")
        sent += 1
    assert sent > 0
    assert server.post("reload-0", "thanks")
    assert server.is_ready()
