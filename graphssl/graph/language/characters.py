"""Which characters the text of a graph file may have, and how many."""

from __future__ import annotations

import re

from ...errors import Problems, Span

__all__ = ["LARGEST", "refuse_characters"]

LARGEST = 400_000  # characters; a graph of a thousand nodes has 150,000
# What YAML calls printable, but for U+FEFF, which is unseen, and the line ends U+0085, U+2028 and U+2029, as unseen.
STRANGE = re.compile("[^\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
BREAK = re.compile(r"\r\n|\r|\n")


def refuse_characters(text: str, name: str, problems: Problems) -> None:
    """Notes the first thing that no graph's text has, before a parser spends time on it."""
    if len(text) > LARGEST:
        problems.add(f"{len(text):,} characters: this is no graph file ({LARGEST:,} are the most)", Span(name, 1))
        return
    for number, line in enumerate(BREAK.split(text), 1):
        indent = line[: len(line) - len(line.lstrip())]
        found = re.search("[^ ]", indent) or STRANGE.search(line)
        if found:
            what = "a tab" if found.group() == "\t" else f"the character U+{ord(found.group()):04X}"
            why = ": YAML is indented with spaces" if found.start() < len(indent) else " has no place in a graph file"
            problems.add(what + why, Span(name, number, found.start() + 1, 1, line))
            return
