"""The site of the pages: built with warnings as errors, it holds all of them, and asks nobody for anything."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIG = DOCS / "site" / "mkdocs.yml"
Build = Callable[..., Path]


def make(folder: Path, **changes: Any) -> Path:
    config = load_config(str(CONFIG), site_dir=str(folder), strict=True, **changes)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        yield make(tmp_path_factory.mktemp("site"))
    for name in ("mkdocs", "mkdocs.commands.build"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def hooks(site: Path) -> ModuleType:
    """As mkdocs has loaded them."""
    return next(m for m in sys.modules.values() if getattr(m, "__file__", None) == str(CONFIG.parent / "hooks.py"))


class Asked(HTMLParser):
    """What a page asks for when it is opened, and the text of its body."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k == "src" or (tag == "link" and k == "href")]


def asked(page: Path) -> Asked:
    found = Asked()
    found.feed(page.read_text())
    return found


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    start = (site / "index.html").read_text()
    for page in DOCS.rglob("*.md"):
        folder = page.relative_to(DOCS).with_suffix("")
        assert (site / folder / "index.html").is_file(), folder
        assert f'href="{folder}/"' in start, f"docs/site/mkdocs.yml: nav has no {page.name}"


def test_pages_ask_nobody(site: Path) -> None:
    outside = {a for page in pages(site) for a in asked(page).addresses if re.match(r"(https?:)?//", a)}
    assert outside == set()
    styles = "".join(file.read_text() for file in site.rglob("*.css"))
    assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)]*", styles)


def test_pictures_are_there(site: Path) -> None:
    for page in pages(site):
        for address in asked(page).addresses:
            if address and not address.startswith(("data:", "/")):
                assert (page.parent / address.partition("?")[0]).resolve().exists(), f"{page}: {address}"


def test_formulas_are_drawn_by_the_browser(site: Path) -> None:
    page = site / "methods" / "index.html"
    written = re.findall(r"\$[^$]+\$", (DOCS / "methods.md").read_text())
    assert asked(page).tags.count("math") == len(written) > 30
    assert "arithmatex" not in page.read_text()


def test_tables_and_lists_are_no_text(site: Path) -> None:
    for page in pages(site):
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", page.read_text(), flags=re.DOTALL)
        assert "| --- |" not in text, page
        assert not re.search(r"<p>[^<]*\n- ", text), page


def test_a_link_that_leads_nowhere_stops_the_build(site: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("# A page\n[nowhere](nothing.md)\n")
    nav = ["page.md", "index.md", "contributing.md", "changes.md", "library.md", "benchmarks.md"]
    with pytest.raises(Abort, match="warnings in strict mode"):
        make(tmp_path / "site", docs_dir=str(tmp_path / "docs"), nav=nav)


@pytest.mark.parametrize(
    ("page", "text", "now"),
    [
        ("index.md", "[a](docs/data.md#held-out)", "[a](data.md#held-out)"),
        ("index.md", "![a](docs/pictures/byol.svg)", "![a](pictures/byol.svg)"),
        ("howto/study.md", "[a](../../components/README.md)", "[a](../library.md)"),
        ("training.md", "[benchmarks/](../benchmarks/README.md)", "[benchmarks/](benchmarks.md)"),
        ("library.md", "[a](../docs/scale.md), [b](../graphssl/component.py)", "[a](scale.md), b"),
        ("data.md", "[a](nothing.md), [b](#here), [c](https://x.y)", "[a](nothing.md), [b](#here), [c](https://x.y)"),
    ],
)
def test_links_lead_to_pages(hooks: ModuleType, page: str, text: str, now: str) -> None:
    assert hooks.linked(text, page) == now


@pytest.mark.parametrize(
    ("text", "now"),
    [
        ("a:\n- b\n- c\n", "a:\n\n- b\n- c\n"),
        ("a\n| b |\n| - |\n", "a\n\n| b |\n| - |\n"),
        ("- b\n  c\n- d\n", "- b\n  c\n- d\n"),
        ("```\na\n- b\n```\n", "```\na\n- b\n```\n"),
    ],
)
def test_lists_and_tables_stand_by_themselves(hooks: ModuleType, text: str, now: str) -> None:
    assert hooks.spaced(text) == now
