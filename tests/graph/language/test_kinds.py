"""What kind of file it is, told by its sections; one of another kind is told once, with the command that takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BYOL, Write, problems_of
from graph_texts import files

import graphssl
from graphssl.errors import Problems, UsageError
from graphssl.graph.language.kinds import kind_of
from graphssl.graph.language.packaged import other_kind, packaged, packaged_evaluations, packaged_reproductions
from graphssl.graph.language.yaml import read
from graphssl.runs.other_data import other_data
from graphssl.runs.recipes import read_asked
from graphssl.runs.reproduction import read as read_reproduction

TEXTS = {
    "graph": "extends: byol\ntrain: {epochs: 1}\n",
    "reproduction": "title: t\ngraph: byol\nfigures: {knn: {}}\n",
    "study": "study: s\ngraph: byol\nvary: {train.seed: [0, 1]}\n",
    "recipe": "description: d\nevaluate: {linear: {}}\n",
    "data": "data: {use: digits}\n",
    "boxes": "data: {training: {use: voc}, test: {use: voc}}\n",
}
COMMANDS = {
    "graph": "`graphssl run {0}` trains it",
    "reproduction": "`graphssl reproduce {0}` runs it",
    "study": "`graphssl sweep {0}` runs it",
    "recipe": "`graphssl evaluate RUN --protocol {0}` judges",
    "data": "`graphssl evaluate RUN --data {0}` judges",
    "boxes": "`graphssl evaluate RUN --protocol detection --data {0}` judges",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(text: str) -> dict[str, object]:
    document = read(text, "a.yaml", Problems())
    assert document is not None
    return dict(document.data)


@pytest.mark.parametrize("kind", TEXTS)
def test_sections_tell(kind: str) -> None:
    assert kind_of(parsed(TEXTS[kind])) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("use: digits\n", "data"), ("training: {use: voc}\ntest: {use: voc}\n", "boxes"), ("graph: mine\n", None),
        ("data: 5\n", None), ("figures: {}\n", None), ("evaluate: {knn: {}}\ntrain: {epochs: 1}\n", None),
        ("data: {training: {}}\n", None), ("nodes: {}\nfigures: {}\ntitle: t\n", "graph"),
    ],
)  # fmt: skip
def test_other_forms(text: str, kind: str | None) -> None:
    assert kind_of(parsed(text)) == kind


def test_all_that_comes_with_graphssl_is_of_its_kind() -> None:
    root = Path(graphssl.__file__).parent.parent
    for name in packaged():
        assert kind_of(parsed((root / "graphs" / f"{name}.yaml").read_text())) == "graph"
    for name in packaged_evaluations():
        assert kind_of(parsed((root / "graphs" / f"{name}.yaml").read_text())) == "recipe"
    for name in packaged_reproductions():
        assert kind_of(parsed((root / "reproductions" / f"{name}.yaml").read_text())) == "reproduction"


READERS = {
    "graph": graphssl.check,
    "recipe": lambda name: read_asked([name], None),
    "reproduction": read_reproduction,
    "boxes": lambda name: read_asked(["detection"], name),
    "data": lambda name: other_data(name, graphssl.check("byol").graph.spec.data),
}


@pytest.mark.parametrize("wanted", READERS)
@pytest.mark.parametrize("kind", TEXTS)
def test_another_kind_is_told_once_with_its_command(kind: str, wanted: str, here: Path) -> None:
    (here / "a.yaml").write_text(TEXTS[kind])
    if kind == wanted or (kind, wanted) == ("graph", "data"):  # a graph has data
        return
    (found,) = problems_of(READERS[wanted], "a.yaml")
    assert found.startswith("a.yaml:1:1: this is ")
    assert ", and not " in found
    assert COMMANDS[kind].format("a.yaml") in found


def test_a_graph_s_text_has_no_file() -> None:
    (found,) = problems_of(graphssl.check, "title: t\ngraph: byol\nfigures: {knn: {}}\n")
    assert "`graphssl reproduce FILE` runs it" in found


def test_names_of_another_kind(here: Path) -> None:
    assert other_kind("byol", "graph") is None
    assert other_kind("nothing", "graph") is None
    (found,) = problems_of(graphssl.check, "solo_cifar10_byol")
    assert "hint: 'solo_cifar10_byol' is a reproduction: `graphssl reproduce solo_cifar10_byol` runs it" in found
    recipe = "imagenet/detection/voc_c4"
    with pytest.raises(UsageError, match="'byol' is a graph: `graphssl run byol` trains it"):
        read_reproduction("byol")
    with pytest.raises(UsageError, match=f"is a recipe of evaluations: `graphssl evaluate RUN --protocol {recipe}`"):
        read_reproduction(recipe)
    for name in ("byol", "cifar10/byol", "solo_cifar10_byol"):
        with pytest.raises(UsageError, match=f"no evaluation is called '{name}': '{name}' is a "):
            read_asked([name], None)


def test_a_variant_may_extend_parts_of_other_kinds(write: Write, here: Path) -> None:
    files(here, judged="evaluate: {knn: {k: 3}}\n", seen="data: {use: digits, batch: 32}\n")
    write(BYOL, name="base.yaml")
    graph = graphssl.check(str(write("extends: [base.yaml, judged.yaml, seen.yaml]\n"))).graph
    assert graph.spec.data.batch == 32
