"""Structured logs: dotted events with ids. Message texts, phones and e-mails are masked wherever they slip in."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import MutableMapping
from types import FrameType
from typing import Any

import regex
import structlog

_EMAIL = regex.compile(r"[\w.+\-]+@[\w\-]+\.[\w.\-]+")
_BOT_TOKEN = regex.compile(r"\d{3,}:[\w\-]{16,}")
_DIGITS = regex.compile(r"(?<![\w.\-])\+?\d[\d \-]{6,}\d(?![\w\-])")
_QUIET = (
    "rasa",
    "rasa_sdk",
    "apscheduler",
    "asyncio",
    "tensorflow",
    "urllib3",
    "uvicorn.access",
    "uvicorn.error",  # tells the whole URL of each socket
    "matplotlib",
    "alembic",
    "absl",
    "httpx",  # tells the whole URL of each request, a bot's token with it
    "httpcore",
    "telegram",  # tells the whole answer that it cannot read, customers' words with it
)
_LEVELS = dict.fromkeys(("apscheduler", "tensorflow", "absl"), logging.ERROR) | {"telegram": logging.CRITICAL}


def mask(text: str) -> str:
    """A text without e-mail addresses, bots' tokens and long numbers."""
    return str(_DIGITS.sub("[number]", _EMAIL.sub("[email]", _BOT_TOKEN.sub("[token]", text))))


def _mask_all(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and key not in ("timestamp", "conversation"):
            event[key] = mask(value)
    return event


def _from_rasa() -> bool:
    """Whether the event being processed was logged by Rasa: the first caller outside structlog and this module tells."""
    frame: FrameType | None = sys._getframe(1)
    name = __name__
    while frame is not None and (name == __name__ or name.split(".")[0] == "structlog"):
        frame = frame.f_back
        name = str(frame.f_globals.get("__name__")) if frame else ""
    return name.split(".")[0] in ("rasa", "rasa_sdk")


def _tame_rasa(_logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Rasa's structured events carry message texts and slots: of a trouble only its name stays, the rest is dropped."""
    if not _from_rasa():
        return event
    if name in ("debug", "info", "msg"):
        raise structlog.DropEvent
    return {"event": event.get("event"), "source": "rasa"}


def configure(level: str, form: str) -> None:
    """Set up logging for this process; third-party loggers speak from WARNING on."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_all,
    ]
    render: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[_tame_rasa, *shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(_LEVELS.get(name, logging.WARNING))
    # Rasa logs message texts through loggers of its own at DEBUG; none of them is let through.
    warnings.showwarning = lambda *args, **kwargs: None  # TensorFlow and Rasa put their own filters back
