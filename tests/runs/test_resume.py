"""Runs that go on: interrupted or killed, to the same weights bit for bit; and runs that may not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from whole_runs import QUICK, SHORT, assert_same, command, forget_the_last, held_out_names, weights

import graphssl
from graphssl.errors import RunError, UsageError
from graphssl.runs.folder import RunFolder
from graphssl.train.checkpoint import Checkpoints, load, save


@pytest.mark.parametrize("text", [BYOL, SIMCLR, MOCO], ids=["byol", "simclr", "moco"])
def test_interrupted_and_resumed_is_bit_identical(
    here: Path, write: Write, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(text, *SHORT)
    graphssl.run(path, name="whole", device="cpu", report=lambda line: None)
    from graphssl.train.step import Step

    plain = Step.__call__

    def interrupt(self: Step, step: int, batches: object) -> object:
        if step == 13:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, step, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(Step, "__call__", interrupt)
    result = graphssl.run(path, name="parts", device="cpu", report=lambda line: None)
    assert result.interrupted
    assert result.outcome.step == 14
    monkeypatch.setattr(Step, "__call__", plain)
    resumed = graphssl.run(resume="parts", device="cpu", report=lambda line: None)
    assert not resumed.interrupted
    assert resumed.run_id == result.run_id
    assert_same(here / "runs/whole", here / "runs/parts")


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 8, 17])
def test_killed_at_any_step_and_resumed_is_bit_identical(here: Path, write: Write, after: int) -> None:
    path = write(MOCO, *SHORT)
    graphssl.run(path, name="whole", device="cpu", report=lambda line: None)
    script = (
        "import os, signal, sys\n"
        "from graphssl.train.step import Step\n"
        "plain = Step.__call__\n"
        "def call(self, step, batches):\n"
        f"    if step == {after}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return plain(self, step, batches)\n"
        "Step.__call__ = call\n"
        "from graphssl.cli import main\n"
        f"sys.argv = ['graphssl', 'run', {str(path)!r}, '--name', 'parts', '--device', 'cpu']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    done = subprocess.run(
        command("run", "--resume", "parts", "--device", "cpu"), cwd=here, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_same(here / "runs/whole", here / "runs/parts")


def test_resume_refuses_a_changed_graph(here: Path, write: Write) -> None:
    graphssl.run(write(SIMCLR, *QUICK), name="one", device="cpu", report=lambda line: None)
    folder = RunFolder(here / "runs/one")
    folder.graph.write_text(folder.graph.read_text().replace("temperature: 0.2", "temperature: 0.4"))
    with pytest.raises(
        UsageError, match=r"depend on .*\n  nodes.critic.temperature: 0.2 then, 0.4 now\n  to train with other settings"
    ):
        graphssl.run(resume="one", device="cpu", report=lambda line: None)
    forget = ("graph", "code", "computed")  # as an early checkpoint
    path = Checkpoints(folder.checkpoints).latest_path()
    save(path, {k: v for k, v in load(path).items() if k not in forget})
    with pytest.raises(RunError, match="made by another graph"):
        graphssl.run(resume="one", device="cpu", report=lambda line: None)


def test_resume_of_a_finished_run_says_so(here: Path, write: Write) -> None:
    graphssl.run(write(SIMCLR, *QUICK), name="one", device="cpu", report=lambda line: None)
    before = weights(here / "runs/one")
    said: list[str] = []
    result = graphssl.run(resume="one", device="cpu", report=said.append)
    assert any("has finished" in line for line in said), said
    assert result.outcome.step == 1
    after = weights(here / "runs/one")
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_unknown_run_gets_a_suggestion(here: Path, write: Write) -> None:
    graphssl.run(write(SIMCLR, *QUICK), name="first", device="cpu", report=lambda line: None)
    with pytest.raises(RunError, match="did you mean 'first'"):
        graphssl.run(resume="frist", device="cpu")


def test_what_is_turned_off_stays_off_when_resumed(here: Path, write: Write) -> None:
    path = write(SIMCLR, *SHORT, ("knn: {k: 5, every: 1}", "knn: null, monitor: null"))
    result = graphssl.run(path, name="off", device="cpu", report=lambda line: None)
    assert not result.outcome.scores
    said: list[str] = []
    graphssl.run(resume="off", device="cpu", report=said.append)
    assert any("has finished" in line for line in said)


def test_resume_refuses_other_data(here: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    graphssl.run(write(SIMCLR, *QUICK), name="one", device="cpu", report=lambda line: None)
    kept = Checkpoints(here / "runs/one/checkpoints")
    payload, path = kept.latest(), kept.latest_path()
    assert payload is not None
    assert path is not None
    save(path, {**payload, "samples": 1400})
    RunFolder(here / "runs/one").note(status="running")  # else it says that it has finished, without a look at them
    with pytest.raises(
        RunError, match=r"the data set has changed since .* 'one' .*: 1,500 training samples now, 1,400 th"
    ):
        graphssl.run(resume="one", device="cpu", report=lambda line: None)


def test_resume_refuses_other_files_of_the_same_number(here: Path, pictures: Path) -> None:
    graphssl.run(pictures, name="one", device="cpu", report=lambda line: None)
    forget_the_last(here / "runs/one")
    one = next(p for p in sorted((here / "pictures").iterdir()) if p.name not in held_out_names(here / "pictures"))
    one.rename(here / "pictures/another.png")
    with pytest.raises(RunError, match=r"data set has changed .*as many training pictures, but of other names"):
        graphssl.run(resume="one", device="cpu", report=lambda line: None)


def test_a_checkpoint_that_knows_no_files_goes_on(here: Path, pictures: Path) -> None:
    graphssl.run(pictures, name="one", device="cpu", report=lambda line: None)
    assert isinstance(Checkpoints(here / "runs/one/checkpoints").latest()["files"], str)
    forget_the_last(here / "runs/one", files="gone")
    assert graphssl.run(resume="one", device="cpu", report=lambda line: None).outcome.step == 2


def test_a_run_with_a_component_of_ones_own_goes_on_from_any_folder(
    here: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "code").mkdir()
    (here / "code/mine.py").write_text("")
    short = ("epochs: 2", "steps: 2, checkpoint: {steps: 1, keep: 2}")
    path = write(SIMCLR, short, ("graph: simclr", "components: [./code/mine.py]\ngraph: simclr"))
    graphssl.run(path, name="one", device="cpu", report=lambda line: None)
    forget_the_last(here / "runs/one")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert graphssl.run(resume="../runs/one", device="cpu", report=lambda line: None).outcome.step == 2


def test_a_run_that_was_never_checkpointed_starts_again_with_what_is_set(here: Path, pictures: Path) -> None:
    graphssl.run(pictures, name="one", device="cpu", report=lambda line: None)
    for path in Checkpoints(here / "runs/one/checkpoints").paths():
        path.unlink()
    graphssl.run(resume="one", sets=["train.steps=3"], device="cpu", report=lambda line: None)
    forget_the_last(here / "runs/one")
    assert graphssl.run(resume="one", device="cpu", report=lambda line: None).outcome.step == 3
