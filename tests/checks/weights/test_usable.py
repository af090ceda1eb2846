"""Tensors of a file that are no weights, or not finite, are refused by their names before a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from graphssl.checks.weights.fit import fit
from graphssl.checks.weights.refusal import Refused
from graphssl.checks.weights.usable import refuse_unusable
from graphssl.graph.spec.weights import Weights

OWN = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
BAD: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "int64": ("int64, and no floats", lambda t: t.long()),
    "bool": ("bool, and no floats", lambda t: t > 0),
    "complex": ("complex64, and no floats", lambda t: t + 1j),
    "sparse": ("sparse", lambda t: t.to_sparse()),
    "meta": ("without values", lambda t: t.to("meta")),
    "quantized": ("quantized", lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8)),
    "nan": ("it holds nan", lambda t: t.index_fill(0, torch.tensor(0), float("nan"))),
    "inf": ("it holds inf", lambda t: t.index_fill(0, torch.tensor(0), float("inf"))),
    "overflow": ("beyond what float32", lambda t: t.double().fill_(1e300)),
}


def refused(state: dict[str, Tensor], strict: bool = True) -> None:
    own = {name: tuple(value.shape) for name, value in OWN.state_dict().items()}
    weights = Weights.model_validate({"file": "it.pt", "strict": strict})
    refuse_unusable(fit("it", own, {"": state}, weights), OWN.state_dict(), state)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize("strict", [True, False], ids=str)
@pytest.mark.parametrize("what", BAD)
def test_what_is_no_weight_is_refused_by_name(what: str, strict: bool) -> None:
    state = OWN.state_dict()
    said, change = BAD[what]
    state["0.weight"] = change(state["0.weight"])
    with pytest.raises(Refused, match=rf"^0\.weight is .*{said}"):
        refused(state, strict)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_floats_of_any_width_are_weights_and_counters_are_whole_numbers(dtype: torch.dtype) -> None:
    refused({n: v.to(dtype) if v.is_floating_point() else v for n, v in OWN.state_dict().items()})


def test_what_is_not_loaded_is_not_looked_at() -> None:
    own = {name: tuple(value.shape) for name, value in OWN.state_dict().items()}
    state = OWN.state_dict() | {"queue": torch.full((2,), float("nan")), "pointer": torch.tensor(3)}
    weights = Weights.model_validate({"file": "it.pt", "ignore": ["queue", "pointer"]})
    refuse_unusable(fit("it", own, {"": state}, weights), OWN.state_dict(), state)
