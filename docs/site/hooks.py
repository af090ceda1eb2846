"""What mkdocs does to the pages: those outside of docs/ are added, and links lead where they do in the repository.

The pages are written for the repository's own view of them. Where its Markdown and Python-Markdown differ, the text is
made what the latter takes: blank lines before lists and tables, formulas as MathML, which browsers draw by themselves.
"""

from __future__ import annotations

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
    "library.md": "components/README.md",
    "benchmarks.md": "benchmarks/README.md",
}
PAGE_OF = {source: page for page, source in ELSEWHERE.items()}
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
ITEM = re.compile(r"(?:[-*]|\d+\.) ")


def on_files(files: Any, config: Any) -> Any:
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    return spaced(linked(markdown, page.file.src_uri))


def on_page_content(content: str, **_: Any) -> str:
    return FORMULA.sub(lambda m: mathml(html.unescape(m[2]), block=m[1] == "div"), content)


def linked(markdown: str, page: str) -> str:
    """The text of a page, with links that lead to pages of the site; others lose their link, and keep their words."""
    source = posixpath.join("docs", page) if page not in ELSEWHERE else ELSEWHERE[page]

    def new(match: re.Match[str]) -> str:
        picture, words, target, anchor = match[1], match[2], match[3], match[4] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if not (ROOT / path).exists():
            return match[0]  # mkdocs tells of it
        there = PAGE_OF.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if there is None or (ROOT / path).is_dir():
            return words
        return f"{picture}[{words}]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{anchor})"

    return LINK.sub(new, markdown)


def spaced(markdown: str) -> str:
    """The text with a blank line before each list and each table that follows a paragraph at once."""
    lines: list[str] = []
    inside = False
    for line in markdown.splitlines():
        before = lines[-1] if lines else ""
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside and before.strip() and begins(line, before):
            lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"


def begins(line: str, before: str) -> bool:
    """Whether a line is the first of a list or a table."""
    if line.startswith("|"):
        return not before.startswith("|")
    return bool(ITEM.match(line)) and not ITEM.match(before) and not before.startswith(" ")


def mathml(formula: str, block: bool) -> str:
    return convert(formula, display="block" if block else "inline")
