"""The code fences of a page of documentation: its files, its commands, and what these print.

Of a ```yaml or ```python fence whose first line is `# NAME` the text is a file. A ```bash fence has commands. A fence
without a language below one has what they print, where `...` stands for what is left out. A comment
`<!-- checked: WHY -->` above commands says that a test does not run them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"(?:^<!-- checked: (?P<why>.+) -->\n)?^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S)
LANGUAGES = ("", "yaml", "python", "bash")
COMMAND = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:graphssl|torchrun|pip|python|pytest|mkdocs|sbatch) ", re.M)


@dataclass(frozen=True)
class Fence:
    """why: of commands that are not run."""

    language: str
    text: str
    why: str | None
    line: int

    @property
    def file(self) -> str | None:
        named = re.match(r"# ([\w./-]+\.(?:yaml|py))\n", self.text)
        return named[1] if named and self.language in ("yaml", "python") else None

    @property
    def commands(self) -> list[str]:
        """Each on one line, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = (re.sub(r"\s+#.*", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line] if self.language == "bash" else []


def fences(page: Path) -> list[Fence]:
    text = page.read_text()
    return [
        Fence(m["language"], m["text"], m["why"], text.count("\n", 0, m.start("language")) + 1)
        for m in FENCE.finditer(text)
    ]


def faults(fence: Fence) -> Iterator[str]:
    """Why a test could not tell what a fence is."""
    if fence.language not in LANGUAGES:
        yield f"'{fence.language}' is none of {', '.join(filter(None, LANGUAGES))}"
    if fence.language == "" and COMMAND.search(fence.text):
        yield "has commands, and is no ```bash"
    if fence.why is not None and fence.language != "bash":
        yield "is not run by anyone: `checked:` is for ```bash"


def shape(line: str) -> str:
    """A line without what another machine prints otherwise: its numbers, the width of its columns, which row is best."""
    line = re.sub(r"\b[0-9a-f]{12,}\b", "N", re.sub(r"\s+best$", "", line))
    line = re.sub(r"(?<![\w.])-?\d[\d.,:]*(?:e[-+]?\d+)?(?![a-z_])", "N", line)
    return re.sub(r"[-\s]+", " ", line).strip()


def unlike(shown: str, printed: str) -> list[str]:
    """The lines of a page's output that no line of what was printed looks like."""
    there = {shape(line) for line in printed.splitlines()}
    return [line for line in shown.splitlines() if line.strip() not in ("", "...") and shape(line) not in there]
