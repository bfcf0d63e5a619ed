"""The turn that this thread is thinking about, for code that the assistant calls without being able to hand it over."""

from __future__ import annotations

from contextvars import ContextVar

from bot.conversations.model import Turn

turn_in_progress: ContextVar[Turn | None] = ContextVar("turn_in_progress", default=None)
