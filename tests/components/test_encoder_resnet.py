"""ResNets against torchvision's: keys, first weights, outputs, gradients; widths, stems, norms, channels."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from graphssl.component import Sizes, Unbound, build, find
from graphssl.components.encoder import ResNet
from graphssl.components.norms import SplitBatchNorm2d
from graphssl.components.target import EMA
from graphssl.evaluation.embedding import pooled
from graphssl.graph.language.validation import validate
from graphssl.testing import check_component

TORCHVISION = {18: models.resnet18, 34: models.resnet34, 50: models.resnet50, 101: models.resnet101, 152: models.resnet152}  # fmt: skip


def resnet(size: int | tuple[int, int] = 32, channels: int = 3, **config: Any) -> Any:
    h, w = (size, size) if isinstance(size, int) else size
    torch.manual_seed(7)
    return build(ResNet, sizes=Sizes({"c": channels, "h": h, "w": w}), **config)


def theirs(depth: int, **options: Any) -> nn.Module:
    torch.manual_seed(7)
    return TORCHVISION[depth](**options)


def image(b: int = 4, size: int = 32, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(b, channels, size, size, generator=torch.Generator().manual_seed(seed))


# -- torchvision's -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("depth", [18, 50])
def test_the_first_weights_are_torchvisions(depth: int, zero: bool) -> None:
    ours = resnet(depth=depth, stem="imagenet", zero_init_residual=zero).state_dict()
    other = theirs(depth, zero_init_residual=zero).state_dict()
    assert list(ours) == [k for k in other if not k.startswith("fc.")]
    assert all(torch.equal(v, other[k]) for k, v in ours.items())


@pytest.mark.parametrize("depth", TORCHVISION)
def test_keys_and_shapes_at_every_depth(depth: int) -> None:
    with torch.device("meta"):
        ours, other = resnet(224, depth=depth).state_dict(), theirs(depth).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in other.items() if not k.startswith("fc.")}


@pytest.mark.parametrize("depth", [18, 50])
def test_a_checkpoint_in_plain_torchvision(depth: int) -> None:
    """The same outputs and gradients in training, the same statistics, and the same outputs in eval mode."""
    ours = resnet(depth=depth, stem="imagenet", zero_init_residual=False)
    other = TORCHVISION[depth]()
    loaded = other.load_state_dict(ours.state_dict(), strict=False)
    assert loaded.missing_keys == ["fc.weight", "fc.bias"]
    assert not loaded.unexpected_keys
    other.fc = nn.Identity()
    x = image(size=64)
    one, two = ours(x), other(x)
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    one.square().sum().backward()
    two.square().sum().backward()
    for (name, p), q in zip(ours.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=0, atol=0, msg=name)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in ours.state_dict().items())
    torch.testing.assert_close(ours.eval()(image(1, 64)), other.eval()(image(1, 64)), rtol=0, atol=0)


def test_state_keys_of_the_small_ones() -> None:
    ours = resnet(depth=10, width=8).state_dict()
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv2.weight", "layer4.0.downsample.0.weight"} <= set(ours)
    assert set(ours) < set(theirs(18).state_dict())
    assert set(resnet(depth=14, width=8).state_dict()) < set(theirs(50).state_dict())


# -- sizes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 8, 24, 64, 128])
@pytest.mark.parametrize("depth", [10, 14, 18, 34, 50, 101, 152])
def test_the_size_of_the_output(depth: int, width: int) -> None:
    with torch.device("meta"):
        ours = resnet(depth=depth, width=width)
    out = ours(torch.empty(2, 3, 32, 32, device="meta"))
    assert out.is_meta
    assert out.shape == (2, width * (32 if depth in (14, 50, 101, 152) else 8))


def test_a_width_scales_every_layer() -> None:
    wide, plain = (resnet(depth=10, width=w, stem="imagenet").state_dict() for w in (32, 64))
    for key, value in plain.items():
        if value.ndim:
            halves = [n if n in (1, 3, 7) else n // 2 for n in value.shape]
            assert list(wide[key].shape) == halves, key


def test_other_widths_are_initialised_as_torchvisions() -> None:
    """He et al. 2015, arXiv:1502.01852: a variance of 2 / (channels out * kernel^2)."""
    for stem in ("imagenet", "small"):
        for name, p in resnet(depth=10, width=48, stem=stem).named_parameters():
            if p.ndim == 4:
                fan_out = p.shape[0] * p.shape[2] * p.shape[3]
                assert p.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1), name
                assert abs(p.mean().item()) < 0.1 * p.std().item() + 2e-3, name


@pytest.mark.parametrize("depth", [10, 14])
def test_zero_init_residual_starts_blocks_as_their_shortcuts(depth: int) -> None:
    last = "bn2" if depth == 10 else "bn3"
    for zero in (True, False):
        ours = resnet(depth=depth, width=8, zero_init_residual=zero)
        scales = {name: m.weight for name, m in ours.named_modules() if isinstance(m, nn.BatchNorm2d)}
        for name, scale in scales.items():
            assert torch.equal(scale, torch.full_like(scale, 0.0 if zero and name.endswith(last) else 1.0)), name
    block = resnet(depth=18, width=8, zero_init_residual=True).layer1[1]
    x = image(channels=8).relu()
    torch.testing.assert_close(block(x.clone()), x)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("stem", ["imagenet", "small"])
def test_channels(channels: int, stem: str) -> None:
    ours = resnet(channels=channels, depth=10, width=8, stem=stem)
    assert ours.conv1.weight.shape[1] == channels
    assert ours(image(channels=channels)).shape == (4, 64)


# -- stems ---------------------------------------------------------------------------------------------------


def test_the_small_stem_keeps_the_resolution() -> None:
    """SimCLR, appendix B.9: a 3x3 convolution of stride 1, no max-pool."""
    ours = resnet(depth=10, width=8, stem="small")
    conv = ours.conv1
    assert (conv.kernel_size, conv.stride, conv.padding, conv.bias) == ((3, 3), (1, 1), (1, 1), None)
    assert isinstance(ours.maxpool, nn.Identity)
    assert ours.maps(image())["layer4"].shape == (4, 64, 4, 4)


def test_the_imagenet_stem_divides_it_by_four() -> None:
    ours = resnet(depth=10, width=8, stem="imagenet")
    conv = ours.conv1
    assert (conv.kernel_size, conv.stride, conv.padding, conv.bias) == ((7, 7), (2, 2), (3, 3), None)
    assert ours.maps(image(size=64))["layer4"].shape == (4, 64, 2, 2)


@pytest.mark.parametrize(
    ("size", "small"),
    [(28, True), (32, True), (64, True), (95, True), (96, False), (224, False), ((95, 200), True), ((200, 95), True)],
)
def test_the_stem_that_auto_takes(size: int | tuple[int, int], small: bool) -> None:
    ours = resnet(size, depth=10, width=8)
    assert ours.conv1.stride == ((1, 1) if small else (2, 2))
    assert isinstance(ours.maxpool, nn.Identity) is small


def test_auto_waits_for_the_size_of_the_images() -> None:
    with pytest.raises(Unbound, match="h"):
        build(ResNet, sizes=Sizes({"c": 3}), depth=10, width=8)
    with pytest.raises(Unbound, match="c"):
        build(ResNet, sizes=Sizes({}), depth=10, width=8)
    assert build(ResNet, sizes=Sizes({"c": 3}), depth=10, width=8, stem="small")(image()).shape == (4, 64)


def test_images_of_any_size() -> None:
    ours = resnet(depth=10, width=8)
    for shape in [(4, 3, 32, 32), (2, 3, 17, 40), (3, 3, 1, 1)]:
        assert ours(torch.randn(shape)).shape == (shape[0], 64)


def test_the_output_is_the_mean_of_the_map() -> None:
    ours = resnet(depth=10, width=8)
    maps = copy.deepcopy(ours).maps(image())["layer4"]
    torch.testing.assert_close(ours(image()), maps.mean((2, 3)))


# -- maps ----------------------------------------------------------------------------------------------------


def test_maps_are_outputs_beside_the_vector() -> None:
    """Each is what its layer gives, as a hook sees it; the vector and the weights are those without maps."""
    alone, ours = resnet(depth=10, width=4), resnet(depth=10, width=4, maps=["layer4", "layer2"])
    assert list(ours.state_dict()) == list(alone.state_dict())
    assert all(torch.equal(v, ours.state_dict()[k]) for k, v in alone.state_dict().items())
    seen: dict[str, Tensor] = {}
    for name in ("layer2", "layer4"):
        alone.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    parts, vector = ours(image()), alone(image())
    assert parts._fields == ("vector", "layer4", "layer2")
    assert torch.equal(parts.vector, vector)
    assert torch.equal(parts.layer2, seen["layer2"])
    assert torch.equal(parts.layer4, seen["layer4"])
    assert (parts.layer2.shape, parts.layer4.shape) == ((4, 8, 16, 16), (4, 32, 4, 4))
    torch.testing.assert_close(pooled(parts), vector)


def test_ports_follow_the_maps() -> None:
    entry = find("encoder.resnet")
    assert [str(p) for p in entry.signature(entry.config(), {}).outputs] == ["[b d]"]
    ports = entry.signature(entry.config(maps=["layer3", "layer4"]), {}).outputs
    assert {p.name: str(p) for p in ports} == {"vector": "[b d]", "layer3": "[b c3 r3 k3]", "layer4": "[b c4 r4 k4]"}


def test_a_map_trains_the_layers_before_it() -> None:
    ours = resnet(depth=10, width=4, maps=["layer2"])
    ours(image()).layer2.square().sum().backward()
    assert ours.conv1.weight.grad.abs().sum() > 0
    assert ours.layer3[0].conv1.weight.grad is None


def test_a_target_gives_maps_too() -> None:
    """Also dealt out over the splits of its norms and put back: in eval mode the order can be seen."""
    online = resnet(depth=10, width=4, maps=["layer3"], norm={"use": "split_batch", "splits": 2})
    target = build(EMA, sources={"of": [online]}, of=["encoder"])
    for own in target.modules():
        if isinstance(own, SplitBatchNorm2d):
            own.eval()
    expected = copy.deepcopy(online).eval()(image())
    for ours, theirs in zip(target(image()), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert not ours.requires_grad


# -- norms ---------------------------------------------------------------------------------------------------


def norms(module: nn.Module) -> list[nn.Module]:
    kinds = (nn.BatchNorm2d, nn.GroupNorm)
    return [m for m in module.modules() if isinstance(m, kinds)]


@pytest.mark.parametrize(
    ("norm", "kind"),
    [
        ("batch", nn.BatchNorm2d),
        ({"use": "split_batch", "splits": 2}, SplitBatchNorm2d),
        ({"use": "group", "groups": 4}, nn.GroupNorm),
    ],
)
@pytest.mark.parametrize("depth", [10, 14])
def test_every_norm_is_of_the_kind(depth: int, norm: Any, kind: type[nn.Module]) -> None:
    ours = resnet(depth=depth, width=8, norm=norm)
    assert len(norms(ours)) == len(norms(resnet(depth=depth, width=8)))
    assert {type(m) for m in norms(ours)} == {kind}
    assert ours(image()).shape == (4, 64 if depth == 10 else 256)


def test_split_batch_is_one_network_for_each_part() -> None:
    ours = resnet(depth=10, width=8, norm={"use": "split_batch", "splits": 2}, zero_init_residual=False)
    other = resnet(depth=10, width=8, zero_init_residual=False)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in ours.state_dict().items())
    x = image(8)
    expected = torch.cat([copy.deepcopy(other)(part) for part in x.chunk(2)])
    torch.testing.assert_close(ours(x), expected, rtol=1e-4, atol=1e-5)
    assert int(ours.bn1.num_batches_tracked) == 1
    other.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours.eval()(x[:3]), other.eval()(x[:3]))


def test_group_norm_sees_each_image_by_itself() -> None:
    ours = resnet(depth=10, width=8, norm={"use": "group", "groups": 4}, zero_init_residual=False)
    x = image()
    torch.testing.assert_close(ours(x)[:1], ours(x[:1]), rtol=1e-4, atol=1e-5)


def test_a_batch_that_does_not_part() -> None:
    with torch.device("meta"):
        ours = resnet(depth=10, width=8, norm={"use": "split_batch", "splits": 3})
    with pytest.raises(ValueError, match="a batch of 16 does not part into 3 equal splits"):
        ours(torch.empty(16, 3, 32, 32, device="meta"))


def test_groups_that_do_not_divide_the_width() -> None:
    with pytest.raises(ValueError, match="8 channels do not part into 32 groups"):
        resnet(depth=10, width=8, norm="group")


# -- the framework's terms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        {"stem": "imagenet"},
        {"norm": {"use": "split_batch", "splits": 2}, "zero_init_residual": False},
        {"norm": {"use": "group", "groups": 2}},
        {"depth": 14},
        {"maps": ["layer4", "layer1"]},
    ],
    ids=str,
)
def test_contract(config: dict[str, Any]) -> None:
    check_component(ResNet, {"depth": 10, "width": 4, **config})


def test_channels_last_stays_and_changes_nothing() -> None:
    ours = resnet(depth=10, width=8, norm={"use": "split_batch", "splits": 2})
    last = copy.deepcopy(ours).to(memory_format=torch.channels_last)
    x = image(8).contiguous(memory_format=torch.channels_last)
    maps = last.maps(x)["layer4"]
    assert maps.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(maps, ours.maps(image(8))["layer4"], rtol=1e-4, atol=1e-4)


def test_a_build_on_the_meta_device_takes_no_memory() -> None:
    with torch.device("meta"):
        ours = resnet(224, depth=152, width=256)
    assert all(t.is_meta for t in (*ours.parameters(), *ours.buffers()))


@pytest.mark.parametrize(
    ("entries", "at", "message"),
    [
        ({"depth": 20}, ("depth",), "'depth' is 20, which is none of the choices"),
        ({"width": 0}, ("width",), "'width' is 0"),
        ({"stem": "cifar"}, ("stem",), "'stem' is 'cifar'"),
        ({"norm": "none"}, ("norm",), "'norm' is 'none'"),
        ({"norm": {"use": "split_batch", "split": 8}}, ("norm", "split"), "no key is called 'split'"),
        ({"layers": 3}, ("layers",), "no key is called 'layers'"),
        ({"maps": ["layer5"]}, ("maps", 0), "'layer5', which is none of the choices"),
        ({"maps": ["layer3", "layer3"]}, ("maps",), "a layer is named twice in layer3, layer3"),
    ],
)
def test_errors_in_a_file(entries: dict[str, Any], at: tuple[str, ...], message: str) -> None:
    _, wrong = validate(ResNet.Config, entries)
    (one,) = wrong
    assert one.path == at
    assert message in one.message


# -- each norm, in every mode --------------------------------------------------------------------------------

NORMS: list[Any] = ["batch", {"use": "split_batch", "splits": 2}, {"use": "group", "groups": 2}]
NORM_NAMES = "choices are batch, split_batch, group"


def gradients(y: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3)).to(y.dtype)
    return torch.autograd.grad((y * weights).sum(), leaves)


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize(("depth", "last"), [(10, "bn2"), (14, "bn3")])
def test_the_last_norm_of_a_block_starts_at_zero_whatever_its_kind(depth: int, last: str, norm: Any) -> None:
    for zero in (True, False):
        for name, module in resnet(depth=depth, width=4, norm=norm, zero_init_residual=zero).named_modules():
            if "Norm" in type(module).__name__:
                assert (module.weight == (0 if zero and name.endswith(last) else 1)).all(), name
    assert not ResNet.Config().zero_init_residual


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_a_batch_of_one_in_eval_mode(norm: Any) -> None:
    ours = resnet(depth=10, width=4, norm=norm, zero_init_residual=False)
    ours(image())
    with torch.no_grad():
        rows = ours.eval()(image())
        torch.testing.assert_close(torch.cat([ours(row[None]) for row in image()]), rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(norm: Any, dtype: torch.dtype) -> None:
    ours = resnet(depth=10, width=4, norm=norm)
    expected = copy.deepcopy(ours)(image())
    with torch.autocast("cpu", dtype):
        y = ours(image().to(dtype))
    torch.testing.assert_close(y.float(), expected, rtol=0.1, atol=0.1)
    assert all(g.isfinite().all() for g in gradients(y.float(), list(ours.parameters())))
    assert all(p.dtype == torch.float32 for p in ours.parameters())


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_compiled_it_computes_the_same(norm: Any) -> None:
    torch._dynamo.reset()
    ours = resnet(depth=10, width=4, norm=norm, zero_init_residual=False).double()
    other, x = copy.deepcopy(ours), image(size=16).double().requires_grad_()
    y, expected = torch.compile(ours, fullgraph=True, backend="aot_eager")(x), other(x)
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-10)
    one, two = gradients(y, [x, *ours.parameters()]), gradients(expected, [x, *other.parameters()])
    torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(dict(ours.named_buffers()), dict(other.named_buffers()), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_on_the_meta_device_it_has_the_real_shapes(norm: Any, channels: int) -> None:
    real = resnet(channels=channels, depth=10, width=4, norm=norm)
    with torch.device("meta"):
        ours = resnet(channels=channels, depth=10, width=4, norm=norm)
        y = ours(torch.empty(4, channels, 32, 32))
    assert y.is_meta
    assert y.shape == real(image(channels=channels)).shape
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in real.state_dict().items()}


# -- edges of the choices ------------------------------------------------------------------------------------


def test_group_norm_of_few_channels() -> None:
    assert resnet(depth=10, width=4, norm={"use": "group", "groups": 4})(image(1)).shape == (1, 32)
    assert resnet(depth=10, width=32, norm="group")(image(1)).shape == (1, 256)
    with pytest.raises(ValueError, match="48 channels do not part into 32 groups: give norm a number that divides"):
        resnet(depth=10, width=48, norm="group")


@pytest.mark.parametrize("width", [64, 8])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("stem", "px", "small"), [("small", 224, True), ("imagenet", 8, False)])
def test_a_stem_that_is_given_is_taken_at_any_size(stem: str, px: int, small: bool, channels: int, width: int) -> None:
    with torch.device("meta"):
        ours = resnet(px, channels, depth=10, width=width, stem=stem)
    assert ours.conv1.weight.shape == (width, channels, *((3, 3) if small else (7, 7)))
    assert ours.conv1.stride == ((1, 1) if small else (2, 2))
    assert isinstance(ours.maxpool, nn.Identity) is small
    if not small:
        assert (ours.maxpool.kernel_size, ours.maxpool.stride, ours.maxpool.padding) == (3, 2, 1)


@pytest.mark.parametrize("depth", [10, 14, 18, 34, 50, 101, 152])
def test_the_depth_counts_layers_as_torchvision_does(depth: int) -> None:
    """Convolutions that are not shortcuts, and the classifier."""
    with torch.device("meta"):
        ours = resnet(depth=depth)
    assert sum(isinstance(m, nn.Conv2d) and "downsample" not in n for n, m in ours.named_modules()) + 1 == depth


def test_torchvisions_weights_in_ours() -> None:
    ours, other = resnet(depth=18, stem="imagenet"), theirs(18)
    for i, tensor in enumerate(t for t in other.state_dict().values() if t.is_floating_point()):
        nn.init.uniform_(tensor, 0.01, 0.02 + 1e-4 * i)
    loaded = ours.load_state_dict(other.state_dict(), strict=False)
    assert (loaded.missing_keys, loaded.unexpected_keys) == ([], ["fc.weight", "fc.bias"])
    other.fc = nn.Identity()
    assert torch.equal(ours.eval()(image(size=64)), other.eval()(image(size=64)))


@pytest.mark.parametrize(
    ("entries", "hint"),
    [
        ({"widht": 32}, "did you mean 'width'?"),
        ({"depth": 19}, "choices are 10, 14, 18, 34, 50, 101, 152"),
        ({"stem": "cifar"}, "choices are auto, imagenet, small"),
        ({"norm": "bach"}, "did you mean 'batch'?"),
        ({"norm": "none"}, NORM_NAMES),
        ({"norm": {"use": "grop"}}, "did you mean 'group'?"),
        ({"norm": {"use": "layer"}}, NORM_NAMES),
        ({"norm": {"use": "group", "group": 8}}, "did you mean 'groups'?"),
        ({"norm": {"use": "batch", "splits": 4}}, "keys are use"),
    ],
    ids=str,
)
def test_hints(entries: dict[str, Any], hint: str) -> None:
    assert [w.hint for w in validate(ResNet.Config, entries)[1]] == [hint]


@pytest.mark.parametrize(
    "norm", [{"use": "split_batch", "splits": 0}, {"use": "group", "groups": -1}, {"groups": 8}, 3]
)
def test_norms_that_are_refused(norm: Any) -> None:
    node, problems = validate(ResNet.Config, {"norm": norm})
    assert node is None
    assert len(problems) == 1
    assert problems[0].path[0] == "norm"


def test_a_stem_of_another_width_than_the_layers() -> None:
    """CMC's half networks (its models/resnet.py): a stem of 64 channels, layers of 32, 64, 128 and 256."""
    torch.manual_seed(0)
    with torch.device("meta"):
        ours = build(ResNet, sizes=Sizes({"c": 2, "h": 224, "w": 224}), depth=50, width=32, stem_width=64)
    assert ours.conv1.weight.shape == (64, 2, 7, 7)
    assert ours.bn1.weight.shape == (64,)
    assert ours.layer1[0].conv1.weight.shape == (32, 64, 1, 1)
    assert ours.layer1[0].downsample[0].weight.shape == (128, 64, 1, 1)
    assert ours(torch.empty(2, 2, 224, 224, device="meta")).shape == (2, 1024)
    with torch.device("meta"):
        shallow = build(ResNet, sizes=Sizes({"c": 1, "h": 32, "w": 32}), depth=18, width=32, stem_width=64)
    assert shallow.layer1[0].conv1.weight.shape == (32, 64, 3, 3)
    assert shallow.layer1[0].downsample[0].weight.shape == (32, 64, 1, 1)  # 64 channels do not fit 32


@pytest.mark.parametrize("width", [16, 64])
def test_the_stem_is_as_wide_as_the_first_layer_unless_said(width: int) -> None:
    torch.manual_seed(0)
    plain = build(ResNet, sizes=Sizes({"c": 3, "h": 32, "w": 32}), depth=10, width=width)
    torch.manual_seed(0)
    said = build(ResNet, sizes=Sizes({"c": 3, "h": 32, "w": 32}), depth=10, width=width, stem_width=width)
    assert all(torch.equal(v, said.state_dict()[k]) for k, v in plain.state_dict().items())
