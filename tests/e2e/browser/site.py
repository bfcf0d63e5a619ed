"""A shop's website, as its owner built it: pages with the widget's tag on them, on an origin of their own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Page:
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/html; charset=utf-8"


class Site(ThreadingHTTPServer):
    """Serves what `put` was given. Its pages are on `localhost`, another site than the product's 127.0.0.1."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = f"http://localhost:{self.server_address[1]}"
        self._pages: dict[str, Page] = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def put(
        self, path: str, body: str | bytes | Path, content_type: str = "text/html; charset=utf-8", **headers: str
    ) -> str:
        """Serve `body` at `path`; underscores in header names are dashes. Returns the address."""
        if isinstance(body, Path):
            body = body.read_bytes()
        content = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._pages[path] = Page(content, named, content_type)
        return self.origin + path

    def page(
        self,
        path: str,
        script: str,
        *,
        language: str = "ar",
        attributes: str = "",
        head: str = "",
        body: str = "<main><h1>متجر</h1></main>",
        **headers: str,
    ) -> str:
        """A page with the widget's tag (`script` is the address of widget.js)."""
        direction = "rtl" if language == "ar" else "ltr"
        return self.put(
            path,
            f'<!doctype html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>Shop</title>{head}</head>'
            f'<body>{body}<script src="{script}" {attributes}></script></body></html>',
            **headers,
        )

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def find(self, path: str) -> Page | None:
        return self._pages.get(urlsplit(path).path)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # browsers hang up as they like


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        page = self.server.find(self.path)
        if page is None:
            page = Page(b"", {}, "text/plain")
            self.send_response(404)
        else:
            self.send_response(200)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, *args: object) -> None:
        pass
