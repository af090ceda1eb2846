"""Whether the tensors that a node is to start with are numbers that it can have: real, dense, finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .fit import Fit, grouped
from .refusal import Refused

__all__ = ["refuse_unusable"]


def refuse_unusable(fits: Fit, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Raises Refused, with the names of the file, where what is loaded of it is no weights, or not finite.

    own: the node's state, on any device. tensors: those of the file, with their values.
    """
    wrong: dict[str, list[str]] = {}
    for mine in fits.loaded:
        for theirs in fits.of_file(mine):
            if (what := _fault(tensors[theirs], own[mine])) is not None:
                wrong.setdefault(what, []).append(theirs)
    if wrong:
        text = "; ".join(
            f"{grouped(names)} {'is' if len(names) == 1 else 'are'} {what}" for what, names in wrong.items()
        )
        raise Refused(text, "weights are dense, finite floats; the file is to be written anew, or another taken")


def _fault(tensor: Tensor, own: Tensor) -> str | None:
    """What is wrong with a tensor that one of the node's own is to become."""
    if (kind := next(_kinds(tensor), None)) is not None:
        return kind
    if (own.is_floating_point() and not tensor.is_floating_point()) or tensor.is_complex():
        return f"{str(tensor.dtype).removeprefix('torch.')}, and no floats"
    if not tensor.is_floating_point():
        return None
    if bool(torch.isfinite(tensor.to(torch.float64) if tensor.element_size() == 1 else tensor).all()):
        fits = not own.is_floating_point() or bool(torch.isfinite(tensor.to(own.dtype)).all())
        return None if fits else f"beyond what {str(own.dtype).removeprefix('torch.')} can hold"
    return "not finite: it holds nan" if bool(torch.isnan(tensor).any()) else "not finite: it holds inf"


def _kinds(tensor: Tensor) -> Iterator[str]:
    """What is no plain tensor with values."""
    if tensor.is_meta:
        yield "without values, of the meta device"
    if tensor.is_quantized:
        yield f"quantized ({str(tensor.dtype).removeprefix('torch.')})"
    if tensor.layout != torch.strided:
        yield f"sparse ({str(tensor.layout).removeprefix('torch.')})"
