"""The field's released checkpoints, by the names that their authors' code writes: each loads by a line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet, vision_transformer

from graphssl.checks.weights.files import read_tables, tables_in
from graphssl.checks.weights.fit import Fit, fit
from graphssl.checks.weights.refusal import Refused
from graphssl.component import Sizes, build, find
from graphssl.graph.spec.weights import Weights

IMAGES = Sizes({"c": 3, "h": 96, "w": 96})


def small_resnet(**changes: Any) -> nn.Module:
    """With torchvision's names and bottlenecks as in a ResNet-50, at a width that is quickly made."""
    config = {"depth": 14, "width": 64, "stem": "imagenet", **changes}
    return build(find("encoder.resnet"), None, IMAGES, **config)


def small_vit(side: int = 32) -> nn.Module:
    sizes = Sizes({"c": 3, "h": side, "w": side})
    return build(find("encoder.vit"), None, sizes, patch=8, dim=24, depth=2, heads=3)


def head(d: int, **config: Any) -> nn.Module:
    return build(find("head.mlp"), None, Sizes({"d": d}), **config)


def drawn(module: nn.Module, seed: int) -> dict[str, Tensor]:
    """Other numbers for every name of a state."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value + seed
        for name, value in module.state_dict().items()
    }


def under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


class Mlp(nn.Sequential):
    """Linear, batch norm and ReLU as the authors' heads have them."""

    def __init__(self, *sizes: int, bias: bool = False, last: str = "plain") -> None:
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            ends = i == len(sizes) - 2
            layers.append(nn.Linear(a, b, bias=bias if not ends else last == "bias"))
            if not ends:
                layers += [nn.BatchNorm1d(b), nn.ReLU()]
            elif last == "norm":
                layers.append(nn.BatchNorm1d(b, affine=False))
        super().__init__(*layers)


def backbone(seed: int) -> dict[str, Tensor]:
    return drawn(resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1]).requires_grad_(False), seed)


def without_fc(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


class TimmBlock(nn.Module):
    """timm's block, of which only the names count."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(d, 3 * d), "proj": nn.Linear(d, d)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(d, 4 * d), "fc2": nn.Linear(4 * d, d)})


class TimmViT(nn.Module):
    """timm's vision transformer's names: cls_token, pos_embed, patch_embed.proj, blocks.0.norm1, ..., norm."""

    def __init__(self, d: int = 24, tokens: int = 17, patch: int = 8, depth: int = 2) -> None:
        super().__init__()
        self.cls_token, self.pos_embed = nn.Parameter(torch.zeros(1, 1, d)), nn.Parameter(torch.zeros(1, tokens, d))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, d, patch, patch)})
        self.blocks = nn.ModuleList([TimmBlock(d) for _ in range(depth)])
        self.norm = nn.LayerNorm(d)


Checkpoint = Callable[[], tuple[dict[str, Any], Mapping[str, Tensor]]]  # and what of it the node is to have


def moco() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    queries, keys = backbone(1), backbone(2)
    fc = drawn(nn.Sequential(nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 128)), 3)
    state = under("module.encoder_q.", without_fc(queries) | under("fc.", fc))
    state |= under("module.encoder_k.", without_fc(keys) | under("fc.", drawn(nn.Linear(3, 3), 1)))
    state |= {"module.queue": torch.rand(128, 16), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    optimizer = {"state": {0: {"momentum_buffer": torch.rand(3)}}, "param_groups": [{"lr": 0.03, "params": [0]}]}
    return {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": optimizer}, without_fc(queries)


def moco_v3_resnet() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    base, momentum = backbone(1), backbone(2)
    fc = drawn(Mlp(2048, 64, 16, last="norm"), 3)
    state = under("module.base_encoder.", without_fc(base) | under("fc.", fc))
    state |= under("module.momentum_encoder.", without_fc(momentum) | under("fc.", fc))
    state |= under("module.predictor.", drawn(Mlp(16, 64, 16), 4))
    return {"epoch": 300, "state_dict": state}, without_fc(base)


def simsiam() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    base = backbone(1)
    state = under("module.encoder.", without_fc(base) | under("fc.", drawn(Mlp(2048, 2048, 64, last="norm"), 3)))
    state |= under("module.predictor.", drawn(Mlp(64, 16, 64, last="bias"), 4))
    return {"epoch": 100, "arch": "resnet50", "state_dict": state}, without_fc(base)


def swav_hub() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    base = backbone(1)
    state = without_fc(base) | under("projection_head.", drawn(Mlp(2048, 64, 16, bias=True, last="bias"), 3))
    return under("module.", state | {"prototypes.weight": torch.rand(30, 16)}), without_fc(base)


def swav() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    state, base = swav_hub()
    return {"epoch": 800, "state_dict": state}, base


def barlow_hub() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    return without_fc(backbone(1)), without_fc(backbone(1))


def barlow() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    base = without_fc(backbone(1))
    state = under("module.backbone.", base) | under("module.projector.", drawn(Mlp(2048, 64, 64, 64), 3))
    state |= under("module.bn.", drawn(nn.BatchNorm1d(64, affine=False), 4))
    return {"epoch": 1000, "model": state, "optimizer": {"param_groups": []}}, base


def vicreg() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    base = without_fc(backbone(1))
    state = under("module.backbone.", base) | under("module.projector.", drawn(Mlp(2048, 64, 64, bias=True), 3))
    return {"epoch": 1000, "model": state}, base


def dino_resnet() -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    student, teacher = without_fc(backbone(1)), without_fc(backbone(2))
    return dino_of(student, teacher), teacher


def dino_of(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> dict[str, Any]:
    """The student inside of DistributedDataParallel, the teacher outside."""
    mlp = drawn(nn.Sequential(nn.Linear(24, 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 16)), 5)
    last = {"weight_g": torch.ones(40, 1), "weight_v": torch.rand(40, 16)}
    heads = under("head.mlp.", mlp) | under("head.last_layer.", last)
    return {
        "student": under("module.", under("backbone.", student) | heads),
        "teacher": under("backbone.", teacher) | heads,
        "optimizer": {"state": {}}, "epoch": 100, "dino_loss": {"center": torch.rand(1, 40)},
    }  # fmt: skip


RESNETS = [
    (moco, "MoCo"), (moco_v3_resnet, "MoCo v3"), (simsiam, "SimSiam"), (swav_hub, "SwAV"), (swav, "SwAV"),
    (barlow_hub, None), (barlow, "Barlow Twins or VICReg"), (vicreg, "Barlow Twins or VICReg"), (dino_resnet, "DINO"),
]  # fmt: skip


def fitted(module: nn.Module, checkpoint: object, **options: Any) -> Fit:
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = fit("node", own, tables_in(checkpoint), Weights.model_validate({"file": "x.pth", **options}))
    if found.fits:
        found.load(module, tables_in(checkpoint))
    return found


@pytest.mark.parametrize(("checkpoint", "format"), RESNETS, ids=[c.__name__ for c, _ in RESNETS])
def test_a_resnet_takes_them(checkpoint: Checkpoint, format: str | None, tmp_path: Path) -> None:
    content, expected = checkpoint()
    torch.save(content, tmp_path / "it.pth.tar")
    module = small_resnet()
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    tables = read_tables(tmp_path / "it.pth.tar")
    found = fit("node", own, tables, Weights.model_validate({"file": "it.pth.tar"}))
    assert (found.fits, found.format) == (True, format)
    assert not found.kept
    assert not found.ignored
    found.load(module, tables)
    state = module.state_dict()
    assert {*state} == {*expected}
    assert all(torch.equal(state[name], expected[name]) for name in state)
    named = [*found.loaded, *found.others]
    assert len(named) == len(set(named)) == sum(len(t) for p, t in tables.items() if p == found.place.table)


def test_the_other_network_is_an_option() -> None:
    module = small_resnet()
    content, queries = moco()
    keys = without_fc(backbone(2))
    assert fitted(module, content, network="momentum").place.prefix == "module.encoder_k."
    assert all(torch.equal(v, keys[k]) for k, v in module.state_dict().items())
    fitted(module, content, prefix="module.encoder_q.")
    assert all(torch.equal(v, queries[k]) for k, v in module.state_dict().items())
    content, teacher = dino_resnet()
    assert fitted(module, content).place.table == "teacher"
    assert fitted(module, content, network="online").place.table == "student"
    assert not torch.equal(module.state_dict()["conv1.weight"], teacher["conv1.weight"])


@pytest.mark.parametrize("full", [False, True], ids=["hub", "full"])
def test_a_vit_takes_dinos(full: bool) -> None:
    module, student, teacher = small_vit(), drawn(TimmViT(), 1), drawn(TimmViT(), 2)
    found = fitted(module, dino_of(student, teacher) if full else teacher)
    assert found.fits
    assert found.place.spelling.said == "timm's"
    assert_same_vit(module.state_dict(), teacher)


def test_a_vit_takes_moco_v3s() -> None:
    module, base, momentum = small_vit(), drawn(TimmViT(), 1), drawn(TimmViT(), 2)
    projector = drawn(Mlp(24, 32, 32, 16, last="norm"), 3)
    state = under("module.base_encoder.", base | under("head.", projector))
    state |= under("module.momentum_encoder.", momentum | under("head.", projector))
    state |= under("module.predictor.", drawn(Mlp(16, 32, 16, last="norm"), 4))
    found = fitted(module, {"state_dict": state})
    assert found.fits
    assert found.place.prefix == "module.base_encoder."
    assert_same_vit(module.state_dict(), base)


def assert_same_vit(state: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    block = "encoder.layers.encoder_layer_1"
    for ours, name in {
        "class_token": "cls_token", "encoder.pos_embedding": "pos_embed", "conv_proj.weight": "patch_embed.proj.weight",
        "conv_proj.bias": "patch_embed.proj.bias", "encoder.ln.weight": "norm.weight", "encoder.ln.bias": "norm.bias",
        f"{block}.ln_1.weight": "blocks.1.norm1.weight", f"{block}.ln_2.bias": "blocks.1.norm2.bias",
        f"{block}.self_attention.in_proj_weight": "blocks.1.attn.qkv.weight",
        f"{block}.self_attention.in_proj_bias": "blocks.1.attn.qkv.bias",
        f"{block}.self_attention.out_proj.weight": "blocks.1.attn.proj.weight",
        f"{block}.mlp.0.weight": "blocks.1.mlp.fc1.weight", f"{block}.mlp.3.bias": "blocks.1.mlp.fc2.bias",
    }.items():  # fmt: skip
        assert torch.equal(state[ours], theirs[name]), ours


def test_a_timm_vit_gives_the_same_features() -> None:
    """The names are right where the features are."""
    timm = pytest.importorskip("timm")
    theirs = timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn_like(parameter) / 4)
    module = small_vit().eval()
    found = fitted(module, theirs.state_dict())
    assert found.fits
    assert list(found.others) == ["head.weight", "head.bias"]
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(module(images), theirs.forward_head(theirs.forward_features(images), True), atol=1e-4)
    fresh = timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=0
    )  # fmt: skip
    again = fitted(fresh, module.state_dict())  # and the other way round
    assert (again.fits, again.place.spelling.said) == (True, "torchvision's")
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in fresh.state_dict().items())


def test_torchvisions_own_vit_and_its_classifier() -> None:
    theirs = vision_transformer.VisionTransformer(32, 8, 2, 3, 24, 96, num_classes=7)
    found = fitted(small_vit(), theirs.state_dict())
    assert found.fits
    assert list(found.others) == ["heads.head.weight", "heads.head.bias"]


def test_a_resnet_in_a_sequence() -> None:
    """lightly's: nn.Sequential of all children but the last."""
    theirs = resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1])
    sequence = nn.Sequential(*list(theirs.children())[:-1])
    module = small_resnet()
    found = fitted(module, {"state_dict": under("backbone.", sequence.state_dict())})
    assert (found.fits, found.place.spelling.said) == (True, "a sequence's")
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in module.state_dict().items())


# -- heads ----------------------------------------------------------------------------------------------------------


def test_heads_are_parts_of_their_own() -> None:
    projector = head(2048, hidden=2048, out=128, norm="none")
    content, _ = moco()
    assert fitted(projector, content).place.prefix == "module.encoder_q.fc."
    assert torch.equal(projector.state_dict()["layers.2.weight"], content["state_dict"]["module.encoder_q.fc.2.weight"])
    predictor = head(64, hidden=16, out=64)
    content, _ = simsiam()
    assert fitted(predictor, content, part="predictor").fits
    assert torch.equal(predictor.state_dict()["layers.3.bias"], content["state_dict"]["module.predictor.3.bias"])


def test_a_linear_head_of_moco_v1() -> None:
    state = under("module.encoder_q.", backbone(1)) | under("module.encoder_k.", backbone(2))
    module = head(2048, layers=1, out=1000)
    assert fitted(module, {"state_dict": state}).place.prefix == "module.encoder_q.fc."
    assert torch.equal(module.state_dict()["layers.0.weight"], state["module.encoder_q.fc.weight"])


def test_a_bias_before_a_norm_is_taken_off_its_mean() -> None:
    theirs = Mlp(20, 12, 6, bias=True, last="bias").eval()
    theirs.load_state_dict(drawn(theirs, 1))
    module = head(20, hidden=12, out=6).eval()
    found = fitted(module, {"state_dict": under("module.projection_head.", theirs.state_dict())})
    assert found.fits
    assert list(found.changed) == ["layers.1.running_mean"]
    x = torch.rand(5, 20)
    with torch.no_grad():
        assert torch.allclose(module(x), theirs(x), atol=1e-6)
        assert torch.allclose(module.train()(x), theirs.train()(x), atol=1e-5)


def test_prototypes() -> None:
    module = build(find("head.prototypes"), None, Sizes({"d": 16}), count=40)
    content = dino_of({}, {})
    assert fitted(module, content, part="prototypes").place.table == "teacher"
    assert torch.equal(module.state_dict()["weight"], content["teacher"]["head.last_layer.weight_v"])
    swav_head = build(find("head.prototypes"), None, Sizes({"d": 16}), count=30)
    content, _ = swav()
    assert fitted(swav_head, content).place.prefix == "module.prototypes."


def test_two_heads_that_are_alike_are_not_chosen_from() -> None:
    module = head(16, hidden=64, out=16)
    state = drawn(Mlp(16, 64, 16, last="bias"), 1)
    both = under("module.projector.", state) | under("module.predictor.", state)
    with pytest.raises(Refused, match=r"module\.predictor\.\* of 'model'") as refused:
        fitted(module, {"model": both})
    assert "part: projector" in str(refused.value.hint)
    assert fitted(module, {"model": both}, part="predictor").place.prefix == "module.predictor."


@pytest.mark.parametrize("given", ["DINO's", "torchvision's"])
def test_a_timm_encoder_takes_them_too(given: str) -> None:
    pytest.importorskip("timm")
    options = {"embed_dim": 24, "depth": 2, "num_heads": 3, "patch_size": 8}
    sizes = Sizes({"c": 3, "h": 32, "w": 32})
    module = build(find("encoder.timm"), None, sizes, name="vit_tiny_patch16_224", options=options)
    theirs = drawn(TimmViT() if given == "DINO's" else small_vit(), 1)
    content = dino_of(theirs, theirs) if given == "DINO's" else theirs
    found = fitted(module, content)
    assert found.fits
    assert not found.kept
    name = "pos_embed" if given == "DINO's" else "encoder.pos_embedding"
    assert torch.equal(module.state_dict()["pos_embed"], theirs[name])
