"""Weights that a packaged graph leaves to be given: it is checked and drawn without, and not run; a file of one's own is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import Write, problems_of
from typer.testing import CliRunner

import graphssl
from graphssl.checks.checked import check
from graphssl.cli.entry import app

SHORT = ["train.steps=1", "data.batch=16", "evaluate.knn=null", "track=[csv]"]


def quiet(text: str) -> None:
    pass


def checkpoint(run: Path) -> dict[str, torch.Tensor]:
    (file,) = run.glob("checkpoints/step-*")
    model: dict[str, torch.Tensor] = torch.load(file, weights_only=True)["model"]
    return model


def test_without_a_teacher_the_graph_holds_and_says_what_is_awaited(here: Path) -> None:
    assert check("distill").warnings == ()
    assert graphssl.draw("distill").startswith(b"<svg")
    result = CliRunner().invoke(app, ["check", "distill"])
    assert result.exit_code == 0
    assert "weights of teacher: awaited, " in result.stdout
    assert (
        "there is no run called 'teacher'; give what it starts with: --set nodes.teacher.weights=..." in result.stdout
    )


def test_without_a_teacher_nothing_is_run(here: Path) -> None:
    """Nor compiled with its weights; the message has the graph's line and what to give."""
    for ask in (
        lambda: graphssl.run("distill", SHORT, device="cpu", report=quiet),
        lambda: graphssl.compile("distill"),
        lambda: graphssl.compile(graphssl.check("distill")),
    ):
        (found,) = problems_of(ask)
        assert "graphs/distill.yaml:8:" in found
        assert "weights of 'teacher': there is no run called 'teacher'" in found
        assert (
            "hint: give what it starts with: --set nodes.teacher.weights=..., a file or {run: NAME, node: NODE}"
            in found
        )
    assert not list(here.glob("runs/*"))
    assert graphssl.compile("distill", weights=False).node("teacher") is not None


def test_a_finished_run_is_the_teacher_and_stays_what_it_is(here: Path) -> None:
    graphssl.run("byol", SHORT, name="teacher", device="cpu", report=quiet)
    assert set(check("distill").weights) == {"teacher"}
    graphssl.run("distill", SHORT, name="student", device="cpu", report=quiet)
    before, after = (checkpoint(here / "runs" / run) for run in ("teacher", "student"))
    taught = {name.removeprefix("teacher."): value for name, value in after.items() if name.startswith("teacher.")}
    assert taught
    assert all(torch.equal(value, before[f"encoder.{name}"]) for name, value in taught.items())
    assert "sha256: " in (here / "runs/student/graph.yaml").read_text()


def test_another_teacher_is_given_by_name_or_as_a_file(here: Path) -> None:
    graphssl.run("byol", SHORT, name="other", device="cpu", report=quiet)
    graphssl.export("other", here / "encoder.pt")
    for given in ("nodes.teacher.weights.run=other", f"nodes.teacher.weights={here / 'encoder.pt'}"):
        assert set(check("distill", [given]).weights) == {"teacher"}


@pytest.mark.parametrize("weights", ["{run: nobody}", "./nothing.pt"])
def test_in_a_file_of_ones_own_weights_that_are_not_there_are_a_mistake(here: Path, write: Write, weights: str) -> None:
    own = write(f"extends: distill\ngraph: own\nnodes:\n  teacher: {{weights: {weights}}}\n")
    found = problems_of(check, own)
    assert any("there is no" in line and f"{own}:4:" in line for line in found)
