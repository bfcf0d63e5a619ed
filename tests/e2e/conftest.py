"""The running product for tests: one server for most of them, and a factory for those that break theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server, link_trained

HERE = Path(__file__).parent
# The first test may have to wait for the model to be trained.
TEST_TIMEOUT = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT))


@pytest.fixture(scope="session")
def product(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running Thiqa for all tests that only talk to it. Use a sender of your own."""
    server = Server(link_trained(tmp_path_factory.mktemp("product"), trained_home))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def serve(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start further servers: `serve(THIQA_WORKERS="1")`; `start=False` only prepares, `home=` goes on in a folder."""
    started: list[Server] = []

    def make(home: Path | None = None, start: bool = True, **environment: str) -> Server:
        folder = link_trained(home or tmp_path_factory.mktemp("thiqa"), trained_home)
        server = Server(folder, **environment)
        started.append(server)
        return server.start() if start else server

    try:
        yield make
    finally:
        for server in started:
            server.close()
