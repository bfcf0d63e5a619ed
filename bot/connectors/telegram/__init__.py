"""Telegram: docs/telegram.md.

What Telegram tells is stored as it came (`storage.telegram`) before Telegram is told to forget it, and then handled chat by
chat, in order (`handling`). Handling a stored update twice changes nothing, so whoever finds one open may do it.
"""
