"""Every format loads into plain libraries and gives the features of the run's own node; what cannot be is said."""

from __future__ import annotations

import importlib.util
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from band_files import values
from conftest import MOCO, SIMCLR
from exports import ENCODER, exported_run, own, pictures
from left_runs import left_run
from picture_files import no_regular_file, picture
from PIL import Image
from torch import Tensor

import graphssl
from graphssl.errors import RunError, UsageError
from graphssl.runs.export import FORMATS
from graphssl.runs.folder import RunFolder

CHAIN = "augment:   {use: augment.chain, operations: [crop, flip]}"
VIT = "{use: encoder.vit, patch: 8, dim: 48, depth: 2, heads: 3, mlp: 100}"
MAPS = "{use: encoder.resnet, depth: 10, width: 8, maps: [layer2]}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    root = tmp_path_factory.mktemp("exported")
    resnet18 = "{use: encoder.resnet, depth: 18, stem: imagenet}"
    named = {"wide": ENCODER, "vit": VIT, "maps": MAPS, "resnet18": resnet18}
    found = {name: exported_run(root / name, encoder) for name, encoder in named.items()}
    found["grey"] = exported_run(root / "grey", ENCODER, grey=True)
    found["moco"] = left_run(root / "moco", MOCO, moved=True)
    return found


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def outputs(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else list(value)


PROGRAMS = [
    ("vit", "encoder", "onnx"), ("maps", "encoder", "onnx"), ("grey", "encoder", "onnx"), ("wide", "z", "onnx"),
    ("wide", "encoder", "torch-export"), ("vit", "encoder", "torch-export"), ("maps", "encoder", "torch-export"),
    ("wide", "projector", "torch-export"), ("moco", "target", "torch-export"),
]  # fmt: skip
MORE = [
    ("wide", "encoder", "onnx"), ("wide", "projector", "onnx"), ("moco", "target", "onnx"), ("resnet18", "encoder", "onnx"),
    ("grey", "encoder", "torch-export"), ("wide", "z", "torch-export"), ("resnet18", "encoder", "torch-export"),
]  # fmt: skip
EACH = [*PROGRAMS, *(pytest.param(*program, marks=pytest.mark.slow) for program in MORE)]


@pytest.mark.parametrize(("name", "node", "to"), EACH, ids=["-".join(p) for p in PROGRAMS + MORE])
def test_programs_take_batches_of_any_size(runs: dict[str, RunFolder], name: str, node: str, to: str) -> None:
    exported = graphssl.export(str(runs[name].path), None, node, to)
    assert exported.output == Path(f"encoder{FORMATS[to].ending}")
    names: dict[str, Any] = {}
    exec(exported.code, names)
    ours = own(runs[name], node)
    for b in (1, 2, 7):
        x = torch.randn(b, 64) if node == "projector" else pictures(b, 1 if name == "grey" else 3)
        with torch.no_grad():
            wanted = outputs(ours(x))
            if to == "onnx":
                session = names["session"]
                (taken,) = session.get_inputs()
                assert taken.name == ("x" if node == "projector" or name == "grey" else "image")
                assert isinstance(taken.shape[0], str)
                given = [torch.from_numpy(v) for v in session.run(None, {taken.name: x.numpy()})]
                called = [one.name for one in session.get_outputs()]
                assert called == (["vector", "layer2"] if name == "maps" else ["features"])
            else:
                given = outputs(names["model"](x))
        assert len(given) == len(wanted)
        for theirs, own_ in zip(given, wanted, strict=True):
            torch.testing.assert_close(theirs, own_, rtol=1e-5, atol=1e-5)


def test_onnx_says_what_it_is(runs: dict[str, RunFolder]) -> None:
    graphssl.export(str(runs["wide"].path), to="onnx")
    import onnx

    said = {entry.key: entry.value for entry in onnx.load("encoder.onnx").metadata_props}
    assert said["graphssl.run"] == "run"
    assert said["graphssl.mean"] == "0.309 0.309 0.309"
    assert (
        said["graphssl.preprocessing"]
        == "scaled (bilinear, antialiased), the shorter side to 32 px; the centre 32 x 32 cut out"
    )


@pytest.mark.parametrize("to", ["torch", "safetensors"])
@pytest.mark.parametrize("name", ["wide", "vit", "resnet18", "maps"])
def test_weights_load_by_the_code_that_is_told(runs: dict[str, RunFolder], name: str, to: str) -> None:
    exported = graphssl.export(str(runs[name].path), to=to)
    names: dict[str, Any] = {}
    exec(exported.code, names)
    x = pictures(3)
    with torch.no_grad():
        theirs, ours = (outputs(model(x))[0] for model in (names["model"], own(runs[name])))
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5)
    assert ("torchvision" in exported.code) == (name in ("vit", "resnet18"))
    assert "strict" not in exported.code


def test_safetensors_hold_the_nodes_own_names_and_say_what_they_are(runs: dict[str, RunFolder]) -> None:
    from safetensors import safe_open

    graphssl.export(str(runs["wide"].path), to="safetensors")
    with safe_open("encoder.safetensors", "pt") as file:
        said = file.metadata()
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    wanted = own(runs["wide"]).state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[key], wanted[key]) for key in state)
    assert (said["format"], said["graphssl.node"], said["graphssl.std"]) == ("pt", "encoder", "0.3499 0.3499 0.3499")


def test_a_plain_state_dict_is_what_it_was(runs: dict[str, RunFolder]) -> None:
    exported = graphssl.export(str(runs["moco"].path), "it.pt", "target")
    state = torch.load("it.pt", weights_only=True)
    wanted = own(runs["moco"], "target").state_dict()
    assert list(state) == list(wanted)
    assert all(torch.equal(state[key], wanted[key]) for key in state)
    assert exported.tensors == len(state)


@pytest.mark.parametrize("node", ["encoder", "target"])
def test_a_target_of_one_node_is_that_network(tmp_path: Path, node: str) -> None:
    """What DINO and MoCo v3 release: the teacher's own weights."""
    text = MOCO.replace(ENCODER.replace("}", ""), "{use: encoder.resnet, depth: 18, stem: imagenet")
    text = text.replace("of: [encoder, projector]", "of: [encoder]").replace(
        "k: target(x[1])", "k: projector(target(x[1]))"
    )
    run = left_run(tmp_path / "one", text, moved=True)
    exported = graphssl.export(str(run.path), "it.pt", node, "torchvision")
    names: dict[str, Any] = {}
    exec(exported.code, names)
    x = pictures(3)
    with torch.no_grad():
        torch.testing.assert_close(names["model"](x), own(run, node)(x), rtol=1e-5, atol=1e-5)


# -- the card ------------------------------------------------------------------------------------------------------


def blocks(card: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card.read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("name", "to"),
    [("resnet18", "torchvision"), ("vit", "timm"), ("wide", "safetensors"), ("wide", "onnx"), ("vit", "torch-export"), ("wide", "torch")],
)  # fmt: skip
def test_the_cards_lines_make_features_of_a_picture(runs: dict[str, RunFolder], name: str, to: str) -> None:
    Path("out").mkdir()
    picture(4, 57, 90).save("out/picture.jpg")
    exported = graphssl.export(str(runs[name].path), f"out/it{FORMATS[to].ending}", to=to)
    assert exported.card == Path("out/it.md")
    load, use = blocks(exported.card)
    assert len(load.splitlines()) <= 6
    _as_printed(load, use, runs[name], to, "out/picture.jpg")


def _as_printed(load: str, use: str, run: RunFolder, to: str, file: str) -> None:
    """Runs a card's lines in its folder; what they give is what graphssl gives of the same file."""
    given: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("out")
        exec(load, given)
        exec(use, given)
    assert ("torch" in given) == (to != "onnx")
    wanted = graphssl.embed(str(run.path), file, device="cpu")
    close = 1e-2 if to == "onnx" else 1e-4  # Pillow rounds some bytes otherwise than torch
    torch.testing.assert_close(torch.as_tensor(given["features"]), wanted, rtol=close, atol=close)


KINDS = {
    "grey": "channels: 1, mean: [0.5], std: [0.29]",
    "bands": "channels: 4, dtype: uint16, mean: [0.5, 0.4, 0.5, 0.5], std: [0.29, 0.29, 0.3, 0.29]",
    "floats": "channels: 5, dtype: float32, mean: [0.5, 0.5, 0.5, 0.5, 0.5], std: [0.29, 0.29, 0.29, 0.29, 0.2]",
    "turned": "orientation: apply, mean: [0.5, 0.5, 0.5], std: [0.29, 0.29, 0.29]",
}


@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_cards_lines_are_for_the_runs_pictures(tmp_path: Path, kind: str, to: str) -> None:
    """In the folder of the file, for a run that is named as in another one."""
    data = f"{{use: image_folder, root: nowhere, size: 32, batch: 8, {KINDS[kind]}}}"
    text = SIMCLR.replace("{use: digits, batch: 16}", data)
    text = text.replace("augment:   {use: augment.simclr, flip: 0, blur: 0}", CHAIN)
    run = left_run(tmp_path / "one", text, moved=True)
    Path("out").mkdir()
    file = "out/picture.npy" if kind in ("bands", "floats") else "out/picture.jpg"
    if kind in ("bands", "floats"):
        np.save(file, values(3, *((4, "uint16") if kind == "bands" else (5, "float32")), 57, 90))
    elif kind == "grey":
        picture(4, 57, 90).convert("L").save(file)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6
        picture(4, 57, 90).save(file, exif=exif)
    card = graphssl.export("one", f"out/it{FORMATS[to].ending}", to=to).card
    load, use = blocks(card)
    _as_printed(load, use, run, to, file)
    assert ("none of a plain library: graphssl, which has to be installed" in card.read_text()) == (to == "torch")
    assert ("turned as their EXIF says" in card.read_text()) == (kind == "turned")


def test_the_card_says_what_it_is(runs: dict[str, RunFolder]) -> None:
    run = runs["wide"]
    run.note(status="finished", scores={"knn": {"0": 0.25, "2": 0.75}, "mine": {"2": 0.5}})
    text = graphssl.export(str(run.path), "it.pt").card.read_text()
    (run.path / "run.json").unlink()
    assert "# `encoder` of the run `run`" in text
    for row in (
        "| method | `simclr` |", "| network | `encoder.resnet` |", "| takes | `b x 3 x 32 x 32`, float32 |",
        "| gives | features `b x 64` |", "| data | `digits` |", "| optimizer steps | 1 (finished) |",
        "| images seen | 16, 16 a step |", "| labels | not used in training |",
        "| kNN accuracy | 25.00 % | 75.00 % | 2 |", "| mine |  | 0.5 | 2 |",
    ):  # fmt: skip
        assert row in text
    assert "minus the mean 0.309, 0.309, 0.309, over the deviation 0.3499" in text
    assert run.graph.read_text().rstrip() in text
    again = graphssl.export(str(run.path), "it.pt").card.read_text()
    assert "No evaluation is noted." in again


def test_a_file_of_the_users_own_is_no_card(runs: dict[str, RunFolder]) -> None:
    Path("notes.md").write_text("mine")
    with pytest.raises(UsageError, match=r"notes.md, where the model card would be, is there and is none"):
        graphssl.export(str(runs["wide"].path), "notes.pt")
    Path("folder.md").mkdir()
    with pytest.raises(UsageError, match=r"folder.md, where the model card would be, is a folder"):
        graphssl.export(str(runs["wide"].path), "folder.pt")
    assert sorted(p.name for p in Path().iterdir()) == ["folder.md", "notes.md"]
    assert Path("notes.md").read_text() == "mine"


@pytest.mark.parametrize("kind", ["pipe", "socket", "link"])
def test_nothing_special_is_replaced(runs: dict[str, RunFolder], kind: str) -> None:
    called = no_regular_file(Path("it.pt").absolute(), kind)
    with pytest.raises(RunError, match=rf"^it.pt cannot be written: it is a {called}, and no regular file$"):
        graphssl.export(str(runs["wide"].path), "it.pt")
    no_regular_file(Path("other.md").absolute(), "pipe")
    with pytest.raises(UsageError, match=r"other.md, where the model card would be, is a pipe: give the weights ano"):
        graphssl.export(str(runs["wide"].path), "other.pt")
    assert not Path("other.pt").exists()
    assert not Path("it.md").exists()


# -- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"to": "onx"}, "there is no format 'onx' to export to: did you mean 'onnx'"),
        ({"to": "tensorflow"}, "there is no format 'tensorflow' to export to: formats are torch, torchvision"),
        ({"output": "it.onnx"}, r"a file called 'it.onnx' is taken for one of --to onnx, and this is --to torch: call it 'it.pt'"),
        ({"output": "it.pt2", "to": "safetensors"}, r"one of --to torch-export, and this is --to safetensors: call it 'it.safetensors'"),
        ({"output": "b.md"}, r"--to torch cannot be written as 'b.md': names end in .pt, .pth, .bin, .ckpt"),
        ({"output": "a.txt"}, r"--to torch cannot be written as 'a.txt'"),
        ({"output": "a.pt", "to": "onnx"}, r"--to onnx cannot be written as 'a.pt': names end in .onnx"),
        ({"output": 3}, "output is the path of a file, not 3"),
        ({"output": f"{'n' * 300}.pt"}, "File name too long"),
        ({"to": 3}, "to is the name of a format, not 3"),
        ({"node": ["encoder"]}, "node is the name of a node, or of a value of the flow, not list"),
        ({"output": "."}, r"\. is a folder: name a file, such as encoder.pt"),
        ({"node": "nobody"}, "no node and no value 'nobody'"),
        ({"node": "critic"}, "'critic' has no weights to write"),
    ],
)  # fmt: skip
def test_slips(runs: dict[str, RunFolder], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        graphssl.export(str(runs["wide"].path), **arguments)  # type: ignore[arg-type]
    assert not list(Path().iterdir())


@pytest.mark.parametrize("to", ["onnx", "torch-export"])
def test_what_takes_no_single_tensor_is_no_program(runs: dict[str, RunFolder], to: str) -> None:
    with pytest.raises(
        UsageError, match=r"'queue' takes nothing: only what takes one tensor, b ..., can be written as a program"
    ):
        graphssl.export(str(runs["moco"].path), None, "queue", to)
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("to", "missing", "message"),
    [
        ("onnx", ("onnx", "onnxscript"), r"--to onnx needs onnx and onnxscript, which are not installed: pip install 'graphssl\[onnx\]'"),
        ("timm", ("timm",), r"--to timm needs timm, which is not installed: pip install 'graphssl\[timm\]'"),
        ("safetensors", ("safetensors",), r"needs safetensors, which is not installed: pip install 'graphssl\[safetensors\]'"),
    ],
)  # fmt: skip
def test_a_missing_package_is_named(
    runs: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch, to: str, missing: tuple[str, ...], message: str
) -> None:
    plain = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in missing else plain(name, *rest)
    )
    with pytest.raises(RunError, match=message):
        graphssl.export(str(runs["wide"].path), to=to)
    assert not list(Path().iterdir())


UNTRACED = """
from typing import Annotated
import torch
from torch import Tensor, nn
from graphssl.component import NodeConfig, component

@component("encoder.untraced")
class Untraced(nn.Module):
    class Config(NodeConfig):
        pass
    def __init__(self, config, sizes):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 8))
    def forward(self, image: Annotated[Tensor, "b c h w"]) -> Annotated[Tensor, "b 8"]:
        vector = image.mean((2, 3)) @ self.weight
        return vector if image.is_meta or self.training or float(vector.mean()) < 1e9 else vector * 2
"""


@pytest.mark.parametrize("to", ["torch-export", "onnx"])
def test_a_network_that_cannot_be_traced_is_said(tmp_path: Path, to: str) -> None:
    """It branches on its values, which no program without its code can."""
    (tmp_path / "own.py").write_text(UNTRACED)
    text = SIMCLR.replace(ENCODER, "{use: encoder.untraced}")
    run = left_run(
        tmp_path / "one", text.replace("graph: simclr", f"components: [{tmp_path / 'own.py'}]\ngraph: simclr")
    )
    output = f"it{FORMATS[to].ending}"
    with pytest.raises(RunError, match=r"'encoder' cannot be written as a program for batches of any size: \S+"):
        graphssl.export(str(run.path), output, to=to)
    assert not Path(output).exists()
    assert not Path("it.md").exists()
    with pytest.raises(
        UsageError, match=r"encoder.untraced is no network of theirs; it can be exported to torch, safe"
    ):
        graphssl.export(str(run.path), to="timm")


def test_weights_that_an_onnx_file_cannot_hold(runs: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphssl.runs.export.programs.LARGEST", 1000)
    with pytest.raises(RunError, match=r"'encoder' has 0.0 GB of weights, and an ONNX file holds 2 GB at most"):
        graphssl.export(str(runs["wide"].path), to="onnx")
    assert not list(Path().iterdir())


def test_a_disk_that_is_full_leaves_what_was_there(runs: dict[str, RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    graphssl.export(str(runs["wide"].path), "it.pt")
    before = {p.name: p.read_bytes() for p in Path().iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunError, match=r"^it.pt cannot be written \(No space left on device"):
        graphssl.export(str(runs["wide"].path), "it.pt")
    assert {p.name: p.read_bytes() for p in Path().iterdir()} == before


def test_exports_say_nothing_of_their_own(runs: dict[str, RunFolder], capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graphssl.export(str(runs["wide"].path), to="torch-export")
        graphssl.export(str(runs["wide"].path), to="onnx")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert np.isfinite(Path("encoder.onnx").stat().st_size)
