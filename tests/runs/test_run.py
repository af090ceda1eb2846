"""Whole runs: trained, evaluated, tracked; what is said of them, and how they end. `test_resume` goes on with some."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR, Write
from PIL import Image
from whole_runs import QUICK, SHORT, assert_same, command, held_out_names, weights

import graphssl
from graphssl.console import STOPPED, say
from graphssl.errors import RunError
from graphssl.runs.folder import RunFolder
from graphssl.train.checkpoint import Checkpoints
from graphssl.train.progress import Progress


def test_a_run_from_start_to_end(here: Path, write: Write, store: str) -> None:
    said: list[str] = []
    result = graphssl.run(write(BYOL, *SHORT), name="first", device="cpu", report=said.append)
    assert result.outcome.step == 24
    assert {name: set(found) for name, found in result.outcome.scores.items()} == {
        "knn": {0, 1},
        "knn/top5": {0, 1},
    }
    facts = json.loads((here / "runs/first/run.json").read_text())
    assert facts["status"] == "finished"
    assert facts["mlflow"] == result.run_id
    for name in ("graph.yaml", "graph.svg", "graph.png", "views.png"):
        assert (here / "runs/first" / name).stat().st_size > 100
    assert any("1500 images" in line for line in said)

    from graphssl.track import find_run

    run = find_run(str(result.run_id))
    assert run.name == "first"
    assert run.params["nodes.target.use"] == "target.ema"
    assert run.params["train.optimizer.lr"] == "0.001"
    assert run.tags["graphssl.graph_hash"] == facts["hash"]
    assert run.metrics["knn"] == pytest.approx(result.outcome.scores["knn"][1])
    assert run.status == "FINISHED"


@pytest.mark.slow
def test_ctrl_c_writes_a_checkpoint_and_exits_with_130(here: Path, write: Write) -> None:
    path = write(SIMCLR, ("epochs: 2", "epochs: 2000"))
    with subprocess.Popen(
        command("run", str(path), "--name", "long", "--device", "cpu"), cwd=here,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        deadline = time.time() + 90
        while not list((here / "runs").glob("long/checkpoints/step-*")) and time.time() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            output, _ = process.communicate(timeout=90)
        finally:
            process.kill()
    assert process.returncode == 130, output
    assert "graphssl run --resume long" in output
    assert "Traceback" not in output
    assert json.loads((here / "runs/long/run.json").read_text())["status"] == "killed"


@pytest.mark.slow
@pytest.mark.parametrize("read", [0, 1], ids=["nothing is read", "a line is read"])
def test_a_reader_that_goes_away_does_not_stop_a_run(here: Path, write: Write, read: int) -> None:
    """`graphssl run GRAPH 2>&1 | head -1`: warnings may fill that line, before there is a run."""
    path = write(MOCO, *QUICK, ("norm: {use: split_batch, splits: 4}", "norm: batch"))  # warned of: G305
    with subprocess.Popen(
        command("run", str(path), "--name", "unread", "--device", "cpu"), cwd=here,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for _ in range(read):
            assert b"warning" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=120) == 0
    assert json.loads((here / "runs/unread/run.json").read_text())["status"] == "finished"


def test_a_run_without_any_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """`graphssl run GRAPH >&-`: Python has no stdout then."""
    monkeypatch.setattr(sys, "stdout", None)
    say("a line")
    with Progress(1, 1) as progress:
        progress.message("another")
        progress.update(1, 1.0, 0.1, 10.0)


def test_a_run_that_cannot_begin_leaves_no_folder(here: Path, write: Write) -> None:
    path = write(
        SIMCLR, *QUICK, ("{steps", "{accumulate: 100, steps"), ("data: {", "allow: [G402]\ndata: {last: keep, ")
    )
    with pytest.raises(RunError, match=r"an epoch has 94 batches, fewer than train\.accumulate: 100"):
        graphssl.run(path, name="short", device="cpu", report=lambda _: None)
    assert not (here / "runs/short").exists()


@pytest.mark.slow
def test_an_error_that_nobody_reads_keeps_its_exit_code(here: Path) -> None:
    with subprocess.Popen(
        command("run", "no_such_graph"), cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 2


def test_a_run_says_why_its_steps_are_not_compiled(
    here: Path, write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from graphssl.train.step import Step

    monkeypatch.setattr("graphssl.train.compiling.compiles", lambda *_: True)  # as on a GPU
    build = Step.__init__

    def breaking(self: Step, *args: object, **kwargs: object) -> None:
        build(self, *args, **kwargs)  # type: ignore[arg-type]
        self.program.node("projector").register_forward_hook(lambda *_: torch._dynamo.graph_break())

    monkeypatch.setattr(Step, "__init__", breaking)
    graphssl.run(write(SIMCLR, ("epochs: 2", "steps: 3"), QUICK[1]), name="plain", device="cpu", report=lambda _: None)
    (line,) = (s for s in capsys.readouterr().out.split("\n") if "not compiled" in s)
    assert line.startswith("steps are not compiled: ")
    assert "graph_break" in line


def test_memory_that_is_full_says_what_helps(here: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphssl.train.step import Step

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    monkeypatch.setattr(Step, "__call__", full)
    expected = (
        r"^a step with a batch of 16 does not fit the memory of cpu \(CUDA out of memory. Tried .* 2 GiB\)\. It should "
        r"need about .* at batch 16 in fp32 .*, and .* are free now\. A sma"
    )
    with pytest.raises(RunError, match=expected):
        graphssl.run(write(SIMCLR, *QUICK), name="full", device="cpu", report=lambda _: None)
    assert json.loads((here / "runs/full/run.json").read_text())["status"] == "failed"


def test_a_loss_that_is_not_finite_stops_the_run(here: Path, write: Write) -> None:
    path = write(SIMCLR, *SHORT, ("lr: 0.05", "lr: 1e30"))
    with pytest.raises(RunError) as caught:
        graphssl.run(path, name="wild", device="cpu", report=lambda line: None)
    message = str(caught.value)
    assert "not finite at step" in message
    assert "ntxent = " in message
    assert "checkpoint" in message
    assert json.loads((here / "runs/wild/run.json").read_text())["status"] == "failed"


def test_embed_gives_features_of_the_trained_encoder(here: Path, write: Write) -> None:
    graphssl.run(write(SIMCLR, *QUICK), name="one", device="cpu", report=lambda line: None)
    images = torch.randint(0, 256, (21, 3, 32, 32), dtype=torch.uint8)
    features = graphssl.embed("one", images, device="cpu")
    assert features.shape == (21, 64)
    torch.testing.assert_close(features[:4], graphssl.embed("one", images[:4], device="cpu"), rtol=1e-4, atol=1e-5)


def test_accumulation_joins_the_keys_in_order(here: Path, write: Write) -> None:
    path = write(MOCO, *SHORT, ("{steps: 24", "{accumulate: 3, steps: 24"))
    result = graphssl.run(path, name="one", device="cpu", report=lambda line: None)
    assert result.outcome.step == 24
    assert int(weights(here / "runs/one")["queue.head"]) == 24 * 48 % 48


def test_names_number_themselves(here: Path, write: Write) -> None:
    path = write(SIMCLR, ("epochs: 2", "steps: 1"))
    names = [graphssl.run(path, device="cpu", report=lambda line: None).folder.name for _ in range(2)]
    assert names == ["simclr-1", "simclr-2"]
    with pytest.raises(RunError, match="already"):
        graphssl.run(path, name="simclr-1", device="cpu", report=lambda line: None)


def test_an_interruption_at_the_end_of_an_epoch_writes_a_checkpoint(
    here: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphssl.train.step import Step

    plain = Step.__call__

    def interrupt(self: Step, step: int, batches: object) -> object:
        if step == 92:  # the last of the first epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, step, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(Step, "__call__", interrupt)
    path = write(SIMCLR, ("epochs: 2", "epochs: 2, checkpoint: {epochs: 100}"))
    result = graphssl.run(path, name="end", device="cpu", report=lambda line: None)
    assert (result.interrupted, result.code) == (True, STOPPED)
    assert int(weights(here / "runs/end")["step"]) == 93
    facts = json.loads((here / "runs/end/run.json").read_text())
    assert facts["status"] == "stopped"


@pytest.mark.parametrize("when", ["in the last step of an epoch", "in the last step", "while it is evaluated"])
def test_an_evaluation_that_a_signal_from_outside_did_not_leave_time_for_is_made_on_resume(
    here: Path, write: Write, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    from graphssl.evaluation.judge import Judge
    from graphssl.train.step import Step

    step, judge = Step.__call__, Judge.scores_due
    path = write(SIMCLR, ("epochs: 2", "epochs: 2, checkpoint: {epochs: 100}"), ("batch: 16", "batch: 512"))
    whole = graphssl.run(path, name="whole", device="cpu", report=lambda line: None)

    def training(self: Step, number: int, batches: object) -> object:
        if number == {"in the last step of an epoch": 1, "in the last step": 3}.get(when):
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, batches)  # type: ignore[arg-type]

    def judging(self: Judge, epoch: int, ends: bool) -> object:
        if epoch == 1 and when == "while it is evaluated":
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.01)
        return judge(self, epoch, ends)

    with monkeypatch.context() as patched:
        patched.setattr(Step, "__call__", training)
        patched.setattr(Judge, "scores_due", judging)
        stopped = graphssl.run(path, name="parts", device="cpu", report=lambda line: None)
    assert stopped.code == STOPPED
    assert sorted(stopped.outcome.scores["knn"]) == ([0, 1] if when == "in the last step" else [0])
    result = graphssl.run(resume="parts", device="cpu", report=lambda line: None)
    assert (result.code, result.outcome.scores, result.outcome.loss) == (0, whole.outcome.scores, whole.outcome.loss)
    assert_same(here / "runs/whole", here / "runs/parts")
    assert graphssl.run(resume="parts", device="cpu", report=lambda line: None).outcome.scores == whole.outcome.scores


def test_null_turns_evaluation_off_over_a_parent(write: Write) -> None:
    graph = graphssl.load(write(SIMCLR), ["evaluate.knn=null", "train.checkpoint={epochs: null, steps: 5}"])
    assert graph.spec.evaluate.asked == {}
    assert set(graphssl.load(write(SIMCLR)).spec.evaluate.asked) == {"knn"}
    assert graphssl.load(write(SIMCLR), ["train.optimizer=null"]).spec.train.optimizer.use == "adamw"


@pytest.mark.parametrize("resident", ["memory", "workers"])
@pytest.mark.parametrize("bad", [1, 2])
def test_pictures_that_were_skipped_are_counted_once(here: Path, pictures: Path, resident: str, bad: int) -> None:
    for name in sorted({p.name for p in (here / "pictures").iterdir()} - held_out_names(here / "pictures"))[:bad]:
        (here / "pictures" / name).write_bytes(b"")
    sets = [f"data.resident={resident}", "data.workers=0", "data.on_bad_image=skip", "train.steps=8"]
    result = graphssl.run(pictures, sets, name="one", device="cpu", report=lambda line: None)
    (warning,) = result.warnings
    words = {1: "1 image could not be read and was skipped: ", 2: "2 images could not be read and were skipped: "}
    assert warning.startswith(words[bad] + "pictures/")
    assert warning.count("the file is empty") == bad


def test_what_is_noted_while_running_and_after_a_failure(
    here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, object]] = []

    def fail(self: Checkpoints, step: int, payload: object) -> None:
        seen.append(RunFolder(here / "runs/one").facts())
        raise RunError("no room")

    monkeypatch.setattr(Checkpoints, "write", fail)
    with pytest.raises(RunError, match="no room"):
        graphssl.run(pictures, name="one", device="cpu", report=lambda line: None)
    facts = RunFolder(here / "runs/one").facts()
    assert seen[0]["status"] == "running"
    assert (facts["status"], facts["step"]) == ("failed", 1)


def test_the_introduction_says_what_ends_the_training(here: Path, pictures: Path) -> None:
    said: list[str] = []
    graphssl.run(pictures, name="one", device="cpu", report=said.append)
    assert any("2 steps an epoch, 2 steps (train.steps; train.epochs is not used); cpu, fp32" in line for line in said)
    why = "evaluation is left out: the data set has no labels; pictures in a folder for each class have them"
    assert any(why in line for line in said)
    graphssl.run(pictures, ["train.steps=null", "train.epochs=1"], device="cpu", report=said.append)
    assert any("2 steps an epoch, 2 steps; cpu, fp32" in line for line in said)


def test_a_set_without_held_out_pictures_is_not_evaluated(here: Path, write: Write, pictures: Path) -> None:
    for name in ("ant", "bee"):
        (here / "pictures" / name).mkdir()
        Image.new("RGB", (16, 16)).save(here / f"pictures/{name}/0.png")
    said: list[str] = []
    graphssl.run(pictures, ["data.batch=2", "train.steps=1"], name="one", device="cpu", report=said.append)
    assert any("evaluation is left out: the data set has no held-out pictures" in line for line in said)
