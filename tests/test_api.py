"""The Python interface: what it takes, and what it says of anything else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import SIMCLR
from left_runs import left_run

import graphssl
import graphssl.api
from graphssl.errors import GraphError, RunError, UsageError


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run's folder as `graphssl run` leaves it, with the weights that it began with."""
    return str(left_run(tmp_path_factory.mktemp("runs") / "one", SIMCLR).path)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir()), "something was written"


VERBS = [
    "ablate",
    "bridge",
    "check",
    "compare",
    "compile",
    "deliver",
    "diff",
    "draw",
    "embed",
    "embed_files",
    "evaluate",
    "evaluate_together",
    "export",
    "list_runs",
    "load",
    "neighbours",
    "register",
    "reproduce",
    "run",
    "study_report",
    "survey",
    "sweep",
]


def test_the_public_names() -> None:
    """What users write: a name that goes breaks their code."""
    assert graphssl.__all__ == ["GraphError", "RunError", "UsageError", *VERBS]
    assert graphssl.api.__all__ == [*VERBS, "ui"]
    for name in VERBS:
        assert getattr(graphssl, name) is getattr(graphssl.api, name)
    assert (graphssl.GraphError, graphssl.RunError, graphssl.UsageError) == (GraphError, RunError, UsageError)
    assert graphssl.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = graphssl.trian


def test_no_room_takes_the_name_of_a_function() -> None:
    """Once imported, it would stand in the place of the function."""
    rooms = {path.stem for path in Path(graphssl.__file__).parent.iterdir()}
    assert not rooms & set(graphssl.__all__)


def test_importing_is_cheap() -> None:
    code = (
        "import sys, graphssl\ngraphssl.GraphError, graphssl.run\n"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'mlflow', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- graphs --------------------------------------------------------------------------------------------------------


def test_a_graph_is_checked_without_its_data(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("graphs") / "graph.yaml"
    path.write_text(SIMCLR.replace("{use: digits, batch: 16}", "{use: cifar10, root: ./nowhere, batch: 16}"))
    with pytest.raises(GraphError, match="there is no folder"):
        graphssl.check(path)
    checked = graphssl.check(path, ["nodes.encoder.width=4"], without_data=True)
    assert checked.graph.spec.nodes["encoder"]["width"] == 4
    assert graphssl.draw(path).startswith(b"<svg")


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("svg", b"<svg"),
        ("png", b"\x89PNG"),
        ("html", b"<!DOCTYPE"),
        ("mmd", b"---\ntitle"),
        ("a.b/picture.svg", b"<svg"),
    ],
)
def test_draw_gives_each_form(form: str, start: bytes) -> None:
    checked = graphssl.check("simclr")
    assert graphssl.draw(checked, form).startswith(start)
    assert graphssl.draw(checked, form) == graphssl.draw("simclr", form)


@pytest.mark.parametrize("form", ["bmp", "picture.bmp", "picture", "", "SVG", ".svg", "./svg"])
def test_draw_refuses_other_forms(form: str) -> None:
    with pytest.raises(UsageError, match=f"a picture cannot be written as '{Path(form).name}': .*svg"):
        graphssl.draw("simclr", form)


def test_compare_takes_two_runs_or_more() -> None:
    for runs in ([], ["one"]):
        with pytest.raises(UsageError, match="it takes two runs or more to compare"):
            graphssl.compare(runs)


def test_export_says_what_it_has_written(run: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    output = tmp_path_factory.mktemp("weights") / "encoder.pt"
    exported = graphssl.export(run, output)
    state = torch.load(output, weights_only=True)
    assert exported.output == output
    assert (exported.tensors, exported.values) == (len(state), sum(v.numel() for v in state.values()))
    assert exported.code.startswith("import torch, graphssl; model = graphssl.compile(")
    assert (exported.to, exported.card) == ("torch", output.with_suffix(".md"))
    with pytest.raises(UsageError, match="is a folder: name a file, such as"):
        graphssl.export(run, output.parent)


def test_evaluate_measures_what_is_asked_for(run: str) -> None:
    assert set(graphssl.evaluate(run, device="cpu").scores) == {"knn", "knn/top5"}
    assert 0.1 < graphssl.evaluate(run, {"knn": {"k": 1}}, device="cpu").scores["knn"] <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"knn": {"k": 0}}, "greater than 0"),
        ({"knn": {"temperature": -1.0}}, "greater than 0"),
        ({"knn": {"neighbours": 5}}, "neighbours"),
        ({"knnn": {}}, "did you mean 'knn'"),
    ],
)
def test_evaluate_refuses_other_options(run: str, options: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        graphssl.evaluate(run, options, device="cpu")


# -- features ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (torch.rand(4, 3, 32, 32) * 255, r"got float32 \[4, 3, 32, 32\]$"),
        (torch.rand(4, 3, 32, 32), r"got float32 \[4, 3, 32, 32\]$"),
        (pixels(4, 3, 32, 32).long(), r"got int64 \[4, 3, 32, 32\]$"),
        (pixels(4, 1, 32, 32), r"got uint8 \[4, 1, 32, 32\]$"),
        (pixels(4, 32, 32, 3), r"got uint8 \[4, 32, 32, 3\]$"),
        (pixels(32, 32, 3), r"got uint8 \[32, 32, 3\]$"),
        (pixels(0, 3, 32, 32), r"and at least one; got \[0, 3, 32, 32\]$"),
        (pixels(4, 3, 0, 32), r"and at least one; got \[4, 3, 0, 32\]$"),
    ],
)
def test_embed_refuses_what_are_no_images(run: str, images: torch.Tensor, got: str) -> None:
    with pytest.raises(UsageError, match="^images are uint8, b 3 h w.*" + got):
        graphssl.embed(run, images, device="cpu")


def test_embed_gives_one_vector_an_image_whatever_the_batch(run: str) -> None:
    images = pixels(37, 3, 32, 32)
    features = graphssl.embed(run, images, device="cpu")
    assert (features.shape, features.dtype) == ((37, 64), torch.float32)
    assert not features.requires_grad
    torch.testing.assert_close(features[36:], graphssl.embed(run, images[36:], device="cpu"), rtol=1e-4, atol=1e-5)
    turned = graphssl.embed(run, images.flip(0), device="cpu").flip(0)
    torch.testing.assert_close(features, turned, rtol=1e-4, atol=1e-5)


def test_embed_takes_images_of_other_sizes(run: str) -> None:
    assert graphssl.embed(run, pixels(2, 3, 50, 41), device="cpu").shape == (2, 64)
    assert graphssl.embed(run, pixels(2, 3, 1, 7), device="cpu").shape == (2, 64)


def test_embed_takes_a_value_of_the_flow(run: str) -> None:
    images = pixels(3, 3, 32, 32)
    assert graphssl.embed(run, images, "z", device="cpu").shape == (3, 8)
    same = graphssl.embed(run, images, "encoder", device="cpu")
    assert torch.equal(same, graphssl.embed(run, images, device="cpu"))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("augment", "'augment' is random"),
        ("projector", "'projector' takes no whole images"),
        ("critic", "'critic' takes no whole images"),
        ("s", "'s' is no vector"),
        ("nobody", "no node and no value 'nobody': it has augment, encoder"),
    ],
)
def test_embed_refuses_a_node_without_features(run: str, node: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        graphssl.embed(run, pixels(2, 3, 32, 32), node, device="cpu")


def test_embed_refuses_a_run_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no run called 'nobody'"):
        graphssl.embed("nobody", pixels(2, 3, 32, 32))


def test_embed_refuses_a_run_without_a_checkpoint(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("empty")
    (folder / "graph.yaml").write_text(SIMCLR)
    with pytest.raises(RunError, match="has no checkpoint yet"):
        graphssl.embed(str(folder), pixels(2, 3, 32, 32), device="cpu")


# -- runs ----------------------------------------------------------------------------------------------------------


def test_run_takes_a_graph_or_a_run_to_resume() -> None:
    for arguments in ({}, {"graph": "byol", "resume": "one"}):
        with pytest.raises(UsageError, match="one of the two"):
            graphssl.run(**arguments)
    with pytest.raises(UsageError, match="keeps its name, 'one': leave the name 'two' out"):
        graphssl.run(resume="one", name="two")


def test_a_graph_that_is_wrong_is_told_before_anything_is_written() -> None:
    with pytest.raises(GraphError, match="no value is called"):
        graphssl.run("byol", ["loss.byol=objective(t)"])
    with pytest.raises(UsageError, match="no device"):
        graphssl.run("byol", device="abacus")


def test_compile_starts_from_the_seed(run: str) -> None:
    one, two = graphssl.compile("simclr"), graphssl.compile(graphssl.check("simclr"))
    for key, value in one.forward.state_dict().items():
        assert torch.equal(value, two.forward.state_dict()[key]), key
    other = graphssl.compile(graphssl.check("simclr", ["train.seed=1"]))
    assert not torch.equal(one.node("encoder").conv1.weight, other.node("encoder").conv1.weight)
