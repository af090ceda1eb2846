"""The documentation is of this code: the page of components is current, every method has its section and picture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphssl.catalogue import catalogue
from graphssl.component import discover
from graphssl.source import packaged

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
METHODS = [g for g in packaged() if not g.startswith(("cifar10/", "imagenet/"))]


def test_the_page_of_components_is_current() -> None:
    assert (DOCS / "components.md").read_text() == catalogue(), "graphssl components --markdown > docs/components.md"


def test_the_page_has_every_component_and_its_config() -> None:
    page = catalogue()
    ours = [c for c in discover().values() if c.cls.__module__.startswith("graphssl.components")]
    assert len(ours) > 60
    for entry in ours:
        section = page.partition(f"\n### {entry.name}\n")[2].partition("\n### ")[0]
        assert section, f"{entry.name} has no section"
        for key in entry.config.model_fields:
            assert f"\n| {key} | " in section, f"{entry.name} does not say what {key} is"
        for update in entry.updates:
            assert f"update: NODE: {update}(" in section


def test_links_of_the_contents_lead_somewhere() -> None:
    page = catalogue()
    anchors = {re.sub(r"[^\w-]", "", h.lower()) for h in re.findall(r"^### (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) == anchors


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_section(name: str) -> None:
    heads = re.findall(r"^### (.+)$", (DOCS / "methods.md").read_text(), re.MULTILINE)
    assert name in {n.strip() for head in heads for n in head.split(",")}


def test_pictures_and_files_that_the_docs_show_are_there() -> None:
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} points to {target}, which is not there"


def test_sections_of_the_docs_are_graphs() -> None:
    heads = re.findall(r"^### (.+)$", (DOCS / "methods.md").read_text(), re.MULTILINE)
    for name in (n.strip() for head in heads for n in head.split(",")):
        assert name in METHODS, f"there is no graph {name}"
