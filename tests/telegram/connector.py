"""The channel with an assistant that echoes, in a process of its own that a test may kill: `URL DATABASE HOME`."""

from __future__ import annotations

import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

from bot import logs
from bot.storage.database import Database
from tests.telegram.world import World


def main() -> None:
    url, database, home = sys.argv[1:4]
    logs.configure("WARNING", "json")
    server = SimpleNamespace(url=url, pending=lambda: 0)
    World(Database(database), server, Path(home), hold=timedelta(seconds=6), max_pending=100).start()  # type: ignore[arg-type]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print("started", flush=True)
    ended.wait()


if __name__ == "__main__":
    main()
