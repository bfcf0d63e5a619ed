"""Text as Telegram takes it. Pure.

Telegram counts in UTF-16 units. Texts go out plain, without a parse mode, so nothing in them has to be escaped.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex

LONGEST = 4096  # UTF-16 units of a message
LONGEST_CAPTION = 1024  # UTF-16 units below a file
LONGEST_TITLE = 60  # characters of a button; longer ones are cut by the apps anyway
LONGEST_ANSWER = 200  # characters of the answer to a pressed button

_BORDERS = (
    regex.compile(r"\n{2,}"),
    regex.compile(r"\n"),
    regex.compile(r"(?<=[.!?؟…۔])\s+"),
    regex.compile(r"(?<=[،؛,;:])\s+"),
    regex.compile(r"\s+"),
)
_CLUSTER = regex.compile(r"\X")

_ARABIC = regex.compile(r"\p{Arabic}")
_URL = regex.compile(r"https?://\S+|\b[\w.+\-]+@[\w\-]+\.[\w.\-]+")
# What a right-to-left line shows in the wrong order: a sign before digits, parts of digits or Latin letters that are
# joined by signs or spaces, and Latin words at the line's start, which would turn the whole line.
_JOINED = r"[A-Za-z0-9]+(?:(?: ?[\-–+./:_@#*×] ?| )[A-Za-z0-9]+)+"
_RUN = regex.compile(rf"[+#\-]?{_JOINED}[%+]?|[+#\-]\d+%?|\d+%")
_HEAD = regex.compile(r"^([^\p{L}\u2066]*)([A-Za-z][A-Za-z0-9]*)")
_ISOLATE, _END = "\u2066", "\u2069"


def units(text: str) -> int:
    """The length of a text as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def isolated(text: str) -> str:
    """Numbers and codes in Arabic lines, kept in their own direction by isolate marks (U+2066, U+2069)."""
    return "\n".join(_isolated_line(line) if _ARABIC.search(line) else line for line in text.split("\n"))


def _isolated_line(line: str) -> str:
    parts: list[str] = []
    at = 0
    for link in _URL.finditer(line):  # marks beside a link would become part of it
        parts += [_marked(line[at : link.start()]), link.group()]
        at = link.end()
    parts.append(_marked(line[at:]))
    parts[0] = str(_HEAD.sub(rf"\1{_ISOLATE}\2{_END}", parts[0]))
    return "".join(parts)


def _marked(text: str) -> str:
    return str(_RUN.sub(lambda run: f"{_ISOLATE}{run.group()}{_END}", text))


def split(text: str, longest: int = LONGEST) -> list[str]:
    """The text in parts of at most `longest` units, cut where paragraphs, lines, sentences or words end, and else between
    two characters as people see them. No part is empty; all but white space at the borders is kept."""
    return [part for part in (part.strip() for part in _parts(text.strip(), longest)) if part]


def _parts(text: str, longest: int) -> Iterator[str]:
    while units(text) > longest:
        cut = _cut(text, longest)
        yield text[:cut]
        text = text[cut:].lstrip()
    yield text


def _cut(text: str, longest: int) -> int:
    fits = _fitting(text, longest)
    for border in _BORDERS:
        ends = [match.start() for match in border.finditer(text, 0, fits + 1) if 0 < match.start() <= fits]
        # A border far at the front would make a scrap of a part: then the next finer border is better.
        if ends and units(text[: ends[-1]]) >= longest // 4:
            return int(ends[-1])
    last = 0
    for cluster in _CLUSTER.finditer(text):
        if cluster.end() > fits:
            break
        last = cluster.end()
    return last or fits


def _fitting(text: str, longest: int) -> int:
    """How many characters fit in `longest` units; at least one."""
    count = used = 0
    for character in text:
        used += 2 if ord(character) > 0xFFFF else 1
        if used > longest:
            break
        count += 1
    return max(1, count)


def title(text: str) -> str:
    """A button's title: one line, not empty, cut where it is too long."""
    line = " ".join(text.split()) or "…"
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1].rstrip() + "…"
