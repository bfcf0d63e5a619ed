"""The widget as a visitor uses it. Parts are found by the `data-part` that web/widget documents."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

# What Chromium itself writes when a server is away; the widget says so to the visitor.
_EXPECTED = re.compile(r"WebSocket connection to|Failed to load resource|ERR_")


class Chat:
    """One tab with the chat in it."""

    def __init__(self, page: Page, errors: bool = False) -> None:
        self.page = page
        self._problems: list[str] = []
        self._errors = errors
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _EXPECTED.search(message.text):
            self._note(f"console: {message.text}")

    def _note(self, problem: str) -> None:
        if not self._errors:
            self._problems.append(problem)

    def problems(self) -> list[str]:
        return self._problems

    def part(self, name: str) -> Locator:
        return self.page.locator(f'thiqa-chat [data-part="{name}"]')

    def open(self) -> Chat:
        self.part("launcher").click()
        expect(self.part("panel")).to_be_visible()
        return self

    def say(self, text: str) -> None:
        self.part("input").fill(text)
        self.part("send").click()

    def ask(self, text: str) -> str:
        """Say something and wait for what the assistant answers; returns the answer's text."""
        before = len(self.messages("bot"))
        self.say(text)
        self.wait(lambda: len(self.messages("bot")) > before)
        return self.messages("bot")[-1]["text"]

    def press(self, title: str) -> None:
        self.part("button").filter(has_text=title).last.click()

    def messages(self, author: str | None = None) -> list[dict[str, Any]]:
        """What the log shows, in order: number, author, state and text of each message."""
        shown: list[dict[str, Any]] = self.part("message").evaluate_all(
            """messages => messages.map(m => ({
                number: Number(m.dataset.number || 0), author: m.dataset.author, state: m.dataset.state || '',
                text: (m.querySelector('[data-part="text"], .text') || m).innerText.trim()}))"""
        )
        return [message for message in shown if author in (None, message["author"])]

    def wait(self, holds: Callable[[], bool], timeout: float = 15.0) -> None:
        """Until something holds."""
        deadline = time.monotonic() + timeout
        while not self._try(holds):
            if time.monotonic() > deadline:
                raise AssertionError(f"never held; the log shows {self.messages()}")
            self.page.wait_for_timeout(50)

    @staticmethod
    def _try(holds: Callable[[], bool]) -> bool:
        try:
            return holds()
        except Error:
            return False
