"""Files that customers send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.conversations.model import FileId

# What was uploaded and never sent is nobody's evidence.
KEPT_UNSENT = timedelta(days=1)


@dataclass(frozen=True)
class Image:
    """An image that was read and written anew. `media_type`: image/jpeg, image/png or image/webp; sides in pixels."""

    content: bytes
    media_type: str
    width: int
    height: int


class FileStore(Protocol):
    """Each raises StorageUnavailable."""

    def keep(self, channel: str, address: str, image: Image, now: datetime) -> FileId:
        """Store an image that the customer at this address may send."""

    def image(self, channel: str, address: str, file: FileId) -> Image | None:
        """The image, for the customer at this address alone."""

    def drop_unsent(self, before: datetime) -> int:
        """Delete what was uploaded before then and never sent; returns how many."""
