"""Which websites may open a chat here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit


class Origins:
    """`allowed` as in THIQA_ALLOWED_ORIGINS (`*` is every one); the server's own pages are always allowed."""

    def __init__(self, allowed: Sequence[str], base_url: str) -> None:
        self.every = "*" in allowed
        self.listed = [*allowed, _origin(base_url)]

    def admits(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Whether a request of `environ` (WSGI) may come from a page of `origin`; None: not from a browser's page."""
        if origin is None or self.every or origin in self.listed:
            return True
        host = environ.get("HTTP_HOST")
        return bool(host) and origin in (f"http://{host}", f"https://{host}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
