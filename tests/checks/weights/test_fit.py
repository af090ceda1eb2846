"""What is missing, unexpected, of another shape, left out and changed: strict unless something is asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphssl.checks.weights.fit import Fit, fit, grouped
from graphssl.checks.weights.refusal import Refused
from graphssl.graph.spec.weights import Weights

OWN = {"conv1.weight": (4, 3, 3, 3), "bn1.weight": (4,), "bn1.num_batches_tracked": (), "layer1.0.weight": (4, 4)}


def state(**changes: tuple[int, ...] | None) -> dict[str, Tensor]:
    shapes = {**OWN, **{name.replace("__", "."): shape for name, shape in changes.items()}}
    return {name: torch.ones(shape) for name, shape in shapes.items() if shape is not None}


def fitted(tensors: dict[str, Tensor], **options: Any) -> Fit:
    return fit("encoder", OWN, {"": tensors}, Weights.model_validate({"file": "x.pt", **options}))


def test_all_of_it() -> None:
    found = fitted(state())
    assert found.fits
    assert [*found.loaded] == [*OWN]
    assert [*found.kept, *found.others, *found.ignored, *found.changed] == []


def test_what_is_missing() -> None:
    tensors = state(layer1__0__weight=None, bn1__num_batches_tracked=None)
    found = fitted(tensors)
    assert (found.fits, found.missing, found.kept) == (False, ["layer1.0.weight"], ["bn1.num_batches_tracked"])
    for options in ({"missing": ["layer1.*"]}, {"strict": False}):
        found = fitted(tensors, **options)
        assert (found.fits, sorted(found.kept)) == (True, ["bn1.num_batches_tracked", "layer1.0.weight"])
    assert not fitted(tensors, missing=["layer2.*"]).fits


def test_what_is_unexpected() -> None:
    tensors = state(extra__weight=(3,))
    assert fitted(tensors).unexpected == ["extra.weight"]
    assert not fitted(tensors).fits
    for options in ({"ignore": ["extra*"]}, {"strict": False}):
        found = fitted(tensors, **options)
        assert (found.fits, found.ignored, found.unexpected) == (True, ["extra.weight"], [])


def test_another_shape() -> None:
    tensors = state(conv1__weight=(4, 3, 7, 7))
    assert fitted(tensors).refused == {"conv1.weight": ((4, 3, 3, 3), (4, 3, 7, 7))}
    for options in ({"missing": ["conv1.weight"]}, {"strict": False}):
        found = fitted(tensors, **options)
        assert (found.fits, found.kept, "conv1.weight" in found.loaded) == (True, ["conv1.weight"], False)
    assert not fitted(tensors, ignore=["conv1.weight"]).fits


def test_a_classifier_is_another_part_and_said() -> None:
    found = fitted(state(fc__weight=(10, 4), fc__bias=(10,)))
    assert (found.fits, found.others) == (True, ["fc.weight", "fc.bias"])


def test_a_prefix_is_in_whole_words() -> None:
    found = fitted(
        {f"net.my{name}": value for name, value in state().items()} | {"net.conv1.weight": torch.ones(4, 3, 3, 3)}
    )
    assert found.place.prefix == "net."
    assert set(found.unexpected) == {f"net.my{name}" for name in OWN}


@pytest.mark.parametrize("prefix", ["module.net.", "module.net"])
def test_a_prefix_that_is_given(prefix: str) -> None:
    twice = {f"{start}.net.{name}": value for start in ("module", "other") for name, value in state().items()}
    with pytest.raises(Refused, match=r"module\.net\.\*, other\.net\.\*"):
        fitted(twice)
    found = fitted(twice, prefix=prefix)
    assert (found.fits, found.place.prefix, len(found.others)) == (True, "module.net.", len(OWN))


def test_a_prefix_that_nothing_has() -> None:
    tensors = {f"module.net.{name}": value for name, value in state().items()}
    with pytest.raises(Refused, match=r"begins with 'modul\.net\.'") as refused:
        fitted(tensors, prefix="modul.net.")
    assert (refused.value.hint, refused.value.key) == ("did you mean 'module.net.'?", "prefix")


def test_another_network_altogether() -> None:
    with pytest.raises(Refused, match="none of its names") as refused:
        fitted({"a.b": torch.ones(2), "c.d": torch.ones(2)})
    assert (
        refused.value.hint
        == "the node has conv1.weight, bn1.weight, bn1.num_batches_tracked, ...; the file has a.b, c.d"
    )


@pytest.mark.parametrize(("side", "new"), [(7, 4), (4, 7)])
@pytest.mark.parametrize("extra", [0, 1, 2])
def test_position_embeddings_of_another_grid(side: int, new: int, extra: int) -> None:
    own = {"encoder.pos_embedding": (1, new**2 + extra, 8), "class_token": (1, 1, 8)}
    known = torch.randn(1, side**2 + extra, 8)
    tables = {"": {"encoder.pos_embedding": known, "class_token": torch.ones(1, 1, 8)}}
    refused = fit("encoder", own, tables, Weights.model_validate({"file": "x.pt"}))
    assert list(refused.refused) == ["encoder.pos_embedding"]
    found = fit("encoder", own, tables, Weights.model_validate({"file": "x.pt", "interpolate": True}))
    assert found.fits
    node = nn.ParameterDict({"class_token": nn.Parameter(torch.zeros(1, 1, 8))})
    node.register_module(
        "encoder", nn.ParameterDict({"pos_embedding": nn.Parameter(torch.zeros(own["encoder.pos_embedding"]))})
    )
    found.load(node, tables)
    made = node.state_dict()["encoder.pos_embedding"]
    grid = known[0, extra:].T.reshape(1, 8, side, side)
    expected = functional.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)[0].reshape(8, -1).T
    assert torch.equal(made[0, :extra], known[0, :extra])
    assert torch.allclose(made[0, extra:], expected, atol=1e-6)


def test_half_precision_is_widened() -> None:
    module = nn.Linear(2, 2)
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    tables = {"": {name: torch.full(shape, 0.5).half() for name, shape in own.items()}}
    fit("head", own, tables, Weights.model_validate({"file": "x.pt"})).load(module, tables)
    assert module.weight.dtype == torch.float32
    assert module.weight.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_names_in_a_line() -> None:
    assert grouped(["a.b", "c"]) == "a.b, c"
    many = [f"net.layer{i}.{j}.weight" for i in (1, 2) for j in range(3)]
    assert grouped(many) == "net.layer1.* (3), net.layer2.* (3)"
    assert grouped([*many, "fc"]) == "net.* (6), fc"
