"""How a customer feels over a conversation: a level that rises with anger and cools with calm. Pure."""

from __future__ import annotations

__all__ = ["TENSE", "next_level"]

# Where each reading of one message pulls the level, which lies between 0 (at ease) and 1 (furious).
_PULL = {"positive": 0.0, "neutral": 0.15, "frustrated": 0.65, "angry": 1.0}
_RISE, _COOL = 0.6, 0.35  # how far it moves towards that: anger shows at once, trust comes back more slowly
TENSE = 0.7
"""From here on a customer is served as one who is about to leave."""


def next_level(level: float, emotion: str | None, confidence: float = 1.0) -> float:
    """The level after a message read as `emotion` (None: not read, the level stays) with `confidence` 0 to 1."""
    if emotion not in _PULL:
        return level
    target = _PULL[emotion]
    step = (_RISE if target > level else _COOL) * max(0.0, min(1.0, confidence))
    return level + step * (target - level)
