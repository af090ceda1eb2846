"""Cells are checked before any is trained: those that run, those that cannot and why, those that are equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import MOCO

from graphssl.errors import GraphError, UsageError
from graphssl.runs.study import cells
from graphssl.runs.study.cells import Cells, cells_of
from graphssl.runs.study.metric import metric_of
from graphssl.runs.study.reading import Asked

TEMPERATURE = "nodes.critic.temperature"
Ask = Callable[..., Asked]


def found(study: Asked, **more: Any) -> Cells:
    return cells_of(study, metric_of(study.graph, study.spec.metric), **more)


def test_cells_that_run_and_one_that_cannot(asked: Ask) -> None:
    told: list[int] = []
    study = asked({TEMPERATURE: [0.1, 0.2], "nodes.projector.out": [8, -1]})
    all_of_it = found(study, progress=told.append)
    assert [cell.labels for cell in all_of_it.cells] == [
        {TEMPERATURE: t, "nodes.projector.out": "8"} for t in ("0.1", "0.2")
    ]
    assert [one.labels[TEMPERATURE] for one in all_of_it.invalid] == ["0.1", "0.2"]
    assert "'out' is -1" in all_of_it.invalid[0].reasons[0]
    assert told == [1, 2, 3, 4]


def test_equal_cells_run_once(asked: Ask) -> None:
    """What the file says of the temperature, the other axis says anew."""
    Path("warm.yaml").write_text("nodes: {critic: {temperature: 0.7}}\n")
    all_of_it = found(asked({"part": ["warm.yaml", None], TEMPERATURE: [0.1, 0.2]}))
    assert [dict(cell.labels) for cell in all_of_it.cells] == [
        {"part": "warm.yaml", TEMPERATURE: t} for t in ("0.1", "0.2")
    ]
    assert [(labels["part"], cell.labels[TEMPERATURE]) for labels, cell in all_of_it.equal] == [
        ("as it is", "0.1"), ("as it is", "0.2"),
    ]  # fmt: skip


def test_the_seed_is_no_part_of_a_cell(asked: Ask, graph: Path) -> None:
    before = found(asked({TEMPERATURE: [0.1]})).cells[0].digest
    graph.write_text(graph.read_text().replace("{epochs: 2,", "{epochs: 2, seed: 7,"))
    assert found(asked({TEMPERATURE: [0.1]})).cells[0].digest == before


def test_conditions_leave_out(asked: Ask) -> None:
    vary = {"nodes.critic.use": ["critic.cosine", "critic.bilinear"], TEMPERATURE: [0.1, 0.2]}
    one = asked(vary, where=["nodes.critic.use == critic.cosine or nodes.critic.temperature == 0.1"])
    assert found(one).left_out == 1
    of_the_graph = asked(vary, where=["data.batch == 16", f"{TEMPERATURE} < 0.2", "nodes.critic.use == critic.cosine"])
    assert [cell.labels[TEMPERATURE] for cell in found(of_the_graph).cells] == ["0.1"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (f"{TEMPERATURE} > 5", "no cell of the study can run\n  the conditions leave out all 2"),
        (f"{TEMPERATURE} < word", "0.1 and 'word' cannot be compared"),
        ("nodes.critic.margin < 1", r"that cell has no 'nodes\.critic\.margin'"),
    ],
)
def test_conditions_that_leave_nothing(asked: Ask, where: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        found(asked({TEMPERATURE: [0.1, 0.2]}, where=[where]))


def test_a_condition_on_no_key_is_told_at_its_place(asked: Ask) -> None:
    text = f"study: a\ngraph: graph.yaml\nvary: {{{TEMPERATURE}: [0.1]}}\nwhere:\n  - not nodes.critik.use == x\n"
    with pytest.raises(GraphError, match=r"study\.yaml:5:5: 'nodes\.critik\.use' of the condition") as caught:
        found(asked(text))
    (problem,) = caught.value.problems
    assert (problem.kind, problem.hint) == ("unknown", "did you mean 'nodes.critic.use'?")


def test_all_that_cannot_run_say_why(asked: Ask) -> None:
    with pytest.raises(UsageError) as caught:
        found(asked({"nodes.critic.temprature": [0.1, 0.2]}))
    assert str(caught.value).splitlines() == [
        "no cell of the study can run",
        "  critic.cosine: no key is called 'temprature' here (did you mean 'temperature'?)",
    ]


def test_too_many_cells_are_refused_before_one_is_checked(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "check", lambda graph: pytest.fail("a cell was checked"))
    vary = {TEMPERATURE: {"low": 0.001, "high": 1, "step": 0.001}, "data.batch": {"low": 1, "high": 1000, "step": 1}}
    with pytest.raises(UsageError, match="these are more than 2,000 cells"):
        found(asked(vary))


def test_conditions_are_asked_before_cells_are_counted(asked: Ask) -> None:
    vary = {TEMPERATURE: {"low": 0.001, "high": 1, "step": 0.001}, "data.batch": [16, 17, 18]}
    all_of_it = found(asked(vary, where=[f"{TEMPERATURE} == 0.5", "data.batch == 16"]))
    assert (len(all_of_it.cells), all_of_it.left_out) == (1, 2999)


# -- files that are laid over the graph ------------------------------------------------------------------------


QUEUE = """\
extends: graph.yaml
data: {batch: 32}
nodes:
  others: null
  queue: {use: negatives.queue, size: 64}
flow:
  s: critic(z, z, queue(), pairs=cross)
update:
  queue: push(z)
"""


def test_a_file_that_extends_the_graph_does_not_undo_what_was_laid_over_before(asked: Ask) -> None:
    Path("warm.yaml").write_text("nodes: {critic: {temperature: 0.7}}\n")
    Path("wide.yaml").write_text("extends: graph.yaml\nnodes: {projector: {out: 32}}\n")
    all_of_it = found(asked({"first": ["warm.yaml", None], "second": ["wide.yaml", None]}))
    assert len(all_of_it.cells) == 4
    both = all_of_it.cells[0].checked.graph.resolved()["nodes"]
    assert (both["critic"]["temperature"], both["projector"]["out"]) == (0.7, 32)
    assert dict(all_of_it.cells[3].labels) == {"first": "as it is", "second": "as it is"}
    nothing = all_of_it.cells[3].checked.graph.resolved()["nodes"]
    assert (nothing["critic"]["temperature"], nothing["projector"]["out"]) == (0.2, 8)


def test_what_a_file_extends_beside_the_graph_is_laid_over_too(asked: Ask) -> None:
    Path("base.yaml").write_text("nodes: {critic: {temperature: 0.7}}\n")
    Path("more.yaml").write_text("extends: [base.yaml, graph.yaml]\ndata: {batch: 24}\n")
    (cell,) = found(asked({"more": ["more.yaml"]})).cells
    resolved = cell.checked.graph.resolved()
    assert (resolved["nodes"]["critic"]["temperature"], resolved["data"]["batch"]) == (0.7, 24)


def test_files_stand_beside_values_and_changes(asked: Ask) -> None:
    """The file first, then what all cells have, then what varies."""
    Path("warm.yaml").write_text("nodes: {critic: {temperature: 0.7}}\ndata: {batch: 24}\n")
    text = "study: a\ngraph: graph.yaml\nset: [data.batch=48]\nvary: {part: [warm.yaml, null], nodes.projector.out: [16]}\n"
    one, two = (cell.checked.graph.resolved() for cell in found(asked(text)).cells)
    assert one["nodes"]["critic"]["temperature"] == 0.7
    assert [graph["data"]["batch"] for graph in (one, two)] == [48, 48]
    assert [graph["nodes"]["projector"]["out"] for graph in (one, two)] == [16, 16]
    conditions = text + "where: [part == null]\n"
    assert [dict(cell.labels)["part"] for cell in found(asked(conditions)).cells] == ["as it is"]
    conditions = text + "where: [part == warm.yaml]\n"
    assert [dict(cell.labels)["part"] for cell in found(asked(conditions)).cells] == ["warm.yaml"]


def test_structure_varies_by_files_also_of_a_packaged_graph(here: Path, asked: Ask) -> None:
    Path("large.yaml").write_text("extends: moco_v2\nnodes: {queue: {size: 8192}}\n")
    text = "study: a\ngraph: moco_v2\nset: [nodes.encoder.width=8]\nvary: {queue: [large.yaml, null]}\n"
    one, two = (cell.checked.graph.resolved()["nodes"]["queue"]["size"] for cell in found(asked(text)).cells)
    assert one == 8192 != two


def test_a_node_goes_and_another_comes(asked: Ask) -> None:
    Path("queue.yaml").write_text(QUEUE)
    all_of_it = found(asked({"negatives": ["queue.yaml", None], TEMPERATURE: [0.1]}))
    assert not all_of_it.invalid, all_of_it.invalid
    nodes = [set(cell.checked.graph.nodes) for cell in all_of_it.cells]
    assert "queue" in nodes[0] - nodes[1]
    assert "others" in nodes[1] - nodes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("extends: part.yaml\n", "a graph extends itself"),
        ("extends: none.yaml\n", "there is no graph file 'none.yaml' to extend"),
        ("nodes: [1]\n", "'nodes' is a list"),
        ("nodes: {critic: {temprature: 1}}\n", "did you mean 'temperature'"),
        ("", "the file is empty"),
        ("nodes: [\n", "this is not YAML"),
        ("study: a\nvary: {b: [1]}\n", "no key is called 'study' here"),
    ],
)
def test_a_file_that_is_wrong_is_one_cell_s(asked: Ask, text: str, reason: str) -> None:
    Path("part.yaml").write_text(text)
    all_of_it = found(asked({"part": ["part.yaml", None]}))
    assert len(all_of_it.cells) == 1
    assert reason in "; ".join(all_of_it.invalid[0].reasons)


def test_the_graph_of_a_cell_is_whole(asked: Ask, graph: Path) -> None:
    """The book has it for machines that have no such files."""
    from graphssl.graph.read import load
    from graphssl.runs.study.plan import kept

    graph.write_text(MOCO)
    Path("part.yaml").write_text("extends: graph.yaml\nnodes: {queue: {size: 96}}\n")
    (cell,) = found(asked({"part": ["part.yaml"]})).cells
    text = str(kept(cell)["graph"])
    assert "extends" not in text
    assert load(text).hash() == cell.digest
