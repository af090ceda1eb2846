"""What a run that goes on, or is looked at, may have otherwise than before; and what it may not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from conftest import BYOL, SIMCLR, Write
from own_sets import own_set
from whole_runs import QUICK, assert_same, forget_the_last, weights

import graphssl
from graphssl.cli import main
from graphssl.errors import RunError, UsageError
from graphssl.graph.changes import stretched
from graphssl.runs.folder import RunFolder
from graphssl.train.checkpoint import Checkpoints, load, save

CONSTANT = ("{epochs: 2,", "{epochs: 1, schedule: {shape: constant}, log_every: 50,")
BATCH = ("batch: 16", "batch: 128")


def go(graph: Path | None = None, *sets: str, **given: object) -> list[str]:
    """What a run says."""
    said: list[str] = []
    graphssl.run(graph, sets, device="cpu", report=said.append, **given)  # type: ignore[arg-type]
    return said


def test_longer_training_is_that_of_a_longer_run(here: Path, write: Write) -> None:
    path = write(SIMCLR, CONSTANT, BATCH)
    go(path, name="one")
    said = go(None, "train.epochs=2", resume="one")
    assert "train.epochs: 1 then, 2 now" in said
    assert any("no schedule spans the whole training" in line for line in said), said
    go(path, "train.epochs=2", name="two")
    assert_same(here / "runs/one", here / "runs/two")
    both = graphssl.compare(["one", "two"])
    assert "train.epochs" not in both.params
    assert any("has finished" in line for line in go(None, resume="one"))


def test_schedules_that_are_stretched_are_said(here: Path, write: Write) -> None:
    path = write(BYOL, ("{epochs: 2,", "{epochs: 1,"), BATCH)
    go(path, name="one")
    assert stretched(graphssl.load(path)) == ["train.schedule", "nodes.target.momentum"]
    said = go(None, "train.epochs=2", resume="one")
    line = next(line for line in said if "stretched" in line)
    assert "over 22 steps: train.schedule, nodes.target.momentum" in line
    rate = graphssl.load(path).spec.train.optimizer.lr
    assert f"the learning rate is {rate / 2:.3g} now, and was to be 0" in line
    assert weights(here / "runs/one")["step"] == 22


def test_a_length_that_is_passed_is_refused(here: Path, write: Write) -> None:
    go(write(SIMCLR, CONSTANT, BATCH), name="one")
    with pytest.raises(UsageError, match="'one' has done 11 steps, and 5 would be all"):
        go(None, "train.steps=5", resume="one")
    assert "steps: 5" not in (here / "runs/one/graph.yaml").read_text()
    go(None, "train.steps=12", resume="one")
    with pytest.raises(UsageError, match=r"train.steps: 12 ends this run"):
        go(None, "train.epochs=9", resume="one")


@pytest.mark.parametrize(
    "change", ["train.optimizer.lr=1", "data.batch=64", "nodes.critic.temperature=0.3", "train.seed=3", "train.clip=1"]
)
def test_what_weights_depend_on_may_not_change(here: Path, write: Write, change: str) -> None:
    """All that differs is said at once, and nothing has happened to the run."""
    go(write(SIMCLR, *QUICK), name="one")
    kept = (here / "runs/one/graph.yaml").read_text()
    key = change.partition("=")[0]
    with pytest.raises(UsageError, match=rf"(?s)depend on(?=.*  {key}: .*)(?=.*  train.accumulate: 1 then, 2 now)"):
        go(None, change, "train.accumulate=2", "train.steps=2", resume="one")
    if key != "data.batch":  # on which the features do not depend
        with pytest.raises(UsageError, match=rf"{key}: "):
            graphssl.export("one", sets=[change])
    assert (here / "runs/one/graph.yaml").read_text() == kept


def test_what_weights_do_not_depend_on_may_change(here: Path, write: Write) -> None:
    path = write(SIMCLR, ("epochs: 2", "steps: 4, log_every: 2, checkpoint: {steps: 2, keep: 2}"))
    go(path, name="whole")
    go(path, name="one")
    forget_the_last(here / "runs/one")
    said = go(
        None, "train.checkpoint.steps=1", "train.log_every=1", "evaluate.knn.k=7", "data.resident=device",
        resume="one",
    )  # fmt: skip
    assert "train.log_every: 2 then, 1 now" in said
    assert [p.name for p in Checkpoints(here / "runs/one/checkpoints").paths()] == [
        "step-00000003.pt", "step-00000004.pt",
    ]  # fmt: skip
    both = graphssl.compare(["one", "whole"])
    assert both.params["train.log_every"] == ("1", "2")
    assert both.params["evaluate.knn.k"] == ("7", "5")
    one, two = weights(here / "runs/one"), weights(here / "runs/whole")
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_pictures_that_lie_elsewhere_now(here: Path, pictures: Path) -> None:
    """Another machine: the run's folder, the pictures and a file of code have other places."""
    go(pictures, name="one")
    forget_the_last(here / "runs/one")
    (here / "pictures").rename(here / "moved")
    (here / "runs/one").rename(here / "elsewhere")
    with pytest.raises(graphssl.GraphError, match="no folder"):
        go(None, resume="elsewhere")
    with pytest.raises(graphssl.RunError, match=r"--set data\.root=FOLDER"):
        graphssl.evaluate("elsewhere")
    said = go(None, "data.root=moved", resume="elsewhere")
    assert "data.root: pictures then, moved now" in said
    assert go(None, resume="elsewhere")[0].endswith("nothing to resume")
    (here / "moved").rename(here / "again")
    assert graphssl.embed("elsewhere", here / "again", sets=["data.root=again"]).shape[0] == 20
    assert graphssl.export("elsewhere", sets=["data.root=again"]).tensors


def test_code_that_lies_elsewhere_or_is_another(
    here: Path, write: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = "import torch\nclass Net(torch.nn.Flatten):\n    def __init__(self):\n        super().__init__()\n"
    (here / "code").mkdir()
    (here / "code/net_of_mine.py").write_text(net)
    (here / "mine_too.py").write_text("")
    path = write(
        SIMCLR,
        ("graph: simclr", "components: [./mine_too.py]\ngraph: simclr"),
        ("{use: encoder.resnet, depth: 10, width: 8}", "{use: encoder.module, path: './code/net_of_mine.py:Net'}"),
        ("epochs: 2", "steps: 2, checkpoint: {steps: 1}"),
    )
    go(path, name="one")
    forget_the_last(here / "runs/one")
    (here / "code/net_of_mine.py").rename(here / "net_of_mine.py")
    (here / "mine_too.py").rename(here / "code/mine_too.py")
    (here / "net_of_mine.py").write_text(f"{net}\n# changed\n")
    there = ["components=[./code/mine_too.py]", "nodes.encoder.path='./net_of_mine.py:Net'"]
    said = go(None, *there, resume="one")
    assert any("net_of_mine.py: not what it was" in line for line in said), said
    assert not any("mine_too.py: not" in line for line in said)
    (here / "net_of_mine.py").rename(here / "another.py")
    with pytest.raises(UsageError, match=r"nodes.encoder.path: net_of_mine.py:Net then, another.py:Net now"):
        go(None, "nodes.encoder.path='./another.py:Net'", resume="one")


def test_auto_goes_on_with_what_is_asked_for_now(here: Path, write: Write) -> None:
    path = write(SIMCLR, CONSTANT, BATCH)
    go(path, name="one", resume="auto")
    said = go(path, "train.epochs=2", name="one", resume="auto")
    assert "train.epochs: 1 then, 2 now" in said
    path.write_text(path.read_text().replace("temperature: 0.2", "temperature: 0.3"))
    with pytest.raises(UsageError, match=r"nodes.critic.temperature: 0.2 then, 0.3 now"):
        go(path, name="one", resume="auto")


def test_auto_with_a_batch_that_was_found(here: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(SIMCLR, CONSTANT, ("batch: 16", "batch: auto"))
    monkeypatch.setattr("graphssl.runs.session.fit_batch", lambda checked, *_: graphssl.check(path, ["data.batch=64"]))
    go(path, name="one", resume="auto")
    assert any("has finished" in line for line in go(path, name="one", resume="auto"))


def test_another_precision_or_device_is_said(here: Path, write: Write) -> None:
    path = write(SIMCLR, ("epochs: 2", "steps: 2, checkpoint: {steps: 1}"))
    go(path, name="one")
    forget_the_last(here / "runs/one", computed="bf16 on cuda")
    said = go(None, resume="one")
    assert "warning: computed in fp32 on cpu from here on, in bf16 on cuda before" in said


def test_early_checkpoints_go_on_with_changes_too(here: Path, write: Write) -> None:
    go(write(SIMCLR, CONSTANT, BATCH), name="one")
    path = Checkpoints(here / "runs/one/checkpoints").latest_path()
    assert path is not None
    save(path, {k: v for k, v in load(path).items() if k not in ("graph", "code", "computed")})
    assert "train.epochs: 1 then, 2 now" in go(None, "train.epochs=2", resume="one")


def test_an_evaluation_on_other_pictures_is_warned_of(
    here: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    go(write(SIMCLR, *QUICK), name="one")
    path = Checkpoints(here / "runs/one/checkpoints").latest_path()
    assert path is not None
    save(path, {**load(path), "samples": 7})
    shutil.copytree(here / "runs/one", here / "runs/two")
    graphssl.evaluate("two", sets=["data.batch=64"])
    assert "1,500 training samples now, 7 then" in caplog.text
    assert RunFolder(here / "runs/two").graph.is_file()


def test_a_set_of_ones_own_that_lies_elsewhere(here: Path, write: Write) -> None:
    """Of its options those that are paths may change; of the others the weights depend."""
    change = own_set(here, options="folder: __import__('pathlib').Path = __import__('pathlib').Path('a')")
    path = write(
        SIMCLR, change, ("epochs: 2", "steps: 2, checkpoint: {steps: 1}"), ("knn: {k: 5, every: 1}", "knn: null")
    )
    go(path, name="one")
    forget_the_last(here / "runs/one")
    with pytest.raises(UsageError, match=r"data.count: 60 then, 61 now"):
        go(None, "data.count=61", "data.folder=b", resume="one")
    assert "data.folder: a then, b now" in go(None, "data.folder=b", resume="one")


def test_a_checkpoint_that_lacks_weights_is_told_by_their_names(here: Path, write: Write) -> None:
    go(write(SIMCLR, *QUICK), name="one")
    path = Checkpoints(here / "runs/one/checkpoints").latest_path()
    assert path is not None
    payload = load(path)
    del payload["model"]["encoder.conv1.weight"]
    save(path, payload)
    for use in (lambda: go(None, "train.steps=2", resume="one"), lambda: graphssl.export("one")):
        with pytest.raises(RunError, match=r"'one' does not fit its graph any more: .*encoder\.conv1\.weight"):
            use()


def test_missing_data_end_every_command_alike(here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the exit code of a wrong argument; what has finished needs none."""
    go(pictures, name="one")
    (here / "pictures").rename(here / "moved")
    assert go(None, resume="one")[0].endswith("nothing to resume")
    forget_the_last(here / "runs/one")
    for command in ("evaluate one", "run --resume one", f"check {pictures}", "embed one pictures", "data pictures"):
        monkeypatch.setattr("sys.argv", ["graphssl", *command.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2, command


def test_what_is_exported_says_of_which_step_it_is(here: Path, write: Write) -> None:
    """Also where the newest checkpoint cannot be read."""
    go(write(SIMCLR, ("epochs: 2", "steps: 2, checkpoint: {steps: 1}"), QUICK[1]), name="one")
    Checkpoints(here / "runs/one/checkpoints").paths()[-1].write_bytes(b"torn")
    graphssl.export("one", here / "encoder.pt")
    assert "| optimizer steps | 1 (" in (here / "encoder.md").read_text()


def test_auto_without_a_graph_asks_for_one(here: Path) -> None:
    for name in (None, "one"):
        with pytest.raises(UsageError, match=r"--resume auto.*name the graph before it"):
            graphssl.run(resume="auto", name=name)


def test_a_copy_of_a_run_is_told_that_both_are_one_in_mlflow(here: Path, write: Write) -> None:
    """Else of the second what the first has logged would be left out without a word. A run that has moved is no copy."""
    go(write(SIMCLR, ("epochs: 2", "steps: 1"), QUICK[1]), name="one")
    shutil.copytree(here / "runs/one", here / "runs/two")
    told = [line for line in go(None, "train.steps=2", resume="two") if "is the same run in MLflow" in line]
    assert [line.partition(" is ")[0] for line in told] == [f"warning: {here.resolve() / 'runs/one'}"]
    (here / "runs/one").rename(here / "moved")
    assert not any("is the same run" in line for line in go(None, "train.steps=3", resume="two"))
