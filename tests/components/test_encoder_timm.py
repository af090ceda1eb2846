"""Networks of timm against plain timm: keys, outputs, maps; what of it is the graph's to say; refusals."""

from __future__ import annotations

import builtins
import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from conftest import SIMCLR, Write, problems_of
from torch import Tensor, nn

from graphssl.checks.checked import check
from graphssl.component import Sizes, build
from graphssl.components.encoder import Timm
from graphssl.components.norms import splits_of
from graphssl.components.target import EMA
from graphssl.errors import Refused
from graphssl.graph.read import load

# A network of each kind, with what makes it small.
KINDS: dict[str, dict[str, Any]] = {
    "test_resnet": {}, "test_convnext": {}, "test_efficientnet": {}, "test_nfnet": {}, "test_byobnet": {},
    "test_vit": {"patch_size": 8, "depth": 2}, "test_mambaout": {},
    "swin_tiny_patch4_window7_224": {"window_size": 4, "depths": [1, 1], "num_heads": [2, 2], "embed_dim": 16},
    "regnetx_002": {}, "mobilenetv3_small_050": {}, "mixer_s32_224": {},
    "xcit_nano_12_p16_224": {"depth": 2}, "eva02_tiny_patch14_224": {"patch_size": 16, "depth": 2},
    "deit_tiny_distilled_patch16_224": {"depth": 2}, "convit_tiny": {"depth": 2},
}  # fmt: skip


def net(name: str, px: tuple[int, int] = (32, 32), channels: int = 3, **config: Any) -> Any:
    torch.manual_seed(7)
    return build(Timm, sizes=Sizes({"c": channels, "h": px[0], "w": px[1]}), name=name, **config)


def image(channels: int = 3, h: int = 32, w: int = 32) -> Tensor:
    return torch.randn(2, channels, h, w, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "options"), KINDS.items())
def test_it_is_timms_network(name: str, options: dict[str, Any]) -> None:
    """Its weights load strictly into plain timm, which then gives the same; on the meta device it has the same shapes."""
    ours = net(name, options=options).eval()
    sized = {"img_size": (32, 32)} if name not in ("regnetx_002", "mobilenetv3_small_050") else {}
    try:
        plain = timm.create_model(name, num_classes=0, **options, **sized)
    except TypeError:
        plain = timm.create_model(name, num_classes=0, **options)
    plain.load_state_dict(ours.state_dict(), strict=True)
    assert isinstance(ours, type(plain))
    torch.testing.assert_close(ours(image()), plain.eval()(image()), rtol=0, atol=0)
    with torch.device("meta"):
        meta = net(name, options=options)
    assert {k: v.shape for k, v in meta.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}
    assert meta(torch.empty(2, 3, 32, 32, device="meta")).shape == ours(image()).shape


@pytest.mark.parametrize(
    ("name", "maps"),
    [("test_resnet", (1, 4)), ("test_convnext", (3,)), ("test_vit", (0, 1)), ("test_efficientnet", (2, 4))],
)
def test_maps_are_timms_feature_maps_and_the_vector_stays(name: str, maps: tuple[int, ...]) -> None:
    options = {"patch_size": 8, "depth": 2} if name == "test_vit" else {}
    one, several = net(name, options=options).eval(), net(name, options=options, maps=maps).eval()
    assert several.state_dict().keys() == one.state_dict().keys()
    given = several(image())
    assert given._fields == ("vector", *(f"map{i}" for i in maps))
    torch.testing.assert_close(given.vector, one(image()))
    expected = one.forward_intermediates(image(), indices=list(maps), intermediates_only=True)
    for got, wanted in zip(given[1:], expected, strict=True):
        assert torch.equal(got, wanted)


def test_channels_and_the_size_of_images_are_the_graphs() -> None:
    ours = net("test_vit", (32, 64), 4, options={"patch_size": 8})
    assert ours.patch_embed.proj.weight.shape[1] == 4
    assert ours.pos_embed.shape[1] == 4 * 8 + 1
    assert ours(image(4, 32, 64)).shape == (2, 64)
    assert net("test_vit", options={"img_size": 64, "patch_size": 8}).pos_embed.shape[1] == 65
    small = net("test_vit", options={"patch_size": 8, "dynamic_img_size": True})
    assert small(image(3, 16, 24)).shape == (2, 64)


def test_a_copy_and_a_target_are_networks_of_their_own() -> None:
    ours = net("test_resnet")
    other = copy.deepcopy(ours)
    assert type(other) is type(ours)
    assert torch.equal(other.eval()(image()), ours.eval()(image()))
    target = EMA(EMA.Config(of=["encoder"]), Sizes(), [ours])
    assert {f"encoder.{k}" for k in ours.state_dict()} == set(target.state_dict())


def test_a_target_leaves_nothing_out_by_chance() -> None:
    ours = net("test_vit", options={"patch_size": 8, "drop_path_rate": 0.5, "proj_drop_rate": 0.3}).train()
    target = EMA(EMA.Config(of=["encoder"]), Sizes(), [ours]).train()
    assert not torch.equal(ours(image()), ours(image()))
    assert torch.equal(target(image()), target(image()))
    torch.testing.assert_close(target(image()), ours.eval()(image()))


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])  # with activations behind the norms, and in them
def test_split_batch_norm(name: str) -> None:
    """In training each half is normalised by itself; in eval mode it is the same network."""
    ours, split = net(name).train(), net(name, norm={"use": "split_batch", "splits": 2}).train()
    assert (splits_of(ours), splits_of(split)) == (1, 2)
    assert split.state_dict().keys() == ours.state_dict().keys()
    x = torch.cat([image(), 2 * image()])
    torch.testing.assert_close(split(x), torch.cat([ours(x[:2]), ours(x[2:])]), rtol=1e-3, atol=1e-4)
    split.load_state_dict(ours.state_dict())
    torch.testing.assert_close(split.eval()(x), ours.eval()(x))


def test_split_batch_norm_of_a_network_without_any() -> None:
    with pytest.raises(ValueError, match="this network has no batch norm"):
        net("test_vit", options={"patch_size": 8}, norm="split_batch")


def test_compiled_it_computes_the_same() -> None:
    torch._dynamo.reset()
    ours = net("test_convnext", maps=(1,)).double().eval()
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    for got, wanted in zip(compiled(image().double()), ours(image().double()), strict=True):
        torch.testing.assert_close(got, wanted)


def test_channels_last() -> None:
    ours = net("test_convnext").eval()
    expected = ours(image())
    ours.to(memory_format=torch.channels_last)
    torch.testing.assert_close(ours(image().contiguous(memory_format=torch.channels_last)), expected)


# -- in a graph ------------------------------------------------------------------------------------------------------


def simclr(write: Write, entry: str, *changes: tuple[str, str]) -> Path:
    network = ("{use: encoder.resnet, depth: 10, width: 8}", f"{{use: encoder.timm, {entry}}}")
    return write(SIMCLR, network, *changes)


def test_maps_are_values_of_the_flow(write: Write) -> None:
    changes = ("z: projector(encoder(x, views=fold))", "h: encoder(x, views=fold)\n  z: projector(h.vector)")
    text = simclr(write, "name: test_resnet, maps: [3]", changes, ("features: encoder", "features: z"))
    checked = check(text)
    slot = checked.graph.values["h"].parts["map3"].slots[0]  # type: ignore[index]
    assert slot.axes == (("b", "c3", "r3", "k3"),)
    assert checked.shapes.slots[slot.id][0] == (16, 192, 2, 2)


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("name: resnet81", "timm has no model 'resnet81'", "did you mean 'resnet18'"),
        ("name: qqqqqqqq", "timm has no model 'qqqqqqqq'", "timm.list_models() lists them"),
        ("name: resnet18.nobody", "timm has no model 'resnet18.nobody'", "did you mean 'resnet18'"),
        ("name: test_resnet, options: {pretrained: true}", "'pretrained' is no option here", "^"),
        ("name: test_resnet, options: {num_classes: 10}", "'num_classes' is no option here", "^"),
        ("name: test_resnet, options: {depht: 3}", "unexpected keyword argument 'depht'", "^"),
        ("name: test_resnet, maps: [1, 1]", "a map is named twice in [1, 1]", "^"),
        ("name: test_vit, options: {patch_size: 8}, norm: split_batch", "this network has no batch norm", "^"),
        ("names: test_resnet", "no key is called 'names'", "did you mean 'name'?"),
    ],
)
def test_refusals(write: Write, entry: str, message: str, hint: str) -> None:
    (found,) = problems_of(check, simclr(write, entry))
    assert message in found
    assert hint in found
    assert ":5:" in found


def test_a_map_that_is_not_there(write: Write) -> None:
    changes = ("z: projector(encoder(x, views=fold))", "h: encoder(x, views=fold)\n  z: projector(h.vector)")
    text = simclr(write, "name: test_resnet, maps: [9]", changes)
    (found,) = problems_of(check, text)
    assert "test_resnet has 5 feature maps, numbered from 0: there is no map 9" in found


def test_without_timm_the_extra_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'", name="timm")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "timm")
    monkeypatch.setattr(builtins, "__import__", without)
    (found,) = problems_of(load, simclr(write, "name: resnet18"))
    assert "it needs timm, which is not installed" in found
    assert "pip install 'graphssl[timm]'" in found


def test_what_is_refused_is_a_value_error_with_the_option() -> None:
    with pytest.raises(Refused) as caught:
        Timm.signature(Timm.Config(name="resnet81"), {})
    assert caught.value.option == "name"


def test_every_weight_is_trained() -> None:
    ours = net("test_convnext")
    ours(image()).sum().backward()
    assert [k for k, p in ours.named_parameters() if p.grad is None] == []
    assert isinstance(ours, nn.Module)
