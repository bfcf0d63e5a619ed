"""The training messages in data/nlu, as the tests and tools read them; Rasa reads the same files by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

__all__ = ["VARIETIES", "Example", "read_messages"]

VARIETIES = ("msa", "gulf", "egy", "lev", "mag", "en", "arabizi", "mix")
_FOLDER = Path(__file__).resolve().parents[2] / "data" / "nlu"


class Example(NamedTuple):
    """One message. `topic` is that of a question about a policy, else None."""

    text: str
    intent: str
    lang: str
    emotion: str
    topic: str | None


def read_messages(folder: Path = _FOLDER) -> Iterator[Example]:
    """Every message of the YAML files of a folder. Raises ValueError for a line that is not `- message`, KeyError for a
    block without `metadata: {lang, emotion}`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(folder.glob("*.yml")):
        for block in yaml.load(path.read_text(encoding="utf-8"), loader)["nlu"]:
            labels = block["metadata"]
            for line in block["examples"].splitlines():
                if not line.startswith("- "):
                    raise ValueError(f"{path.name}, {block['intent']}: {line!r} is not a message")
                yield Example(line[2:], block["intent"], labels["lang"], labels["emotion"], labels.get("topic"))
