"""Inline marks of Markdown in a text, told apart for printers that have other ones."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

Mark = Literal["", "bold", "italic", "code"]
MARKED = re.compile(r"\*\*\*(.+?)\*\*\*|\*\*(.+?)\*\*|(?<!\w)\*(\S.*?)\*(?!\w)|`([^`]+)`")


def pieces(text: str) -> Iterator[tuple[Mark, str]]:
    """The pieces of a text with the mark of each; bold italics count as bold."""
    end = 0
    for found in MARKED.finditer(text):
        yield "", text[end : found.start()]
        both, bold, italic, code = found.groups()
        kind: Mark = "code" if code else "italic" if italic else "bold"
        yield kind, both or bold or italic or code
        end = found.end()
    yield "", text[end:]


def convert(text: str, escape: Callable[[str], str], marks: dict[Mark, tuple[str, str]]) -> str:
    """The text, escaped, with what stands before and after each marked piece."""
    said = []
    for kind, piece in pieces(text):
        before, after = marks.get(kind, ("", ""))
        said.append(f"{before}{escape(piece)}{after}")
    return "".join(said)
