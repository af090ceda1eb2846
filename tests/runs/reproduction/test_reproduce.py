"""Reproductions are run, gone on with, kept in the ledger; a wrong file is told, all of it at once and before data."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import graphssl
from graphssl.errors import GraphError, RunError, UsageError
from graphssl.runs.reproduction import read, results_of

TINY = """\
title: SimCLR on digits
graph: simclr
set: [train.steps=2, data.batch=128, nodes.encoder.width=8, train.schedule.warmup=0]
differs: ["Two steps only."]
seeds: [0, 1]
figures:
  knn: {options: {k: 5}, published: {value: 75.0, source: "table 0"}}
  knn/top5: {options: {k: 5}}
"""
Put = Callable[..., Path]


@pytest.fixture
def put(here: Path) -> Put:
    """put(text, (old, new)...): writes the reproduction tiny.yaml with changes."""

    def write(*changes: tuple[str, str]) -> Path:
        text = TINY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = here / "tiny.yaml"
        path.write_text(text)
        return path

    return write


def nobody(line: str) -> None:
    pass


def problems(path: Path) -> str:
    with pytest.raises(GraphError) as caught:
        graphssl.reproduce(path, report=nobody)
    return str(caught.value)


def test_both_seeds_are_run_and_kept(put: Put, here: Path) -> None:
    path, said = put(), []
    found = graphssl.reproduce("tiny.yaml", report=said.append)
    assert found.kept == Path("results/tiny.json")
    assert list(found.seeds) == ["0", "1"]
    values = [found.seeds[seed].scores["knn"] for seed in ("0", "1")]
    assert values[0] != values[1]
    assert found.spreads["knn"].mean == pytest.approx(statistics.mean(values))
    assert found.spreads["knn"].interval is not None
    assert found.published == {"knn": 75.0}
    assert said[1].startswith("2 seeds, each 2 steps, ")
    for seed, entry in found.seeds.items():
        again = graphssl.evaluate(entry.run, {"knn": {"k": 5}})  # type: ignore[arg-type]
        assert entry.scores["knn"] == pytest.approx(100 * again.scores["knn"])
        facts = json.loads((here / "runs" / str(entry.run) / "run.json").read_text())
        assert facts["status"] == "finished"
        assert f"seed: {seed}" in (here / "runs" / str(entry.run) / "graph.yaml").read_text()
    kept = json.loads((here / "results/tiny.json").read_text())
    assert kept["seeds"]["0"]["command"] == "graphssl reproduce tiny.yaml"
    assert "torch" in kept["seeds"]["0"]["machine"]
    assert path.read_text() == TINY


def test_what_is_done_is_not_done_again(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    first = graphssl.reproduce("tiny.yaml", [1], report=nobody)
    assert list(first.seeds) == ["1"]
    said: list[str] = []
    both = graphssl.reproduce("tiny.yaml", report=said.append)
    assert sum("there is nothing to resume" in line for line in said) == 1
    assert both.seeds["1"].scores == first.seeds["1"].scores
    third = graphssl.reproduce("tiny.yaml", [2], report=nobody)
    known = results_of(third.written)
    assert known is not None
    assert list(known.seeds) == ["0", "1", "2"], "the ledger has them all"
    assert known.seeds["2"].command == "graphssl reproduce tiny.yaml --seeds 2"


def test_results_that_are_damaged_are_told_before_anything_is_trained(put: Put, here: Path) -> None:
    put()
    (here / "results").mkdir()
    (here / "results/tiny.json").write_text('{"recipe": ')
    with pytest.raises(RunError, match=r"tiny\.json holds no results .*: delete it"):
        graphssl.reproduce("tiny.yaml", report=nobody)
    assert not (here / "runs").exists()


@pytest.mark.slow
def test_a_seed_that_was_stopped_goes_on(put: Put, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second seed's run ends with its process; the same command goes on with it, to the same figures."""
    put(("train.steps=2", "train.steps=4, train.checkpoint.steps=1"))
    whole = graphssl.reproduce("tiny.yaml", report=nobody)
    for name in [str(entry.run) for entry in whole.seeds.values()]:
        (here / "runs" / name).rename(here / f"whole-{name}")
    (here / "results/tiny.json").unlink()
    code = (
        "import graphssl, os\n"
        "from graphssl.train.checkpoint import Checkpoints\n"
        "write, done = Checkpoints.write, []\n"
        "def and_die(self, *args, **kwargs):\n"
        "    write(self, *args, **kwargs)\n"
        "    done.append(1)\n"
        "    if len(done) == 6: os.kill(os.getpid(), 9)\n"
        "Checkpoints.write = and_die\n"
        "graphssl.reproduce('tiny.yaml')\n"
    )
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert died.returncode == -9, died.stderr
    kept = json.loads((here / "results/tiny.json").read_text())
    assert list(kept["seeds"]) == ["0"], "what was done is kept at once"
    said: list[str] = []
    found = graphssl.reproduce("tiny.yaml", report=said.append)
    assert any(re.match(r"resumed after step \d of 4", line) for line in said)
    assert {s: e.scores for s, e in found.seeds.items()} == {s: e.scores for s, e in whole.seeds.items()}
    assert all(entry.seconds is not None for entry in found.seeds.values()), "all starts together"


def test_changes_that_count_have_runs_of_their_own_and_no_place_in_the_ledger(put: Put, here: Path) -> None:
    put()
    said: list[str] = []
    found = graphssl.reproduce("tiny.yaml", [0], sets=["train.steps=1"], report=said.append)
    assert found.kept is None
    assert said[-1] == "the ledger stays as it is: --set changes what is computed"
    assert not (here / "results").exists()
    other = graphssl.reproduce("tiny.yaml", [0], sets=["train.log_every=1"], report=nobody)
    assert other.seeds["0"].run != found.seeds["0"].run
    assert other.kept is not None, "how often something is said changes no number"


def test_figures_of_another_network_are_another_recipe(put: Put, here: Path) -> None:
    path, said = put(), list[str]()
    plain = graphssl.reproduce(path, [0], report=nobody)
    kept = (here / "results" / "tiny.json").read_text()
    found = graphssl.reproduce(path, [0], sets=["evaluate.features=z"], report=said.append)
    assert found.seeds["0"].run != plain.seeds["0"].run
    assert found.seeds["0"].scores != plain.seeds["0"].scores
    assert "the ledger stays as it is: --set changes what is computed" in said
    assert (here / "results" / "tiny.json").read_text() == kept
    for change in ("evaluate.knn.k=9", "evaluate={knn: {k: 9}}", "evaluate.knn={k: 9}"):
        with pytest.raises(UsageError, match="would change what the figures of tiny are"):
            graphssl.reproduce(path, [0], sets=[change], report=nobody)


def test_the_best_epoch_is_that_of_the_run(put: Put, here: Path) -> None:
    changes = (
        ("train.steps=2", "train.epochs=3"),
        ("{options: {k: 5}, published", "{options: {k: 5, every: 1}, epoch: best, published"),
    )
    put(*changes, ("  knn/top5: {options: {k: 5}}\n", ""))
    found = graphssl.reproduce("tiny.yaml", [0], report=nobody)
    run = json.loads((here / "runs" / str(found.seeds["0"].run) / "run.json").read_text())
    curve = {int(epoch): value for epoch, value in run["scores"]["knn"].items()}
    assert set(curve) == {0, 1, 2, 3}
    assert found.seeds["0"].scores["knn"] == pytest.approx(100 * max(v for e, v in curve.items() if e))


def test_what_is_measured_beside_a_run_alone_is_measured_there(put: Put) -> None:
    """The simclr of the file has no online probe."""
    put(("  knn/top5: {options: {k: 5}}", "  probe: {options: {lr: 0.2}}"))
    found = graphssl.reproduce("tiny.yaml", [0], report=nobody)
    assert 0 < found.seeds["0"].scores["probe"] <= 100


def test_a_recipe_that_has_changed_begins_a_new_entry(put: Put) -> None:
    put()
    graphssl.reproduce("tiny.yaml", [0], report=nobody)
    put(("train.steps=2", "train.steps=1"))
    found = graphssl.reproduce("tiny.yaml", [1], report=nobody)
    known = results_of(found.written)
    assert known is not None
    assert list(known.seeds) == ["1"]


# -- what is wrong ---------------------------------------------------------------------------------------------


def test_all_that_is_wrong_is_told_at_once(put: Put) -> None:
    told = problems(
        put(
            ("title:", "titel: x\ntitle:"), ("seeds: [0, 1]", "seeds: [0, 0]"), ("value: 75.0, source", "value: 75.0, sauce"),
        )
    )  # fmt: skip
    assert "tiny.yaml:1:1: no key is called 'titel' here" in told
    assert "did you mean 'title'?" in told
    assert "a seed stands in the list twice" in told
    assert "no key is called 'sauce' here" in told
    assert "did you mean 'source'?" in told


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (', source: "table 0"', "", 7, "'source' is missing"),
        ("graph: simclr", "graph: simcler", 2, "there is no graph file 'simcler'"),
        ("  knn: {options: {k: 5}", "  kn: {options: {k: 5}", 7, "no evaluation is called 'kn'"),
        ("{k: 5}, published", "{kk: 5}, published", 7, "no key is called 'kk' here"),
        ("{k: 5}, published", "{k: 0}, published", 7, "'k' is 0"),
        ("knn/top5: {options: {k: 5}}", "knn/top5: {options: {k: 6}}", 8, "those of 'knn' differ"),
        ("[train.steps=2,", "[train.seed=2,", 3, "the seed is not a change of the graph"),
        ("[train.steps=2,", "[train.steps,", 3, "a change is written KEY=VALUE"),
        ("seeds: [0, 1]", "seeds: []", 5, "'seeds' is a list of 0"),
        ("seeds: [0, 1]", "seeds: [-1]", 5, "-1"),
        ("{value: 75.0,", "{value: .nan,", 7, "nan"),
        ("[train.steps=2,", "[evaluate.knn.k=9,", 3, "'evaluate.knn.k' is an option of a figure"),
        ("knn/top5:", "knn/top50:", 8, "no figure is called 'knn/top50'\n"),
        ("  knn/top5: {options: {k: 5}}", "  label_free: {}", 8, "no figure is called 'label_free'"),
        ("  knn/top5: {options: {k: 5}}", "  detection: {}", 8, "detection.training: pictures with boxes are needed"),
        (
            "  knn/top5: {options: {k: 5}}",
            "  linear: {options: {labels: 5000}}",
            8,
            "linear.labels: 5000 of each class",
        ),
        (
            "  knn/top5: {options: {k: 5}}",
            "  logistic: {epoch: best}",
            8,
            "'logistic' is not measured while a run trains",
        ),
    ],
)
def test_one_wrong_thing(put: Put, old: str, new: str, line: int, message: str) -> None:
    told = problems(put((old, new)))
    assert message in told
    assert f"tiny.yaml:{line}:" in told


def test_a_wrong_change_of_the_file_is_told_with_its_place_in_it(put: Put) -> None:
    told = problems(put(("nodes.encoder.width=8", "nodes.encoder.depht=8")))
    assert "tiny.yaml:3:38: encoder.resnet: no key is called 'depht' here" in told
    assert "did you mean 'depth'?" in told
    assert "--set:" not in told


@pytest.mark.parametrize("epoch", ["best", "last"])
def test_a_number_that_the_data_do_not_have_is_told(put: Put, here: Path, epoch: str) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (here / "pets" / part / name).mkdir(parents=True)
            for i in range(4):
                Image.new("RGB", (8, 8), (9 * i, i, 0)).save(here / "pets" / part / name / f"{part}{name}{i}.png")
    data = "data={use: image_folder, root: pets, batch: 4, size: 32}"
    changes = (
        ("train.steps=2, data.batch=128", f'"{data}", train.steps=2'),
        ("options: {k: 5}}\n", "options: {k: 5}}\n"),
    )
    path = put(*changes, ("knn/top5: {options", f"knn/top5: {{epoch: {epoch}, options"))
    with pytest.raises(RunError, match=r"has no figure 'knn/top5': what was measured on these data is knn$"):
        graphssl.reproduce(path, [0], report=nobody)


def test_figures_and_changes_are_told_together(put: Put) -> None:
    told = problems(
        put(("nodes.encoder.width=8", "nodes.encoder.depht=8"), ("{k: 5}, published", "{kk: 5}, published"))
    )
    assert "no key is called 'depht' here" in told
    assert "no key is called 'kk' here" in told


def test_names(here: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'paper_imagenet_byol'\?"):
        graphssl.reproduce("paper_imagnet_byol")
    with pytest.raises(UsageError, match=r"there is no file 'no\.yaml'"):
        graphssl.reproduce("no.yaml")
    with pytest.raises(UsageError, match="a folder"):
        graphssl.reproduce(".")
    with pytest.raises(UsageError, match="a seed stands in seeds twice"):
        graphssl.reproduce("paper_imagenet_byol", [1, 1])
    with pytest.raises(UsageError, match="only is 'ours'"):
        graphssl.reproduce("paper_imagenet_byol", only="theirs")


def test_data_that_are_not_there_are_told_before_anything_runs(here: Path) -> None:
    with pytest.raises(GraphError, match=r"--set:1:11: there is no folder '.*nowhere'"):
        graphssl.reproduce("paper_imagenet_byol", sets=["data.root=nowhere"], report=nobody)
    with pytest.raises(UsageError, match=r"there is no folder .* by --set data\.root=FOLDER"):
        graphssl.reproduce("paper_imagenet_byol", report=nobody)
    assert not (here / "runs").exists()


def test_other_code_that_is_not_there_is_told(put: Put, here: Path) -> None:
    beside = "beside: {name: peer, module: peer_of_nobody, command: [python, peer.py]}\n"
    put(("differs:", f"{beside}differs:"))
    with pytest.raises(UsageError, match=r"peer is not installed.*there is no peer\.py.*--only ours"):
        graphssl.reproduce("tiny.yaml", report=nobody)
    said: list[str] = []
    alone = graphssl.reproduce("tiny.yaml", [0], only="ours", report=said.append)
    assert alone.kept is None, "what is trained alone has another time, and may have other figures"
    assert said[-1] == "the ledger stays as it is: its figures are those beside other code"


PEER = """\
import json, sys
record, device, seeds = sys.argv[1], sys.argv[2], sys.argv[3:]
with open(record, "a") as file:
    for seed in seeds:
        for side, more in (("graphssl", 0.0), ("peer", 0.01)):
            curve = {"0": 0.1, "5": 0.9, "10": 0.5 + more + int(seed) / 100}
            line = {"side": side, "seed": int(seed), "knn": curve, "knn/top5": 1.0, "seconds": 3.0 if more else 1.0}
            file.write(json.dumps({**line, "method": "another", "knn": 0.0}) + "\\n")
            line |= {"method": "this", "machine": "an abacus"}
            file.write(json.dumps(line) + "\\n")
    file.write('{"side": "gra')
"""


def test_other_code_is_run_beside_by_its_command(put: Put, here: Path) -> None:
    (here / "peer.py").write_text(PEER)
    command = 'command: [python, peer.py, "{record}", "{device}", "{seeds}"]'
    put(("differs:", f"beside: {{name: peer, module: json, only: {{method: this}}, {command}}}\ndiffers:"))
    found = graphssl.reproduce("tiny.yaml", report=nobody)
    assert found.spreads["knn"].mean == pytest.approx(50.5), "the last epoch's, in percent"
    assert [entry.scores["knn"] for entry in found.beside.values()] == pytest.approx([51, 52])
    known = results_of(found.written)
    assert known is not None
    assert (known.seeds["1"].seconds, known.beside["1"].seconds) == (1.0, 3.0)
    assert known.seeds["0"].machine == "an abacus"
    (here / "peer.py").write_text("raise SystemExit(3)")
    with pytest.raises(RunError, match=r"ended with exit code 3"):
        graphssl.reproduce("tiny.yaml", report=nobody)
    with pytest.raises(UsageError, match=r"takes no --set but data\.root"):
        graphssl.reproduce("tiny.yaml", sets=["train.steps=1"], report=nobody)


def test_the_file_of_a_graph_stands_beside(put: Put, here: Path) -> None:
    (here / "own").mkdir()
    (here / "own/mine.yaml").write_text("extends: ../base.yaml\n")
    (here / "base.yaml").write_text("extends: simclr\ndata: {use: digits, batch: 64}\n")
    put(("graph: simclr", "graph: mine.yaml")).rename(here / "own/tiny.yaml")
    assert read("own/tiny.yaml").graph.spec.data.batch == 128
