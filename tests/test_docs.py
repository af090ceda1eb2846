"""The documentation is of this code: the page of components is current, every method has its section and picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from conftest import strict
from helpers import METHODS

from graphssl.api import check
from graphssl.cli.components import components_page
from graphssl.cli.entry import app
from graphssl.component import REGISTRY, NodeConfig, discover
from graphssl.components.augment.chain import Crop
from graphssl.components.augment.operations import AnyOperation
from graphssl.graph.language import yaml
from graphssl.graph.language.validation import validate
from graphssl.graph.spec import Data
from graphssl.testing import check_component

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_page_of_components_is_current() -> None:
    assert (DOCS / "components.md").read_text() == components_page(), (
        "graphssl components --markdown > docs/components.md"
    )


def test_the_page_has_every_component_and_its_config() -> None:
    page = components_page()
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
    page = components_page()
    anchors = {re.sub(r"[^\w-]", "", h.lower()) for h in re.findall(r"^### (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) == anchors


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_section(name: str) -> None:
    heads = re.findall(r"^### (.+)$", (DOCS / "methods.md").read_text(), re.MULTILINE)
    assert name in {n.strip() for head in heads for n in head.split(",")}


AUGMENTATION = (DOCS / "augmentation.md").read_text()


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", AUGMENTATION, re.DOTALL))
def test_the_views_of_the_page_hold(example: str, tmp_path: Path) -> None:
    path = tmp_path / "views.yaml"
    path.write_text(f"graph: views\nextends: simclr\n{example}")
    assert check(path).shapes.trainable() == {"encoder", "projector"}


@pytest.mark.parametrize("operation", [Crop, *get_args(get_args(AnyOperation)[0])])
def test_the_page_has_every_operation_and_its_options(operation: type[NodeConfig]) -> None:
    fields = operation.model_fields
    row = re.search(rf"^\| {fields['use'].default} \|(.*)$", AUGMENTATION, re.MULTILINE)
    assert row, fields["use"].default
    assert all(f"`{name}`" in row[1] for name in fields if name not in ("use", "p"))


def test_pictures_and_files_that_the_docs_show_are_there() -> None:
    for page in (*DOCS.rglob("*.md"), ROOT / "README.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} points to {target}, which is not there"


def test_sections_of_the_docs_are_graphs() -> None:
    heads = re.findall(r"^### (.+)$", (DOCS / "methods.md").read_text(), re.MULTILINE)
    for name in (n.strip() for head in heads for n in head.split(",")):
        assert name in METHODS, f"there is no graph {name}"


# -- README --------------------------------------------------------------------------------------------------------


def test_the_readme_can_be_read_in_a_minute() -> None:
    """The rest is in docs/."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 145


def test_the_readme_has_a_row_for_every_command() -> None:
    cells = re.findall(r"^\| (`graphssl .*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`graphssl (\w+)", cell)}
    assert named == {info.callback.__name__.rstrip("_") for info in app.registered_commands if info.callback}


def test_the_graph_that_the_readme_shows_in_full_is_the_packaged_one() -> None:
    assert EXAMPLES[0] == (ROOT / "graphs" / "byol.yaml").read_text()


def test_the_variant_of_the_readme_is_valid_with_the_warning_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "my_variant.yaml").write_text(EXAMPLES[1])
    checked = check(tmp_path / "my_variant.yaml")
    assert checked.graph.name == "byol_queue"
    assert {warning.code for warning in checked.warnings} == {"G305"}


def test_the_sections_that_the_page_of_data_begins_with_hold() -> None:
    lines = re.findall(r"```yaml\n(.*?)```", (DOCS / "data.md").read_text(), re.DOTALL)[0].splitlines()
    assert len(lines) == 4
    for line in lines:
        assert not validate(Data, strict(yaml.read)(line, "data.md").data["data"])[1], line


def test_the_outputs_that_the_page_of_the_language_takes_of_an_encoder_are_there(tmp_path: Path) -> None:
    page = (DOCS / "language.md").read_text()
    assert "`encoder: {use: encoder.resnet, maps: [layer3]}`; `h: encoder(x)`; `h.vector`, `h.layer3`" in page
    (tmp_path / "g.yaml").write_text("""
extends: simclr
graph: maps
nodes: {encoder: {maps: [layer3]}, positions: {use: context.positions}, pool: {use: context.pool}}
flow:
  h: encoder(x)
  z: projector(h.vector)
  wide: pool(positions(h.layer3))
""")
    assert check(tmp_path / "g.yaml").graph.values["h"].parts is not None


# -- components/README.md ------------------------------------------------------------------------------------------


@pytest.fixture
def soft(tmp_path: Path) -> Iterator[Path]:
    """The page's example as a user's own file; nothing of it stays."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "components" / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "soft.py"
    path.write_text(code)
    yield path
    REGISTRY.pop("critic.soft", None)


def test_the_component_of_the_page_stands_in_a_graph_and_keeps_the_contract(soft: Path) -> None:
    graph = soft.with_name("soft.yaml")
    graph.write_text("extends: byol\ngraph: soft\ncomponents: [./soft.py]\nnodes: {critic: {use: critic.soft}}\n")
    component = check(graph).graph.nodes["critic"].component
    assert component.name == "critic.soft"
    check_component(component.cls, {"temperature": 0.5})


def test_the_page_has_every_kind_of_component() -> None:
    page = (ROOT / "components" / "README.md").read_text()
    folders = {p.parent.name for p in (ROOT / "components").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE)) == folders
