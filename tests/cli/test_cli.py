"""The commands, as a user types them. Broken graphs have a file of their own, `test_broken`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BYOL, MOCO, SIMCLR
from PIL import Image

from graphssl.cli import main
from graphssl.cli.commands import app
from graphssl.language.load import load
from graphssl.language.packaged import packaged

SHORT = ("epochs: 2", "steps: 4, log_every: 2")
Type = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three graphs and, once `typed` has run them, their runs and the store."""
    folder = tmp_path_factory.mktemp("cli")
    for name, text in (("byol", BYOL), ("simclr", SIMCLR), ("moco", MOCO)):
        assert SHORT[0] in text
        (folder / f"my_{name}.yaml").write_text(text.replace(*SHORT))
    return folder


@pytest.fixture
def typed(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """typed("check", "my_byol.yaml", code=0): what the command prints; its exit code must be `code`."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["graphssl", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        assert (caught.value.code or 0) == code, said.err
        return said.out + said.err

    return run


@pytest.fixture
def runs(folder: Path, typed: Type) -> tuple[str, str]:
    """Two finished runs: `one` of SimCLR, `two` with another temperature."""
    for name, sets in (("one", ()), ("two", ("--set", "nodes.critic.temperature=0.5"))):
        if not (folder / "runs" / name).exists():
            typed("run", "my_simclr.yaml", "--name", name, "--device", "cpu", *sets)
    return "one", "two"


def test_help_names_every_command_and_imports_nothing_slow(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['graphssl', '--help']\nfrom graphssl.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    print('CODE', e.code)\n"
        "slow = {'torch', 'mlflow', 'numpy', 'pydantic', 'networkx', 'matplotlib', 'rich', 'ruamel.yaml', 'sklearn'}\n"
        "print('SLOW', sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "SLOW []" in done.stdout
    assert "CODE 0" in done.stdout
    for command in app.registered_commands:
        assert command.callback is not None
        assert command.callback.__name__ in done.stdout


def test_the_commands_are_those_of_the_design() -> None:
    names = {c.callback.__name__ for c in app.registered_commands if c.callback is not None}
    expected = "run check show components new evaluate export compare explain schema ui"
    assert names == set(expected.split()), "a new command needs a line in the README and here"


def test_check_prints_nodes_values_and_totals(typed: Type) -> None:
    said = typed("check", "my_moco.yaml", "byol")
    assert "moco: valid" in said
    assert "byol: valid" in said
    assert "negatives.queue" in said
    assert "b e = 16 8" in said
    assert "trainable parameters" in said
    assert "GFLOP per image and step" in said


def test_check_warns_with_the_place(typed: Type) -> None:
    said = typed("check", "my_moco.yaml", "--set", "nodes.queue.size=50")
    assert "--set:1:18: warning: 'queue' holds 50 keys, no multiple of the 16" in said
    assert "[G302]" in said


@pytest.mark.parametrize("name", [n for n in packaged() if not n.startswith(("cifar10/", "imagenet/"))])
def test_every_packaged_graph_is_valid_without_a_warning(typed: Type, name: str) -> None:
    said = typed("check", name)
    assert f"{load(name).data['graph']}: valid" in said
    assert "warning" not in said


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<"), ("png", b"\x89PNG"), ("html", b"<!"), ("mmd", b"---\ntitle:")]
)
def test_show_draws(typed: Type, folder: Path, ending: str, start: bytes) -> None:
    said = typed("show", "my_byol.yaml", "-o", f"picture.{ending}")
    assert f"wrote picture.{ending}" in said
    assert (folder / f"picture.{ending}").read_bytes().startswith(start)


def test_show_code_is_python(typed: Type) -> None:
    said = typed("show", "my_moco.yaml", "--code")
    compile(said, "step.py", "exec")
    assert "self.critic(" in said


def test_show_resolved_is_a_graph(typed: Type, folder: Path) -> None:
    said = typed("show", "my_moco.yaml", "--resolved")
    (folder / "again.yaml").write_text(said)
    assert "moco: valid" in typed("check", "again.yaml")
    assert typed("show", "again.yaml", "--resolved") == said


def test_what_cannot_be_written_is_said(typed: Type) -> None:
    assert "cannot be written: No such file" in typed("show", "byol", "-o", "nowhere/x.svg", code=1)


FULL = Path("/dev/full")  # takes nothing


@pytest.mark.skipif(not FULL.exists(), reason="there is no such device here")
@pytest.mark.parametrize(
    "command",
    ["check my_moco.yaml", "show my_moco.yaml --code", "show my_moco.yaml -o full.svg", "components", "schema", "explain",
     "compare one two", "export one -o full.pt", "new full", "--help", "run --help"],
)  # fmt: skip
def test_an_output_that_cannot_be_written_is_said(
    typed: Type, runs: tuple[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        said = typed(*command.split(), code=1)
    assert said == "graphssl: the output cannot be written: No space left on device\n"


def test_an_error_of_another_file_is_none_of_the_output(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("graphssl.cli.starter.starter", refused)
    assert "internal error: OSError" in typed("new", "x", code=1)


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("run my_moco.yaml nodes.queue.size=64", "--set nodes.queue.size=64"),
        ("run --resume one train.epochs=5", "--set train.epochs=5"),
        ("run my_moco.yaml --set train.steps=5 train.seed=1 data.batch=8", "--set train.seed=1 --set data.batch=8"),
        ("check my_moco.yaml byol nodes.queue.size=64", "--set nodes.queue.size=64"),
        ("show my_moco.yaml --code data.crop=[1,2]", "--set 'data.crop=[1,2]'"),
    ],
)
def test_a_change_without_set_is_told_how(typed: Type, command: str, hint: str) -> None:
    said = typed(*command.split(), code=2)
    assert said == f"graphssl: a change of the graph needs --set before it: {hint}\n"


def test_what_is_no_change_is_an_argument(typed: Type, folder: Path) -> None:
    assert "Got unexpected extra argument (simclr)" in typed("run", "byol", "simclr", code=2)
    assert "Got unexpected extra arguments (simclr moco)" in typed("show", "byol", "simclr", "moco", code=2)
    (folder / "lr=0.1").write_text((folder / "my_moco.yaml").read_text())
    assert "moco: valid" in typed("check", "lr=0.1")


def test_components(typed: Type) -> None:
    listed = typed("components")
    for name in ("augment.simclr", "encoder.resnet", "target.ema", "negatives.queue", "critic.bilinear"):
        assert name in listed
    one = typed("components", "negatives.queue")
    assert "size" in one
    assert "65536" in one
    assert "update: NODE: push(key)" in one
    assert "source:" in one
    assert typed("components", "critic").count("source:") >= 3


def test_new_graph_and_component_work_as_written(typed: Type, folder: Path) -> None:
    typed("new", "fresh")
    assert "fresh: valid" in typed("check", "fresh.yaml")
    assert "is there already" in typed("new", "fresh", code=2)
    typed("new", "my_critic.py")
    graph = folder / "fresh.yaml"
    text = graph.read_text().replace("critic.cosine, temperature: 0.2", "critic.my_critic")
    text = text.replace("critic(z, z, negatives(z), pairs=cross)", "critic(z, stopgrad(z), pairs=cross)")
    graph.write_text(
        "components: [./my_critic.py]\nallow: [G202]\n" + text.replace("objective.infonce", "objective.regression")
    )
    assert "fresh: valid" in typed("check", "fresh.yaml")
    assert "'no-name' cannot name a graph or a component" in typed("new", "no-name", code=2)
    assert "is neither a graph (my_method.yaml) nor a component" in typed("new", "my.txt", code=2)


def test_explain(typed: Type) -> None:
    assert "G201" in typed("explain")
    said = typed("explain", "g201")
    assert "SimSiam" in said
    assert "allow: [G201]" in said


def test_schema_is_json(typed: Type, folder: Path) -> None:
    schema = json.loads(typed("schema"))
    assert "encoder_resnet" in schema["$defs"]
    typed("schema", "-o", "graph.schema.json")
    assert json.loads((folder / "graph.schema.json").read_text()) == schema


@pytest.mark.usefixtures("runs")
def test_run_says_where_it_is_and_how_to_see_it(typed: Type, folder: Path) -> None:
    said = typed("run", "my_byol.yaml", "--name", "said", "--device", "cpu")
    lines = said.splitlines()
    untrained = next(i for i, line in enumerate(lines) if "untrained encoder" in line)
    first_step = next(i for i, line in enumerate(lines) if line.startswith("epoch=1/1 step="))
    assert untrained < first_step, "the untrained encoder is judged before training"
    assert "runs/said" in said
    assert "graphssl ui" in said
    assert "kNN" in lines[-4]
    assert (folder / "mlflow.db").is_file()


@pytest.mark.parametrize(
    "command", ["check {} {}", "show {} --code", "run {} --device cpu --set train.steps=1 --set evaluate.knn=null"]
)
def test_every_command_says_what_it_imports_before_it_does(
    folder: Path, typed: Type, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"said_by_{command.split()[0]}"
    (folder / f"{name}.py").write_text("import sys\nprint('importing', file=sys.stderr)\n")
    text = (folder / "my_simclr.yaml").read_text()
    (folder / f"{name}.yaml").write_text(f"components: [./{name}.py, ./{name}.py]\n{text}")
    said = typed(*command.replace("{}", f"{name}.yaml").split()).splitlines()
    assert said.count(f"imports ./{name}.py") == 1
    assert said.index("importing") == said.index(f"imports ./{name}.py") + 1


def test_evaluate(typed: Type, runs: tuple[str, str]) -> None:
    said = typed("evaluate", runs[0], "--device", "cpu")
    assert said.startswith("one: kNN accuracy ")
    assert "(k 5, temperature 0.07)" in said
    assert "(k 1, temperature 0.5)" in typed("evaluate", runs[0], "--k", "1", "--temperature", "0.5", "--device", "cpu")


def test_export_loads_into_plain_torchvision(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    said = typed("export", runs[0], "-o", "encoder.pt")
    assert "wrote encoder.pt" in said
    from torchvision.models.resnet import BasicBlock, ResNet

    plain = ResNet(BasicBlock, [1, 1, 1, 1])
    state = torch.load(folder / "encoder.pt", weights_only=True)
    assert set(state) == {k for k in plain.state_dict() if not k.startswith("fc.")}
    assert "has no node and no value 'nobody'" in typed("export", runs[0], "--node", "nobody", code=2)


def test_what_export_prints_loads_the_weights(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    for node in ("encoder", "projector"):
        *_, line = typed("export", runs[0], "-o", f"{node}.pt", "--node", node).splitlines()
        label, code = line.split("    ", 1)
        assert label == "  load it"
        names: dict[str, Any] = {}
        exec(code, names)
        assert not names["model"].training
        state = torch.load(folder / f"{node}.pt", weights_only=True)
        assert all(torch.equal(v, state[k]) for k, v in names["model"].state_dict().items())


def test_what_cannot_be_exported(typed: Type, folder: Path, runs: tuple[str, str]) -> None:
    said = typed("export", runs[0], "-o", "nowhere/encoder.pt", code=1)
    assert said == "graphssl: nowhere/encoder.pt cannot be written (No such file or directory)\n"
    assert "runs is a folder: -o names a file, such as runs/encoder.pt" in typed(
        "export", runs[0], "-o", "runs", code=2
    )
    assert "'critic' has no weights to write" in typed("export", runs[0], "--node", "critic", "-o", "critic.pt", code=2)
    assert not (folder / "critic.pt").exists()


def test_compare(typed: Type, runs: tuple[str, str]) -> None:
    said = typed("compare", *runs)
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line}
    assert rows["nodes.critic.temperature"][1:] == ["0.2", "0.5"]
    assert "nodes.queue.size" not in rows
    assert len(rows["knn"]) == 5
    assert "did you mean 'one'?" in typed("compare", "one", "onne", code=2)


def test_compare_with_nothing_to_compare(typed: Type, runs: tuple[str, str]) -> None:
    assert typed("compare", "one", code=2) == "graphssl: it takes two runs or more to compare\n"
    assert typed("compare", "one", "runs/one", code=2) == "graphssl: the run 'one' is named twice\n"
    typed("run", "my_simclr.yaml", "--name", "again", "--device", "cpu")
    said = typed("compare", "one", "again")
    assert said.startswith("The graphs are the same.\n\nmetric: last (best)")
    assert "what differs" not in said


def test_exit_codes(typed: Type, runs: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    typed("check", "byol")
    for wrong in (["check", "nowhere.yaml"], ["check"], ["nonsense"], ["explain", "G999"], ["components", "no.such"],
                  ["evaluate", "one", "--device", "abacus"], ["run"], ["run", "byol", "--resume", "one"],
                  ["run", "--resume", "one", "--name", "two"], ["run", "my_simclr.yaml", "--name", "one"],
                  ["run", "my_simclr.yaml", "--name", "a/b"], ["show", "byol", "-o", "x.bmp"]):  # fmt: skip
        assert "Traceback" not in typed(*wrong, code=2)
    assert "keeps its name, 'one': leave --name out" in typed("run", "--resume", "one", "--name", "two", code=2)

    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphssl.cli.starter.starter", interrupted)
    assert "Traceback" not in typed("new", "x", code=130)


def test_a_run_without_labels_cannot_be_evaluated(typed: Type, folder: Path) -> None:
    (folder / "pictures").mkdir()
    for i in range(20):
        Image.new("RGB", (16, 16), (10 * i, 0, 0)).save(folder / f"pictures/{i:02d}.png")
    data = ("use=image_folder", "root=pictures", "size=16", "batch=8")
    said = typed(
        "run",
        "my_simclr.yaml",
        "--name",
        "plain",
        "--device",
        "cpu",
        *(x for d in data for x in ("--set", f"data.{d}")),
    )
    assert "evaluation is left out: the data set has no labels" in said
    said = typed("evaluate", "plain", "--device", "cpu", code=1)
    assert said.startswith(
        "graphssl: 'plain' cannot be evaluated: the data set has no labels; pictures in a folder for"
    )


def test_commands_on_runs_that_are_not_there(typed: Type, runs: tuple[str, str]) -> None:
    for command in (["evaluate"], ["export"], ["run", "--resume"]):
        assert "did you mean 'one'?" in typed(*command, "onee", code=2)


def test_an_internal_error_is_one_line(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("graphssl.cli.starter.starter", broken)
    said = typed("new", "x", code=1)
    assert said.startswith("graphssl: internal error: ZeroDivisionError: oh")
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m graphssl schema | head -1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{"
    assert "Traceback" not in done.stderr


def test_ui_opens_the_store_in_use(
    typed: Type, folder: Path, runs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []
    monkeypatch.setattr("graphssl.track.serve", started.append)
    said = typed("ui", "--port", "5055")
    assert "http://127.0.0.1:5055" in said
    assert started[0][1:4] == ["-m", "mlflow", "ui"]
    assert f"sqlite:///{folder / 'mlflow.db'}" in started[0]
