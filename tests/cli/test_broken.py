"""Broken graphs, as a user meets them: exit code 2, file and line, what would be right, no traceback, nothing written.

How each kind of mistake is worded is tested beside the code that finds it; here every kind goes through the command.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BYOL, MOCO, SIMCLR

from graphssl.cli import main


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def moco(*changes: tuple[str, str]) -> str:
    return changed(MOCO, *changes)


# Kind of mistake, the file, the line that must be named (0: none), a piece of the message.
BROKEN = [
    ("empty file", "", 1, "the file is empty"),
    ("only comments", "# a\n# b\n", 1, "the file is empty"),
    ("binary file", b"\x89PNG\r\n\x1a\n\x00", 1, "no text in UTF-8"),
    ("10 MB file", b"a: 1\n" * 2_000_000, 1, "this is no graph file"),
    ("10 MB of comments", b"# comment\n" * 1_000_000, 1, "this is no graph file"),
    ("a picture of text", "hello world\n", 1, "mapping of sections"),
    ("a list", "- graph: x\n", 1, "mapping of sections"),
    ("JSON with a trailing comma", '{"graph": "x",, }', 1, "not YAML"),
    ("tab", moco(("  queue: push(k)", "\tqueue: push(k)")), 20, "a tab"),
    ("duplicate node", moco(("  queue:     {use", "  critic: {use: critic.dot}\n  queue:     {use")), 10, "'critic' stands twice"),
    ("duplicate section", MOCO + "loss:\n  a: objective(s)\n", 23, "'loss' stands twice"),
    ("bad indent", moco(("  q: projector", "   q: projector")), 13, "not YAML"),
    ("open brace", moco(("momentum: 0.99}", "momentum: 0.99")), 8, "not YAML"),
    ("alias", moco(("{use: critic.cosine", "&c {use: critic.cosine")), 9, "anchors"),
    ("code in a tag", moco(("temperature: 0.2", "temperature: !!python/name:os.system 1")), 9, "tags"),
    ("infinite number", moco(("temperature: 0.2", "temperature: .inf")), 9, "finite"),
    ("extends itself", "extends: graph.yaml\n", 1, "extends itself"),
    ("extends nothing", "extends: nowhere.yaml\n", 1, "no graph file 'nowhere.yaml'"),
    ("extends a number", "extends: 3\n", 1, "takes a file, or a list"),
    ("no nodes", "graph: x\nflow: {}\nloss: {}\n", 1, "'nodes' is missing"),
    ("no flow", moco(("flow:\n", "flaw:\n")), 11, "did you mean 'flow'?"),
    ("no loss term", moco(("loss:\n  infonce: objective(s)", "loss: {}")), 16, "no loss term"),
    ("nodes as a list", "graph: x\nnodes: [a, b]\nflow: {}\nloss: {}\n", 2, "'nodes'"),
    ("a node as a word", moco(("{use: objective.infonce}", "objective.infonce")), 10, "'objective'"),
    ("flow as text", "graph: x\nnodes: {}\nflow: encoder(x)\nloss: {}\n", 3, "'flow'"),
    ("graph name", moco(("graph: moco", "graph: ../x y")), 1, "'graph'"),
    ("unknown section key", moco(("{epochs: 2,", "{epoch: 2,")), 21, "did you mean 'epochs'?"),
    ("wrong type", moco(("epochs: 2", "epochs: two")), 21, "'epochs' is 'two'"),
    ("a yes that is text", moco(("{epochs: 2,", "{channels_last: yes, epochs: 2,")), 21, "'channels_last' is 'yes'"),
    ("negative batch", moco(("batch: 16", "batch: -1")), 2, "greater than 0"),
    ("fractional batch", moco(("batch: 16", "batch: 16.5")), 2, "'batch'"),
    ("unknown data set", moco(("use: digits", "use: digitz")), 2, "did you mean 'digits'?"),
    ("a set without root", moco(("use: digits", "use: cifar10")), 2, "needs a root"),
    ("a root that is not there", moco(("use: digits", "use: cifar10, root: ./nowhere")), 2, "there is no folder"),
    ("a root without pictures", moco(("use: digits", "use: image_folder, root: .")), 2, "there is no training picture"),
    ("a number in quotes", moco(("depth: 10", 'depth: "10"')), 5, "write the number without quotes: 10"),
    ("an option without its name", moco(("{use: split_batch, splits: 4}", "{splits: 4}")), 5, "choices are batch, split_batch, group"),
    ("unknown optimizer", moco(("use: sgd", "use: sgdd")), 21, "did you mean 'sgd'?"),
    ("optimizer's key", moco(("lr: 0.05", "lrr: 0.05")), 21, "did you mean 'lr'?"),
    ("unknown component", moco(("critic.cosine", "critic.cosin")), 9, "did you mean 'critic.cosine'?"),
    ("no use", moco(("use: critic.cosine, ", "")), 9, "which component to use"),
    ("unknown config key", moco(("temperature", "temprature")), 9, "did you mean 'temperature'?"),
    ("config out of range", moco(("temperature: 0.2", "temperature: -1")), 9, "greater than 0"),
    ("half a schedule", moco(("momentum: 0.99", "momentum: {from: 0.9}")), 7, "'to' is missing"),
    ("schedule's shape", moco(("momentum: 0.99", "momentum: {from: 0.9, to: 1, shape: cosinus}")), 7, "did you mean 'cosine'?"),
    ("unknown value", moco(("critic(q, k,", "critic(q, kk,")), 15, "no value is called 'kk'"),
    ("unknown node", moco(("target(x[1])", "targett(x[1])")), 14, "did you mean 'target'?"),
    ("cycle", moco(("k: target(x[1])", "k: target(s)")), 14, "cannot depend on itself"),
    ("missing update", moco(("  queue: push(k)\n", "")), 8, "is never written"),
    ("two updates", moco(("  queue: push(k)", "  queue: push(k)\n  queue: push(q)")), 21, "stands twice"),
    ("update of no state", moco(("queue: push(k)", "queue: push(k)\n  encoder: push(k)")), 21, "no state to update"),
    ("wrong axes", moco(("projector(encoder(x[0]))", "projector(x[0])")), 13, "projector.x takes [b d]"),
    ("wrong size", moco(("queue: push(k)", "queue: push(h)"), ("  k: target", "  h: encoder(x[1])\n  k: target")), 16, "d="),
    ("wrong kind", moco(("objective(s)", "objective(q)")), 17, "takes scores"),
    ("no negatives", moco(("critic(q, k, queue())", "critic(q, k)")), 17, "negatives"),
    ("pixels into an encoder", moco(("encoder(x[0])", "encoder(batch.image)")), 13, "uint8 pixels from batch.image"),
    ("a chain in the wrong order", moco(("of: [encoder, projector]", "of: [projector, encoder]")), 7, "'projector' gives [b e]"),
    ("a fold of the loss", moco(("objective(s)", "objective(s, views=fold)")), 17, "could be parted again"),
    ("a term times 0", moco(("objective(s)", "0 * objective(s)")), 17, "takes the term out of the loss"),
    ("a factor behind", moco(("objective(s)", "objective(s) * 0.5")), 17, "write 0.5 * objective(s)"),
    ("a wrong weight", moco(("infonce: objective(s)", "infonce: {value: objective(s), weight: {from: 0}}")), 17, "'to' is missing"),
    ("arithmetic", moco(("objective(s)", "objective(s) + objective(s)")), 17, "number * call"),
    ("python", moco(("critic(q, k, queue())", "(critic(q, k) for q in x)")), 15, "no expression"),
    ("a list for an expression", moco(("critic(q, k, queue())", "[q, k]")), 15, "'s' is a list"),
    ("parenthesis", moco(("critic(q, k, queue())", "critic(q, k, queue()")), 15, "')' missing"),
    ("stopgrad everywhere", moco(("q: projector(encoder(x[0]))", "q: stopgrad(projector(encoder(x[0])))")), 17, "no gradient"),
    ("collapse", changed(BYOL, ("z: target(x)", "z: projector(encoder(x))"), ("update:\n  target: follow()\n", ""), ("  target:    {use: target.ema, of: [encoder, projector], momentum: {from: 0.9, to: 1.0}}\n", "")), 14, "collapses"),
    ("batch of one", changed(SIMCLR, ("batch: 16", "batch: 1"), ("out: 8}", "out: 8, norm: none}")), 2, "batch of one"),
    ("unknown rule", moco(("graph: moco", "allow: [G999]\ngraph: moco")), 1, "no rule has the code"),
    ("a component without a name", moco(("graph: moco", "components: ['']\ngraph: moco")), 1, "'' is neither a component file"),
    ("missing component file", moco(("graph: moco", "components: [./mine.py]\ngraph: moco")), 1, "no component file"),
    ("broken component file", moco(("graph: moco", "components: [./broken.py]\ngraph: moco")), 1, "does not load: SyntaxError"),
    ("features of no node", moco(("features: encoder", "features: enc")), 22, "did you mean 'encoder'?"),
    ("batch beyond the data", moco(("batch: 16", "batch: 4000"), ("size: 48", "size: 4000")), 2, "larger than the data set"),
]  # fmt: skip


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["graphssl", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize(("content", "line", "message"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_broken_graph_ends_in_one_clear_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    content: str | bytes,
    line: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("graph.yaml")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    Path("broken.py").write_text("def (:\n")
    before = set(tmp_path.iterdir())
    assert command(monkeypatch, verb, "graph.yaml") == 2
    said = capsys.readouterr().err
    assert message in said
    assert f"graph.yaml:{line}:" in said
    assert "Traceback" not in said
    assert "internal error" not in said
    assert said.rstrip().endswith(("problem", "problems"))
    assert set(tmp_path.iterdir()) == before


def test_there_are_fifty_kinds() -> None:
    assert len(BROKEN) >= 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "there is no graph file 'nowhere.yaml'"),
        (["run", "bylo"], "did you mean 'byol'?"),
        (["run", "."], "is a folder"),
        (["run"], "name a graph file to run, or a run to resume"),
        (["run", "byol", "--resume", "x"], "one of the two"),
        (["check", "byol", "--set", "nodes.critic"], "a change is written KEY=VALUE"),
        (["check", "byol", "--set", "nodes.critic.temprature=1"], "did you mean 'temperature'?"),
        (["show", "byol", "-o", "picture.gif"], "cannot be written as 'picture.gif'"),
        (["components", "critic.cosin"], "did you mean 'critic.cosine'?"),
        (["explain", "G2O1"], "did you mean 'G201'?"),
        (["check"], "Missing argument"),
        (["chekc", "byol"], "No such command"),
        (["run", "byol", "--devise", "cpu"], "No such option"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_arguments_exit_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_problems_of_several_graphs_are_told_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(moco(("critic(q, k,", "critic(q, kk,")))
    Path("b.yaml").write_text(moco(("temperature", "temprature"), ("target(x[1])", "target(x[7])")))
    assert command(monkeypatch, "check", "a.yaml", "b.yaml", "byol") == 2
    said = capsys.readouterr()
    assert "a.yaml:15:" in said.err
    assert "b.yaml:9:" in said.err
    assert "b.yaml:14:" in said.err
    assert "3 problems" in said.err
    assert "byol: valid" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["10 MB file", "binary file", "collapse", "extends itself"])
def test_the_command_itself(tmp_path: Path, kind: str) -> None:
    content = next(b[1] for b in BROKEN if b[0] == kind)
    (tmp_path / "graph.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = subprocess.run(
        [sys.executable, "-m", "graphssl", "run", "graph.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "graph.yaml:" in done.stderr
    assert "Traceback" not in done.stderr
