"""The Python interface: what it takes, and what it says of anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SIMCLR

import graphssl
from graphssl.checks.checked import check
from graphssl.errors import GraphError, RunError, UsageError
from graphssl.language.dump import dump
from graphssl.runs.folder import RunFolder
from graphssl.train.checkpoint import Checkpoints


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run's folder as `graphssl run` leaves it, with the weights that it began with."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "one")
    folder.path.mkdir()
    graph = folder.path.parent / "graph.yaml"
    graph.write_text(SIMCLR)
    checked = check(graph)
    folder.graph.write_text(dump(checked.graph.resolved()))
    state = graphssl.compile(checked).forward.state_dict()
    Checkpoints(folder.checkpoints).write(1, {"graph_hash": checked.graph.hash(), "step": 1, "model": state})
    return str(folder.path)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir()), "something was written"


def test_the_public_names() -> None:
    assert graphssl.__all__ == ["check", "compile", "embed", "load", "run"]
    assert all(callable(getattr(graphssl, name)) for name in graphssl.__all__)
    assert graphssl.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = graphssl.trian


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (torch.rand(4, 3, 32, 32) * 255, r"got float32 \[4, 3, 32, 32\]$"),
        (torch.rand(4, 3, 32, 32), r"got float32 \[4, 3, 32, 32\]$"),
        (pixels(4, 3, 32, 32).long(), r"got int64 \[4, 3, 32, 32\]$"),
        (pixels(4, 1, 32, 32), r"got uint8 \[4, 1, 32, 32\]$"),
        (pixels(4, 32, 32, 3), r"got uint8 \[4, 32, 32, 3\]$"),
        (pixels(3, 32, 32), r"got uint8 \[3, 32, 32\]$"),
        (pixels(0, 3, 32, 32), r"and at least one; got \[0, 3, 32, 32\]$"),
        (pixels(4, 3, 0, 32), r"and at least one; got \[4, 3, 0, 32\]$"),
        (np.zeros((4, 3, 32, 32), np.uint8), "in a torch tensor; got ndarray$"),
        ([pixels(3, 32, 32)], "in a torch tensor; got list$"),
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
        ("nobody", "no node and no value 'nobody'; it has augment, encoder"),
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
