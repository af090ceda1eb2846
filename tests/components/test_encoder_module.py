"""The user's own networks: where they are found, what ports they get, that they are themselves, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nets
import pytest
import torch
from conftest import BYOL, SIMCLR, Write, problems_of
from torch import Tensor

from graphssl.checks.checked import check
from graphssl.component import Code, Sizes, build
from graphssl.components.encoder import Module
from graphssl.components.norms import splits_of
from graphssl.graph.graph import Graph
from graphssl.graph.read import load

NETS = Path(nets.__file__)
OTHERS = """
import torch
from torch import nn

class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x).mean((2, 3)) @ torch.ones(5, 2, device=x.device)

class Reads(nn.Module):
    def __init__(self):
        super().__init__()
        self.rates = [r.item() for r in torch.linspace(0, 1, 3)]
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        return self.layer(x.mean((2, 3)))

class Branches(Reads):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(-x)

class Large(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5 * 37 * 37, 4)

    def forward(self, x):
        return self.layer(x.flatten(1))

class Scalar(Reads):
    def forward(self, x):
        return super().forward(x).mean()

class Nested(Reads):
    def forward(self, x):
        return {"all": [super().forward(x)]}

class Fails(nn.Module):
    def __init__(self, width):
        super().__init__()
        raise KeyError("no such width")

def number():
    return 3

ONE = nn.Conv2d(3, 4, 3)

def same():
    return ONE
"""


def net(name: str, channels: int = 3, **config: Any) -> Any:
    torch.manual_seed(7)
    return build(Module, Module.Config(path=f"{NETS}:{name}", **config), Sizes({"c": channels, "h": 32, "w": 32}))


def outputs(name: str, **config: Any) -> list[tuple[str, str]]:
    signature = Module.signature(Module.Config(path=f"{NETS}:{name}", **config), {})
    return [(p.name, " ".join(p.axes[0])) for p in signature.outputs]


def image() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Vector", [("", "b d")]),
        ("Tokens", [("", "b t d")]),
        ("Map", [("", "b e r k")]),
        ("Named", [("vector", "b d"), ("map", "b e1 r1 k1")]),
        ("Several", [("out0", "b d"), ("out1", "b e1 r1 k1")]),
        ("Mapped", [("map", "b e r k"), ("vector", "b d1")]),
        ("sequence", [("", "b d")]),
    ],
)
def test_outputs_are_found_without_data(name: str, expected: list[tuple[str, str]]) -> None:
    assert outputs(name) == expected
    given = net(name).eval()(image())
    if expected[0][0]:
        assert list(given._fields) == [n for n, _ in expected]
    else:
        assert given.ndim == len(expected[0][1].split())


def test_outputs_that_are_said() -> None:
    assert outputs("Vector", outputs="b width") == [("", "b width")]
    assert outputs("Named", outputs={"vector": "b d", "map": "b e r k"}) == [("vector", "b d"), ("map", "b e r k")]


@pytest.mark.parametrize("said", ["d", "b d d", "", "b 3d", {}, {"a b": "b d"}])
def test_outputs_that_are_no_axes(said: Any) -> None:
    with pytest.raises(ValueError, match=r"axes of a batch|outputs are named by words"):
        Module.Config(path="./net.py:Net", outputs=said)


def test_it_is_the_network_itself() -> None:
    torch.manual_seed(7)
    plain = nets.Vector(width=5)
    ours = net("Vector", options={"width": 5})
    assert type(ours).__mro__[1:3] == (Module, type(ours).__mro__[2])
    assert type(ours).__name__ == "Vector"
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in ours.state_dict().items())
    plain.load_state_dict(ours.state_dict(), strict=True)
    assert torch.equal(ours(image()), plain(image()))


def test_channels_are_the_networks() -> None:
    """What is tried first is what its first convolution takes."""
    assert outputs("Vector", options={"channels": 7}) == [("", "b d")]


def test_split_batch_norm() -> None:
    assert splits_of(net("Vector", norm="split_batch")) == 8


# -- in a graph ------------------------------------------------------------------------------------------------------


def graph(write: Write, entry: str, text: str = SIMCLR, *changes: tuple[str, str]) -> Path:
    return write(text, ("{use: encoder.resnet, depth: 10, width: 8}", f"{{use: encoder.module, {entry}}}"), *changes)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    (tmp_path / "others.py").write_text(OTHERS)
    return tmp_path


def test_a_file_beside_the_graph_that_says_so(
    write: Write, others: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (others / "sub").mkdir()
    (others / "sub/net.py").write_text(NETS.read_text())
    graph(write, "path: ./net.py:Vector").rename(others / "sub/parent.yaml")
    (others / "child.yaml").write_text("extends: sub/parent.yaml\nnodes: {encoder: {options: {width: 9}}}\n")
    monkeypatch.chdir("/")
    with caplog.at_level(logging.INFO, logger="graphssl"):
        checked = check(others / "child.yaml")
    assert caplog.messages == ["imports ./net.py"]
    assert checked.shapes.slots[checked.graph.values["z"].slots[0].id][0] == (16, 8)
    node = checked.graph.nodes["encoder"]
    assert node.config.path == Code("./net.py:Vector", others / "sub")  # type: ignore[attr-defined]
    assert checked.graph.resolved()["nodes"]["encoder"]["path"] == "./net.py:Vector"
    assert node.config.path.portable().text == f"{others / 'sub/net.py'}:Vector"  # type: ignore[attr-defined]


def test_an_installed_package(write: Write, others: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (others / "mylab_nets.py").write_text(NETS.read_text())
    monkeypatch.syspath_prepend(others)
    assert check(graph(write, "path: mylab_nets:sequence")).graph.nodes["encoder"].forward.outputs[0].axes == (
        ("b", "d"),
    )


def test_its_batch_norm_is_seen_by_the_rules(write: Write) -> None:
    """A queue with keys that are normalised with their queries; with split batch norm it does not leak."""
    queue = (
        (
            "critic:    {use: critic.cosine}",
            "queue: {use: negatives.queue, size: 32}\n  critic:    {use: critic.cosine}",
        ),
        ("s: critic(p, z, pairs=cross)", "s: critic(p[0], z[1], queue())"),
        ("{use: objective.regression}", "{use: objective.infonce}"),
        ("target: follow()", "target: follow()\n  queue: push(z[1])"),
        ("projector: {use: head.mlp,", "projector: {use: head.mlp, norm: none,"),
    )
    for norm, leaks in (("", 1), (", norm: split_batch", 0)):
        warnings = check(graph(write, f"path: {NETS}:Vector{norm}", BYOL, *queue)).warnings
        found = [w for w in warnings if w.code == "G305"]
        assert len(found) == leaks, warnings
        assert not leaks or "split_batch" in (found[0].hint or "")


def test_a_network_that_reads_numbers_when_it_is_built(write: Write, others: Path) -> None:
    assert check(graph(write, "path: ./others.py:Reads"))


def test_a_network_of_one_size_of_images(write: Write, others: Path) -> None:
    (found,) = problems_of(load, graph(write, "path: ./others.py:Large"))
    assert "its outputs cannot be found by a run without data: RuntimeError" in found
    assert "hint: `outputs` says what it gives, as in outputs: b d" in found
    changes = ("{use: augment.simclr, ", "{use: augment.simclr, size: 37, ")
    (found,) = problems_of(check, graph(write, "path: ./others.py:Large, outputs: b d", SIMCLR, changes))
    assert "'encoder' (encoder.module) cannot take this: RuntimeError" in found


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("path: ./nowhere.py:Net", "there is no file './nowhere.py'"),
        ("path: ./others.py:Raeds", "'./others.py' has no 'Raeds'; did you mean 'Reads'?"),
        ("path: nowhere.at.all:Net", "'nowhere.at.all' does not load: ModuleNotFoundError"),
        ("path: Net", "'Net' names no class; write ./net.py:Net, or mylab.nets:Net"),
        ("path: ./others.py:torch", "'./others.py:torch' is no class and no function"),
        ("path: ./others.py:number", "'./others.py:number' gives no nn.Module: its type is int"),
        ("path: ./others.py:Broken", "a run without data: RuntimeError: "),
        ("path: ./others.py:Broken", "others.py:11:"),
        ("path: ./others.py:Branches", "a run without data: RuntimeError: "),
        ("path: ./others.py:Scalar", "it is [] for 3 images, and no b d, b t d or b e r k"),
        ("path: ./others.py:Nested", "'all' is no tensor: its type is list"),
        (
            "path: ./others.py:Fails, options: {width: 3}",
            "cannot be made: KeyError: 'no such width'",
        ),
        ("path: ./others.py:Reads, options: {width: 3}", "unexpected keyword argument 'width'"),
        ("options: {width: 3}", "'path' is missing"),
    ],
)
def test_refusals(write: Write, others: Path, entry: str, message: str) -> None:
    (found,) = problems_of(load, graph(write, entry))
    assert message in found
    assert ":5:" in found
    assert "Traceback" not in found


def test_an_error_in_the_network_shows_its_line(write: Write, others: Path) -> None:
    """As of a component: file, line, the line itself, and of common slips a hint; when it is made, and when it runs."""
    for body, line, hint in (
        ("return x.flatten(1) @ wieghts", "return x.flatten(1) @ wieghts", "did you mean 'weights'?"),
        ("return torch.tensor(x.numpy())", "x.numpy()", "`outputs` says what it gives"),
        ("return self.made(x)", "raise KeyError('made')", "`outputs` says what it gives"),
    ):
        text = f"import torch\nweights = 1\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        {body}\n"
        name = f"slips{len(line)}.py"
        (others / name).write_text(f"{text}    def made(self, x):\n        raise KeyError('made')\n")
        (found,) = problems_of(load, graph(write, f"path: ./{name}:Net"))
        assert f"/{name}:{7 if 'made' in line else 5}:" in found
        assert line in found
        assert hint in found


def test_a_function_that_gives_one_network_to_two_nodes(write: Write, others: Path) -> None:
    """Each node has a copy, and the file's own stays as it is: on its device, of its class, with its weights."""
    path = Code(f"{others / 'others.py'}:same")
    config, one = Module.Config(path=path, outputs="b e r k"), path.load()()
    before = one.weight.clone()
    with torch.device("meta"):
        assert build(Module, config, Sizes({"c": 3})).weight.is_meta  # type: ignore[union-attr]
    first, second = (build(Module, config, Sizes({"c": 3})) for _ in range(2))
    assert type(one) is torch.nn.Conv2d
    assert torch.equal(first.weight, before)  # type: ignore[arg-type]
    with torch.no_grad():
        first.weight.zero_()  # type: ignore[operator, union-attr]
    assert torch.equal(second.weight, before)  # type: ignore[arg-type]
    assert torch.equal(one.weight, before)


@pytest.mark.parametrize("outputs", ["", ", outputs: b d"], ids=["found", "said"])
@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("Lazy", "weights of no size yet, of lazy layers: fc.weight, fc.bias", "nn.Linear(512, 64)"),
        ("half", "weights of float16 (conv.weight), and a node's are float32", ".half()"),
        ("Double", "gives float64, and what flows is float32", ".float()"),
        ("InPlace", "'encoder' (encoder.module) writes into its input", "x.mul_(2)"),
        ("Exits", "SystemExit: 3", ""),
    ],
)
def test_what_a_step_could_not_take(write: Write, name: str, message: str, hint: str, outputs: str) -> None:
    (found,) = problems_of(check, graph(write, f"path: {NETS}:{name}{outputs}"))
    assert message in found
    assert hint in found


def test_lazy_layers_that_were_run_once(write: Write) -> None:
    assert not check(graph(write, f"path: {NETS}:known")).warnings


@pytest.mark.parametrize(
    ("name", "missed"), [("Detached", "conv.weight, conv.bias, bn.weight, bn.bias"), ("Partly", "fc.weight, fc.bias")]
)
def test_weights_without_a_gradient_are_warned_of(write: Write, name: str, missed: str) -> None:
    (found,) = check(graph(write, f"path: {NETS}:{name}")).warnings
    assert (found.code, found.message.split(" no gradient")[0]) == ("G107", f"'encoder' gives {missed}")


def test_what_is_said_not_to_train_needs_no_gradient(write: Write) -> None:
    assert not check(graph(write, f"path: {NETS}:Partly, train: [conv, bn]")).warnings


def test_the_hash_knows_the_path_and_not_the_folder(write: Write, others: Path) -> None:
    def read(name: str) -> Graph:
        return load(graph(write, f"path: ./others.py:{name}"))

    assert read("Reads").hash() == read("Reads").hash() != load(graph(write, f"path: {NETS}:Vector")).hash()
